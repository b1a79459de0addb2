import t from 'tap';
import { Queues } from '../../../lib/voice/queue/queues.js';
import { waitInQueue } from '../../../lib/voice/queue/wait.js';
import type { Line } from '../../../lib/voice/line.js';
import type { QueueConfig } from '../../../lib/config/types.js';

const config = { to: [{ peer: 'pbx', user: '6101' }], strategy: 'order', maxLength: 5, maxWait: 0, rest: 5, callBack: null, keys: {}, otherwise: null, full: null, music: null, announce: { every: 0, places: [], file: null } } as unknown as QueueConfig;

/** As much of a call as a queue sees of one that Meta does not get an answer for. */
function lineOf(queues: Queues, accept: () => Promise<boolean>): Line {
  const call = { over: false, facts: { queue: [] }, own: () => () => undefined, news: () => undefined, runs: () => undefined, end: () => undefined, log: { warn: () => undefined, info: () => undefined } };
  return { call, config: { queues: { support: config } }, context: { queues }, bridge: { comfort: { begin: () => undefined, end: () => undefined } }, media: {}, accept } as unknown as Line;
}

for (const [how, accept] of [['the user hangs up before the answer', async () => false], ['the answer fails', async () => { throw new Error('no answer'); }]] as const) {
  t.test(`${how}: who was chosen for the call is free for the next`, async (t) => {
    const queues = new Queues(() => 0, () => undefined);
    t.teardown(() => queues.close());
    await waitInQueue(lineOf(queues, accept), 'support').catch(() => null);
    t.match(queues.figures({ support: config }), [{ waiting: 0, free: 1, busy: 0 }]);
  });
}
