// scripts/bench --only voice: recorded calls and voice agents at once, what callers hear of it and what it costs.
import { existsSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Bench, number, percentile, start } from './tools.js';

const program = join(dirname(fileURLToPath(import.meta.url)), '../../dist/lib/cli/main.js');
const AGENTS_NUMBER = '+447700900002';
const MEGABYTE = 1e6;

/** An agent that echoes, in a process of its own. Gives its URL. */
async function agent() {
  const child = start(process.execPath, [program, 'simulate', 'agent', '--listen', '127.0.0.1:0', '--dialect', 'raw'], ['ignore', 'pipe', 'inherit']);
  const lines = createInterface({ input: child.stdout });
  const url = await new Promise((resolve, reject) => {
    lines.once('line', (line) => resolve(JSON.parse(line).url));
    child.once('exit', (status) => reject(new Error(`simulate agent ended with ${status}`)));
  });
  return { url, close: () => child.kill() };
}

const filesBelow = (dir) => (existsSync(dir) ? readdirSync(dir, { recursive: true }).map((name) => join(dir, name)).filter((path) => /\.ogg$/.test(path)) : []);

/** What was heard of one kind of call. */
function heard(runs) {
  const sum = (key) => runs.reduce((total, run) => total + run[key], 0);
  const gaps = runs.flatMap((run) => run.gaps);
  return { answered: sum('answered'), failed: sum('failed'), lost: sum('lost'), gapP50Ms: percentile(gaps, 0.5), gapP99Ms: percentile(gaps, 0.99), sourceLateMs: Math.max(...runs.map((run) => run.lateMs)) };
}

/** `plain` calls to a PBX that speaks Opus, recorded or not, and `agents` calls to voice agents at 16 kHz, all at once for `seconds`. */
async function step(name, { plain, agents, recorded }, seconds) {
  const there = agents > 0 ? await agent() : null;
  let dir = null;
  const bench = new Bench(true, ({ certs, peerPort }) => {
    dir = join(certs, '..', `recordings-${peerPort}`);
    return {
      numbers: Object.fromEntries([number, AGENTS_NUMBER].map((one) => [one, { password: 'bench', maxConcurrentCalls: 100_000 }])),
      routes: [
        { name: 'all', number, to: [{ peer: 'pbx', user: '6001' }], ...(recorded ? { record: { announce: null } } : {}) },
        ...(there === null ? [] : [{ name: 'agents', number: AGENTS_NUMBER, to: [{ peer: 'agent', user: 'agent' }] }]),
      ],
      ...(recorded ? { recording: { directory: dir } } : {}),
      ...(there === null ? {} : { peers: { pbx: bench.pbx(peerPort), agent: { websocket: there.url, dialect: 'raw', sampleRate: 16_000, pstn: 'none', users: ['agent'], health: { interval: 0 } } } }),
    };
  }, 'opus');
  await bench.open();
  await bench.load({ calls: 10, rate: 10, holdMs: 500 });
  const before = bench.cpu();
  const options = { holdMs: 1000 * seconds };
  const half = Math.ceil(plain / 2);
  const toPbx = plain === 0 ? [] : [0, 1].map((i) => bench.source({ ...options, calls: half, rate: half / 4, listen: i === 0 ? `127.0.0.1:${bench.metaPort}` : undefined }));
  const toAgents = agents === 0 ? [] : [bench.source({ ...options, calls: agents, rate: agents / 4, number: AGENTS_NUMBER, listen: plain === 0 ? `127.0.0.1:${bench.metaPort}` : undefined })];
  const [pbx, spoken] = await Promise.all([toPbx, toAgents].map((runs) => Promise.all(runs.map((run) => run.done))));
  const after = bench.cpu();
  await bench.close();
  there?.close();
  const files = filesBelow(dir);
  const calls = plain + agents;
  const out = {
    name, plain, agents, recorded, ...(plain > 0 ? { pbx: heard(pbx) } : {}), ...(agents > 0 ? { withAgents: heard(spoken) } : {}),
    gapP99Ms: percentile([...pbx, ...spoken].flatMap((run) => run.gaps), 0.99),
    cpuMsPerSecondOfACall: Math.round(1e5 * (after.service - before.service) / calls / seconds) / 100,
    files: files.length, megabytes: Math.round(10 * files.reduce((sum, path) => sum + statSync(path).size, 0) / MEGABYTE) / 10,
  };
  console.error(JSON.stringify(out));
  return out;
}

/** Calls recorded at once, voice agents at once, and both, for `seconds` each; CPU of the service in ms a second of a call. */
export async function voice(calls, agents, seconds) {
  return [
    await step('passed through', { plain: calls, agents: 0, recorded: false }, seconds),
    await step('recorded', { plain: calls, agents: 0, recorded: true }, seconds),
    await step('agents', { plain: 0, agents, recorded: false }, seconds),
    await step('recorded, of them some with agents', { plain: calls - agents, agents, recorded: true }, seconds),
    await step('recorded, and agents', { plain: calls, agents, recorded: true }, seconds),
  ];
}
