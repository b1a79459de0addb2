// Calls with media that come and go for long: memory, handles and threads are to stay as they were.
import { readFileSync } from 'node:fs';
import { Bench, handles } from './tools.js';

/** Seconds that each call lasts. */
const HOLD_SECONDS = 20;
/** Growth from the second tenth of the run to its end that is still noise. */
const MOST_GROWTH = { rssMb: 30, handles: 20, threads: 2 };

const threads = (pid) => Number(/^Threads:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);

async function look(bench, minute) {
  const { rss, heapUsed, calls } = await bench.figures('gc');
  const { pid } = bench.service;
  return { minute, calls, rssMb: Math.round(rss / 1e6), heapMb: Math.round(heapUsed / 1e6), handles: handles(pid), threads: threads(pid) };
}

/** `calls` at a time for `minutes`; each look is between two rounds of calls, so that what there is is what was left behind. */
export async function soak(calls, minutes) {
  const bench = new Bench(true);
  await bench.open();
  await bench.load({ calls: 20, rate: 10, holdMs: 500 });
  const looks = [];
  const sums = { placed: 0, answered: 0, failed: 0, lost: 0, received: 0, statuses: {}, violations: {} };
  const begun = Date.now();
  const step = Math.max(1, Math.round(minutes / 10));
  while (Date.now() - begun < minutes * 60_000) {
    const seconds = step * 60 - HOLD_SECONDS;
    const rate = calls / HOLD_SECONDS;
    const run = await bench.load({ calls: Math.round(rate * seconds), rate, holdMs: HOLD_SECONDS * 1000 }, 2);
    for (const key of ['placed', 'answered', 'failed', 'lost', 'received']) sums[key] += run[key];
    for (const key of ['statuses', 'violations']) for (const [name, count] of Object.entries(run[key])) sums[key][name] = (sums[key][name] ?? 0) + count;
    looks.push(await look(bench, Math.round((Date.now() - begun) / 6000) / 10));
    process.stderr.write(`${JSON.stringify(looks.at(-1))}\n`);
  }
  // What answers repetitions of the last calls is let go first (RFC 3261 §17: 64*T1).
  await new Promise((resolve) => setTimeout(resolve, 35_000));
  const end = await look(bench, 'end');
  await bench.close();
  const base = looks[Math.min(1, looks.length - 1)];
  const grown = Object.fromEntries(Object.keys(MOST_GROWTH).map((key) => [key, end[key] - base[key]]));
  return { calls, minutes, ...sums, looks, end, grown, flat: Object.entries(MOST_GROWTH).every(([key, most]) => grown[key] <= most) };
}
