// Posting to a URL that takes, refuses, is slow or dead: order in each lane, each at least once, bounded memory, few attempts at a dead one.
import t from 'tap';
import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { Deliveries, type DeliveriesOptions } from '../../../lib/util/deliveries.js';

interface Receiver { readonly url: string; readonly got: string[]; answer: (body: string) => number | 'silent'; down(): Promise<void>; up(): Promise<void> }

async function receiver(t: { teardown(action: () => unknown): void }): Promise<Receiver> {
  const got: string[] = [];
  let server: Server;
  let port = 0;
  const one: Receiver = {
    get url() { return `http://127.0.0.1:${port}/in`; }, got, answer: () => 200,
    async down() {
      server.closeAllConnections();
      await new Promise((resolve) => { server.close(resolve); });
    },
    async up() {
      server = createServer((request, response) => {
        let body = '';
        request.on('data', (data: Buffer) => { body += data.toString(); });
        request.on('end', () => {
          got.push(body);
          const status = one.answer(body);
          if (status !== 'silent') response.writeHead(status).end();
        });
      });
      server.listen(port, '127.0.0.1');
      await once(server, 'listening');
      ({ port } = server.address() as AddressInfo);
    },
  };
  await one.up();
  t.teardown(() => one.down().catch(() => undefined));
  return one;
}

function deliveries(t: { teardown(action: () => unknown): void }, url: string, more: Partial<DeliveriesOptions> = {}): { all: Deliveries; outcomes: string[]; trouble: (string | null)[] } {
  const outcomes: string[] = [];
  const trouble: (string | null)[] = [];
  const all = new Deliveries(url, {
    attemptMs: 500, pausesMs: [30, 60, 3000], lifetimeMs: 3_600_000, restMs: 0, most: { letters: 1000, bytes: 1_000_000, atOnce: 8 },
    onOutcome: (outcome) => { outcomes.push(outcome); }, onTrouble: (why) => { trouble.push(why); }, ...more,
  });
  t.teardown(() => all.close());
  return { all, outcomes, trouble };
}

const letter = (body: string): { body: Buffer; headers: object & Record<string, string> } => ({ body: Buffer.from(body), headers: {} });
const until = async (holds: () => boolean): Promise<void> => {
  for (let i = 0; i < 1000 && !holds(); i += 1) await new Promise((resolve) => setTimeout(resolve, 10));
  if (!holds()) throw new Error('it did not come to that');
};

t.test('a lane keeps its order through refusals; no other lane waits for it', async (t) => {
  const to = await receiver(t);
  let refusals = 2;
  to.answer = (body) => (body === 'a1' && (refusals -= 1) >= 0 ? 500 : 204);
  const { all, outcomes, trouble } = deliveries(t, to.url);
  for (const body of ['a1', 'a2', 'b1', 'a3', 'b2']) all.send(letter(body), body[0]!);
  await until(() => outcomes.length === 5);
  t.same(to.got.filter((body) => body.startsWith('a')), ['a1', 'a1', 'a1', 'a2', 'a3']);
  t.same(to.got.filter((body) => body.startsWith('b')), ['b1', 'b2']);
  t.ok(to.got.indexOf('b2') < to.got.indexOf('a2'), 'b did not wait');
  t.same(outcomes, Array(5).fill('delivered'));
  t.ok(trouble.includes('it answers 500') && trouble.at(-1) === null);
  t.same(all.held, { bytes: 0, count: 0 });
});

t.test('a receiver that comes back gets everything at once, in order, though the next attempts were far off', async (t) => {
  const to = await receiver(t);
  await to.down();
  const { all, outcomes } = deliveries(t, to.url);
  for (let n = 0; n < 200; n += 1) all.send(letter(`${n % 20}:${n}`), String(n % 20));
  await new Promise((resolve) => setTimeout(resolve, 400));
  await to.up();
  all.send(letter('new'), null);
  const began = Date.now();
  await until(() => outcomes.length === 201);
  t.ok(Date.now() - began < 2500, 'nothing waited for its third pause of three seconds');
  for (let lane = 0; lane < 20; lane += 1) t.same(to.got.filter((body) => body.startsWith(`${lane}:`)).map((body) => Number(body.split(':')[1])), Array.from({ length: 10 }, (_, i) => lane + 20 * i));
});

