// `wa-b2bua sipserver` in a process of its own.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Test } from 'tap';
import { nodeOptions } from '../../helpers/runnable.js';

const PROGRAM = `import { Command } from 'commander';
import { registerSipserverCommand } from './lib/cli/sipserver.js';
const program = new Command('wa-b2bua');
registerSipserverCommand(program);
program.parseAsync(['node', 'wa-b2bua', ...process.argv.slice(1)]).catch((e) => { console.error(e.message); process.exitCode = 1; });`;

export interface ServerProcess {
  child: ChildProcess;
  listening: string[];
  admin: { host: string; port: number };
  port(protocol: string): number;
  /** User and system time so far, ms. */
  cpu(): Promise<number>;
  /** Resident set, kB. */
  memory(): Promise<number>;
}

/** Starts it, waits until it is ready, and ends it with the test. */
export async function serverProcess(t: Test, ...args: string[]): Promise<ServerProcess> {
  const child = spawn(process.execPath, [...nodeOptions, '--input-type=module', '-e', PROGRAM, '--', 'sipserver', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  t.teardown(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  });
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => { errors += chunk.toString(); });
  const lines = createInterface(child.stdout);
  const [ready] = await Promise.race([once(lines, 'line'), once(child, 'exit').then(() => { throw new Error(`the server did not start: ${errors}`); })]) as [string];
  const { listening, admin } = JSON.parse(ready) as { listening: string[]; admin: { host: string; port: number } };
  const read = async (file: string): Promise<string> => (await import('node:fs/promises')).readFile(`/proc/${child.pid}/${file}`, 'utf8');
  return {
    child, listening, admin,
    port: (protocol) => Number(listening.find((l) => l.startsWith(`${protocol}:`))?.split(':').pop()),
    // proc(5): fields 14 and 15, in ticks of 10 ms; the name in field 2 holds no space here.
    cpu: async () => (await read('stat')).split(' ').slice(13, 15).reduce((sum, ticks) => sum + 10 * Number(ticks), 0),
    memory: async () => Number(/VmRSS:\s+(\d+)/.exec(await read('status'))?.[1]),
  };
}
