// How many calls with media this machine carries: calls are added until audio towards Meta suffers or a call is refused.
import { Bench, percentile } from './tools.js';

/** The longest silence between two packets that a user may hear in a step, of 99 calls in a hundred, in milliseconds. */
const MOST_GAP_MS = 60;

/** What a step of `calls` held for `seconds` shows; the load has processes of its own, on the same cores. */
async function step(bench, calls, seconds, sources) {
  const before = bench.cpu();
  const run = await bench.load({ calls, rate: Math.max(10, calls / 4), holdMs: 1000 * seconds }, sources);
  const after = bench.cpu();
  const { placed, answered, failed, statuses, gaps, lost, received, sourceLateMs } = run;
  return {
    calls, answered, failed, statuses, gapP50Ms: percentile(gaps, 0.5), gapP99Ms: percentile(gaps, 0.99), lost, received, sourceLateMs,
    serviceCpuMsPerSecond: Math.round(1e5 * (after.service + after.engine - before.service - before.engine) / Math.max(1, placed) / seconds) / 100,
  };
}

const bad = ({ failed, gapP99Ms }) => failed > 0 || gapP99Ms > MOST_GAP_MS;

/** `codec`: what the PBX speaks; PCMU is transcoded, Opus passed through. */
async function climb(codec, counts, seconds) {
  const bench = new Bench(true, () => ({}), codec);
  await bench.open();
  await bench.load({ calls: 10, rate: 10, holdMs: 500 });
  const steps = [];
  for (const calls of counts) {
    let one = await step(bench, calls, seconds, 2);
    steps.push(one);
    // A stall of the source itself says nothing of the service, unless it comes every time.
    for (let again = 0; again < 2 && bad(one) && one.sourceLateMs > MOST_GAP_MS / 2; again++) steps.push(one = await step(bench, calls, seconds, 2));
    if (bad(one)) break;
  }
  await bench.close();
  const good = steps.filter((one) => !bad(one));
  return { most: good.at(-1)?.calls ?? 0, steps };
}

export async function capacity(quick) {
  const counts = (first, by, last) => Array.from({ length: Math.floor((last - first) / by) + 1 }, (_, i) => first + by * i);
  return {
    transcoded: await climb('PCMU', quick ? [10, 20] : counts(20, 10, 150), quick ? 5 : 15),
    passedThrough: await climb('opus', quick ? [10, 20] : counts(40, 20, 300), quick ? 5 : 15),
  };
}
