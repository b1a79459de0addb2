// What nodes remember together, on a real redis-server.
import t, { type Test } from 'tap';
import { PermissionLedger } from '../../../../lib/graph/permission/ledger.js';
import { Remembered } from '../../../../lib/state/index.js';
import { connectRedis } from '../../../../lib/state/shared/connect.js';
import type { RecordStore } from '../../../../lib/state/shared/recordStore.js';
import { SharedRecords } from '../../../../lib/state/shared/records.js';
import { RedisRecords } from '../../../../lib/state/shared/redisRecords.js';
import { readRedisUrl } from '../../../../lib/util/redisUrl.js';
import { startRedis } from '../../../helpers/redis.js';

const number = '+447700900001';
const user = '+447700900101';
const quiet = { warn: () => undefined, debug: () => undefined, info: () => undefined };

async function node(t: Test, url: string, wrapped: (store: RecordStore) => RecordStore = (store) => store) {
  const place = readRedisUrl(url);
  if (place === null) throw new Error(`cannot be read: ${url}`);
  const [redis, waiting] = [connectRedis(place), connectRedis(place)];
  for (const one of [redis, waiting]) {
    one.on('error', () => undefined);
    await one.connect();
  }
  const part = new Remembered({ prefix: 'g', capacity: 1000, lifetime: 86_400_000, now: Date.now });
  const records = new SharedRecords({ store: wrapped(new RedisRecords(redis, waiting, 500)), parts: [part], log: quiet, again: 50 });
  waiting.on('ready', () => records.reconnected());
  const close = async (): Promise<void> => {
    waiting.disconnect();
    await records.close();
    redis.disconnect();
  };
  t.teardown(close);
  await records.open();
  return { part, close };
}

async function until(is: () => boolean): Promise<void> {
  while (!is()) await new Promise((resolve) => { setTimeout(resolve, 5); });
}

t.test('what one sets the others read; what each adds to the same line stands; what is deleted is gone', async (t) => {
  const redis = await startRedis(t);
  const [a, b] = [await node(t, redis.url), await node(t, redis.url)];
  await a.part.set('one', 'x');
  await until(() => b.part.get('one') === 'x');
  const add = (part: Remembered, what: string): Promise<void> => part.update('list', (text) => `${text ?? ''}${what}`);
  await Promise.all(Array.from({ length: 100 }, (_, i) => [add(a.part, `a${i};`), add(b.part, `b${i};`)]).flat());
  await until(() => a.part.get('list') === b.part.get('list'));
  t.equal(new Set(a.part.get('list')?.split(';')).size, 201, 'none of 200 changes is lost, none was made twice');
  t.equal(a.part.get('list')?.split(';').length, 201);
  b.part.delete('one');
  await until(() => a.part.get('one') === null);
  await a.part.set('one', 'again');
  await until(() => b.part.get('one') === 'again');
  const late = await node(t, redis.url);
  t.equal(late.part.get('one'), 'again', 'who comes later reads everything first');
});

t.test('Redis goes, and comes back empty: it is given what each knows, and what was changed meanwhile', async (t) => {
  const redis = await startRedis(t);
  const [a, b] = [await node(t, redis.url), await node(t, redis.url)];
  await a.part.set('old', '1');
  await until(() => b.part.get('old') === '1');
  await redis.kill();
  await a.part.set('mine', 'a');
  await b.part.update('yours', (text) => `${text ?? ''}b`);
  t.equal(b.part.get('yours'), 'b', 'nobody waits for it');
  await redis.start();
  await until(() => a.part.get('yours') === 'b' && b.part.get('mine') === 'a');
  const late = await node(t, redis.url);
  t.same(['old', 'mine', 'yours'].map((key) => late.part.get(key)), ['1', 'a', 'b']);
});

t.test('permissions of two nodes: one request only, and a call is lost with its node and not before', async (t) => {
  const redis = await startRedis(t);
  const living = new Set(['a', 'b']);
  const ledgers = await Promise.all(['a', 'b'].map(async (own) => {
    const { part } = await node(t, redis.url);
    return new PermissionLedger({ config: () => ({ numbers: {} }), names: (name) => [name], store: part, now: Date.now, log: quiet, nodes: { own, alive: (process) => living.has(process) } });
  }));
  const [a, b] = ledgers as [PermissionLedger, PermissionLedger];
  const tickets = ledgers.map((ledger) => ledger.takeRequest(number, user));
  t.same((await Promise.all(tickets.map((ticket) => ticket?.stored))).sort(), [false, true], 'both ask at once, and one may');
  await until(() => a.requestFreeAt(number, user) !== null && b.requestFreeAt(number, user) !== null);

  await a.replied(number, user, { id: 'm1', at: Date.now(), accepted: true, permanent: false, until: null, automatic: false, answers: null });
  await until(() => b.standing(number, user)?.status === 'temporary');
  await a.callBegins(number, user);
  await b.replied(number, user, { id: 'm2', at: Date.now() + 1, accepted: true, permanent: false, until: null, automatic: false, answers: null });
  t.equal(b.standing(number, user)?.status, 'temporary', 'the call of a node that lives is no lost one');
  living.delete('a');
  t.equal(b.standing(number, user), null, 'the node dies: what became of its call nobody knows, and Meta is asked');
});

t.test('a write that was done and not answered is not done again', async (t) => {
  const redis = await startRedis(t);
  let lost = 0;
  const { part } = await node(t, redis.url, (store) => ({
    restore: (lines) => store.restore(lines), all: () => store.all(), last: () => store.last(), changes: (after) => store.changes(after), process: () => store.process(),
    async write(key, base, line) {
      const written = await store.write(key, base, line);
      if (lost >= 6) return written;
      lost += 1;
      throw new Error('no answer within 500 ms');
    },
  }));
  const other = await node(t, redis.url);
  const add = (what: string): Promise<void> => part.update('count', (text) => `${text ?? ''}${what}`);
  for (const what of ['a', 'b', 'c', 'd']) await add(what);
  await until(() => lost === 6 && other.part.get('count')?.includes('d') === true);
  await add('e');
  await until(() => other.part.get('count')?.endsWith('e') === true);
  t.equal(other.part.get('count'), 'abcde');
  t.equal(part.get('count'), 'abcde');
});

t.test('a line that is none, and one of another version, stop nothing and stay', async (t) => {
  const redis = await startRedis(t);
  const operator = connectRedis(readRedisUrl(redis.url)!);
  await operator.connect();
  t.teardown(() => operator.disconnect());
  await operator.call('HSET', '{wab}:records', 'g bad', 'no version', 'g huge', '99999999999999999999 g huge\tx\t@1', 'z new', '7 z new\tof tomorrow\t@9999999999');
  const { part } = await node(t, redis.url);
  const other = await node(t, redis.url);
  await part.set('one', 'x');
  await until(() => other.part.get('one') === 'x');
  await part.set('bad', 'good');
  await until(() => other.part.get('bad') === 'good');
  t.same([await operator.hget('{wab}:records', 'z new'), await operator.hget('{wab}:records', 'g huge')], ['7 z new\tof tomorrow\t@9999999999', '99999999999999999999 g huge\tx\t@1']);
});
