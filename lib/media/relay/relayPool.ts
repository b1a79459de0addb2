import { randomInt } from 'node:crypto';
import { EventEmitter } from 'node:events';
import { Worker } from 'node:worker_threads';
import { WabError } from '../../errors.js';
import type { Flow } from '../../sdp/index.js';
import type { MediaLogger } from '../logger.js';
import type { RelayCommand, RelayCounters, RelayReport, Remote, SideId } from './messages.js';
import type { StreamFormat } from './outStream.js';
import type { RelayWorkerData } from './worker.js';

interface RelayHandleEvents {
  dtmf: [digit: string, durationMs: number];
  silent: [side: SideId, whole: boolean];
  length: [side: number, ms: number];
  knock: [side: number];
  lost: [reason: string];
}

/** How often a worker's pulse is felt, in milliseconds. */
const LOOK_EVERY = 500;
/** A worker that has not run for so long, or is late by so much on the average, gets no new calls, in milliseconds. */
const STUCK_MS = 1000;
const LATE_MS = 250;
/** One that has not run for so long hangs. */
const HUNG_MS = 30_000;
/** How long one that is asked to stop may take, and how long the place of one that failed stays empty, in milliseconds. */
const STOP_PATIENCE = 3000;
const REPLACE_AFTER = 1000;

/** Meta's side, always: its descriptions say so, and it is to have a packet every 20 ms (META-SIP §6.2). */
export const BOTH_WAYS: Flow = { listens: true, sends: true };

type CallCommand = RelayCommand extends infer C ? C extends { readonly call: number } ? Omit<C, 'call'> : never : never;

