import { Worker, type MessagePort } from 'node:worker_threads';
import { WabError } from '../../errors.js';
import type { DtlsCertificate } from '../dtls/index.js';
import type { MediaLogger } from '../logger.js';
import type { HandleThread, RelayHandle } from './handle.js';
import type { RelayCommand, RelayCounters, RelayReport } from './messages.js';
import type { RelayWorkerData } from './worker.js';

/** How threads of a pool are made. */
export interface RelayPoolOptions {
  /** The address of ours that engines send to; null: there are none, each side has a port of its own. */
  readonly address: string | null;
  /** Threads. */
  readonly workers: number;
  /** One whose timer is late by so much on the average gets no new calls, in milliseconds. */
  readonly lateMs: number;
  /** The configuration key that says so, for errors. */
  readonly key: string;
  /** What ports of its own show in DTLS. */
  readonly certificate: DtlsCertificate;
}

/** How often a worker's pulse is felt, in milliseconds. */
export const LOOK_EVERY = 500;
/** A worker that has not run for so long gets no new calls, in milliseconds. */
const STUCK_MS = 1000;
/** One that has not run for so long hangs. */
const HUNG_MS = 30_000;
/** How long one that is asked to stop may take, in milliseconds. */
const STOP_PATIENCE = 3000;

/** One worker thread with its socket, and the calls on it. */
export class RelayThread implements HandleThread {
  readonly calls = new Map<number, RelayHandle>();
  port = 0;
  #running = false;
  readonly #options: RelayPoolOptions;
  readonly #worker: Worker;
  readonly #opening = new Map<number, (fault: string | null) => void>();
  readonly #waiting = new Map<number, (counters: RelayCounters) => void>();
  #requests = 0;
  #said: RelayCommand[] = [];
  #gone = false;
  readonly #logger: MediaLogger;
  /** Written by the worker, see RelayWorkerData. */
  readonly #pulse = new Float64Array(new SharedArrayBuffer(16));
  #lastBeat = 0;
  /** For how long it has not run, in milliseconds that we ran. */
  #stuckMs = 0;
  #slow = false;
  readonly ready: Promise<void>;
  readonly stopped: Promise<void>;

