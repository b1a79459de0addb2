/** Meta's clock: the machine's, moved on by tests so that seven days pass at once. */
export class Clock {
  #ahead = 0;

  /** Milliseconds since 1970. */
  now(): number {
    return Date.now() + this.#ahead;
  }

  /** Whole seconds since 1970, as Meta writes times. */
  seconds(): number {
    return Math.floor(this.now() / 1000);
  }

  advance(ms: number): void {
    this.#ahead += ms;
  }
}

const HOUR = 3_600_000;
export const DAY = 24 * HOUR;
