// The limits of several nodes, on a real redis-server.
import { setTimeout as pause } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { connectRedis } from '../../../../lib/state/shared/connect.js';
import { judgeRedis } from '../../../../lib/state/shared/judge.js';
import { SharedLimits, type Lease, type StoreState } from '../../../../lib/state/shared/limits.js';
import { RedisStore } from '../../../../lib/state/shared/redisStore.js';
import type { Want } from '../../../../lib/state/shared/store.js';
import { readRedisUrl, type RedisPlace } from '../../../../lib/util/redisUrl.js';
import { freePort } from '../../../helpers/ports.js';
import { startRedis } from '../../../helpers/redis.js';

const day = 86_400_000;
const place = (url: string): RedisPlace => {
  const read = readRedisUrl(url);
  if (read === null) throw new Error(`cannot be read: ${url}`);
  return read;
};

interface Node { readonly limits: SharedLimits; readonly is: (state: StoreState) => Promise<void>; /** As kill -9 leaves it. */ readonly die: () => void }

let instances = 0;

async function node(t: Test, url: string, name: string, { gone = 'share', ahead = 0 }: { gone?: 'share' | 'refuse'; ahead?: number } = {}): Promise<Node> {
  const redis = connectRedis(place(url));
  redis.on('error', () => undefined);
  void redis.connect().catch(() => undefined);
  const waiting = new Set<{ state: StoreState; resolve: () => void }>();
  const instance = `i${instances += 1}`;
  const limits = new SharedLimits({
    store: new RedisStore({ redis, instance, lease: 2000, settle: 1200, linger: 500, patience: 300 }), name, instance, gone, lease: 2000, now: () => performance.now() + ahead,
    watched: () => ({ places: ['c'], events: [{ key: 'd', window: day }] }),
    onState: (state) => { for (const one of waiting) if (one.state === state) one.resolve(); }, onTwin: () => undefined,
  });
  let timer: NodeJS.Timeout | undefined;
  let dead = false;
  const beat = async (): Promise<void> => {
    await limits.beat();
    if (!dead) timer = setTimeout(() => void beat(), limits.state === 'up' ? 300 : 100);
  };
  const die = (): void => {
    dead = true;
    clearTimeout(timer);
    redis.disconnect();
  };
  t.teardown(die);
  const is = (state: StoreState): Promise<void> => (limits.state === state ? Promise.resolve() : new Promise((resolve) => waiting.add({ state, resolve })));
  void beat();
  await is('up');
  return { limits, is, die };
}

const places = (limit: number): Want => ({ keys: ['c'], limit, window: null });
const events = (limit: number, window = day): Want => ({ keys: ['d'], limit, window });

async function take(nodes: readonly Node[], count: number, wants: readonly Want[]): Promise<Lease[]> {
  const all = await Promise.all(Array.from({ length: count }, (_, i) => nodes[i % nodes.length]!.limits.take(wants)));
  return all.flatMap((taken) => (taken.kind === 'taken' ? [taken.lease] : []));
}

t.test('three nodes at once, with clocks 90 s apart: never one over, none lost, each given back', async (t) => {
  const redis = await startRedis(t);
  const nodes = [await node(t, redis.url, 'a'), await node(t, redis.url, 'b', { ahead: 90_000 }), await node(t, redis.url, 'c')];
  t.equal((await take(nodes, 600, [places(50)])).length, 50);
  const fresh = await startRedis(t);
  const others = [await node(t, fresh.url, 'a'), await node(t, fresh.url, 'b')];
  let leases = await take(others, 200, [places(50), events(70)]);
  t.equal(leases.length, 50);
  leases.forEach((lease) => lease.give('c'));
  leases.slice(0, 10).forEach((lease) => lease.undo('d'));
  leases = await take(others, 100, [places(50), events(70)]);
  t.equal(leases.length, 30, '40 events of 70 stood');
  const refused = await others[0]!.limits.take([events(70)]);
  t.ok(refused.kind === 'refused' && refused.freeAt !== null && Math.abs(refused.freeAt - Date.now() - day) < 5000, 'and it is told when there is room');
});

t.test('at most so many within a window, by the clock of Redis', async (t) => {
  const redis = await startRedis(t);
  const nodes = [await node(t, redis.url, 'a'), await node(t, redis.url, 'b')];
  t.equal((await take(nodes, 40, [events(7, 400)])).length, 7);
  await pause(450);
  t.equal((await take(nodes, 40, [events(7, 400)])).length, 7);
});

t.test('a node that dies gives its places back when its lease is over', async (t) => {
  const redis = await startRedis(t);
  const [a, b] = [await node(t, redis.url, 'a'), await node(t, redis.url, 'b')];
  t.equal((await take([a], 10, [places(10)])).length, 10);
  t.equal((await take([b], 1, [places(10)])).length, 0);
  a.die();
  const died = performance.now();
  while ((await take([b], 1, [places(10)])).length === 0) await pause(50);
  const ms = performance.now() - died;
  t.ok(ms > 1000 && ms < 2600, `${Math.round(ms)} ms`);
});

