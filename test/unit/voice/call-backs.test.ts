// Users who are to be called back: when an attempt is made, and when not; what a restart goes on with.
import t, { type Test } from 'tap';
import { stringify } from 'yaml';
import { parseConfig } from '../../../lib/config/load.js';
import type { Config } from '../../../lib/config/types.js';
import { Call } from '../../../lib/call/call.js';
import type { CallOrder } from '../../../lib/call/ordered.js';
import { ended, type Termination } from '../../../lib/call/termination.js';
import type { Ruling } from '../../../lib/graph/permission/gate.js';
import { isOpen } from '../../../lib/routing/index.js';
import { Remembered } from '../../../lib/state/index.js';
import { CallBacks } from '../../../lib/voice/queue/callBacks.js';
import { Queues } from '../../../lib/voice/queue/queues.js';
import { log } from '../../fakes/context.js';

const number = '+447700900001';
const wanted = { number, user: '+447700900111', queue: 'support', route: 'main', call: 'c1' };
const noon = Date.parse('2026-11-30T12:00:00Z');

function configOf(permission: string): Config {
  return parseConfig(stringify({
    domain: 'sbc.example.net', sip: { listen: ['udp:127.0.0.1:0'] }, numbers: { [number]: { password: 'x', permission, ...(permission === 'off' ? {} : { id: '100000000000001' }) } },
    ...(permission === 'off' ? {} : { graph: { token: 'EAAtoken' } }), peers: { pbx: { uri: 'sip:10.0.0.7', pstn: 'none', users: ['6001'], sources: ['10.0.0.7'], mayCall: [number] } },
    hours: { office: { timezone: 'UTC', week: { mon: ['09:00-17:00'] } } }, queues: { support: { to: [{ peer: 'pbx', user: '6001' }], callBack: { key: '5' } } },
    routes: [{ name: 'main', number, hours: 'office', queue: 'support' }],
  }), { env: {}, path: '/test.yaml' });
}

interface Scene { readonly callBacks: CallBacks; readonly queues: Queues; readonly config: Config; readonly orders: CallOrder[]; readonly told: string[]; readonly next: (what: 'order' | 'news') => Promise<void>; /** The last call that was placed. */ call: Call | null; now: number }
/** What becomes of a call: reached at once, up until the test ends it, or not placed. */
type Course = 'reached' | 'talks' | Termination;

function open(t: Test, { store, now = noon, permission = 'off', ruling, course = 'reached' }: { store: Remembered; now?: number; permission?: string; ruling?: Partial<Ruling>; course?: Course }): Scene {
  const config = configOf(permission);
  const queues = new Queues(() => performance.now(), () => { t.fail('a call-back is no call of the queue'); });
  const orders: CallOrder[] = [];
  const told: string[] = [];
  const waiting: { readonly what: string; readonly go: () => void }[] = [];
  const tell = (what: string): void => { for (const one of waiting.splice(0)) if (one.what === what) one.go(); else waiting.push(one); };
  const callBacks = new CallBacks({
    config: () => config, queues, store, now: () => scene.now, log, open: (route) => isOpen(config, route, scene.now),
    gate: { judge: () => Promise.resolve(ruling as Ruling) },
    place: (order) => {
      orders.push(order);
      tell('order');
      const call = new Call({ direction: 'business-initiated', startedAt: 0, log, showUser: (user) => user, onEnded: () => undefined });
      scene.call = call;
      if (typeof course === 'object') return Promise.resolve({ call, refused: course });
      setImmediate(() => {
        call.tell({ type: 'answered', leg: 'peer', peer: 'pbx', peerUser: '6001' });
        call.answered();
        call.tell({ type: 'answered', leg: 'meta' });
        if (course === 'reached') call.end(ended.peerHungUp(null));
      });
      return Promise.resolve({ call, refused: null });
    },
    news: (what) => {
      told.push(what);
      tell('news');
    },
  });
  // Its own timers keep no process up.
  const up = setInterval(() => undefined, 1000);
  t.teardown(() => {
    clearInterval(up);
    callBacks.close();
    queues.close();
  });
  const scene: Scene = { callBacks, queues, config, orders, told, call: null, now, next: (what) => new Promise((resolve) => { waiting.push({ what, go: resolve }); }) };
  return scene;
}

const storeOf = (now = noon): Remembered => new Remembered({ prefix: 'b', capacity: 10, lifetime: 8 * 86_400_000, now: () => now });

