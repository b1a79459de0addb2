// A refusal is what its Reason says (RFC 3326, Q.850): who did not answer has not declined, and the hunt goes on. E5: which answers end it.
import t, { type Test } from 'tap';
import { peerRefusal } from '../../../lib/call/peer/refusal.js';
import { RawPeer, sdp } from '../../helpers/rawPeer.js';
import { number } from '../../helpers/service.js';
import { openStage } from '../harness.js';

const withReason = (value: string): { get(name: string): string | undefined } => ({ get: (name) => (name === 'Reason' && value !== '' ? value : undefined) });

t.test('status and Reason of what PBXs send', (t) => {
  for (const [status, reason, wanted] of [
    // Asterisk: Dial() that nobody takes, then the end of the dialplan; Hangup(N) of later dialplans.
    [603, 'Q.850;cause=0', 'noAnswer'], [603, 'Q.850;cause=16', 'noAnswer'], [603, 'Q.850;cause=19', 'noAnswer'], [603, 'Q.850;cause=102', 'noAnswer'],
    [603, 'Q.850;cause=16;text="NORMAL_CLEARING"', 'noAnswer'], [603, 'Q.850;cause=16;text="Normal call clearing"', 'noAnswer'], [603, 'Q.850 ;cause=20 ;text="Subscriber absent"', 'noAnswer'],
    // A person: a phone by itself, FreeSWITCH, a gateway.
    [603, '', 'declined'], [603, 'Q.850;cause=21;text="CALL_REJECTED"', 'declined'], [603, 'Q.850;cause=16;text="Rejected by user"', 'declined'], [607, 'Q.850;cause=0', 'declined'],
    [603, 'Q.850;cause=17', 'busy'], [480, 'Q.850;cause=17;text="USER_BUSY"', 'busy'], [480, 'Q.850;cause=21', 'declined'], [600, 'Q.850;cause=17', 'busy'],
    [480, 'Q.850;cause=19;text="NO_ANSWER"', 'noAnswer'], [480, 'Q.850;cause=16;text="NORMAL_CLEARING"', 'noAnswer'], [480, '', 'noAnswer'],
    [486, '', 'busy'], [486, 'Q.850;cause=16', 'busy'], [486, 'Q.850;cause=0', 'busy'], [486, 'Q.850;cause=19', 'noAnswer'], [486, 'Q.850;cause=21', 'declined'], [600, 'Q.850;cause=102', 'noAnswer'],
    // The network, not a person.
    [603, 'Q.850;cause=34', 'unreachable'], [603, 'Q.850;cause=27', 'unreachable'], [486, 'Q.850;cause=42', 'unreachable'], [480, 'Q.850;cause=41', 'unreachable'], [603, 'Q.850;cause=1', 'refused'],
    // Several values, another protocol, and what says nothing.
    [603, 'SIP;cause=603;text="Decline", Q.850;cause=19', 'noAnswer'], [603, 'SIP;cause=480', 'noAnswer'], [603, 'SIP;cause=486;text="Busy, really"', 'busy'], [480, 'SIP;cause=603', 'declined'],
    [480, 'SIP;cause=806;text="USER_NOT_REGISTERED"', 'noAnswer'], [603, 'SIP;cause=603', 'declined'], [603, 'Q.850', 'declined'], [603, '"', 'declined'], [603, 'preemption;cause=1', 'declined'],
    // Statuses that need no explanation.
    [408, 'Q.850;cause=17', 'noAnswer'], [404, 'Q.850;cause=21', 'refused'], [503, 'Q.850;cause=17', 'unreachable'],
  ] as const) t.match(peerRefusal(status, 'x', withReason(reason)), { by: 'peer', reason: wanted, status }, `${status} ${reason}`);
  t.end();
});

interface Row { readonly status: number; readonly reason: string; readonly stopOn?: readonly string[]; readonly goesOn: boolean; readonly meta?: number; readonly told?: string }

async function hunt(t: Test, { status, reason, stopOn, goesOn, meta, told }: Row): Promise<void> {
  const [first, second] = [await RawPeer.open(), await RawPeer.open()];
  first.script((invite, peer) => peer.answer(invite, status, { headers: reason === '' ? [] : [['Reason', reason]] }));
  second.script((invite, peer) => peer.answer(invite, 200, { body: sdp() }));
  const stage = await openStage({
    external: { first: { port: first.port }, second: { port: second.port } },
    overlay: { meta: { mediaTimeout: 0 }, routes: [{ name: 'main', number, to: [{ peer: 'first', user: '6001' }, { peer: 'second', user: '6002' }], ...(stopOn === undefined ? {} : { stopOn }) }] },
  });
  const what = `${status} ${reason}, stopOn ${String(stopOn)}`;
  t.equal((await stage.call({}, 100)).status, goesOn ? 200 : meta, what);
  if (!goesOn) t.match((await stage.running.records(1))[0]!.termination, { by: 'peer', reason: told, status }, what);
  await stage.close();
  for (const peer of [first, second]) peer.close();
}

t.test('by default a person who declines ends the hunt, and nothing else', async (t) => {
  await hunt(t, { status: 603, reason: 'Q.850;cause=0', goesOn: true });
  await hunt(t, { status: 603, reason: '', goesOn: false, meta: 603, told: 'declined' });
  await hunt(t, { status: 480, reason: 'Q.850;cause=21', goesOn: false, meta: 603, told: 'declined' });
  await hunt(t, { status: 486, reason: '', goesOn: true });
  await hunt(t, { status: 600, reason: '', goesOn: true });
  await hunt(t, { status: 487, reason: '', goesOn: true });
});

t.test('stopOn of the route', async (t) => {
  await hunt(t, { status: 486, reason: '', stopOn: ['busy'], goesOn: false, meta: 486, told: 'busy' });
  await hunt(t, { status: 480, reason: 'Q.850;cause=17', stopOn: ['busy', 'declined'], goesOn: false, meta: 486, told: 'busy' });
  await hunt(t, { status: 486, reason: 'Q.850;cause=19', stopOn: ['busy'], goesOn: true });
  await hunt(t, { status: 603, reason: '', stopOn: ['busy'], goesOn: true });
  await hunt(t, { status: 603, reason: '', stopOn: [], goesOn: true });
});

t.test('nobody takes it: the most telling answer is told, whoever gave it', async (t) => {
  const [first, second] = [await RawPeer.open(), await RawPeer.open()];
  t.teardown(() => [first, second].forEach((peer) => peer.close()));
  first.script((invite, peer) => peer.answer(invite, 486));
  second.script((invite, peer) => peer.answer(invite, 603, { headers: [['Reason', 'Q.850;cause=0']] }));
  const stage = await openStage({ external: { first: { port: first.port }, second: { port: second.port } } });
  t.teardown(() => stage.close());
  t.equal((await stage.call()).status, 486);
});