t.test('Redis dies and comes back empty: each node gives it what its calls have before another is let in', async (t) => {
  const redis = await startRedis(t);
  const [a, b] = [await node(t, redis.url, 'a', { gone: 'refuse' }), await node(t, redis.url, 'b', { gone: 'refuse' })];
  const mine = [...await take([a], 30, [places(50), events(60)]), ...await take([b], 10, [places(50), events(60)])];
  t.equal(mine.length, 40);
  await redis.kill();
  t.equal((await a.limits.take([places(50)])).kind, 'gone');
  await redis.start();
  const back = performance.now();
  const more: Lease[] = [];
  while (a.limits.state !== 'up' || b.limits.state !== 'up') {
    more.push(...await take([a, b], 20, [places(50), events(60)]));
    await pause(20);
  }
  t.ok(performance.now() - back < 3000, `${Math.round(performance.now() - back)} ms`);
  more.push(...await take([a, b], 40, [places(50), events(60)]));
  t.equal(more.length, 10, 'what was free before');
  [...mine, ...more].forEach((lease) => lease.give('c'));
  t.equal((await take([a, b], 40, [places(50), events(60)])).length, 10, 'the day was not forgotten');
});

t.test('Redis gone: each node takes its share, and no more than the others left', async (t) => {
  const redis = await startRedis(t);
  const [a, b] = [await node(t, redis.url, 'a'), await node(t, redis.url, 'b')];
  await pause(700);
  t.same(a.limits.nodes, ['a', 'b']);
  t.equal((await take([a], 40, [places(51)])).length, 40);
  // b hears of it.
  await pause(700);
  await redis.kill();
  t.equal((await take([a], 20, [places(51)])).length, 0, 'a has more than its share');
  t.equal((await take([b], 30, [places(51)])).length, 11, 'b takes what a left');
  await redis.start();
  await Promise.all([a.is('up'), b.is('up')]);
  t.equal((await take([a, b], 30, [places(51)])).length, 0, 'together again they are full');
});

t.test('Redis hangs: a call waits for it once, the next not at all; what it did late counts for nothing', async (t) => {
  const redis = await startRedis(t);
  const [a, b] = [await node(t, redis.url, 'a', { gone: 'refuse' }), await node(t, redis.url, 'b', { gone: 'refuse' })];
  redis.signal('SIGSTOP');
  const begun = performance.now();
  t.equal((await a.limits.take([places(10)])).kind, 'gone');
  t.ok(performance.now() - begun < 1500);
  const again = performance.now();
  t.equal((await a.limits.take([places(10)])).kind, 'gone');
  t.ok(performance.now() - again < 50);
  redis.signal('SIGCONT');
  await Promise.all([a.is('up'), b.is('up')]);
  await pause(700);
  t.equal((await take([a, b], 30, [places(10)])).length, 10, 'none was lost');
});

t.test('what Redis says to a password, to an address where it is not, to a memory that may forget', async (t) => {
  const redis = await startRedis(t, ['--requirepass', 'right']);
  t.equal((await judgeRedis(place(`redis://:right@127.0.0.1:${redis.port}`))).kind, 'good');
  t.equal((await judgeRedis(place(`redis://:wrong@127.0.0.1:${redis.port}`))).kind, 'unusable');
  t.equal((await judgeRedis(place(redis.url))).kind, 'unusable');
  t.equal((await judgeRedis(place(`redis://127.0.0.1:${await freePort()}`))).kind, 'away');
  const small = await startRedis(t, ['--maxmemory', '50mb', '--maxmemory-policy', 'allkeys-lru']);
  t.equal((await judgeRedis(place(small.url))).kind, 'poor');
});

t.test('one call costs less than a millisecond at the median', async (t) => {
  const redis = await startRedis(t);
  const nodes = [await node(t, redis.url, 'a'), await node(t, redis.url, 'b')];
  const wants: Want[] = [{ keys: ['pair'], limit: 1, window: null }, { keys: ['p'], limit: 1e6, window: day }, events(1e6), places(1e6), { keys: ['q'], limit: 1e6, window: null }, { keys: ['r'], limit: 1e6, window: 1000 }];
  const times: number[] = [];
  for (let i = 0; i < 1000; i += 1) {
    const begun = performance.now();
    const taken = await nodes[0]!.limits.take(wants);
    times.push(performance.now() - begun);
    if (taken.kind === 'taken') taken.lease.give('pair', 'c', 'q');
  }
  times.sort((x, y) => x - y);
  t.comment(`median ${times[500]!.toFixed(3)} ms, 99th of 100 ${times[990]!.toFixed(3)} ms`);
  t.ok(times[500]! < 1);
});

t.test('a Redis that was emptied without a restart is given the events of the day anew', async (t) => {
  const redis = await startRedis(t);
  const nodes = [await node(t, redis.url, 'a'), await node(t, redis.url, 'b')];
  t.equal((await take(nodes, 10, [events(20)])).length, 10);
  const by = connectRedis(place(redis.url));
  await by.connect();
  await by.flushall();
  by.disconnect();
  t.equal((await take(nodes, 1, [events(Infinity)])).length, 1, 'who asks registers anew');
  while (nodes.some(({ limits }) => limits.total('events', 'd') < 11)) await pause(50);
  t.equal((await take(nodes, 30, [events(20)])).length, 9);
});