t.test('what one lane is refused while others are taken does not come again with each of them', async (t) => {
  const to = await receiver(t);
  to.answer = (body) => (body === 'poison' ? 400 : 200);
  const { all, outcomes } = deliveries(t, to.url, { pausesMs: [30, 400] });
  all.send(letter('poison'), 'p');
  for (let n = 0; n < 100; n += 1) {
    all.send(letter(String(n)), null);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await until(() => outcomes.length === 100);
  const tries = to.got.filter((body) => body === 'poison').length;
  t.ok(tries >= 2 && tries <= 6, `${tries} attempts`);
});

t.test('a dead receiver: bounded memory, and an attempt now and then instead of one for each', async (t) => {
  const { all, outcomes, trouble } = deliveries(t, 'http://127.0.0.1:9/nobody', { restMs: 200, pausesMs: [20] });
  let taken = 0;
  for (let n = 0; n < 5000; n += 1) if (all.send(letter('x'.repeat(300)), String(n))) taken += 1;
  t.equal(taken, 1000);
  t.ok(all.held.count === 1000 && all.held.bytes === 300_000);
  t.equal(outcomes.filter((outcome) => outcome === 'dropped').length, 4000);
  let attempts = 0;
  const real = globalThis.fetch;
  globalThis.fetch = (...args) => { attempts += 1; return real(...args); };
  await new Promise((resolve) => setTimeout(resolve, 1500));
  globalThis.fetch = real;
  t.ok(attempts >= 3 && attempts <= 20, `${attempts} attempts in 1.5 s`);
  t.ok(trouble.length >= 1 && trouble.length < 20, 'told now and then');
});

t.test('an answer that does not come is a failure; a life that is over ends it; what is closed does nothing more', async (t) => {
  const to = await receiver(t);
  to.answer = () => 'silent';
  const { all, outcomes } = deliveries(t, to.url, { attemptMs: 100, pausesMs: [20], lifetimeMs: 400 });
  all.send(letter('slow'), null);
  await until(() => outcomes.length === 1);
  t.same(outcomes, ['failed']);
  t.ok(to.got.length >= 2 && to.got.length <= 4, `${to.got.length} attempts`);
  all.send(letter('more'), null);
  all.close();
  all.close();
  t.equal(all.send(letter('late'), null), false);
  t.same(all.held, { bytes: 0, count: 0 });
});

t.test('what failed twice, before and behind a moment in which the receiver was there, comes at once when it is back', async (t) => {
  const to = await receiver(t);
  let open = '';
  to.answer = (body) => (open.includes(body) ? 200 : 503);
  const { all, outcomes, trouble } = deliveries(t, to.url, { attemptMs: 300, pausesMs: [30_000] });
  all.send(letter('x'), 'x');
  await until(() => to.got.length === 1);
  open = 'y';
  all.send(letter('y'), 'y');
  // It is there, takes y, and is gone before x comes again.
  await until(() => to.got.length === 3);
  open = '';
  await new Promise((resolve) => setTimeout(resolve, 400));
  open = 'xz';
  all.send(letter('z'), 'z');
  await until(() => outcomes.length === 3);
  t.same(to.got, ['x', 'y', 'x', 'z', 'x']);
  t.same(trouble, ['it answers 503', null], 'and the log is told of it once in a minute');
});

t.test('at the end what can be delivered is, in order; who does not take it, or says nothing, is not waited for long', async (t) => {
  const to = await receiver(t);
  const { all, outcomes } = deliveries(t, to.url);
  for (let n = 0; n < 30; n += 1) all.send(letter(`a${n}`), 'a');
  for (let n = 0; n < 30; n += 1) all.send(letter(`b${n}`), null);
  await all.finish(5000);
  t.same(to.got.filter((body) => body.startsWith('a')), Array.from({ length: 30 }, (_, n) => `a${n}`));
  t.equal(to.got.length, 60);
  t.same(outcomes, Array(60).fill('delivered'));
  t.equal(all.send(letter('late'), null), false);
  await all.finish(5000);

  const refused = deliveries(t, to.url);
  to.answer = () => 500;
  for (let n = 0; n < 30; n += 1) refused.all.send(letter(`c${n}`), null);
  const began = performance.now();
  await refused.all.finish(20_000);
  t.ok(performance.now() - began < 5000, 'what is to be tried again later is given up');
  t.same(refused.all.held, { bytes: 0, count: 0 });

  const mute = deliveries(t, to.url, { attemptMs: 20_000 });
  to.answer = () => 'silent';
  mute.all.send(letter('d'), null);
  const then = performance.now();
  await mute.all.finish(200);
  t.ok(performance.now() - then < 3000);
});

t.test('what will never be taken is tried once, where the caller knows that; the others go on', async (t) => {
  const to = await receiver(t);
  to.answer = (body) => (body === 'bad' ? 400 : 200);
  const { all, outcomes, trouble } = deliveries(t, to.url, { isFinal: (status) => status === 400 });
  all.send(letter('bad'), 'lane');
  all.send(letter('good'), 'lane');
  await until(() => outcomes.length === 2);
  t.same([to.got, outcomes], [['bad', 'good'], ['failed', 'delivered']]);
  t.same(trouble, ['it answers 400', null]);
  t.same(all.held, { bytes: 0, count: 0 });
});
