// Very many calls one after the other, and very many at once: signalling only, by one process.
import { readFileSync } from 'node:fs';
import { Bench, percentile } from './tools.js';

/** Calls whose cost is told together; and those before the first that counts, in which V8 compiles what is hot. */
const BLOCK = 1000;
const WARM = 2000;
/** Blocks that are averaged at either end: a single one says more of what else the machine did. */
const END = 5;

const rounded = (value, digits = 2) => Math.round(value * 10 ** digits) / 10 ** digits;
const rssMb = (pid) => rounded(Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024, 1);

/** By how many milliseconds the event loop was late since this was asked last: p50, p99, max. */
async function lag(bench) {
  const text = await (await fetch(`http://${bench.http}/metrics`)).text();
  const of = (percent) => rounded(1000 * Number(new RegExp(`^wab_event_loop_lag_seconds\\{percentile="${percent}"\\} (\\S+)`, 'm').exec(text)?.[1] ?? Number.NaN), 1);
  return { p50: of('50'), p99: of('99'), max: of('100') };
}

async function opened() {
  const bench = new Bench(false, () => ({ http: { listen: '127.0.0.1:0' } }));
  await bench.open();
  return bench;
}

/** `calls` at `rate` a second: what each thousand costs, and what is left of them. */
export async function many(calls, rate) {
  const bench = await opened();
  await bench.load({ calls: WARM, rate, holdMs: 100 });
  const begin = await bench.figures('gc');
  await lag(bench);
  const blocks = [];
  for (let placed = 0; placed < calls; placed += BLOCK) {
    const { answered, failed, serviceCpuMsPerCall: cpuMs, p50Ms, p99Ms } = await bench.load({ calls: BLOCK, rate, holdMs: 100 });
    blocks.push({ answered, failed, cpuMs, p50Ms, p99Ms, lagMs: await lag(bench) });
    process.stderr.write(`${placed + BLOCK} ${JSON.stringify(blocks.at(-1))}\n`);
  }
  // What answers repetitions of the last calls is let go first (RFC 3261 §17: 64*T1).
  await new Promise((resolve) => setTimeout(resolve, 35_000));
  const end = await bench.figures('gc');
  await bench.close();
  const mean = (some) => rounded(some.reduce((sum, { cpuMs }) => sum + cpuMs, 0) / some.length);
  const [first, last] = [mean(blocks.slice(0, END)), mean(blocks.slice(-END))];
  return {
    calls, rate, failed: blocks.reduce((sum, block) => sum + block.failed, 0), cpuMsPerCall: { first, last, ratio: rounded(last / first, 3) },
    lagMs: { p99: percentile(blocks.map(({ lagMs }) => lagMs.p99), 0.5), worst: Math.max(...blocks.map(({ lagMs }) => lagMs.max)) },
    heapMb: { begin: rounded(begin.heapUsed / 1e6, 1), end: rounded(end.heapUsed / 1e6, 1) }, blocks,
  };
}

/** `calls` at once in one process, what each takes, and the process before the first. */
export async function held(calls, rate) {
  const bench = await opened();
  const baseRssMb = rssMb(bench.service.pid);
  await bench.load({ calls: 200, rate: Math.min(rate, 40), holdMs: 100 });
  await lag(bench);
  const run = await bench.hold(calls, rate);
  const late = await lag(bench);
  const withCallsMb = rssMb(bench.service.pid);
  await bench.close();
  return { baseRssMb, ...run, rssMb: withCallsMb, lagMs: late };
}
