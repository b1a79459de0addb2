/** A pause of so long is told in figures, in milliseconds: shorter ones are jitter, and a codec's own pauses. */
const NOTED_MS = 1000;

/** How long a side that is to send has sent nothing, in milliseconds of its call's clock. */
export class Silence {
  /** After how long it is told, and after half of that; 0: never. */
  limitMs = 0;
  /** Null: nothing is expected of it. */
  #since: number | null = null;
  #told = 0;
  #notedMs = 0;

  /** Something is expected of it, and counted anew. */
  expect(now: number): void {
    this.#note(now);
    this.#since = now;
    this.#told = 0;
  }

  /** Nothing is expected of it: it need not send. */
  rest(now: number): void {
    this.#note(now);
    this.#since = null;
  }

  /** It sent something. */
  heard(now: number): void {
    if (this.#since !== null) this.expect(now);
  }

  /** Once for each silence that has just lasted half of the limit, or the whole of it. */
  due(now: number): 'half' | 'whole' | null {
    if (this.#since === null || this.limitMs === 0 || this.#told === 2) return null;
    const silentMs = now - this.#since;
    if (silentMs > this.limitMs) {
      this.#told = 2;
      return 'whole';
    }
    if (this.#told === 1 || silentMs <= this.limitMs / 2) return null;
    this.#told = 1;
    return 'half';
  }

  /** Milliseconds so far in which it was to send and did not, in pauses of more than a second. */
  total(now: number): number {
    return Math.round(this.#notedMs + this.#open(now));
  }

  #open(now: number): number {
    const ms = this.#since === null ? 0 : now - this.#since;
    return ms > NOTED_MS ? ms : 0;
  }

  #note(now: number): void {
    this.#notedMs += this.#open(now);
  }
}
