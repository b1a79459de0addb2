// Two agents of ours on a network in memory: what becomes of them when it loses, doubles and delays; roles; who is chosen.
import t from 'tap';
import fc from 'fast-check';
import { hostCandidate } from '../../../lib/media/ice/index.js';
import { A4, A6, B4, B6, chance, IceEnd, IceNet, pairOf } from '../../helpers/iceNet.js';

const text = ({ address, port }: { address: string; port: number }): string => `${address} ${port}`;

t.test('two agents on a good path: connected within two round trips, on one pair, chosen once', async (t) => {
  const net = new IceNet();
  const [a, b] = pairOf(net);
  t.equal(a.agent.state, 'checking');
  t.equal(net.from(A4).length, 1, 'the first check is out at once');
  t.ok(net.run(10, () => a.isConnected && b.isConnected));
  t.ok(net.now <= 1005, `${net.now - 1000} ms`);
  t.same([a.selected, b.selected, a.failed, b.failed], [[text(B4)], [text(A4)], [], []]);
  t.same([a.agent.selectedPair, b.agent.selectedPair], [B4, A4]);
  t.ok(a.agent.admits(B4) && b.agent.admits(A4));
  t.notOk(a.agent.admits({ ...B4, port: B4.port + 1 }));
  net.run(3000);
  const checks = net.from(A4).filter(({ kind }) => kind === 'request');
  t.same(checks.map(({ useCandidate }) => useCandidate === true), [false, true], 'regular nomination');
  t.equal(net.from(B4).filter(({ useCandidate }) => useCandidate).length, 0);
});

t.test('loss, doubles and reordering: any two agents come to the same pair, and stay there', async () => {
  fc.assert(fc.property(fc.record({
    seed: fc.nat(), loss: fc.double({ min: 0, max: 0.4, noNaN: true }), doubled: fc.double({ min: 0, max: 0.5, noNaN: true }), delay: fc.integer({ min: 0, max: 150 }), jitter: fc.integer({ min: 0, max: 100 }),
    roles: fc.constantFrom<readonly [boolean, boolean]>([true, false], [false, true], [true, true], [false, false]), both: fc.boolean(), late: fc.integer({ min: 0, max: 800 }),
  }), ({ seed, loss, doubled, delay, jitter, roles, both, late }) => {
    const net = new IceNet();
    const random = chance(seed);
    const arrival = (): number => delay + Math.floor(random() * (jitter + 1));
    net.path = () => (random() < loss ? [] : random() < doubled ? [arrival(), arrival()] : [arrival()]);
    const [a, b] = [new IceEnd(net, roles[0], both ? [A4, A6] : [A4], seed), new IceEnd(net, roles[1], both ? [B4, B6] : [B4], seed + 1)];
    // The one that answered begins before the other has its answer.
    b.agent.setRemote(a.description);
    a.agent.start(net.now);
    b.agent.start(net.now);
    net.run(late);
    a.agent.setRemote(b.description);
    if (!net.run(20_000, () => a.isConnected && b.isConnected)) throw new Error(`${a.agent.state} ${b.agent.state}`);
    net.run(3000);
    if (a.agent.controlling === b.agent.controlling) throw new Error('both have one role');
    const [theirs, ours] = [a.agent.selectedPair, b.agent.selectedPair];
    if (theirs === null || ours === null || theirs.address.includes(':') !== ours.address.includes(':')) throw new Error(`not one pair: ${JSON.stringify([theirs, ours])}`);
    // Where every answer to a nomination was lost, another pair was nominated, and the controlled one followed.
    if ((a.agent.controlling ? a : b).selected.length !== 1 || a.failed.length + b.failed.length > 0) throw new Error(`chosen ${a.selected.length} and ${b.selected.length} times`);
  }), { seed: 15, numRuns: 150 });
});

t.test('the better pair is chosen where both work; the other where it does not', async (t) => {
  for (const broken of [false, true]) {
    const net = new IceNet();
    net.path = ({ to }) => (broken && to.address.includes(':') ? [] : [20]);
    const [a, b] = pairOf(net, { a: [A4, A6], b: [B4, B6] });
    t.ok(net.run(400, () => a.isConnected && b.isConnected), `connected after ${net.now - 1000} ms`);
    t.same([a.agent.selectedPair, b.agent.selectedPair], broken ? [B4, A4] : [B6, A6]);
  }
});

