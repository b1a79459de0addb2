// Other commands of this program, as processes of their own.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { extname, relative, sep } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { withTimeout } from '../../util/withTimeout.js';

/** The program itself: main.js in the build, main.ts in the sources. */
const main = fileURLToPath(new URL(`../main${extname(import.meta.url)}`, import.meta.url));
/** A service that is asked to stop ends its calls and is gone within this time, in milliseconds. */
const STOP_TIME = 5000;

/** How somebody in this folder would type the command: by npx where it is an installed package, else by its file. */
export function typed(): string {
  return main.includes(`${sep}node_modules${sep}`) ? 'npx wa-b2bua' : `node ${relative(process.cwd(), main)}`;
}

/** A service that runs. */
export interface RunningService {
  /** host:port of its two listeners and of its pages. */
  readonly tls: string;
  readonly udp: string;
  readonly http: string;
  /** Process id. */
  readonly pid: number;
  /** Lines of its log so far, one JSON object each. */
  readonly log: readonly string[];
  /** Rejects when it ends without having been asked to. */
  readonly lost: Promise<never>;
}

/** Runs a command to its end, and adds to `ending` how it is ended before. */
export async function runCommand(ending: (() => Promise<void>)[], ...args: string[]): Promise<{ status: number | null; output: string }> {
  const child = start(args);
  const lines = linesOf(child);
  const closed = once(child, 'close') as Promise<[number | null]>;
  ending.push(async () => {
    child.kill('SIGKILL');
    await closed;
  });
  const [status] = await closed;
  return { status, output: lines.join('\n') };
}

/** Starts `run -c FILE`, adds to `ending` how it is ended, and waits until it is ready. Rejects when it ends before. */
export async function startRun(config: string, ending: (() => Promise<void>)[]): Promise<RunningService> {
  const child = start(['run', '-c', config]);
  const ended = once(child, 'exit');
  let asked = false;
  ending.push(async () => {
    asked = true;
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGINT');
    await withTimeout(ended, STOP_TIME, () => { child.kill('SIGKILL'); });
    await ended;
  });
  const lost = ended.then(([status, signal]: unknown[]) => (asked ? new Promise<never>(() => undefined)
    : Promise.reject(new Error(`the service stopped (${signal === null ? `exit status ${String(status)}` : String(signal)})`))));
  lost.catch(() => undefined);
  const log: string[] = [];
  const ready = new Promise<Ready>((resolve) => {
    linesOf(child, log, (line) => {
      if (!line.startsWith('{"ready":true')) return false;
      resolve(JSON.parse(line) as Ready);
      return true;
    });
  });
  const { listening, http } = await Promise.race([ready, lost]);
  const listener = (transport: string): string => listening.find((point) => point.startsWith(`${transport}:`))?.slice(transport.length + 1) ?? '';
  return { tls: listener('tls'), udp: listener('udp'), http, pid: child.pid ?? 0, log, lost };
}

interface Ready { readonly listening: readonly string[]; readonly http: string }

function start(args: readonly string[]): ChildProcess {
  return spawn(process.execPath, [...process.execArgv, main, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
}

/** Lines of a process' standard output, as they come; those that `taken` takes are left out. */
function linesOf({ stdout }: ChildProcess, lines: string[] = [], taken: (line: string) => boolean = () => false): string[] {
  if (stdout !== null) createInterface({ input: stdout }).on('line', (line) => { if (!taken(line)) lines.push(line); });
  return lines;
}
