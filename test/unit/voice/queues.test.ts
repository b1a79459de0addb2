import t, { type Test } from 'tap';
import type { QueueConfig } from '../../../lib/config/types.js';
import { Queues, type Agent, type Ticket } from '../../../lib/voice/queue/queues.js';

const a: Agent = { peer: 'pbx', user: '6001' };
const b: Agent = { peer: 'pbx', user: '6002' };
const queueOf = (more: Partial<QueueConfig> = {}): QueueConfig => ({
  to: [a, b], strategy: 'longest-idle', ringTimeout: 20, rest: 10, music: null, announce: { every: 0, places: [], file: null }, callBack: null, keys: {}, maxWait: 0, otherwise: null, maxLength: 3, full: null, ...more,
});

/** Queues on a clock of the test's. */
function open(t: Test): { queues: Queues; at: (ms: number) => void; left: string[] } {
  const left: string[] = [];
  let now = 0;
  const queues = new Queues(() => now, (queue, how, ms) => left.push(`${queue} ${how} ${ms}`));
  t.teardown(() => queues.close());
  return { queues, left, at: (ms) => { now = ms; } };
}

/** Who is to be rung for it now; null: nobody yet, or it has left. */
async function rung(ticket: Ticket): Promise<string | null> {
  const none = new Promise<null>((resolve) => { setImmediate(() => resolve(null)); });
  return (await Promise.race([ticket.agent(), none]))?.user ?? null;
}

t.test('who has waited longest is served first; places; who is busy is not rung', async (t) => {
  const { queues, at, left } = open(t);
  const queue = queueOf();
  const [first, second, third] = [queues.join('q', queue)!, queues.join('q', queue)!, queues.join('q', queue)!];
  t.same([await rung(first), await rung(second), await rung(third)], ['6001', '6002', null]);
  t.same([first.place, second.place, third.place], [1, 2, 3]);
  t.equal(queues.join('q', queue), null, 'full');
  t.same(left, ['q full 0']);
  at(5000);
  const release = second.answered(b);
  t.same([first.place, third.place], [1, 2]);
  t.match(queues.figures({ q: queue }), [{ queue: 'q', waiting: 2, longestMs: 5000, free: 0, busy: 2 }]);
  release();
  release();
  t.equal(await rung(third), '6002', 'whoever is free again');
  t.same(left, ['q full 0', 'q answered 5000']);
});

t.test('who does not take a call has a rest, and the call keeps its place', async (t) => {
  const { queues, at } = open(t);
  const queue = queueOf({ to: [a, b], strategy: 'order' });
  const first = queues.join('q', queue)!;
  t.equal(await rung(first), '6001');
  first.refused();
  t.equal(await rung(first), '6002');
  first.refused();
  const second = queues.join('q', queue)!;
  t.same([await rung(first), await rung(second)], [null, null], 'both rest');
  at(10_001);
  const third = queues.join('q', queue)!;
  t.same([await rung(first), await rung(second), await rung(third)], ['6001', '6002', null], 'the first one first');
});

t.test('longest idle, and order', async (t) => {
  const { queues, at } = open(t);
  const talk = async (queue: QueueConfig, from: number, to: number): Promise<string | null> => {
    at(from);
    const ticket = queues.join('q', queue)!;
    const user = await rung(ticket);
    const release = ticket.answered({ peer: a.peer, user: user ?? '' });
    at(to);
    release();
    return user;
  };
  const idle = queueOf();
  t.equal(await talk(idle, 0, 1000), '6001', 'of several that have had none the first');
  t.equal(await talk(idle, 2000, 3000), '6002');
  t.equal(await talk(idle, 4000, 9000), '6001');
  t.equal(await talk(idle, 10_000, 11_000), '6002');
  t.equal(await talk(queueOf({ strategy: 'order' }), 12_000, 13_000), '6001');
  t.equal(await talk(queueOf({ strategy: 'order' }), 14_000, 15_000), '6001');
});

t.test('a call that leaves leaves at once: whoever was rung for it rings for the next as soon as the first ringing is over, without a rest', async (t) => {
  const { queues, left } = open(t);
  const queue = queueOf({ to: [a] });
  const [first, second, third] = [queues.join('q', queue)!, queues.join('q', queue)!, queues.join('q', queue)!];
  second.leave('key');
  first.leave('hungUp');
  first.leave('late');
  t.same(left, ['q key 0', 'q hungUp 0']);
  t.equal(third.place, 1);
  t.equal(await rung(third), null, 'the CANCEL is under way');
  first.quiet();
  first.quiet();
  second.quiet();
  t.equal(await rung(third), '6001');
  t.equal(third.place, 1);
  t.equal(await second.agent(), null);
});

t.test('somebody of two queues is rung for whoever has waited longest in either', async (t) => {
  const { queues, at } = open(t);
  const one = queueOf({ to: [a] });
  const other = queueOf({ to: [a, b] });
  const first = queues.join('one', one)!;
  const busyB = queues.join('other', other)!;
  t.same([await rung(first), await rung(busyB)], ['6001', '6002']);
  const release = first.answered(a);
  busyB.answered(b);
  at(100);
  const inOther = queues.join('other', other)!;
  const inOne = queues.join('one', one)!;
  t.same([await rung(inOther), await rung(inOne)], [null, null]);
  release();
  t.same([await rung(inOther), await rung(inOne)], ['6001', null]);
  t.match(queues.figures({}).map(({ queue }) => queue).sort(), ['one', 'other'], 'queues that a reload has taken away are told of while somebody waits');
  inOther.leave('hungUp');
  inOther.quiet();
  t.equal(await rung(inOne), '6001');
});

t.test('who has picked a call up is busy, and who was rung for it is free', async (t) => {
  const { queues } = open(t);
  const queue = queueOf({ to: [a, b], strategy: 'order' });
  const first = queues.join('q', queue)!;
  t.equal(await rung(first), '6001');
  const release = first.answered(b);
  t.match(queues.figures({ q: queue }), [{ free: 1, busy: 1 }]);
  const [second, third] = [queues.join('q', queue)!, queues.join('q', queue)!];
  t.same([await rung(second), await rung(third)], ['6001', null]);
  release();
  t.equal(await rung(third), '6002');
  const other = second.answered({ peer: 'elsewhere', user: '7000' });
  t.match(queues.figures({ q: queue }), [{ free: 1 }], 'nobody of the queue has that one');
  other();
});
