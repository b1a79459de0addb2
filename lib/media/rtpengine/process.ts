import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import type { RtpengineConfig } from '../../config/types.js';
import { WabError } from '../../errors.js';
import type { MediaLogger } from '../logger.js';
import { preferMedia } from '../priority.js';
import { withTimeout } from '../../util/withTimeout.js';

/** Names of the engine's interfaces, also those an engine of the operator's must have. */
export const INTERFACES = { meta: 'meta', peers: 'peers', relay: 'anchor' } as const;

/** How long a program asked to stop may take before it is killed, in milliseconds. */
const STOP_PATIENCE = 3000;
/** Seconds before rtpengine drops a call without packets: ours end by our own watch, and a held peer leg is silent for long. */
const ENGINE_TIMEOUT = 86_400;

/** A free UDP port of loopback; another program may take it before it is used, so a start that fails is tried again. */
async function freePort(): Promise<number> {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  socket.close();
  await once(socket, 'close');
  return port;
}

/** Command line of a spawned rtpengine (rtpengine(1)). */
export function engineArguments(config: RtpengineConfig, control: number): string[] {
  return [
    // Not the machine's own /etc/rtpengine/rtpengine.conf: its CLI ports are taken when two engines run.
    '--config-file=none', '--foreground', '--log-stderr', '--no-log-timestamps', '--log-level=4', '--log-level-ice=7', '--table=-1', '--no-redis-required',
    `--interface=${INTERFACES.meta}/${config.interface.meta}`,
    `--interface=${INTERFACES.peers}/${config.interface.peers}`,
    `--interface=${INTERFACES.relay}/${config.anchor}`,
    `--listen-ng=127.0.0.1:${control}`,
    `--port-min=${config.ports.first}`, `--port-max=${config.ports.last}`,
    `--timeout=${ENGINE_TIMEOUT}`, `--silent-timeout=${ENGINE_TIMEOUT}`, '--delete-delay=0',
    // META-SIP §6.2: an EC certificate for DTLS. RFC 4594 §4.1: voice is marked EF (46 << 2).
    '--dtls-cert-cipher=prime256v1', '--tos=184',
    // Otherwise its threads take packets of one socket in turns and pass bursts on out of order (measured with 10.5.3).
    '--poller-per-thread',
  ];
}

/** Version of the program, e.g. "10.5.3.5-1+deb12u1"; null when it does not say. @throws WabError 'MEDIA_UNAVAILABLE' when it cannot be run. */
export async function engineVersion(program: string): Promise<string | null> {
  try {
    const { stdout, stderr } = await promisify(execFile)(program, ['--version'], { timeout: 5000 });
    return /Version:?\s+(\S+)/i.exec(stdout + stderr)?.[1] ?? null;
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
    throw new WabError('MEDIA_UNAVAILABLE', missing ? `${program} is not installed (Debian: apt-get install rtpengine-daemon)` : `${program} --version failed`, { cause });
  }
}

/**
 * The call whose ICE a line of the engine's log says is finished; null: none. As 10.5 writes it, "DEBUG: [call port 40000]: [ice] ICE completed,
 * using pair …", and from 12 on with the side behind the call, "[call/meta/1 port 40000]". Ids of ours have no slash.
 */
export function iceCompletedIn(line: string): string | null {
  return /\[([^\s/\]]+)(?:\/\S*)? port\s+\d+\]: \[ice\] ICE completed/.exec(line)?.[1] ?? null;
}

/** One run of rtpengine. It dies with us: the kernel signals it when our thread is gone. */
export class EngineProcess {
  readonly control: number;
  /** Resolves with a reason when the program has ended, for whatever cause. */
  readonly ended: Promise<string>;
  readonly #child: ChildProcess;
  /** Who waits for ICE of which call. */
  readonly #ice = new Map<string, () => void>();
  #tellsIce = false;

  private constructor(child: ChildProcess, control: number, logger: MediaLogger) {
    this.#child = child;
    this.control = control;
    let last = '';
    this.ended = new Promise((resolve) => {
      child.once('error', (error) => resolve(`cannot be started: ${error.message}`));
      // 'close' follows 'exit' when the last line has been read.
      child.once('close', (code, signal) => resolve((signal ? `ended by ${signal}` : `ended with status ${String(code)}`) + (last && !signal ? ` (${last})` : '')));
    });
    void this.ended.then(() => { for (const done of [...this.#ice.values()]) done(); });
    if (child.stderr) {
      createInterface({ input: child.stderr }).on('line', (line) => {
        const text = last = line.slice(0, 500);
        if (text.includes('] ICE ') || text.includes(': [ice]')) this.#iceLine(text);
        // What our relay sends before DTLS is up is dropped, as it must be.
        const expected = text.includes('no crypto suite was negotiated');
        if (/^(CRIT|EMERG|ALERT)\b/.test(text)) logger.error({ engine: 'rtpengine' }, text);
        else if (text.startsWith('ERR') && !expected) logger.warn({ engine: 'rtpengine' }, text);
        else if (!text.startsWith('DEBUG')) logger.debug({ engine: 'rtpengine' }, text);
      });
    }
  }

  static async spawn(config: RtpengineConfig, logger: MediaLogger): Promise<EngineProcess> {
    const control = await freePort();
    // setpriv (util-linux, essential on Debian) sets PR_SET_PDEATHSIG and then becomes the program.
    const child = spawn('setpriv', ['--pdeathsig', 'TERM', config.program, ...engineArguments(config, control)], { stdio: ['ignore', 'ignore', 'pipe'] });
    // Before it has threads, which take it over.
    if (child.pid !== undefined) preferMedia(child.pid);
    return new EngineProcess(child, control, logger);
  }

  /** The engine tells of a finished ICE only in its log. */
  #iceLine(line: string): void {
    const call = iceCompletedIn(line);
    if (call === null) return;
    this.#tellsIce ||= this.#ice.has(call);
    this.#ice.get(call)?.();
  }

  /**
   * Resolves when the engine has nominated a pair for this call, or when it ends; at the latest after `limit` milliseconds, or after
   * `blind` where it has told of no call yet: another version may word its log in another way.
   */
  async iceCompleted(call: string, limit: number, blind: number): Promise<void> {
    const completed = new Promise<void>((done) => { this.#ice.set(call, done); });
    await withTimeout(completed, this.#tellsIce ? limit : blind, () => undefined);
    this.#ice.delete(call);
  }

  get pid(): number | null {
    return this.#child.pid ?? null;
  }

  /** Ends it at once, whatever state it is in; `ended` tells. */
  kill(): void {
    this.#child.kill('SIGKILL');
  }

  /** Ends the program and waits for it. */
  async stop(): Promise<void> {
    this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_PATIENCE);
    await this.ended;
    clearTimeout(timer);
  }
}
