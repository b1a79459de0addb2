/** What happened lately, counted exactly: at most `limit` events in any window of this length, whatever its beginning. */
export class RateWindows {
  readonly #windowMs: number;
  readonly #now: () => number;
  readonly #times = new Map<string, number[]>();

  /** `now`: milliseconds that never step back. */
  constructor(windowMs: number, now: () => number) {
    this.#windowMs = windowMs;
    this.#now = now;
  }

  /** Whether one more is within the limit; 0: no limit. */
  free(key: string, limit: number): boolean {
    return limit === 0 || this.#recent(key).length < limit;
  }

  /** Counts one. */
  take(key: string): void {
    this.#recent(key).push(this.#now());
  }

  #recent(key: string): number[] {
    const times = this.#times.get(key) ?? [];
    const since = this.#now() - this.#windowMs;
    const first = times.findIndex((time) => time > since);
    if (first !== 0) times.splice(0, first < 0 ? times.length : first);
    this.#times.set(key, times);
    return times;
  }
}
