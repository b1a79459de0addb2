// scripts/bench: starts a service, sipp as the PBX and one or more sources of calls, and prints what was measured.
import { execFileSync } from 'node:child_process';
import { cpus, loadavg } from 'node:os';
import { capacity } from './capacity.js';
import { compare } from './compare.js';
import { listeners } from './listeners.js';
import { held, many } from './many.js';
import { writePage } from './page.js';
import { soak } from './soak.js';
import { Bench, handles } from './tools.js';
import { voice } from './voice.js';

const quick = process.argv.includes('--quick');
const PARTS = ['signalling', 'media', 'capacity', 'soak', 'listeners', 'voice', 'many', 'held'];
const only = process.argv.includes('--only') ? process.argv[process.argv.indexOf('--only') + 1] : null;

/** Raises the rate until calls fail or set-up takes longer than 200 ms at p99; gives the last that held. */
async function sustained(bench, rates, seconds, sources, holdMs) {
  const steps = [];
  for (const rate of rates) {
    const step = await bench.load({ calls: rate * seconds, rate, holdMs }, sources);
    steps.push(step);
    if (step.failed > 0 || step.p99Ms > 200) break;
  }
  const good = steps.filter((s) => s.failed === 0 && s.p99Ms <= 200);
  return { setupsPerSecond: good.at(-1)?.rate ?? 0, steps };
}

async function signalling() {
  const bench = new Bench(false);
  await bench.open();
  const seconds = quick ? 3 : 10;
  const warm = await bench.load({ calls: quick ? 60 : 300, rate: 30, holdMs: 200 });
  const begin = await bench.figures('gc');
  const handlesBegin = handles(bench.service.pid);
  const latency = await bench.load({ calls: quick ? 40 : 200, rate: 10, holdMs: 200 });
  const rate = await sustained(bench, quick ? [50, 100] : [50, 100, 150, 200, 250], seconds, 2, 1000);
  const held = await bench.hold(quick ? 200 : 1000, 80);
  const many = quick ? null : await bench.load({ calls: 10_000, rate: 120, holdMs: 100 }, 2);
  // Transactions stay for 64*T1 to answer repetitions (RFC 3261 §17); what is left after that stays.
  await new Promise((resolve) => setTimeout(resolve, 35_000));
  const end = await bench.figures('gc');
  const out = {
    warm: warm.answered, latency, rate, held, tenThousand: many,
    memory: {
      rssBeginMb: Math.round(begin.rss / 1e5) / 10, rssEndMb: Math.round(end.rss / 1e5) / 10, heapBeginMb: Math.round(begin.heapUsed / 1e5) / 10, heapEndMb: Math.round(end.heapUsed / 1e5) / 10,
    },
    handles: { begin: handlesBegin, end: handles(bench.service.pid) },
  };
  await bench.close();
  return out;
}

async function media() {
  const bench = new Bench(true);
  await bench.open();
  const seconds = quick ? 3 : 8;
  await bench.load({ calls: quick ? 10 : 40, rate: 10, holdMs: 500 });
  const begin = await bench.figures('gc');
  const handlesBegin = handles(bench.service.pid);
  const latency = await bench.load({ calls: quick ? 20 : 100, rate: 5, holdMs: 1000 });
  const rate = await sustained(bench, quick ? [10, 20] : [20, 30, 40, 50, 60], seconds, 1, 1000);
  const held = await bench.hold(quick ? 20 : 60, 10);
  const end = await bench.figures('gc');
  const out = {
    latency, rate, held,
    memory: { rssBeginMb: Math.round(begin.rss / 1e5) / 10, rssEndMb: Math.round(end.rss / 1e5) / 10 },
    handles: { begin: handlesBegin, end: handles(bench.service.pid) },
  };
  await bench.close();
  return out;
}

if (only !== null && !PARTS.includes(only)) {
  console.error(`scripts/bench: --only takes ${PARTS.join(', ')}, not ${only}`);
  process.exit(2);
}
const number = (name, otherwise) => (process.argv.includes(name) ? Number(process.argv[process.argv.indexOf(name) + 1]) : otherwise);
const commit = () => {
  try {
    const changed = execFileSync('git', ['status', '--porcelain', '--untracked-files=no'], { encoding: 'utf8' }) !== '';
    return `${execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim()}${changed ? ' with changes' : ''}`;
  } catch {
    return 'unknown';
  }
};
const against = process.argv.includes('--compare') ? process.argv[process.argv.indexOf('--compare') + 1] : null;
const result = {
  commit: commit(), date: new Date().toISOString().slice(0, 10),
  machine: { cpu: cpus()[0]?.model, cores: cpus().length, node: process.version, load: Math.round(10 * loadavg()[0]) / 10 },
};
const wanted = (part) => only === part || (against === null && !PARTS.includes(only));
if (wanted('signalling')) result.signalling = await signalling();
if (wanted('media')) result.media = await media();
if (only === 'soak') result.soak = await soak(number('--calls', 100), number('--minutes', 60));
if (only === 'listeners') result.listeners = await listeners(number('--rounds', quick ? 2 : 6));
if (only === 'voice') result.voice = await voice(number('--calls', quick ? 10 : 100), number('--agents', quick ? 5 : 50), quick ? 5 : 20);
if (only === 'many') result.many = await many(number('--calls', quick ? 3000 : 100_000), number('--rate', 100));
if (only === 'held') result.held = await held(number('--calls', quick ? 500 : 10_000), number('--rate', 80));
if (only === 'capacity') result.capacity = await capacity(quick);
if (against !== null) result.compare = await compare(against, quick ? 2 : number('--rounds', 8));
if (process.argv.includes('--write')) writePage(result);
// Thousands of single figures would hide what they add up to.
console.log(JSON.stringify(result, (key, value) => (key === 'latencies' ? undefined : value), 2));
