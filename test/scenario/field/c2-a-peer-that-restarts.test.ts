import t from 'tap';
import type { CallRecord } from '../../../lib/call/record.js';
import { parseConfig } from '../../../lib/config/load.js';
import { stringify } from 'yaml';
import { createLogger } from '../../../lib/observe/logger.js';
import { HealthMonitor } from '../../../lib/routing/healthMonitor.js';
import { number } from '../../helpers/service.js';
import { openStage, pause, type Stage } from '../harness.js';

const media = 'none' as const;
const health = { interval: 1, outAfter: 2 };
/** Not back for what its OPTIONS say: a call has to find out. */
const stubborn = { interval: 1, outAfter: 1, backAfter: 100 };
const to = (...peers: string[]): object[] => peers.map((peer) => ({ peer, user: '6001' }));

async function out(stage: Stage, peer: string): Promise<void> {
  const begun = Date.now();
  while (Date.now() - begun < 15_000) {
    const { peers } = await (await fetch(`http://${stage.running.service.http}/status`)).json() as { peers: { peer: string; state: string }[] };
    if (peers.some((one) => one.peer === peer && one.state === 'out')) return;
    await pause(20);
  }
  throw new Error(`${peer} is not out`);
}

const tries = ({ tries: all }: CallRecord): unknown => all.map(({ peer, status, reason }) => [peer, status, reason]);

t.test('C2: the only target is tried although its peer is out', async (t) => {
  const stage = await openStage({ peers: { pbx: { media, config: { health: stubborn } } } });
  t.teardown(() => stage.close());
  const pbx = stage.peers.pbx!;
  pbx.vanish();
  await out(stage, 'pbx');
  pbx.comeBack();
  t.equal((await stage.call({ media: 'none' }, 100)).status, 200);
  const [cdr] = await stage.running.records(1);
  t.match(cdr, { peer: 'pbx', target: '6001', termination: { by: 'user' } });
  t.same(tries(cdr!), [['pbx', 480, 'nobodyThere'], ['pbx', 200, 'answered']], 'passed over first, as there might have been another');
});

for (const strategy of ['failover', 'ring-all'] as const) {
  t.test(`C2: ${strategy}: one that is out gets the call that nobody else takes, and none that somebody takes`, async (t) => {
    let second = 'unavailable';
    const stage = await openStage({
      peers: { first: { media, config: { health: stubborn } }, second: { media, answer: () => second, config: { health: { interval: 0 } } } },
      overlay: { routes: [{ name: 'main', number, to: to('first', 'second'), strategy, stopOn: ['busy', 'declined'] }] },
    });
    t.teardown(() => stage.close());
    const first = stage.peers.first!;
    first.vanish();
    await out(stage, 'first');
    first.comeBack();
    second = 'busy';
    t.equal((await stage.call({ media: 'none' })).status, 486, 'a person has answered');
    t.equal(first.reports.length, 0);
    second = 'echo';
    t.equal((await stage.call({ media: 'none' }, 100)).status, 200);
    t.equal(first.reports.length, 0);
    second = 'unavailable';
    t.equal((await stage.call({ media: 'none' }, 100)).status, 200);
    t.equal((await stage.running.records(3)).at(-1)?.peer, 'first');
  });
}

t.test('C2: one that is out and stays silent does not keep the caller for 32 s', async (t) => {
  const stage = await openStage({ peers: { pbx: { media, config: { health } } } });
  t.teardown(() => stage.close());
  stage.peers.pbx!.vanish();
  await out(stage, 'pbx');
  const begun = Date.now();
  t.match(await stage.call({ media: 'none' }), { status: 480, retryAfter: '30' });
  t.ok(Date.now() - begun < 8000, `${Date.now() - begun} ms`);
  const [cdr] = await stage.running.records(1);
  t.match(cdr, { termination: { by: 'us', reason: 'nobodyThere', status: 480, text: /it did not answer this call either/ }, peer: 'pbx', target: '6001' });
});

t.test('C2: asked every 2 s for the first minute of its absence, and back with the first answer', async (t) => {
  const { peers } = parseConfig(stringify({
    domain: 'sbc.example.net', sip: { listen: ['udp:127.0.0.1:0'] }, numbers: { [number]: { password: 'x' } }, peers: { pbx: { uri: 'sip:10.0.0.7' } },
  }), { env: {}, path: 'test' });
  t.equal(peers.pbx?.health.backAfter, 1, 'the default');
  let there = false;
  const askedAt: number[] = [];
  const begun = Date.now();
  const monitor = new HealthMonitor({
    peers: () => ({ pbx: { ...peers['pbx']!, health: { interval: 30, outAfter: 1, backAfter: 1 } } }), moved: () => undefined, log: createLogger('silent'), now: Date.now,
    // As a dead machine does: nothing comes back, and the time-out has to pass.
    ask: (_uri, timeout) => {
      askedAt.push(Date.now() - begun);
      return there ? Promise.resolve({ answered: true, status: 200, ms: 1 }) : new Promise((resolve) => { setTimeout(resolve, timeout, { answered: false, reason: 'no answer' }); });
    },
  });
  t.teardown(() => monitor.close());
  monitor.reload();
  await pause(12_000);
  t.not(monitor.out('pbx'), null);
  const gaps = askedAt.slice(1).map((at, i) => at - (askedAt[i] ?? 0)).slice(1);
  t.ok(gaps.length >= 2 && gaps.every((ms) => ms >= 1900 && ms < 2500), `questions ${gaps.join(', ')} ms apart`);
  there = true;
  await pause(2500);
  t.equal(monitor.out('pbx'), null, 'back within 2 s, with one answer');
});
