// Whom a call is offered to, in which order, and what ends the search: the real rules, routes and places; a stand-in for the SIP stack and the media.
import t, { type Test } from 'tap';
import { Hunt } from '../../../lib/call/hunt/hunt.js';
import type { HuntPlan } from '../../../lib/call/hunt/plan.js';
import { fakeContext, type FakeContext } from '../../fakes/context.js';
import { FakeCall, PEER_SDP } from '../../fakes/media.js';
import type { FakeInvite } from '../../fakes/sip.js';
import { configOf, number } from '../policy/configuration.js';
import { ended } from '../../../lib/call/termination.js';

const peer = (host: string, users: string, more: object = {}): object => ({ uri: `sip:${host}:5060;transport=udp`, sources: [host], pstn: 'none', users: [users], ...more });
const config = configOf({
  peers: { a: peer('10.0.0.1', 'anna-[0-9]'), b: peer('10.0.0.2', 'bert-[0-9]'), c: peer('10.0.0.3', 'cora-[0-9]'), narrow: peer('10.0.0.4', 'nils-[0-9]', { maxConcurrentCalls: 1 }) },
  routes: [{ name: 'main', number, to: [{ peer: 'a', user: 'anna-1' }, { peer: 'b', user: 'bert-1' }, { peer: 'c', user: 'cora-1' }, { peer: 'narrow', user: 'nils-1' }] }],
});
const uris = { a: 'sip:anna-1@10.0.0.1:5060;transport=udp', b: 'sip:bert-1@10.0.0.2:5060;transport=udp', c: 'sip:cora-1@10.0.0.3:5060;transport=udp', narrow: 'sip:nils-1@10.0.0.4:5060;transport=udp' } as const;
type Name = keyof typeof uris;
const users = { a: 'anna-1', b: 'bert-1', c: 'cora-1', narrow: 'nils-1' } as const;

interface Stage extends FakeContext {
  readonly hunt: Hunt;
  readonly media: FakeCall;
  readonly rang: string[];
  /** The peers that were invited so far, in order. */
  asked(): string[];
  next(): Promise<FakeInvite>;
}

async function stage(t: Test, targets: readonly Name[], plan: Partial<HuntPlan> = {}): Promise<Stage> {
  const fake = await fakeContext(config);
  const media = new FakeCall();
  const call = fake.call();
  call.facts.number = number;
  t.teardown(() => call.end(ended.fault('the test is over')));
  const rang: string[] = [];
  let seen = 0;
  const hunt = new Hunt(call, fake.context, media, {
    targets: targets.map((name) => ({ peer: name, user: users[name], uri: uris[name] })), strategy: 'failover', stopOn: ['declined'], ringTimeout: 20, route: 'main', origin: 'route', by: null,
    from: '<sip:+447700900123@sbc.example.net>', headers: {}, ready: Promise.resolve(), early: null, ...plan,
  }, (target) => { rang.push(target.peer); });
  return {
    ...fake, hunt, media, rang,
    asked: () => fake.stack.invites.map(({ uri }) => Object.entries(uris).find(([, one]) => one === uri)?.[0] ?? uri),
    async next() {
      while (fake.stack.invites.length <= seen) await new Promise((resolve) => { fake.stack.once('invite', resolve); });
      await new Promise((resolve) => { setImmediate(resolve); });
      return fake.stack.invites[seen++] as FakeInvite;
    },
  };
}

t.test('in order: the first that answers has it', async (t) => {
  const { hunt, next, asked, rang, media, heard } = await stage(t, ['a', 'b', 'c']);
  const course = hunt.run();
  const first = await next();
  first.ring();
  first.refuse(486, 'Busy Here');
  const second = await next();
  t.match(second.request.headers, { from: '<sip:+447700900123@sbc.example.net>', 'content-type': 'application/sdp' });
  second.ring();
  second.answer(PEER_SDP);
  t.match(await course, { won: { target: { peer: 'b', user: 'bert-1' } } });
  t.same([asked(), rang], [['a', 'b'], ['a', 'b']]);
  t.same(media.legs.map(({ closed }) => closed), [true, false], 'whoever did not take it keeps no media');
  t.same(heard, [['a', null], ['b', null]]);
});

const endings: readonly { what: string; answers: readonly (readonly [number, string])[]; stopOn?: HuntPlan['stopOn']; asked: string[]; failed: object }[] = [
  { what: 'busy goes on, unless the route says otherwise', answers: [[486, 'Busy Here'], [404, 'Not Found']], asked: ['a', 'b'], failed: { reason: 'busy', status: 486 } },
  { what: 'busy ends it where the route says so', answers: [[486, 'Busy Here']], stopOn: ['busy'], asked: ['a'], failed: { reason: 'busy' } },
  { what: 'declined ends it', answers: [[603, 'Decline']], asked: ['a'], failed: { reason: 'declined' } },
  { what: "a person's answer says more than a machine's", answers: [[500, 'Server Internal Error'], [486, 'Busy Here']], asked: ['a', 'b'], failed: { reason: 'busy' } },
  { what: 'of two that say as much, the later', answers: [[404, 'Not Found'], [410, 'Gone']], asked: ['a', 'b'], failed: { status: 410 } },
];
for (const { what, answers, stopOn = ['declined'] as const, asked, failed } of endings) {
  t.test(what, async (t) => {
    const { hunt, next, asked: invited } = await stage(t, ['a', 'b'], { stopOn });
    const course = hunt.run();
    for (const [status, reason] of answers) (await next()).refuse(status, reason);
    t.match(await course, { failed });
    t.same(invited(), asked);
  });
}

