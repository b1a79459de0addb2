import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { RelayCall } from '../../../lib/media/relay/relayCall.js';
import { Side } from '../../../lib/media/relay/side.js';
import type { RelayReport } from '../../../lib/media/relay/messages.js';
import { Link } from '../../../lib/media/freeswitch/link.js';
import { AwakeClock, patience } from '../../../lib/util/patience.js';
import { NgClient } from '../../../lib/media/rtpengine/ngClient.js';
import { fakeEventSocket, response } from './fakeEventSocket.js';

/** Keeps our own loop from running, as a machine without time for us does. */
function stall(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

t.test('A14: patience ends after its time, a stall of ours counts little, and it can be taken back', async (t) => {
  const begin = performance.now();
  await new Promise<void>((resolve) => patience(600, resolve));
  t.ok(performance.now() - begin >= 590);
  let ended = false;
  patience(1000, () => { ended = true; });
  stall(1500);
  await sleep(10);
  t.notOk(ended, 'not by a stall');
  await sleep(1500);
  t.ok(ended);
  let taken = false;
  patience(50, () => { taken = true; })();
  await sleep(100);
  t.notOk(taken);
});

t.test('A14: an answer that came while we stalled is an answer', async (t) => {
  const engine = createSocket('udp4');
  engine.bind(0, '127.0.0.1');
  await once(engine, 'listening');
  const client = new NgClient('127.0.0.1', engine.address().port);
  t.teardown(() => { client.close(); engine.close(); });
  engine.on('message', (data, from) => engine.send(`${data.toString().split(' ')[0]} d6:result4:ponge`, from.port, from.address));
  const asked = client.request('ping', {}, 300);
  await sleep(5);
  stall(1000);
  t.match(await asked, { result: 'pong' });
});

t.test('A14: ng tells of answers that are late, and of a port that nobody listens at', async (t) => {
  const engine = createSocket('udp4');
  engine.bind(0, '127.0.0.1');
  await once(engine, 'listening');
  const cookies = new Set<string>();
  const timers: NodeJS.Timeout[] = [];
  engine.on('message', (data, from) => {
    cookies.add(data.toString().split(' ')[0] ?? '');
    timers.push(setTimeout(() => engine.send(`${data.toString().split(' ')[0]} d6:result4:ponge`, from.port, from.address), 900));
  });
  const seen: string[] = [];
  const client = new NgClient('127.0.0.1', engine.address().port, { answered: (ms) => seen.push(`answered ${ms}`), late: () => seen.push('late') });
  t.teardown(() => client.close());
  await client.request('ping');
  t.same(seen, ['late', 'answered 750']);
  t.equal(cookies.size, 1, 'each time with the same cookie');
  t.notOk(await client.refused());
  for (const timer of timers) clearTimeout(timer);
  await new Promise<void>((resolve) => engine.close(() => resolve()));
  t.ok(await client.refused());
});

t.test('A14: an awake clock does not count what was slept through', async (t) => {
  const clock = new AwakeClock(1000, 100);
  t.equal(clock.look(1040), 40);
  t.equal(clock.look(41_040), 140);
  t.equal(clock.look(41_000), 140, 'never back');
});

const FORMAT = { codec: 'opus', audioType: 111, eventType: 126, eventUnit: 8000 } as const;

t.test('A14: a starved worker is no silence of Meta, a silence is', async (t) => {
  const reports: RelayReport[] = [];
  const call = new RelayCall(1, (report) => reports.push(report));
  call.added(new Side(call, {
    id: 'meta', place: { remote: { address: '127.0.0.1', port: 9 }, wire: null }, format: FORMAT, flow: { listens: true, sends: true }, ssrc: 1, random: Math.random, send: () => undefined, cname: null,
  }), 0);
  let now = performance.now();
  call.start(now, 5000);
  for (let i = 0; i < 20; i += 1) call.tick(now += 40_000);
  t.same(reports, [], 'twenty stalls of 40 s');
  for (let i = 0; i < 400; i += 1) call.tick(now += 5);
  t.same(reports, []);
  for (let i = 0; i < 400; i += 1) call.tick(now += 5);
  t.match(reports, [{ op: 'silent' }]);
  call.watch('meta');
  for (let i = 0; i < 1100; i += 1) call.tick(now += 5);
  t.equal(reports.length, 2, 'counted anew where it was not the far end');
});

t.test('A14: a FreeSWITCH that answers late keeps its connection, and late answers are nobody else\'s', async (t) => {
  const fake = await fakeEventSocket((command, socket) => {
    if (!command.includes('slow')) return null;
    setTimeout(() => socket.write(response(command)), 1500);
    return '';
  });
  const socket = await Link.open(fake.address, 1000);
  t.teardown(() => { socket.close(); return fake.close(); });
  let closed = false;
  let late = 0;
  socket.on('close', () => { closed = true; });
  socket.on('late', () => { late += 1; });
  await t.rejects(socket.api('slow', 300), { code: 'MEDIA_UNAVAILABLE' });
  t.ok(socket.behind);
  await t.rejects(socket.api('slow', 300), { code: 'MEDIA_UNAVAILABLE' });
  await sleep(1600);
  t.notOk(socket.behind);
  t.equal(await socket.api('quick'), 'api quick');
  t.equal(await socket.api('slow'), 'api slow');
  t.ok(late > 0);
  t.notOk(closed);
});
