import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, programPorts } from '../helpers/ports.js';

/** A SIP program of somebody else's, as a PBX user on loopback. */
export interface Program {
  readonly port: number;
  /** Everything it has printed. */
  output(): string;
  /** Resolves with its exit status when it ends by itself or is closed. */
  readonly exit: Promise<number | null>;
  /** Ends it; resolves when it has ended. */
  close(): Promise<void>;
}

/** A reason to skip when the program is not installed, else false. */
export function absent(program: string): string | false {
  return spawnSync('which', [program]).status === 0 ? false : `${program} is not installed`;
}

export interface Baresip extends Program {
  /** Keys as on its keyboard: digits are DTMF, x holds, X resumes, m mutes. */
  press(keys: string): Promise<void>;
}

/** baresip that answers at once, and sends back what it hears, or a tone of its own (Hz). */
export async function startBaresip(options: { codec: string; srtp?: boolean; tone?: number }): Promise<Baresip> {
  const dir = await mkdtemp(join(tmpdir(), 'wab-baresip-'));
  const [port, console] = [await freePort(), await freePort()];
  const media = await programPorts();
  const audio = options.tone === undefined ? ['audio_player aubridge,echo', 'audio_source aubridge,echo'] : ['audio_player aubridge,sink', `audio_source ausine,${options.tone}`, 'ausrc_srate 48000', 'ausrc_channels 2'];
  const config = [
    'poll_method epoll', `sip_listen 127.0.0.1:${port}`, 'net_interface 127.0.0.1', ...audio,
    'rtp_timeout 0', `rtp_ports ${media.first}-${media.last}`, `cons_listen 127.0.0.1:${console}`, 'module_path /usr/lib/baresip/modules',
    ...['g711', 'g722', 'opus', 'srtp', 'aubridge', 'ausine', 'cons'].map((name) => `module ${name}.so`), 'module_tmp account.so', 'module_app menu.so', '',
  ];
  await writeFile(join(dir, 'config'), config.join('\n'));
  await writeFile(join(dir, 'accounts'), `<sip:6001@127.0.0.1;transport=udp>;regint=0;answermode=auto;audio_codecs=${options.codec}${options.srtp === true ? ';mediaenc=srtp-mand' : ''}\n`);
  await writeFile(join(dir, 'contacts'), '');
  const program = await run('baresip', ['-f', dir], port, () => rm(dir, { recursive: true, force: true }));
  if (program.output().includes('failed to listen')) {
    await program.close();
    throw new Error(program.output());
  }
  return {
    ...program,
    async press(keys) {
      const socket = createSocket('udp4');
      await new Promise<void>((resolve, reject) => socket.send(keys, console, '127.0.0.1', (error) => { if (error) reject(error); else resolve(); }));
      socket.close();
    },
  };
}

/** sipp as a UAS that echoes RTP: one of its built-in scenarios that wait for calls, or one of its own in XML. */
export async function startSipp(scenario = 'uas'): Promise<Program> {
  const [port, media] = [await freePort(), await freePort()];
  const dir = await mkdtemp(join(tmpdir(), 'wab-sipp-'));
  const own = scenario.startsWith('<');
  if (own) await writeFile(join(dir, 'uas.xml'), scenario);
  const which = own ? ['-sf', join(dir, 'uas.xml')] : ['-sn', scenario];
  return run('sipp', [...which, '-i', '127.0.0.1', '-p', String(port), '-mi', '127.0.0.1', '-mp', String(media), '-rtp_echo', '-nostdin'], port, () => rm(dir, { recursive: true, force: true }));
}

/** sipp with a scenario of test/peers/scenarios, one call; `exit` gives 0 when every step came as it says. RTP to it comes back. */
export async function startScenario(name: string, more: string[] = []): Promise<Program> {
  const [port, media] = [await freePort(), await freePort()];
  return run('sipp', [
    '-sf', join(import.meta.dirname, 'scenarios', name), '-i', '127.0.0.1', '-p', String(port), '-mi', '127.0.0.1', '-mp', String(media), '-rtp_echo', '-nostdin', '-m', '1',
    '-timeout', '60', '-timeout_error', '-trace_err', '-error_file', join(tmpdir(), `wab-sipp-${port}.log`), ...more,
  ], port, () => rm(join(tmpdir(), `wab-sipp-${port}.log`), { force: true }));
}

/** Starts the program and waits until its UDP port is bound. `patience`: milliseconds that it may take to end by itself. */
export async function run(program: string, args: string[], port: number, clean: () => Promise<void>, patience = 3000): Promise<Program> {
  let output = '';
  let ended = false;
  const child: ChildProcess = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const exited = new Promise<number | null>((resolve) => child.once('exit', (status) => {
    ended = true;
    resolve(status);
  }));
  for (const stream of [child.stdout!, child.stderr!]) stream.on('data', (data: Buffer) => { output += data.toString(); });
  const deadline = Date.now() + 10_000;
  // Neither program says on a pipe that it is ready; the kernel's table of sockets does.
  while (!(await bound(port))) {
    if (ended || Date.now() > deadline) throw new Error(`${program} did not get ready: ${output}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return {
    port,
    output: () => output,
    exit: exited,
    async close() {
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), patience);
      await exited;
      clearTimeout(timer);
      await clean();
    },
  };
}

async function bound(port: number): Promise<boolean> {
  const hex = `:${port.toString(16).toUpperCase().padStart(4, '0')} `;
  return (await readFile('/proc/net/udp', 'utf8')).split('\n').some((line) => line.slice(0, 24).includes(hex));
}
