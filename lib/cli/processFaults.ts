import type { Logger } from '../observe/logger.js';

/** Faults of one minute at which the process is no longer to be trusted. */
const tooMany = 50;
const minute = 60_000;

/** What the process' events are taken from; `process` itself. */
export interface FaultSource {
  on(event: 'uncaughtException' | 'unhandledRejection', listener: (reason: unknown) => void): unknown;
  off(event: 'uncaughtException' | 'unhandledRejection', listener: (reason: unknown) => void): unknown;
}

/**
 * What happens to an exception that nobody caught. It belongs to one message or one call, and ending the process would end every other call with it:
 * so it is logged in full once a minute for each place, counted, and the service goes on. Where they come by the dozen something is broken for good:
 * then the service drains, so that who supervises it starts a new one.
 */
export class ProcessFaults {
  readonly #log: Logger;
  readonly #broken: () => void;
  readonly #told = new Map<string, number>();
  readonly #now: () => number;
  #count = 0;
  #recent = 0;
  #since = 0;

  /** @param broken called once, when there are too many */
  constructor(log: Logger, broken: () => void, now: () => number = Date.now) {
    this.#log = log;
    this.#broken = broken;
    this.#now = now;
  }

  /** Since the start. */
  get count(): number {
    return this.#count;
  }

  /** Begins to listen; gives the means to stop. */
  listen(source: FaultSource = process): () => void {
    const exception = (reason: unknown): void => this.fault('uncaughtException', reason);
    const rejection = (reason: unknown): void => this.fault('unhandledRejection', reason);
    source.on('uncaughtException', exception);
    source.on('unhandledRejection', rejection);
    return () => {
      source.off('uncaughtException', exception);
      source.off('unhandledRejection', rejection);
    };
  }

  fault(kind: string, reason: unknown): void {
    this.#count += 1;
    const now = this.#now();
    if (now - this.#since > minute) [this.#since, this.#recent] = [now, 0];
    this.#recent += 1;
    const error = reason instanceof Error ? reason : new Error(String(reason));
    const place = error.stack?.split('\n').slice(1, 3).join(' ') ?? error.message;
    if (now - (this.#told.get(place) ?? -Infinity) > minute) {
      // Places are lines of programs: there are few.
      this.#told.set(place, now);
      this.#log.error({ err: error, kind }, 'an exception that nobody caught; the service goes on');
    }
    if (this.#recent !== tooMany) return;
    this.#log.fatal({ faults: this.#recent }, 'too many exceptions within a minute: the service drains and ends');
    this.#broken();
  }
}