t.test('a peer that is out is tried last, and then', async (t) => {
  const { hunt, next, asked, out } = await stage(t, ['a', 'b']);
  out.set('a', 'peer a does not answer OPTIONS');
  const course = hunt.run();
  (await next()).refuse(486, 'Busy Here');
  (await next()).answer(PEER_SDP);
  t.match(await course, { won: { target: { peer: 'a' } } });
  t.same(asked(), ['b', 'a']);
});

t.test('nobody is invited whom policy refuses; its verdict is the outcome when nobody else is left', async (t) => {
  const { hunt, asked } = await stage(t, [], { targets: [{ peer: 'a', user: '+442079460000', uri: 'sip:+442079460000@10.0.0.1' }] });
  t.match(await hunt.run(), { failed: { by: 'policy' } });
  t.same(asked(), []);
});

t.test('a redirection is a target of its own: judged, and followed three times', async (t) => {
  const { hunt, next, asked } = await stage(t, ['a']);
  const course = hunt.run();
  (await next()).refuse(302, 'Moved Temporarily', { Contact: '<sip:anna-2@10.0.0.1:5060;transport=udp>;q=0.5, <sip:+442079460000@10.0.0.1>;q=0.9' });
  const second = await next();
  t.equal(second.uri, 'sip:anna-2@10.0.0.1:5060;transport=udp', 'the one that policy allows');
  for (const user of ['anna-3', 'anna-4']) {
    (user === 'anna-3' ? second : await next()).refuse(302, 'Moved Temporarily', { Contact: `<sip:${user}@10.0.0.1:5060;transport=udp>` });
  }
  t.match(await course, { failed: { reason: 'refused', text: 'redirected more than 3 times' } });
  t.equal(asked().length, 3);
});

t.test('a redirection to another peer needs mayTransferTo', async (t) => {
  const { hunt, next, asked } = await stage(t, ['a']);
  const course = hunt.run();
  (await next()).refuse(302, 'Moved Temporarily', { Contact: `<${uris.b}>` });
  t.match(await course, { failed: { by: 'policy' } });
  t.same(asked(), ['a']);
});

t.test('a peer without a free place is passed by; a place comes back with the end of an attempt', async (t) => {
  const { hunt, next, table, asked } = await stage(t, ['narrow', 'a']);
  const place = table.takePeer('narrow', 1);
  const course = hunt.run();
  (await next()).refuse(486, 'Busy Here');
  t.match(await course, { failed: { reason: 'busy' } });
  t.same(asked(), ['a']);
  place?.release();
  t.ok(table.takePeer('narrow', 1), 'nothing of the attempt is left');
});

t.test('all at once: the first 200 wins, the others are cancelled, and told why', async (t) => {
  const { hunt, next, asked } = await stage(t, ['a', 'b', 'c'], { strategy: 'ring-all' });
  const course = hunt.run();
  const [a, b, c] = [await next(), await next(), await next()];
  t.same(asked(), ['a', 'b', 'c']);
  c.refuse(486, 'Busy Here');
  b.answer(PEER_SDP);
  t.match(await course, { won: { target: { peer: 'b' } } });
  t.match(a.request.cancelled, { Reason: /^SIP;cause=200;/ });
});

t.test('all at once, and none takes it: the most telling', async (t) => {
  const { hunt, next } = await stage(t, ['a', 'b'], { strategy: 'ring-all' });
  const course = hunt.run();
  (await next()).refuse(404, 'Not Found');
  (await next()).refuse(486, 'Busy Here');
  t.match(await course, { failed: { reason: 'busy' } });
});

t.test('the caller gives up: what rings is cancelled, nobody further is invited', async (t) => {
  const { hunt, next, asked } = await stage(t, ['a', 'b']);
  const course = hunt.run();
  const first = await next();
  hunt.stop('SIP;cause=487;text="cancelled"');
  t.match(await course, { failed: { status: 487 } });
  t.match(first.request.cancelled, { Reason: 'SIP;cause=487;text="cancelled"' });
  t.same(asked(), ['a']);
});

t.test('a 200 that crosses the CANCEL is ended', async (t) => {
  const { hunt, next } = await stage(t, ['a', 'b']);
  const course = hunt.run();
  const first = await next();
  first.request.cancel = () => undefined;
  hunt.stop('SIP;cause=487');
  const dialog = first.answer(PEER_SDP);
  t.match(await course, { failed: { status: 487 } });
  t.match(dialog.ended, { Reason: 'SIP;cause=487' });
});

t.test('an answer that cannot be used is ended, and the next is tried', async (t) => {
  const { hunt, next } = await stage(t, ['a', 'b']);
  const course = hunt.run();
  const dialog = (await next()).answer('v=0\r\n');
  (await next()).answer(PEER_SDP);
  t.match(await course, { won: { target: { peer: 'b' } } });
  t.match(dialog.ended, { Reason: /cause=488/ });
});

t.test("nobody rings before Meta's offer is known to be usable", async (t) => {
  const ready = Promise.reject(new Error('no codec in common'));
  ready.catch(() => undefined);
  const { hunt, asked } = await stage(t, ['a'], { ready });
  await t.rejects(hunt.run(), { message: 'no codec in common' });
  t.same(asked(), []);
});

t.test('a target that rings too long: 480, and the next', async (t) => {
  const { hunt, next } = await stage(t, ['a', 'b'], { ringTimeout: 0.05 });
  const course = hunt.run();
  const first = await next();
  first.ring();
  const second = await next();
  t.match(first.request.cancelled, { Reason: /^SIP;cause=408;/ });
  second.refuse(404, 'Not Found');
  t.match(await course, { failed: { reason: 'noAnswer', status: 480 } });
});
