// SIP programs of others as clients of a server under test: they run to their end, and are judged by what they say.
import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';

export interface Outcome { code: number | null; output: string }

/** Runs a program to its end, killed after `seconds`; never rejects. Standard input is closed. */
export function runToEnd(program: string, args: readonly string[], options: { seconds?: number; cwd?: string } = {}): Promise<Outcome> {
  return new Promise((resolve) => {
    let output = '';
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], cwd: options.cwd, env: { ...process.env, TERM: 'xterm' } });
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => { output += chunk.toString(); });
    const timer = setTimeout(() => { child.kill('SIGKILL'); }, (options.seconds ?? 60) * 1000);
    child.once('error', (error) => { output += error.message; });
    child.once('close', (code) => {
      clearTimeout(timer);
      resolve({ code, output });
    });
  });
}

/** A directory that goes when the test ends. */
export async function scratch(t: Test): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'wab-tools-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

/** One of sipp's built-in scenarios as a client; gives what it counted. */
export async function sippClient(t: Test, scenario: string, target: string, args: readonly string[] = []): Promise<Outcome & { ok: number; failed: number }> {
  const cwd = await scratch(t);
  const outcome = await runToEnd('sipp', ['-sn', scenario, target, '-i', '127.0.0.1', '-nostdin', '-max_socket', '500', '-trace_err', '-error_file', join(cwd, 'errors'), ...args], { cwd });
  // The totals stand in the last column of the final screen.
  const count = (what: string): number => Number(new RegExp(`${what}\\s*\\|\\s*\\d+\\s*\\|\\s*(\\d+)`).exec(outcome.output.slice(outcome.output.lastIndexOf('Statistics Screen')))?.[1] ?? -1);
  return { ...outcome, ok: count('Successful call'), failed: count('Failed call') };
}

export interface Baresip { output(): string; close(): Promise<void> }

/** baresip with one account, by its account line; `commands` are those of its menu, run at the start. */
export async function baresip(t: Test, account: string, commands: readonly string[] = []): Promise<Baresip> {
  const dir = await scratch(t);
  await writeFile(join(dir, 'config'), [
    'poll_method epoll', 'sip_listen 127.0.0.1:0', 'net_interface 127.0.0.1', 'audio_player aubridge,echo', 'audio_source aubridge,echo', 'rtp_timeout 0',
    'module_path /usr/lib/baresip/modules', 'module g711.so', 'module aubridge.so', 'module_tmp account.so', 'module_app menu.so', '',
  ].join('\n'));
  await writeFile(join(dir, 'accounts'), `${account}\n`);
  await writeFile(join(dir, 'contacts'), '');
  let output = '';
  const child = spawn('baresip', ['-f', dir, ...commands.flatMap((c) => ['-e', c])], { stdio: ['ignore', 'pipe', 'pipe'] });
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => { output += chunk.toString(); });
  const exited = new Promise<void>((resolve) => { child.once('close', () => { resolve(); }); });
  const close = async (): Promise<void> => {
    child.kill('SIGTERM');
    const timer = setTimeout(() => { child.kill('SIGKILL'); }, 3000);
    await exited;
    clearTimeout(timer);
  };
  t.teardown(close);
  return { output: () => output, close };
}
