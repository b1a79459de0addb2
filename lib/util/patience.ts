/** The longest time that one step counts for, in milliseconds, however late we come to it. */
const STEP_MS = 250;

/**
 * Calls `done` when `ms` of our patience are used up; gives the means to take that back. A stall of our own (a busy loop, a machine without
 * time for us) counts for one step at most, and what came in during it is read first: a far end is not slow because we were.
 */
export function patience(ms: number, done: () => void): () => void {
  let timer: NodeJS.Timeout | undefined;
  let last: NodeJS.Immediate | undefined;
  const wait = (left: number): void => {
    const step = Math.min(left, STEP_MS);
    timer = setTimeout(() => {
      if (left > step) wait(left - step);
      // Timers run before the sockets are read.
      else last = setImmediate(done);
    }, step);
  };
  wait(ms);
  return () => {
    clearTimeout(timer);
    clearImmediate(last);
  };
}

/** Counts the time in which its owner has run: of a stall between two looks only so much counts, in milliseconds. */
export class AwakeClock {
  now = 0;
  #last: number;
  readonly #most: number;

  constructor(at: number, most: number) {
    this.#last = at;
    this.#most = most;
  }

  /** Looks at the time; gives it as counted so far. */
  look(at: number): number {
    this.now += Math.max(0, Math.min(at - this.#last, this.#most));
    this.#last = at;
    return this.now;
  }
}