t.test('role conflicts are settled by the tie-breaker, whichever is greater', async (t) => {
  for (const roles of [[true, true], [false, false]] as const) {
    const winners = new Set<string>();
    for (let seed = 1; seed <= 12; seed += 1) {
      const net = new IceNet();
      const [a, b] = pairOf(net, { roles, seed });
      t.ok(net.run(1000, () => a.isConnected && b.isConnected));
      t.not(a.agent.controlling, b.agent.controlling);
      t.ok(a.agent.roleConflicts + b.agent.roleConflicts > 0);
      winners.add(a.agent.controlling ? 'a' : 'b');
    }
    t.equal(winners.size, 2, 'either of them');
  }
});

t.test('a peer behind a NAT is found by its checks, and learns how it is seen', async (t) => {
  const net = new IceNet();
  const mapped = { address: '203.0.113.9', port: 61000 };
  net.nat = (from) => (from.port === A4.port ? mapped : from);
  const [a, b] = [new IceEnd(net, true, [A4], 1), new IceEnd(net, false, [B4], 2)];
  net.open(mapped, ({ bytes, from }) => { a.agent.receive(bytes, from, net.now); });
  // Nothing comes through to an address inside.
  net.path = ({ to }) => (to.address === A4.address ? [] : [10]);
  a.agent.setRemote(b.description);
  b.agent.setRemote({ ...a.description, candidates: [hostCandidate({ address: '10.0.0.1', port: 4000 })] });
  a.agent.start(net.now);
  b.agent.start(net.now);
  t.ok(net.run(500, () => a.isConnected && b.isConnected));
  t.same([a.agent.selectedPair, b.agent.selectedPair], [B4, mapped]);
  t.ok(b.agent.admits(mapped));
  t.notOk(b.agent.admits({ address: '10.0.0.1', port: 4000 }), 'what was told and never answered');
});

t.test('checks that come before the description are answered, and count once it is there', async (t) => {
  const net = new IceNet();
  const [a, b] = [new IceEnd(net, true, [A4], 1), new IceEnd(net, false, [B4], 2)];
  a.agent.setRemote(b.description);
  a.agent.start(net.now);
  net.run(100);
  t.same(net.from(B4).map(({ kind }) => kind), ['success', 'success'], 'answered though nothing was begun: the check and the nomination');
  t.equal(a.agent.state, 'connected');
  t.equal(b.agent.state, 'new');
  // The description names no candidate: the address is that of the checks.
  b.agent.setRemote({ ...a.description, candidates: [] });
  b.agent.start(net.now);
  t.ok(net.run(20, () => b.isConnected));
  t.same(b.agent.selectedPair, A4);
});

t.test('candidates may come later', async (t) => {
  const net = new IceNet();
  const [a, b] = [new IceEnd(net, true, [A4], 1), new IceEnd(net, false, [B4], 2)];
  for (const [end, other] of [[a, b], [b, a]] as const) {
    end.agent.setRemote({ ...other.description, candidates: [] });
    end.agent.start(net.now);
  }
  net.run(200);
  t.equal(net.sent.length, 0);
  a.agent.setRemote(b.description);
  t.ok(net.run(30, () => a.isConnected && b.isConnected));
});

t.test('no pair works: failed after 39.5 s, as late checks may come', async (t) => {
  const net = new IceNet();
  net.path = () => [];
  const [a] = pairOf(net);
  net.run(39_000);
  t.same([a.agent.state, a.failed], ['checking', []]);
  net.run(1000);
  t.same([a.agent.state, a.failed, a.agent.selectedPair], ['failed', ['no candidate pair works'], null]);
  t.equal(net.from(A4).length, 8, 'checks of it');
  const sent = net.sent.length;
  net.run(10_000);
  t.equal(net.sent.length, sent);
});

