// Listeners of /v1/events over real sockets: what they get, in which order, and what a slow one costs.
import t from 'tap';
import { pino } from 'pino';
import { connect, type Socket } from 'node:net';
import { once } from 'node:events';
import { EventBus } from '../../../lib/observe/events.js';
import { startApi } from '../../../lib/http/api/server.js';
import type { ApiSources } from '../../../lib/http/api/sources.js';
import type { ApiToken } from '../../../lib/http/api/tokens.js';
import { ApiClient, type Told } from '../../helpers/apiClient.js';

const reader: ApiToken = { name: 'reader', token: 'reader-0123456789abc', scopes: ['read'] };

async function serve(t: { teardown(action: () => unknown): void }, keep: number): Promise<{ bus: EventBus; client: ApiClient; address: string; tokens: ApiToken[]; stop: () => Promise<void> }> {
  const bus = new EventBus({ keep, now: Date.now, business: () => new Set(['+447700900001']), onFault: (error) => { throw error; } });
  const tokens = [reader];
  const sources = new Proxy({ version: '0', bus } as ApiSources, { get: (all, name) => { if (name in all) return all[name as keyof ApiSources]; throw new Error(`not asked for ${String(name)}`); } });
  const server = await startApi({ listen: '127.0.0.1:0', tls: null, tokens: () => tokens, log: pino({ level: 'silent' }), onFault: (error) => { throw error; } }, sources);
  t.teardown(() => server.close());
  return { bus, tokens, stop: () => server.close(), address: server.address, client: new ApiClient(server.address, reader.token) };
}

const numbersOf = (told: readonly Told[]): unknown[] => told.map(({ type, data }) => (type === 'events.gap' ? ['gap', data.missed] : data.n));

t.test('who comes back with the id of the last event misses nothing that is kept', async (t) => {
  const { bus, client } = await serve(t, 100);
  const first = await client.events();
  for (let n = 0; n < 5; n += 1) bus.tell('peer.up', null, { n });
  const { id } = await first.when(({ data }) => data.n === 2);
  await first.when(({ data }) => data.n === 4);
  first.close();
  for (let n = 5; n < 9; n += 1) bus.tell('peer.up', null, { n });
  const second = await client.events('', id);
  await second.when(({ data }) => data.n === 8);
  bus.tell('peer.up', null, { n: 9 });
  await second.when(({ data }) => data.n === 9);
  t.same(numbersOf(second.told), [3, 4, 5, 6, 7, 8, 9], 'each once, in order');
  second.close();
});

t.test('an id that is kept no more, of another process or of none: told by an event, then all that there is', async (t) => {
  const { bus, client } = await serve(t, 4);
  const first = await client.events();
  bus.tell('peer.up', null, { n: 0 });
  const { id } = await first.when(({ data }) => data.n === 0);
  first.close();
  for (let n = 1; n < 9; n += 1) bus.tell('peer.up', null, { n });
  for (const last of [id, 'ffffffffffff-3', 'nonsense', `${id}0000000000`, '-1', id.replace(/\d+$/, '99')]) {
    const again = await client.events('', last);
    await again.when(({ data }) => data.n === 8);
    t.same(numbersOf(again.told), [['gap', null], 5, 6, 7, 8], last);
    const gap = again.told[0]!;
    again.close();
    const further = await client.events('', gap.id);
    await further.when(({ data }) => data.n === 8);
    t.same(numbersOf(further.told), [5, 6, 7, 8], 'the id of the gap is a place to go on from');
    further.close();
  }
});

t.test('filters by type and by call; a gap is told to everybody', async (t) => {
  const { bus, client } = await serve(t, 100);
  const [calls, ends, one] = [await client.events('?types=call.*'), await client.events('?types=call.ended,peer.down'), await client.events('?call=00000000-0000-4000-8000-000000000001')];
  bus.tell('call.created', '00000000-0000-4000-8000-000000000001', { n: 0 });
  bus.tell('peer.down', null, { n: 1 });
  bus.tell('call.ended', '00000000-0000-4000-8000-000000000002', { n: 2 });
  bus.tell('call.ended', '00000000-0000-4000-8000-000000000001', { n: 3 });
  for (const listener of [calls, ends, one]) await listener.when(({ data }) => data.n === 3);
  t.same([calls, ends, one].map(({ told }) => numbersOf(told)), [[0, 2, 3], [1, 2, 3], [0, 3]]);
  const gap = await client.events('?types=call.ended', 'unknown');
  await gap.when(({ type }) => type === 'events.gap');
  for (const listener of [calls, ends, one, gap]) listener.close();
});

