// scripts/bench --compare REV: the same calls through this checkout and another revision's, in turns, so that whatever else the machine does meets both.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Bench, percentile } from './tools.js';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
const git = (...args) => execFileSync('git', ['-C', root, ...args], { encoding: 'utf8' }).trim();

/** Calls of each before the first that counts, and of one turn; calls a second. */
const WARM = 100;
const TURN = 60;
const RATE = 20;

/** A built checkout of a revision, in a folder of its own, with the packages of this one. */
function checkout(revision) {
  const folder = mkdtempSync(join(tmpdir(), 'wab-compare-'));
  const remove = () => {
    try { git('worktree', 'remove', '--force', folder); } catch { rmSync(folder, { recursive: true, force: true }); }
  };
  process.once('exit', remove);
  git('worktree', 'add', '--detach', '--force', folder, revision);
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  execFileSync('npm', ['run', '--silent', 'build'], { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] });
  return folder;
}

function figures({ runs }) {
  const sum = (key) => runs.reduce((total, run) => total + run[key], 0);
  const answered = sum('answered');
  const cpu = runs.reduce((total, run) => total + run.serviceCpuMsPerCall * run.answered, 0) / Math.max(1, answered);
  return {
    answered, failed: sum('failed'), cpuMsPerCall: Math.round(100 * cpu) / 100,
    p50Ms: percentile(runs.map((run) => run.p50Ms), 0.5), p99Ms: percentile(runs.map((run) => run.p99Ms), 0.5),
  };
}

/**
 * Calls from INVITE to BYE, with the media engine and without RTP. A revision that does not take the configuration of this one cannot be compared.
 * p50 and p99 are the medians of those of each turn.
 * `revision`: one of git's, or the folder of a checkout that is built.
 */
export async function compare(revision, rounds) {
  const built = existsSync(join(revision, 'dist')) ? revision : null;
  const there = built === null ? git('rev-parse', '--short', revision) : execFileSync('git', ['-C', built, 'rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim();
  const sides = [{ name: 'here', folder: root, runs: [] }, { name: there, folder: built ?? checkout(there), runs: [] }];
  for (const side of sides) {
    side.bench = new Bench(true, () => ({}), 'PCMU', join(side.folder, 'scripts/bench.d/service.js'));
    await side.bench.open();
    // What is compared is signalling: nobody sends RTP but the service itself.
    side.bench.job.media = 'none';
    await side.bench.load({ calls: WARM, rate: RATE, holdMs: 200 });
  }
  for (let round = 0; round < rounds; round++) {
    // Forwards, then backwards: nobody always comes first.
    for (const side of round % 2 === 0 ? sides : [...sides].reverse()) {
      const run = await side.bench.load({ calls: TURN, rate: RATE, holdMs: 300 });
      side.runs.push(run);
      console.error(`turn ${round + 1} ${side.name}: ${run.serviceCpuMsPerCall} ms a call, ${run.failed} failed`);
    }
  }
  for (const { bench } of sides) await bench.close();
  const [here, other] = sides.map(figures);
  return { with: there, rounds, here, other, cpuRatio: Math.round((1000 * here.cpuMsPerCall) / other.cpuMsPerCall) / 1000 };
}
