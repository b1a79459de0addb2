import type { Logger } from '../observe/logger.js';
import { after } from '../util/after.js';
import type { Call } from './call.js';
import type { CallTable } from './table.js';
import { ended } from './termination.js';

/**
 * taking: calls are taken; leaving: they still are, while balancers and peers learn from /ready and OPTIONS that they should go elsewhere;
 * draining: no new ones; drained: nor is one up any more.
 */
export type DrainState = 'taking' | 'leaving' | 'draining' | 'drained';

/** In seconds: how long new calls are still taken, and how long after that those which are up may go on. */
export interface DrainTimes { readonly delay: number; readonly seconds: number }

export interface DrainStatus {
  readonly state: DrainState;
  /** Calls that are up. */
  readonly calls: number;
  /** When it began, and when the calls that are left will be ended; ms since 1970; null while calls are taken. */
  readonly since: number | null;
  readonly endsAt: number | null;
}

/** Takes the service out of use without cutting a call, and into use again. */
export class Drain {
  readonly #table: CallTable;
  readonly #log: Logger;
  #state: DrainState = 'taking';
  #since: number | null = null;
  #endsAt: number | null = null;
  #delay: NodeJS.Timeout | undefined;
  #deadline: NodeJS.Timeout | undefined;
  #stopping = false;
  #whenDrained: (() => void)[] = [];

  constructor(table: CallTable, log: Logger) {
    this.#table = table;
    this.#log = log;
  }

  /** /ready and OPTIONS say so: whoever looks should send calls elsewhere. */
  get going(): boolean {
    return this.#state !== 'taking';
  }

  /** New calls are refused. */
  get refusing(): boolean {
    return this.#state === 'draining' || this.#state === 'drained';
  }

  status(): DrainStatus {
    return { state: this.#state, calls: this.#table.size, since: this.#since, endsAt: this.#endsAt };
  }

  /** Begins; where it is under way already, the times are new. `then` is called once no call is up, unless it is called off before. */
  begin({ delay, seconds }: DrainTimes, then?: () => void): void {
    if (then !== undefined) this.#whenDrained.push(then);
    if (this.#state === 'drained') return this.#over();
    this.#stopTimers();
    if (this.#state === 'taking') {
      this.#state = 'leaving';
      this.#since = Date.now();
      this.#log.info({ calls: this.#table.size, delay, seconds }, 'draining: calls should go elsewhere; those that are up go on');
    }
    const still = this.#state === 'leaving' ? delay : 0;
    this.#endsAt = Date.now() + (still + seconds) * 1000;
    this.#deadline = after((still + seconds) * 1000, () => this.#endAll());
    if (still > 0) this.#delay = after(still * 1000, () => this.refuse());
    else this.refuse();
  }

  /** Begins, or goes on with what was begun, and is not called off any more: the process ends. Resolves once no call is up. */
  stop(times: DrainTimes): Promise<void> {
    this.#stopping = true;
    return new Promise((resolve) => {
      if (this.#state === 'taking') this.begin(times, resolve);
      else if (this.#state === 'drained') resolve();
      else {
        this.#whenDrained.push(resolve);
        // Whoever ends the process waits by these times, whatever was said before.
        const seconds = (this.#state === 'leaving' ? times.delay : 0) + times.seconds;
        if (this.#endsAt !== null && Date.now() + seconds * 1000 < this.#endsAt) this.begin(times);
      }
    });
  }

  /** Calls are taken again. False: the process is about to end. */
  callOff(): boolean {
    if (this.#stopping) return false;
    this.#stopTimers();
    if (this.#state !== 'taking') this.#log.info({ calls: this.#table.size }, 'calls are taken again');
    this.#state = 'taking';
    this.#since = this.#endsAt = null;
    this.#whenDrained = [];
    return true;
  }

  /** No new calls from now on. */
  refuse(): void {
    if (this.refusing) return;
    this.#state = 'draining';
    this.#since ??= Date.now();
    this.#log.info({ calls: this.#table.size }, 'draining: no new calls; waiting for these to end');
    void this.#untilNone(this.#since);
  }

  async #untilNone(since: number): Promise<void> {
    const seen = new Set<Call>();
    for (let left = this.#table.all(); left.length > 0; left = this.#table.all().filter((call) => !seen.has(call))) {
      for (const call of left) seen.add(call);
      await Promise.all(left.map((call) => call.ended));
    }
    if (this.#state !== 'draining' || this.#since !== since) return;
    this.#stopTimers();
    this.#state = 'drained';
    this.#log.info('drained: no call is up');
    this.#over();
  }

  #over(): void {
    for (const tell of this.#whenDrained.splice(0)) tell();
  }

  #endAll(): void {
    this.refuse();
    for (const call of this.#table.all()) call.end(ended.drained());
  }

  #stopTimers(): void {
    clearTimeout(this.#delay);
    clearTimeout(this.#deadline);
  }
}
