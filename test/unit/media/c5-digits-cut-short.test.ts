import t from 'tap';
import { DigitQueue } from '../../../lib/media/relay/digitQueue.js';

/** What goes out, 20 ms after 20 ms: the digits with how long each lasted, and when the last ended. */
function play(queue: DigitQueue, arrivals: readonly (readonly [at: number, event: number, durationMs: number])[]): { lasted: [number, number][]; endedAt: number } {
  const lasted: [number, number][] = [];
  let endedAt = 0;
  let running = 0;
  for (let now = 0; now < 60_000; now += 20) {
    for (const [at, event, durationMs] of arrivals) if (at === now) queue.push(event, durationMs);
    const step = queue.step(now);
    if (step === null) continue;
    if (step.elapsedMs < running && !step.first) throw new Error('a digit grew shorter');
    running = step.elapsedMs;
    if (step.end) {
      lasted.push([step.event, step.elapsedMs]);
      endedAt = now;
    }
  }
  return { lasted, endedAt };
}

t.test('C5: eight digits of two seconds within two seconds are through within the three that follow', (t) => {
  const { lasted, endedAt } = play(new DigitQueue(), Array.from({ length: 8 }, (_, i) => [i * 240, i, 2000] as const));
  t.same(lasted.map(([event]) => event), [0, 1, 2, 3, 4, 5, 6, 7], 'in order, none lost');
  t.same(lasted.at(-1), [7, 2000], 'the last has nobody behind it');
  for (const [, ms] of lasted) t.ok(ms >= 40, `${ms} ms`);
  t.ok(endedAt <= 7 * 240 + 2200, `${endedAt} ms`);
  t.end();
});

t.test('C5: a burst is 40 ms each, a short digit stays short, one alone keeps its length', (t) => {
  t.same(play(new DigitQueue(), [[0, 1, 2000], [0, 2, 2000], [0, 3, 160], [0, 4, 100]]).lasted, [[1, 40], [2, 40], [3, 40], [4, 100]]);
  t.same(play(new DigitQueue(), [[0, 5, 8000]]).lasted, [[5, 8000]]);
  // The next comes in the middle of a long one: that ends with the step that follows.
  const { lasted } = play(new DigitQueue(), [[0, 1, 5000], [1000, 2, 60]]);
  t.equal(lasted[0]?.[0], 1);
  t.ok((lasted[0]?.[1] ?? 0) >= 1000 && (lasted[0]?.[1] ?? 0) <= 1040);
  t.same(lasted[1], [2, 60]);
  t.end();
});

t.test('C5: a flood of digits is bounded', (t) => {
  const { lasted } = play(new DigitQueue(), Array.from({ length: 5000 }, () => [0, 1, 8000] as const));
  t.equal(lasted.length, 64);
  t.end();
});
