import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { Test } from 'tap';
import { freePort } from './ports.js';

/** A redis-server of the machine, on loopback, that keeps nothing on the disk. */
export interface RedisServer {
  readonly port: number;
  readonly url: string;
  signal(name: NodeJS.Signals): void;
  /** Kills it and starts an empty one in its place. */
  replace(): Promise<void>;
  kill(): Promise<void>;
  start(): Promise<void>;
}

/** `more`: further options; with `sentinel` it is a Sentinel by that file, which is there when it says `ready`. */
export async function startRedis(t: Test, more: readonly string[] = [], sentinel: { readonly file: string; readonly ready: RegExp } | null = null): Promise<RedisServer> {
  const port = await freePort();
  let child: ChildProcess | null = null;
  const start = async (): Promise<void> => {
    const server = child = spawn('redis-server', sentinel === null ? ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', ...more] : [sentinel.file, '--sentinel', ...more], { stdio: ['ignore', 'pipe', 'inherit'] });
    await new Promise<void>((resolve, reject) => {
      let heard = '';
      server.stdout.on('data', (data: Buffer) => {
        heard += data.toString();
        if ((sentinel?.ready ?? /Ready to accept connections/).test(heard)) resolve();
      });
      server.once('exit', () => reject(new Error(`redis-server has ended: ${heard}`)));
    });
  };
  const kill = async (): Promise<void> => {
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  };
  await start();
  t.teardown(kill);
  return {
    port, url: `redis://127.0.0.1:${port}`, kill, start,
    signal: (name) => { child?.kill(name); },
    async replace() {
      await kill();
      await start();
    },
  };
}
