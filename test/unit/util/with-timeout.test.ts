import t from 'tap';
import { setTimeout as wait } from 'node:timers/promises';
import { withPatience, withTimeout } from '../../../lib/util/withTimeout.js';

/** Timers of this process that are still to fire. */
const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout' || kind === 'Immediate').length;

for (const [name, within] of [['withTimeout', withTimeout], ['withPatience', withPatience]] as const) {
  t.test(`${name}: work that is in time gives its result, and its timer is gone`, async (t) => {
    const before = timers();
    const late = (): never => t.fail('it was in time') as never;
    t.equal(await within(Promise.resolve('done'), 60_000, late), 'done');
    await t.rejects(within(Promise.reject(new Error('failed')), 60_000, late), { message: 'failed' });
    t.equal(await within(Promise.resolve(undefined), 60_000, late), undefined, 'a result that is nothing is one');
    t.equal(timers(), before);
  });

  t.test(`${name}: what takes too long gives what stands for it`, async (t) => {
    const never = new Promise<string>(() => undefined);
    t.equal(await within(never, 5, () => 'late'), 'late');
    t.equal(await within(never, 5, () => undefined), undefined);
    await t.rejects(within(never, 5, () => { throw new Error('too late'); }), { message: 'too late' });
  });

  t.test(`${name}: work that fails when nobody waits any more is no unhandled rejection`, async (t) => {
    const seen: unknown[] = [];
    const listener = (reason: unknown): void => { seen.push(reason); };
    process.on('unhandledRejection', listener);
    t.teardown(() => process.off('unhandledRejection', listener));
    const work = wait(20).then(() => { throw new Error('nobody looks'); });
    t.equal(await within(work, 1, () => 'late'), 'late');
    await wait(40);
    t.same(seen, []);
  });
}

t.test('a time beyond what a timer can wait is not taken for none', async (t) => {
  t.equal(await withTimeout(wait(20).then(() => 'done'), 2 ** 40, () => 'late'), 'done');
  t.equal(await withTimeout(wait(20).then(() => 'done'), -1, () => 'late'), 'late');
});

t.test('a stall of our own does not use up the patience with a far end', async (t) => {
  const answer = wait(30).then(() => 'answer');
  const outcome = withPatience(answer, 400, () => 'late');
  await wait(1);
  for (const end = Date.now() + 600; Date.now() < end;);
  t.equal(await outcome, 'answer');
});