  /** Starts the thread; whoever makes one waits for `ready`. */
  constructor(options: RelayPoolOptions, faults: Int32Array, logger: MediaLogger) {
    this.#logger = logger;
    this.#options = options;
    const { address, certificate: { der, key, fingerprint } } = options;
    const workerData: RelayWorkerData = { address, pulse: this.#pulse, faults, certificate: { der, fingerprint, key: key.export({ format: 'der', type: 'pkcs8' }) } };
    // Under a TypeScript loader (tests) this module is a .ts file, and so is the worker.
    const file = import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js';
    this.#worker = new Worker(new URL(file, import.meta.url), { workerData });
    this.stopped = new Promise((resolve) => this.#worker.once('exit', () => resolve()));
    this.ready = new Promise((resolve, reject) => {
      this.#worker.on('message', (reports: readonly RelayReport[]) => {
        for (const report of reports) {
          if (report.op === 'ready') {
            this.port = report.port;
            this.#running = true;
            resolve();
          } else {
            this.#take(report);
          }
        }
      });
      this.#worker.on('error', (error) => {
        logger.error({ err: error }, 'the media relay failed');
        this.#end(error.message);
        reject(new WabError('MEDIA_UNAVAILABLE', `${options.key}: the media relay cannot run${address === null ? '' : ` on ${address}`}: ${error.message}`, { cause: error }));
      });
      this.#worker.once('exit', () => {
        this.#end('the media relay ended');
        reject(new WabError('MEDIA_UNAVAILABLE', `${options.key}: the media relay ended before it was ready`));
      });
    });
  }

  get alive(): boolean {
    return !this.#gone && this.#running;
  }

  /** Whether it can take new calls: it runs, and in time. */
  get healthy(): boolean {
    return this.alive && !this.#slow;
  }

  /** Feels its pulse; to be called every LOOK_EVERY. Slow is not dead: its calls stay until it has not run for very long. */
  look(): void {
    if (!this.alive) return;
    const [beat = 0, lateMs = 0] = this.#pulse;
    this.#stuckMs = beat === this.#lastBeat ? this.#stuckMs + LOOK_EVERY : 0;
    this.#lastBeat = beat;
    const slow = this.#stuckMs >= STUCK_MS || lateMs > this.#options.lateMs;
    if (slow !== this.#slow) this.#logger.warn({ calls: this.calls.size, lateMs: Math.round(lateMs) }, slow ? 'a media thread is late: it gets no new calls, those it has stay' : 'a media thread runs in time again');
    this.#slow = slow;
    if (this.#stuckMs < HUNG_MS) return;
    this.#logger.error({ calls: this.calls.size }, `a media thread has not run for ${HUNG_MS / 1000} s and is ended`);
    void this.#worker.terminate();
  }

  /** What is said in one turn goes in one message: each wakes the thread. */
  post(command: RelayCommand): void {
    if (this.#gone) {
      if (command.op === 'record') command.port.close();
      return;
    }
    this.#said.push(command);
    if (this.#said.length === 1) setImmediate(() => { this.#send(); });
  }

  #send(): void {
    const commands = this.#said;
    this.#said = [];
    const ports = commands.flatMap(portsOf);
    if (!this.#gone) this.#worker.postMessage(commands, ports);
    else for (const one of ports) one.close();
  }

  ask(command: { readonly op: 'stats' | 'close'; readonly call: number }): Promise<RelayCounters> {
    if (this.#gone) return Promise.resolve({ meta: null, peers: {} });
    const request = (this.#requests += 1);
    return new Promise((resolve) => {
      this.#waiting.set(request, resolve);
      this.post({ ...command, request });
    });
  }

  open(command: Omit<Extract<RelayCommand, { op: 'open' }>, 'request'>): Promise<string | null> {
    if (this.#gone) return Promise.resolve('EPIPE');
    const request = (this.#requests += 1);
    return new Promise((resolve) => {
      this.#opening.set(request, resolve);
      this.post({ ...command, request });
    });
  }

  /** What it tells of itself: calls, and by how many milliseconds its timer is late on the average. */
  get load(): { readonly calls: number; readonly lagMs: number } {
    return { calls: this.calls.size, lagMs: Math.round((this.#pulse[1] ?? 0) * 10) / 10 };
  }

  async stop(): Promise<void> {
    this.post({ op: 'stop' });
    const timer = setTimeout(() => void this.#worker.terminate(), STOP_PATIENCE);
    await this.stopped;
    clearTimeout(timer);
  }

  #take(report: Exclude<RelayReport, { op: 'ready' }>): void {
    if (report.op === 'stats') {
      this.#waiting.get(report.request)?.(report.counters);
      this.#waiting.delete(report.request);
      return;
    }
    if (report.op === 'opened') {
      this.#opening.get(report.request)?.(report.fault);
      this.#opening.delete(report.request);
      return;
    }
    if (report.op === 'fault') {
      this.#logger.error({ place: report.place, stack: report.text }, 'a fault of ours in a media thread; it goes on');
      return;
    }
    this.calls.get(report.call)?.take(report);
  }

  #end(reason: string): void {
    if (this.#gone) return;
    this.#gone = true;
    for (const answer of this.#waiting.values()) answer({ meta: null, peers: {} });
    this.#waiting.clear();
    for (const answer of this.#opening.values()) answer('EPIPE');
    this.#opening.clear();
    for (const call of [...this.calls.values()]) call.emit('lost', reason);
  }
}

/** Ports that go to the worker with a command. */
function portsOf(command: RelayCommand): MessagePort[] {
  if (command.op === 'record') return [command.port];
  if (command.op === 'tee') return [command.end.link];
  return command.op === 'side' && 'end' in command.path ? [command.path.end.link] : [];
}