t.test('users are masked, business numbers are not, and digits are for who may see users', async (t) => {
  const { bus, client, tokens, address } = await serve(t, 100);
  tokens.push({ name: 'all', token: 'all-of-it-0123456789', scopes: ['read', 'users'] });
  const [masked, full] = [await client.events(), await new ApiClient(address, 'all-of-it-0123456789').events()];
  bus.tell('call.dtmf', 'c', { user: '+447700900101', number: '+447700900001', digit: '7', text: 'no answer of +447700900101 \u202e GB.13491208655302741918', reference: null });
  const [one, other] = [await masked.when(() => true), await full.when(() => true)];
  t.same(one.data, { user: '+4477******01', number: '+447700900001', digit: null, text: 'no answer of +4477******01 \u202e GB.13****************18', reference: null });
  t.match(other.data, { user: '+447700900101', digit: '7' });
  for (const listener of [masked, full]) listener.close();
});

/** A listener that reads nothing. */
async function deaf(address: string): Promise<Socket> {
  const [host = '', port = ''] = address.split(':');
  const socket = connect({ host, port: Number(port) });
  await once(socket, 'connect');
  socket.pause();
  socket.write(`GET /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${reader.token}\r\n\r\n`);
  return socket;
}

t.test('listeners that read nothing cost bounded memory, are told and dropped; who reads hears everything meanwhile', async (t) => {
  const { bus, client, address } = await serve(t, 2000);
  const good = await client.events();
  const slow = await Promise.all(Array.from({ length: 20 }, () => deaf(address)));
  await new Promise((resolve) => setTimeout(resolve, 100));
  global.gc?.();
  const before = process.memoryUsage().external + process.memoryUsage().heapUsed;
  const padding = 'x'.repeat(500);
  const total = 30_000;
  for (let n = 0; n < total; n += 1) {
    bus.tell('peer.up', null, { n, padding });
    if (n % 200 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    // The good one keeps up: what is kept is ten times less than all there is.
    if (n % 1000 === 0) await good.when(({ data }) => data.n === n);
  }
  await good.when(({ data }) => data.n === total - 1);
  t.same(numbersOf(good.told), Array.from({ length: total }, (_, n) => n), 'no event lost, none twice');
  global.gc?.();
  const grown = process.memoryUsage().external + process.memoryUsage().heapUsed - before;
  // What the good one has kept in this process is 20 MB or so; twenty queues of all would be 300 MB.
  t.ok(grown < 120_000_000, `${Math.round(grown / 1e6)} MB more`);
  for (const socket of slow) {
    let text = '';
    socket.on('data', (data) => { text += data.toString('utf8'); });
    socket.resume();
    await once(socket, 'close');
    const last = text.split('\n\n').filter((block) => block.includes('data: ')).map((block) => JSON.parse(/data: (.*)/.exec(block)?.[1] ?? '') as Told);
    const [gap, previous] = [last.at(-1)!, last.at(-2)!];
    t.equal(gap.type, 'events.gap');
    t.ok(Number(gap.data.missed) > 0 && Number(gap.data.missed) < total, `it has missed ${String(gap.data.missed)}`);
    t.ok(last.length - 1 < total && previous.data.n === last.length - 2, 'up to there it has heard everything');
  }
  good.close();
});

t.test('what happened right before a stop is told', async (t) => {
  const { bus, client, stop } = await serve(t, 10);
  const one = await client.events();
  bus.tell('peer.up', null, { n: 0 });
  await stop();
  await one.ended;
  t.same(numbersOf(one.told), [0]);
});

t.test('a token that may not see users any more has its stream ended, and sees none in the next', async (t) => {
  const { bus, tokens, address } = await serve(t, 10);
  const all: ApiToken = { name: 'all', token: 'all-of-it-0123456789', scopes: ['read', 'users'] };
  tokens.push(all);
  const client = new ApiClient(address, all.token);
  const [one, other] = [await client.events(), await new ApiClient(address, reader.token).events()];
  tokens[1] = { ...all, scopes: ['read'] };
  await Promise.race([one.ended, new Promise((resolve) => { setTimeout(resolve, 12_000).unref(); })]);
  bus.tell('peer.up', null, { user: '+447700900101' });
  await other.when(() => true);
  t.same(one.told, [], 'nothing is told to it any more');
  const next = await client.events('', 'nonsense');
  t.equal((await next.when(({ type }) => type === 'peer.up')).data.user, '+4477******01');
  for (const listener of [other, next]) listener.close();
});

t.test('a token that is taken away ends its streams; a service that stops ends all', async (t) => {
  const { bus, client, tokens } = await serve(t, 10);
  const one = await client.events();
  tokens.length = 0;
  await one.ended;
  t.same(one.told, []);
  bus.tell('peer.up', null, {});
  t.equal((await client.get('/v1/events')).status, 401);
});
