import { WabError } from '../../errors.js';
import { makeCertificate } from '../dtls/index.js';
import type { MediaLogger } from '../logger.js';
import { RelayHandle } from './handle.js';
import { LOOK_EVERY, RelayThread, type RelayPoolOptions } from './thread.js';

/** A thread between two legs of an engine that is late by so much on the average gets no new calls, in milliseconds. */
export const ENGINE_LATE_MS = 250;
/** So many calls share a thread before another one is used: a thread that runs anyway takes one more for much less than one that sleeps. */
const TOGETHER = 8;
/** How long the place of a thread that failed stays empty, in milliseconds. */
const REPLACE_AFTER = 1000;

/** The worker threads that carry the packets of all calls. */
export class RelayPool {
  readonly #options: RelayPoolOptions;
  readonly #logger: MediaLogger;
  #workers: readonly RelayThread[] = [];
  #count = 0;
  #looks: NodeJS.Timeout | null = null;
  #closed = false;
  readonly #replacing = new Set<NodeJS.Timeout>();
  /** Counted by the threads themselves, so that those of one that is gone count on. */
  readonly #faults = new Int32Array(new SharedArrayBuffer(4));

  /** Nothing runs before start(). */
  constructor(options: Omit<RelayPoolOptions, 'certificate'>, logger: MediaLogger) {
    this.#options = { ...options, certificate: makeCertificate() };
    this.#logger = logger;
  }

  /** a=fingerprint of what its ports show in DTLS. */
  get fingerprint(): string {
    return this.#options.certificate.fingerprint;
  }

  /** What each thread tells of itself. */
  get load(): readonly { readonly calls: number; readonly lagMs: number }[] {
    return this.#workers.map((worker) => worker.load);
  }

  /** Exceptions in its threads so far, each of which cost a packet, a command or a turn of the timer. */
  get faults(): number {
    return this.#faults[0] ?? 0;
  }

  /** To be called once. @throws WabError 'MEDIA_UNAVAILABLE' when a worker cannot bind; close() is still to be called. */
  async start(): Promise<void> {
    this.#workers = Array.from({ length: this.#options.workers }, () => new RelayThread(this.#options, this.#faults, this.#logger));
    await Promise.all(this.#workers.map((worker) => worker.ready));
    if (this.#closed) return;
    for (const worker of this.#workers) this.#keepsPlace(worker);
    this.#looks = setInterval(() => { for (const worker of this.#workers) worker.look(); }, LOOK_EVERY);
  }

  /** Whether some worker can take new calls. */
  get healthy(): boolean {
    return this.#workers.some((worker) => worker.healthy);
  }

  /** A packet path on the first worker that has few calls, else on the one with the fewest; on one that is late only where all are. @throws WabError 'MEDIA_UNAVAILABLE' when none runs. */
  open(): RelayHandle {
    const alive = this.#workers.filter((candidate) => candidate.alive).sort((a, b) => Number(b.healthy) - Number(a.healthy));
    const timely = alive.filter(({ healthy }) => healthy === alive[0]?.healthy);
    const worker = timely.find(({ calls }) => calls.size < TOGETHER) ?? timely.sort((a, b) => a.calls.size - b.calls.size)[0];
    if (!worker) throw new WabError('MEDIA_UNAVAILABLE', 'the media relay is not running');
    return new RelayHandle((this.#count += 1), worker);
  }

  /** One that fails has another in its place, a moment later. */
  #keepsPlace(worker: RelayThread): void {
    void worker.stopped.then(() => {
      if (this.#closed) return;
      const timer = setTimeout(() => {
        this.#replacing.delete(timer);
        const next = new RelayThread(this.#options, this.#faults, this.#logger);
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
