import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { startNameServer } from './nameServer.js';
import { freePort } from './ports.js';

/** A drachtio-server with the configuration of this repository, on free ports of loopback. */
export interface DrachtioServer {
  readonly admin: { host: string; port: number; secret: string };
  readonly tls: number;
  /** UDP and TCP. */
  readonly plain: number;
  readonly pid: number;
  /** Its log so far, a line each. */
  readonly log: readonly string[];
  /** Kills it at once, or starts it again on the same ports. */
  kill(): Promise<void>;
  restart(): Promise<void>;
  close(): Promise<void>;
}

export interface DrachtioOptions {
  readonly program: string;
  readonly cert: string;
  readonly key: string;
  /** Where wa.meta.vc is played; drachtio-server resolves the name itself. */
  readonly meta: { readonly host: string; readonly port: number };
}

const configuration = new URL('../../config/drachtio.conf.xml', import.meta.url).pathname;

export async function startDrachtio(options: DrachtioOptions): Promise<DrachtioServer> {
  const dir = await mkdtemp(join(tmpdir(), 'wab-drachtio-'));
  const names = await startNameServer(options.meta.host, options.meta.port);
  // sofia-sip reads the port of a name server from here, and nothing tells it of another file.
  await writeFile(join(dir, 'resolv.conf'), `nameserver 127.0.0.1\nport ${names.port}\n`);
  const [admin, tls, plain] = await Promise.all([freePort(), freePort(), freePort()]);
  const secret = `secret-${process.pid}-${admin}`;
  const log: string[] = [];
  const run = async (): Promise<ChildProcess> => {
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', 'unshare', '-m', '--propagation', 'private',
      'sh', '-c', `mount --bind ${dir}/resolv.conf /etc/resolv.conf && exec "$@"`, 'sh',
      options.program, '--file', configuration, '--address', '127.0.0.1', '--port', String(admin),
      '--contact', `sip:127.0.0.1:${plain};transport=udp,tcp`, '--contact', `sips:127.0.0.1:${tls};transport=tls`,
      '--key-file', options.key, '--cert-file', options.cert, '--chain-file', options.cert,
    ], { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, DRACHTIO_SECRET: secret } });
    for (const stream of [child.stdout, child.stderr]) createInterface({ input: stream }).on('line', (line) => log.push(line));
    await accepting(admin, child, log);
    return child;
  };
  const tidy = async (): Promise<void> => {
    await names.close();
    await rm(dir, { recursive: true, force: true });
  };
  let child = await run().catch(async (error: unknown) => {
    await tidy();
    throw error;
  });
  const kill = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  };
  return {
    admin: { host: '127.0.0.1', port: admin, secret }, tls, plain, log, kill,
    get pid() { return child.pid!; },
    async restart() {
      await kill();
      child = await run();
    },
    async close() {
      await kill();
      await tidy();
    },
  };
}

async function accepting(port: number, child: ChildProcess, log: readonly string[]): Promise<void> {
  const deadline = Date.now() + 10_000;
  for (;;) {
    const up = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1');
      socket.once('connect', () => { socket.destroy(); resolve(true); }).once('error', () => resolve(false));
    });
    if (up) return;
    if (child.exitCode !== null || Date.now() > deadline) throw new Error(`drachtio-server did not start: ${log.join('\n')}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
