import t from 'tap';
import { setTimeout as wait } from 'node:timers/promises';
import { Serial } from '../../../lib/util/serial.js';

t.test('work is done in the order in which it was given, however long each takes', async (t) => {
  const serial = new Serial();
  const done: number[] = [];
  const all = [30, 1, 10].map((ms) => serial.run(async () => {
    await wait(ms);
    done.push(ms);
    return ms;
  }));
  t.same(done, [], 'nothing is done at once');
  t.same(await Promise.all(all), [30, 1, 10], 'each gives its own result');
  t.same(done, [30, 1, 10]);
});

t.test('work that fails, at once or later, is told to who waits for it alone', async (t) => {
  const serial = new Serial();
  const thrown = serial.run(() => { throw new Error('at once'); });
  const rejected = serial.run(() => Promise.reject(new Error('later')));
  const after = serial.run(() => 'still done');
  await t.rejects(thrown, { message: 'at once' });
  await t.rejects(rejected, { message: 'later' });
  t.equal(await after, 'still done');
});

t.test('a failure that nobody waits for is no unhandled rejection', async (t) => {
  const seen: unknown[] = [];
  const listener = (reason: unknown): void => { seen.push(reason); };
  process.on('unhandledRejection', listener);
  t.teardown(() => process.off('unhandledRejection', listener));
  const serial = new Serial();
  void serial.run(() => Promise.reject(new Error('nobody looks')));
  await serial.idle();
  await wait(1);
  t.same(seen, []);
});

t.test('idle waits for what was given so far, and work may give more work', async (t) => {
  const serial = new Serial();
  await serial.idle();
  const done: string[] = [];
  let inner: Promise<unknown> | null = null;
  void serial.run(async () => {
    inner = serial.run(async () => {
      await wait(5);
      done.push('inner');
    });
    await wait(1);
    done.push('outer');
  });
  await serial.idle();
  t.same(done, ['outer']);
  await inner;
  t.same(done, ['outer', 'inner']);
});
