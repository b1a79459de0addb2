// Against ICE-lite, as Meta is (META-SIP §6.1, §6.2): we control, begin, choose once, and check before we choose. The stand-in's STUN is werift's.
import t from 'tap';
import type { IceAgent } from '../../../lib/media/ice/index.js';
import { hostCandidate } from '../../../lib/media/ice/index.js';
import { writeStun } from '../../../lib/media/ice/stun.js';
import { IceLite } from '../../../lib/simulator/media/iceLite.js';
import { A4, A6, B4, B6, IceEnd, IceNet } from '../../helpers/iceNet.js';

/** An agent of ours and a lite one with an address of each family. */
function lite(net: IceNet, controlling = true, ours = [A4, A6]): { end: IceEnd; agent: IceAgent; other: IceLite; nominated: string[]; begin: () => void } {
  const end = new IceEnd(net, controlling, ours, 3);
  const nominated: string[] = [];
  let at = B4;
  const other = new IceLite({ send: (bytes, to) => { net.send(bytes, at, to); }, nominated: ({ address }) => { nominated.push(address); }, fault: () => undefined });
  other.expect(end.credentials.ufrag);
  for (const socket of [B4, B6]) net.open(socket, ({ bytes, from }) => { at = socket; other.receive(bytes, { ...from }); });
  const begin = (): void => {
    end.agent.setRemote({ ufrag: other.ufrag, pwd: other.pwd, lite: true, candidates: [B4, B6].map(hostCandidate) });
    end.agent.start(net.now);
  };
  return { end, agent: end.agent, other, nominated, begin };
}

t.test('two round trips: a check at once, the nomination when it is answered', async (t) => {
  for (const controlling of [true, false]) {
    const net = new IceNet();
    net.path = () => [40];
    const { end, agent, other, nominated, begin } = lite(net, controlling);
    begin();
    t.ok(net.run(500, () => end.isConnected));
    t.ok(net.now - 1000 <= 165, `connected after ${net.now - 1000} ms of round trips of 80`);
    t.equal(agent.controlling, true, 'whatever the role to begin with');
    net.run(60_000);
    t.same([nominated, other.report().faults, other.report().nominations], [[A6.address], [], 1]);
    t.same(agent.selectedPair, B6);
    t.same(end.selected.length, 1);
  }
});

t.test('one family of ours: only its candidates are checked', async (t) => {
  const net = new IceNet();
  const { end, agent, begin } = lite(net, true, [A4]);
  begin();
  t.ok(net.run(20, () => end.isConnected));
  net.run(1000);
  t.same(agent.selectedPair, B4);
  t.ok(net.sent.every(({ to }) => to.address !== B6.address));
});

t.test('the better family is dead: the other within 200 ms', async (t) => {
  const net = new IceNet();
  net.path = ({ to }) => (to.address === B6.address ? [] : [15]);
  const { end, agent, nominated, begin } = lite(net);
  begin();
  t.ok(net.run(200, () => end.isConnected));
  t.same([agent.selectedPair, nominated], [B4, [A4.address]]);
  net.run(10_000);
  t.equal(end.selected.length, 1, 'and no other later');
});

t.test('lost packets cost 50, 100, 200 ms', async (t) => {
  for (const [lost, within] of [[1, 55], [2, 155], [3, 355], [4, 755]] as const) {
    const net = new IceNet();
    let left = lost;
    net.path = ({ to }) => (to.port === B4.port && left-- > 0 ? [] : [1]);
    const { end, begin } = lite(net, true, [A4]);
    begin();
    t.ok(net.run(within + 5, () => end.isConnected), `${lost} lost: ${net.now - 1000} ms`);
  }
});

t.test('a lite agent that comes late is found: it sends no check that would tell', async (t) => {
  const net = new IceNet();
  const opened = net.now + 25_000;
  net.path = ({ at }) => (at < opened ? [] : [1]);
  const { end, begin } = lite(net);
  begin();
  net.run(25_000);
  t.equal(end.agent.state, 'checking');
  t.ok(net.sent.length < 50, `${net.sent.length} checks`);
  t.ok(net.run(2000, () => end.isConnected));
});

t.test('487 from a lite agent changes no role', async (t) => {
  const net = new IceNet();
  const { end, agent, other, begin } = lite(net, true, [A4]);
  let refused = 0;
  net.open(B4, ({ bytes, from }) => {
    if (bytes.readUInt16BE(0) !== 1) return;
    if (refused++ < 3) net.send(writeStun('error', bytes.toString('hex', 8, 20), { error: { code: 487, reason: 'Role Conflict' } }, other.pwd), B4, from);
    else other.receive(bytes, { ...from });
  });
  begin();
  t.ok(net.run(1000, () => end.isConnected));
  t.same([agent.controlling, agent.roleConflicts, other.report().faults], [true, 3, []]);
});

t.test('consent is asked of it, and lost when it is gone', async (t) => {
  const net = new IceNet();
  const { end, agent, other, begin } = lite(net);
  begin();
  net.run(60_000);
  t.equal(end.agent.state, 'connected');
  t.ok(other.report().checks >= 12);
  net.open(B6, () => undefined);
  t.ok(net.run(36_000, () => agent.state === 'failed'));
  t.same(end.failed, ['consent was lost']);
});