t.test('what the process before has kept is gone on with; one of no use, or that cannot be read, is not', async (t) => {
  const before = storeOf();
  const lines: string[] = [];
  before.attach((_key, line) => { lines.push(line); return Promise.resolve(); });
  open(t, { store: before }).callBacks.keep(wanted, new Promise(() => undefined));
  t.equal(lines.length, 1);
  const store = storeOf();
  for (const line of [...lines, 'b x y\t{"number":7}\t@1796000000', 'b x z\tno JSON\t@1796000000']) store.take(line);
  const { callBacks, orders, told, next } = open(t, { store });
  t.equal(callBacks.waiting('support'), 1);
  const done = next('news');
  callBacks.start();
  await done;
  t.same(orders, [{ number, user: wanted.user, peer: 'pbx', peerUser: '6001', first: 'peer', reference: 'callBack:support', record: null }]);
  t.same([told, callBacks.waiting('support')], [['done'], 0]);
});

t.test('outside the hours of its route nobody is rung; behind keepFor it is given up', async (t) => {
  const store = storeOf();
  void store.set('closed', JSON.stringify({ ...wanted, at: noon, tries: 0, due: 0 }));
  const closed = open(t, { store, now: Date.parse('2026-11-30T18:00:00Z') });
  closed.callBacks.start();
  await new Promise((resolve) => setTimeout(resolve, 100));
  t.same([closed.orders, closed.callBacks.waiting('support')], [[], 1]);
  const late = open(t, { store, now: noon + 25 * 3_600_000 });
  const dropped = late.next('news');
  late.callBacks.start();
  await dropped;
  t.same([late.orders, late.told, late.callBacks.waiting('support')], [[], ['dropped'], 0]);
});

t.test('who may be called: as the number looks at it', async (t) => {
  const permits = (permission: string, ruling: object): Promise<boolean> => open(t, { store: storeOf(), permission, ruling }).callBacks.permits(number, wanted.user);
  t.same(await Promise.all([
    permits('off', { allowed: false }), permits('check', { allowed: true }), permits('check', { allowed: false, status: 403 }), permits('request', { allowed: false, status: 480 }), permits('request', { allowed: false, status: 403 }),
  ]), [true, true, false, true, false]);
});

t.test('who has been reached is not called again by a process that dies while they talk', async (t) => {
  const store = storeOf();
  void store.set(`${number} ${wanted.user}`, JSON.stringify({ ...wanted, at: noon, tries: 0, due: 0 }));
  const { callBacks, next } = open(t, { store, course: 'talks' });
  const order = next('order');
  callBacks.start();
  await order;
  const kept = (): { tries: number; due: number } | null => JSON.parse(store.get(`${number} ${wanted.user}`) ?? 'null') as { tries: number; due: number } | null;
  t.match(kept(), { tries: 1, due: noon + 300_000 }, 'an attempt counts while it rings');
  while (kept() !== null) await new Promise(setImmediate);
});

t.test('an agent who is free only when the route is closed rings nobody', async (t) => {
  const store = storeOf();
  void store.set('k', JSON.stringify({ ...wanted, at: noon, tries: 0, due: 0 }));
  const scene = open(t, { store });
  const { queues, config } = scene;
  // The one agent talks to somebody else.
  const other = queues.joinForCallBack('support', config.queues['support']!);
  const agent = await other.agent();
  const free = other.answered(agent!);
  other.leave('hungUp');
  scene.callBacks.start();
  await new Promise((resolve) => setTimeout(resolve, 50));
  scene.now = Date.parse('2026-11-30T18:00:00Z');
  free();
  await new Promise((resolve) => setTimeout(resolve, 100));
  t.same([scene.orders, scene.callBacks.waiting('support')], [[], 1]);
});

t.test('what no later hour will change is given up, what one may is not', async (t) => {
  const policy = (code: string): Termination => ended.byPolicy({ code, rule: code, status: 403, text: 'no' });
  for (const [code, left] of [['callee.sanctioned', 0], ['caller.country', 0], ['number.unknown', 0], ['permission.none', 1], ['target.user', 1]] as const) {
    const store = storeOf();
    void store.set('k', JSON.stringify({ ...wanted, at: noon, tries: 0, due: 0 }));
    const scene = open(t, { store, course: policy(code) });
    const [order, news] = [scene.next('order'), scene.next('news')];
    scene.callBacks.start();
    await (left === 0 ? news : order);
    await new Promise(setImmediate);
    t.same([scene.callBacks.waiting('support'), scene.told], [left, left === 0 ? ['dropped'] : []], code);
    if (left === 1) t.match(JSON.parse(store.get('k')!), { tries: 0 });
  }
});
