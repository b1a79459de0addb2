import t from 'tap';
import type { PeerConfig } from '../../../lib/config/types.js';
import { createLogger } from '../../../lib/observe/logger.js';
import { observe, undecided, unheard, type PeerHealth } from '../../../lib/routing/health.js';
import { HealthMonitor } from '../../../lib/routing/healthMonitor.js';
import type { OptionsOutcome } from '../../../lib/sip/options.js';
import { env, fullDocument, setAt } from '../config/documents.js';
import { parseConfig } from '../../../lib/config/load.js';
import { stringify } from 'yaml';

const rules = { outAfter: 3, backAfter: 2 };
const after = (observations: string, from: PeerHealth = unheard(0)): PeerHealth =>
  [...observations].reduce((health, o, i) => observe(health, { failure: o === 'x' ? 'no answer' : null }, rules, i + 1), from);

t.test('out after so many failures in a row, back after so many answers in a row', (t) => {
  t.match(after(''), { state: 'unknown', since: 0 });
  t.match(after('.'), { state: 'up', since: 1 });
  t.match(after('xx'), { state: 'unknown', failures: 2, reason: 'no answer' });
  t.match(after('xxx'), { state: 'out', since: 3, failures: 3 }, 'a peer that was never heard of');
  t.match(after('.xx.xx'), { state: 'up', since: 1, failures: 2 }, 'not in a row');
  t.match(after('.xxx'), { state: 'out', since: 4 });
  t.match(after('.xxx.'), { state: 'out', since: 4, answers: 1, reason: null });
  t.match(after('.xxx.x.'), { state: 'out', answers: 1 });
  t.match(after('.xxx..'), { state: 'up', since: 6 });
  t.match(after('.xxxxxx'), { state: 'out', since: 4, failures: 6 });
  t.same(['', '.', '.x', '.xxx', '.xxx.', '.xxx..'].map((o) => undecided(after(o))), [false, false, true, false, true, false]);
  t.end();
});

/** A monitor over peers whose answers are `answers`, with what it logged. */
function watch(t: { teardown(action: () => void): void }, peers: Record<string, Partial<PeerConfig>>, answer: (uri: string) => OptionsOutcome | null) {
  const tree = fullDocument();
  setAt(tree, 'peers', Object.fromEntries(Object.entries(peers).map(([name, peer]) => [name, { uri: `sip:${name}.example`, ...peer }])));
  setAt(tree, 'routes', []);
  setAt(tree, 'queues', {});
  const config = { current: parseConfig(stringify(tree), { env, path: 'test' }).peers };
  const log: string[] = [];
  const asked: string[] = [];
  const waiting: (() => void)[] = [];
  const monitor = new HealthMonitor({
    peers: () => config.current, now: Date.now,
    ask: (uri) => {
      asked.push(uri);
      for (const wake of waiting.splice(0)) wake();
      return Promise.resolve(answer(uri));
    },
    moved: () => undefined, log: createLogger('info', { write: (line: string) => { log.push((JSON.parse(line) as { msg: string }).msg); } }),
  });
  // The monitor's own timers keep no process alive.
  const alive = setInterval(() => undefined, 1000);
  t.teardown(() => {
    clearInterval(alive);
    monitor.close();
  });
  const rounds = async (count: number): Promise<void> => {
    while (asked.length < count) await new Promise<void>((resolve) => waiting.push(resolve));
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { monitor, config, log, asked, rounds };
}

const quick = { interval: 1, outAfter: 2, backAfter: 2 };

t.test('peers are asked, and said to be out and back; those that need not be are not asked', async (t) => {
  let there = false;
  const { monitor, log, asked, rounds } = watch(t, { pbx: { health: quick }, still: { health: { ...quick, interval: 0 } } }, () => (there ? { answered: true, status: 404, ms: 3 } : { answered: false, reason: 'no answer within 1 s' }));
  monitor.reload();
  await rounds(2);
  t.match(monitor.out('pbx'), /^peer pbx is out of service since 20.*: no answer within 1 s$/);
  t.match(log.at(-1), /out of service: no answer within 1 s, 2 times in a row/);
  there = true;
  await rounds(4);
  t.equal(monitor.out('pbx'), null, 'any answer will do');
  t.match(log.at(-1), /back in service after \d+ s/);
  t.match(monitor.status(), [{ peer: 'pbx', state: 'up', roundTripMs: 3 }]);
  t.notOk(asked.some((uri) => uri.includes('still')));
  monitor.heard('still', '503');
  t.equal(monitor.out('still'), null);
});

t.test('calls count: the peer is asked soon after one found nobody, and is out when that is confirmed', async (t) => {
  const { monitor, rounds } = watch(t, { pbx: { health: { interval: 3600, outAfter: 2, backAfter: 1 } } }, () => ({ answered: false, reason: 'no answer' }));
  monitor.reload();
  await rounds(1);
  t.equal(monitor.out('pbx'), null);
  monitor.heard('pbx', '503 Transport Error');
  t.match(monitor.out('pbx'), /503 Transport Error/);
  monitor.heard('pbx', null);
  t.equal(monitor.out('pbx'), null, 'a call that was answered says that it is back');
});

t.test('a SIP server that is not connected says nothing of the peers', async (t) => {
  const { monitor, rounds } = watch(t, { pbx: { health: quick } }, () => null);
  monitor.reload();
  await rounds(2);
  t.match(monitor.status(), [{ state: 'unknown', failures: 0 }]);
});

t.test('a reload keeps what is known, begins with new peers, forgets those that are gone', async (t) => {
  const { monitor, config, asked, rounds } = watch(t, { pbx: { health: quick }, old: { health: quick } }, () => ({ answered: true, status: 200, ms: 1 }));
  monitor.reload();
  await rounds(2);
  const { pbx } = config.current;
  config.current = { pbx: pbx!, fresh: { ...pbx!, uri: 'sip:fresh.example' } };
  monitor.reload();
  await rounds(3);
  t.ok(asked.includes('sip:fresh.example'));
  t.same(monitor.status().map(({ peer, state }) => [peer, state]), [['pbx', 'up'], ['fresh', 'up']]);
});
