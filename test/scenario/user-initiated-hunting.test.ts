import t from 'tap';
import { number } from '../helpers/service.js';
import { openStage, pause } from './harness.js';

/** Two targets in order, the second always an echo. */
const afterFirst = (answer: string, ringTimeout = 20, stopOn = ['declined']): Parameters<typeof openStage>[0] => ({
  peers: { first: { answer }, second: { answer: 'echo' } },
  overlay: { routes: [{ name: 'main', number, to: [{ peer: 'first', user: '6001' }, { peer: 'second', user: '6002' }], ringTimeout, stopOn }] },
});

for (const [answer, why] of [['error', '500'], ['overload', '503'], ['timeout', '408'], ['unavailable', '480'], ['notfound', '404'], ['badsdp', 'SDP nobody can use'], ['nosdp', 'a 200 without SDP']] as const) {
  t.test(`on to the next peer after ${why}`, async (t) => {
    const stage = await openStage(afterFirst(answer));
    t.teardown(() => stage.close());
    const report = await stage.call({}, 700);
    t.equal(report.status, 200);
    t.same(report.violations, []);
    const [cdr] = await stage.running.records(1);
    t.match(cdr, { peer: 'second', target: '6002' });
    t.equal(stage.peers.first!.liveCalls.length, 0);
  });
}

for (const [answer, status, reason] of [['busy', 486, 'busy'], ['decline', 603, 'declined']] as const) {
  t.test(`a person's answer stands where the route says so: no further peer after ${status}`, async (t) => {
    const stage = await openStage(afterFirst(answer, 20, ['busy', 'declined']));
    t.teardown(() => stage.close());
    const report = await stage.call();
    t.equal(report.status, status);
    t.equal(stage.peers.second!.reports.length + stage.peers.second!.liveCalls.length, 0);
    const [cdr] = await stage.running.records(1);
    t.match(cdr!.termination, { by: 'peer', reason, status });
  });
}

t.test('the ring timer moves on, the first peer is cancelled', async (t) => {
  const stage = await openStage(afterFirst('ring', 1));
  t.teardown(() => stage.close());
  const report = await stage.call({}, 700);
  t.equal(report.status, 200);
  t.equal(stage.peers.first!.reports[0]!.endedBy, 'far');
  t.match(stage.peers.first!.reports[0]!.endReason, /SIP;cause=408/);
});

t.test('nobody answers: 480 to Meta', async (t) => {
  const stage = await openStage({ peers: { pbx: { answer: 'ring' } }, overlay: { routes: [{ name: 'main', number, to: [{ peer: 'pbx', user: '6001' }], ringTimeout: 1 }] } });
  t.teardown(() => stage.close());
  t.equal((await stage.call()).status, 480);
  const [cdr] = await stage.running.records(1);
  t.match(cdr!.termination, { by: 'peer', reason: 'noAnswer', status: 480 });
});

t.test('a peer that is not there: on at once, by ICMP or refused connection', async (t) => {
  const stage = await openStage(afterFirst('echo'));
  t.teardown(() => stage.close());
  await stage.peers.first!.close();
  const started = Date.now();
  const report = await stage.call({}, 500);
  t.equal(report.status, 200);
  t.ok(report.setup.answeredMs! < 5000, `answered after ${Date.now() - started} ms`);
  const [cdr] = await stage.running.records(1);
  t.equal(cdr!.peer, 'second');
});

t.test('ring-all: the first 200 wins, the others are cancelled as completed elsewhere', async (t) => {
  const stage = await openStage({
    peers: { slow: { answer: 'delay=3' }, quick: { answer: 'delay=0.3' }, never: { answer: 'ring' } },
    overlay: { routes: [{ name: 'main', number, to: ['slow', 'quick', 'never'].map((peer) => ({ peer, user: '6001' })), strategy: 'ring-all', ringTimeout: 10 }] },
  });
  t.teardown(() => stage.close());
  const report = await stage.call({}, 700);
  t.equal(report.status, 200);
  t.same(report.violations, []);
  for (const name of ['slow', 'never']) {
    t.equal(stage.peers[name]!.liveCalls.length, 0);
    t.match(stage.peers[name]!.reports[0]!.endReason, /SIP;cause=200/, name);
  }
  const [cdr] = await stage.running.records(1);
  t.equal(cdr!.peer, 'quick');
});

t.test('ring-all: several answer at once; exactly one keeps the call', async (t) => {
  const names = ['a', 'b', 'c', 'd'];
  const stage = await openStage({
    peers: Object.fromEntries(names.map((name) => [name, { answer: 'echo' }])),
    overlay: { routes: [{ name: 'main', number, to: names.map((peer) => ({ peer, user: '6001' })), strategy: 'ring-all' }] },
  });
  t.teardown(() => stage.close());
  const user = stage.user();
  t.equal(await user.place(), 200);
  await pause(800);
  t.equal(names.reduce((live, name) => live + stage.peers[name]!.liveCalls.length, 0), 1);
  await user.hangUp();
  t.same(user.report().violations, []);
  t.ok(user.report().audio!.toneHeard);
});

t.test('ring-all: all refuse; a person\'s answer is told before a machine\'s', async (t) => {
  const stage = await openStage({
    peers: { a: { answer: 'error' }, b: { answer: 'busy' } },
    overlay: { routes: [{ name: 'main', number, to: ['a', 'b'].map((peer) => ({ peer, user: '6001' })), strategy: 'ring-all' }] },
  });
  t.teardown(() => stage.close());
  t.equal((await stage.call()).status, 486);
});

t.test('a peer that forks: the first 200 is the call, the second dialog is ended', async (t) => {
  const stage = await openStage({ peers: { pbx: { answer: 'fork' } } });
  t.teardown(() => stage.close());
  const report = await stage.call({}, 800);
  t.equal(report.status, 200);
  t.same(report.violations, []);
  t.same(stage.peers.pbx!.reports.flatMap((r) => r.faults), []);
});

t.test('a peer that challenges us gets digest, MD5 or SHA-256; a wrong password is told in the log', async (t) => {
  for (const algorithms of [['MD5'], ['SHA-256'], ['SHA-256', 'MD5']] as const) {
    const challenge = { status: 401 as const, algorithms: [...algorithms], realm: 'pbx', username: 'wab', password: 'pw' };
    const stage = await openStage({ peers: { pbx: { answer: { challenge }, config: { auth: { username: 'wab', password: 'pw' } } } } });
    const report = await stage.call({}, 500);
    t.equal(report.status, 200, algorithms.join());
    await stage.close();
  }
  const challenge = { status: 407 as const, algorithms: ['MD5' as const], realm: 'pbx', username: 'wab', password: 'pw' };
  const stage = await openStage({ peers: { pbx: { answer: { challenge }, config: { auth: { username: 'wab', password: 'not it' } } } } });
  t.teardown(() => stage.close());
  t.equal((await stage.call()).status, 480);
  t.ok(stage.running.log.some((line) => line.includes('peers.pbx.auth')));
});