/** One worker thread with its socket, and the calls on it. */
class RelayWorker {
  readonly calls = new Map<number, RelayHandle>();
  port = 0;
  readonly #worker: Worker;
  readonly #waiting = new Map<number, (counters: RelayCounters) => void>();
  #requests = 0;
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
  constructor(address: string, faults: Int32Array, logger: MediaLogger) {
    this.#logger = logger;
    const workerData: RelayWorkerData = { address, pulse: this.#pulse, faults };
    // Under a TypeScript loader (tests) this module is a .ts file, and so is the worker.
    const file = import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js';
    this.#worker = new Worker(new URL(file, import.meta.url), { workerData });
    this.stopped = new Promise((resolve) => this.#worker.once('exit', () => resolve()));
    this.ready = new Promise((resolve, reject) => {
      this.#worker.on('message', (report: RelayReport) => {
        if (report.op === 'ready') {
          this.port = report.port;
          resolve();
        } else {
          this.#take(report);
        }
      });
      this.#worker.on('error', (error) => {
        logger.error({ err: error }, 'the media relay failed');
        this.#end(error.message);
        reject(new WabError('MEDIA_UNAVAILABLE', `media.rtpengine.anchor: the media relay cannot run on ${address}: ${error.message}`, { cause: error }));
      });
      this.#worker.once('exit', () => {
        this.#end('the media relay ended');
        reject(new WabError('MEDIA_UNAVAILABLE', `media.rtpengine.anchor: the media relay on ${address} ended before it was ready`));
      });
    });
  }

  get alive(): boolean {
    return !this.#gone && this.port !== 0;
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
    const slow = this.#stuckMs >= STUCK_MS || lateMs > LATE_MS;
    if (slow !== this.#slow) this.#logger.warn({ calls: this.calls.size, lateMs: Math.round(lateMs) }, slow ? 'a media thread is late: it gets no new calls, those it has stay' : 'a media thread runs in time again');
    this.#slow = slow;
    if (this.#stuckMs < HUNG_MS) return;
    this.#logger.error({ calls: this.calls.size }, `a media thread has not run for ${HUNG_MS / 1000} s and is ended`);
    void this.#worker.terminate();
  }

  post(command: RelayCommand): void {
    if (!this.#gone) this.#worker.postMessage(command);
  }

  ask(command: { readonly op: 'stats' | 'close'; readonly call: number }): Promise<RelayCounters> {
    if (this.#gone) return Promise.resolve({ meta: null, peers: {} });
    const request = (this.#requests += 1);
    return new Promise((resolve) => {
      this.#waiting.set(request, resolve);
      this.post({ ...command, request });
    });
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
    for (const call of [...this.calls.values()]) call.emit('lost', reason);
  }
}

/** The service's hold on one call's packet path. */
export class RelayHandle extends EventEmitter<RelayHandleEvents> {
  readonly #id: number;
  readonly #worker: RelayWorker;
  #closing: Promise<RelayCounters> | null = null;
  #plays = 0;
  #playing: (() => void) | null = null;

  constructor(id: number, worker: RelayWorker) {
    super();
    this.#id = id;
    this.#worker = worker;
    worker.calls.set(id, this);
  }

  /** UDP port of the relay for this call's engine sessions. */
  get port(): number {
    return this.#worker.port;
  }

  post(command: CallCommand): void {
    if (this.#closing === null) this.#worker.post({ ...command, call: this.#id });
  }

  /** Announces where the engine's port for a side is and what the side does, or that it changed. `source`: SSRC and CNAME of Meta's side, where the relay does RTCP. `shut`: what comes knocks first. `timeoutMs`: of a peer's, see the command. */
  side(side: SideId, remote: Remote, format: StreamFormat, flow: Flow = BOTH_WAYS, source: { readonly id: number; readonly cname: string } | null = null, shut = false, timeoutMs = 0): void {
    this.post({ op: 'side', side, remote, format, flow, shut, timeoutMs, ssrc: source?.id ?? randomInt(1, 0xffff_ffff), cname: source?.cname ?? null });
  }

  /** Resolves when the recording has ended or was replaced or stopped. `yields`: it is heard only while the connected peer sends nothing. */
  play(frames: readonly Uint8Array[] | null, loop: boolean, yields = false): Promise<void> {
    this.#playing?.();
    const play = (this.#plays += 1);
    if (this.#closing !== null || frames === null) {
      this.post({ op: 'play', side: 'meta', frames: null, loop: false, yields: false, play });
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      this.#playing = resolve;
      this.post({ op: 'play', side: 'meta', frames, loop, yields, play });
    });
  }

  /** The same towards a peer's side, whose end nobody waits for. */
  playTo(side: number, frames: readonly Uint8Array[] | null, loop: boolean): void {
    this.post({ op: 'play', side, frames, loop, yields: false, play: 0 });
  }

  stats(): Promise<RelayCounters> {
    return this.#closing ?? this.#worker.ask({ op: 'stats', call: this.#id });
  }

  /** Frees the call in the worker and gives its last counters; may be called twice. */
  close(): Promise<RelayCounters> {
    if (this.#closing === null) {
      this.#closing = this.#worker.ask({ op: 'close', call: this.#id });
      this.#playing?.();
      this.#worker.calls.delete(this.#id);
    }
    return this.#closing;
  }

  /** For the worker's reports only. */
  take(report: Exclude<RelayReport, { op: 'ready' | 'stats' | 'fault' }>): void {
    if (report.op === 'dtmf') this.emit('dtmf', report.digit, report.durationMs);
    else if (report.op === 'silent') this.emit('silent', report.side, report.whole);
    else if (report.op === 'knock') this.emit('knock', report.side);
    else if (report.op === 'length') this.emit('length', report.side, report.ms);
    else if (report.play === this.#plays) this.#playing?.();
  }
}

/** The worker threads that carry the packets of all calls. */
export class RelayPool {
  readonly #address: string;
  readonly #wanted: number;
  readonly #logger: MediaLogger;
  #workers: readonly RelayWorker[] = [];
  #count = 0;
  #looks: NodeJS.Timeout | null = null;
  #closed = false;
  readonly #replacing = new Set<NodeJS.Timeout>();
  /** Counted by the threads themselves, so that those of one that is gone count on. */
  readonly #faults = new Int32Array(new SharedArrayBuffer(4));

  /** `address`: the address of ours that engines send to. Nothing runs before start(). */
  constructor(address: string, workers: number, logger: MediaLogger) {
    this.#address = address;
    this.#wanted = workers;
    this.#logger = logger;
  }

  /** Exceptions in its threads so far, each of which cost a packet, a command or a turn of the timer. */
  get faults(): number {
    return this.#faults[0] ?? 0;
  }

  /** To be called once. @throws WabError 'MEDIA_UNAVAILABLE' when a worker cannot bind; close() is still to be called. */
  async start(): Promise<void> {
    this.#workers = Array.from({ length: this.#wanted }, () => new RelayWorker(this.#address, this.#faults, this.#logger));
    await Promise.all(this.#workers.map((worker) => worker.ready));
    if (this.#closed) return;
    for (const worker of this.#workers) this.#keepsPlace(worker);
    this.#looks = setInterval(() => { for (const worker of this.#workers) worker.look(); }, LOOK_EVERY);
  }

  /** Whether some worker can take new calls. */
  get healthy(): boolean {
    return this.#workers.some((worker) => worker.healthy);
  }

  /** A packet path on the least loaded worker, one that is late only where all are. @throws WabError 'MEDIA_UNAVAILABLE' when none runs. */
  open(): RelayHandle {
    const [worker] = this.#workers.filter((candidate) => candidate.alive).sort((a, b) => Number(b.healthy) - Number(a.healthy) || a.calls.size - b.calls.size);
    if (!worker) throw new WabError('MEDIA_UNAVAILABLE', 'the media relay is not running');
    return new RelayHandle((this.#count += 1), worker);
  }

  /** One that fails has another in its place, a moment later. */
  #keepsPlace(worker: RelayWorker): void {
    void worker.stopped.then(() => {
      if (this.#closed) return;
      const timer = setTimeout(() => {
        this.#replacing.delete(timer);
        const next = new RelayWorker(this.#address, this.#faults, this.#logger);
        this.#workers = this.#workers.map((one) => (one === worker ? next : one));
        // A failure has been logged, and is tried again.
        next.ready.catch(() => undefined);
        this.#keepsPlace(next);
      }, REPLACE_AFTER);
      this.#replacing.add(timer);
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    if (this.#looks !== null) clearInterval(this.#looks);
    for (const timer of this.#replacing) clearTimeout(timer);
    await Promise.all(this.#workers.map((worker) => worker.stop()));
  }
}
