// No callback of a socket, timer or stream may end the process: what it throws is counted and told.
import { after } from './after.js';

/** How often a fault of the same place is told, ms; the others are only counted. */
const TELL_EVERY = 60_000;

/**
 * Stands around callbacks that the system calls. An exception of one of them would be uncaught and end the process with every call in it, whoever
 * caused it. `count` hears of each, `tell` of the first of each place in a minute.
 */
export class Guard {
  /** Place → when it was told last. Places are texts of this program: there are few. */
  readonly #told = new Map<string, number>();

  readonly #count: () => void;
  readonly #tell: (place: string, error: Error) => void;

  constructor(count: () => void, tell: (place: string, error: Error) => void) {
    this.#count = count;
    this.#tell = tell;
  }

  /** The same function, which cannot throw. */
  wrap<A extends unknown[]>(place: string, body: (...args: A) => void): (...args: A) => void {
    return (...args) => {
      try {
        body(...args);
      } catch (error) {
        this.fault(place, error);
      }
    };
  }

  /** Runs it; what it throws goes no further. */
  run(place: string, body: () => void): void {
    try {
      body();
    } catch (error) {
      this.fault(place, error);
    }
  }

  /** A timer whose callback cannot throw. */
  after(ms: number, place: string, body: () => void): NodeJS.Timeout {
    return after(ms, () => { this.run(place, body); });
  }

  /** For work that goes on by itself: what it is rejected with goes no further. */
  spawn(place: string, work: Promise<unknown>): void {
    work.catch((error: unknown) => { this.fault(place, error); });
  }

  /** The same after what is under way. */
  soon(place: string, body: () => void): void {
    setImmediate(() => { this.run(place, body); });
  }

  /** For what a promise was rejected with. */
  fault(place: string, error: unknown): void {
    this.#count();
    const now = Date.now();
    const last = this.#told.get(place);
    if (last !== undefined && now - last < TELL_EVERY) return;
    this.#told.set(place, now);
    this.#tell(place, error instanceof Error ? error : new Error(String(error)));
  }
}