t.test('a path that opens late is found by the checks of either', async (t) => {
  const net = new IceNet();
  const opened = net.now + 12_000;
  net.path = ({ at, to }) => (at < opened && to.port === B4.port ? [] : [5]);
  const [a, b] = [new IceEnd(net, true, [A4], 1), new IceEnd(net, false, [B4], 2)];
  a.agent.setRemote(b.description);
  a.agent.start(net.now);
  net.run(13_000);
  b.agent.setRemote(a.description);
  b.agent.start(net.now);
  t.ok(net.run(100, () => a.isConnected && b.isConnected));
});

t.test('ICE restart: the old pair is used until the new one is there; the other side moves', async (t) => {
  const net = new IceNet();
  const [a, b] = pairOf(net);
  net.run(100);
  const moved = { address: '203.0.113.77', port: 7000 };
  const c = new IceEnd(net, false, [moved], 9);
  a.credentials = { ufrag: 'anewfragment', pwd: 'a-new-password-of-22-letters' };
  a.agent.setLocal(a.credentials);
  t.same([a.agent.state, a.agent.selectedPair], ['connected', B4]);
  net.run(12_000);
  t.ok(net.from(B4).filter(({ kind, at }) => kind === 'success' && at > 2000).length >= 2, 'consent goes on under the old credentials');
  t.ok(net.from(A4).filter(({ kind, at }) => kind === 'success' && at > 2000).length >= 2);
  a.agent.setRemote(c.description);
  t.same(a.agent.selectedPair, B4);
  t.ok(a.agent.admits(B4));
  c.agent.setRemote(a.description);
  c.agent.start(net.now);
  t.ok(net.run(100, () => c.isConnected && a.selected.length === 2));
  t.same([a.agent.selectedPair, a.agent.state, a.failed], [moved, 'connected', []]);
  t.notOk(a.agent.admits(B4), 'the old address is not let in any more');
  net.run(40_000);
  t.same([a.failed, c.failed], [[], []]);
  t.same(b.failed, ['consent was lost'], 'the old session is not answered any more');
});

t.test('consent: a check every 4 to 6 s, each another; lost 30 s after the last answer', async (t) => {
  const net = new IceNet();
  const [a, b] = pairOf(net);
  net.run(120_000);
  t.ok(a.isConnected && b.isConnected);
  const times = net.from(A4).filter(({ kind, at }) => kind === 'request' && at > 1100);
  const gaps = times.slice(1).map(({ at }, i) => at - (times[i]?.at ?? 0));
  t.ok(gaps.length >= 19 && gaps.every((gap) => gap >= 4000 && gap <= 6010), gaps.join(' '));
  t.ok(new Set(gaps).size > 10, 'randomised');
  t.equal(new Set(times.map(({ transaction }) => transaction)).size, times.length);
  net.path = ({ to }) => (to.port === A4.port ? [] : [1]);
  const cut = net.now;
  t.ok(net.run(40_000, () => a.agent.state === 'failed'));
  t.ok(net.now - cut > 23_000 && net.now - cut < 30_100, `${net.now - cut} ms`);
  t.same([a.failed, a.agent.selectedPair, a.agent.admits(B4)], [['consent was lost'], null, false]);
  t.ok(net.run(6100, () => b.agent.state === 'failed'), 'which got no answers either');
});

t.test('a lossy path is no lost consent', async (t) => {
  const net = new IceNet();
  const random = chance(7);
  const [a, b] = pairOf(net);
  net.run(100);
  net.path = () => (random() < 0.3 ? [] : [40]);
  net.run(600_000);
  t.same([a.failed, b.failed], [[], []]);
});

t.test('after close nothing is sent, and nothing comes of what arrives', async (t) => {
  const net = new IceNet();
  const [a, b] = pairOf(net);
  net.run(100);
  a.agent.close();
  a.agent.close();
  const sent = net.from(A4).length;
  b.agent.setLocal({ ufrag: 'other', pwd: 'another-password-of-22-letters' });
  net.run(20_000);
  a.agent.setRemote(b.description);
  a.agent.start(net.now);
  net.run(100);
  t.same([net.from(A4).length, a.agent.state, a.agent.selectedPair, a.agent.admits(B4)], [sent, 'closed', null, false]);
});
