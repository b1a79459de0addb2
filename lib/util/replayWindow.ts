/** Words of 32 bits of the ring; one is always being cleared, so that what is behind by more than 224 is too old. */
const WORDS = 8;
const SPAN = 32 * (WORDS - 1);

/**
 * Which numbers of a stream were taken, at least of the newest 224 (RFC 3711 §3.3.2, RFC 6347 §4.1.2.6); a ring as in RFC 6479.
 * A number has up to 48 bits.
 */
export class ReplayWindow {
  /** The highest index that was taken; -1: none yet. */
  highest = -1;
  readonly #bits = new Int32Array(WORDS);

  /** True unless the index was taken before or is too old to know. */
  isNew(index: number): boolean {
    if (index > this.highest) return true;
    return index >= 0 && this.highest - index < SPAN && ((this.#bits[(index >>> 5) & (WORDS - 1)] ?? 0) & (1 << (index & 31))) === 0;
  }

  /** To be called with what is new, once it is known to be authentic. */
  take(index: number): void {
    if (index > this.highest) {
      const steps = Math.floor(index / 32) - Math.floor(this.highest / 32);
      // `>>>` takes an index of 48 bits modulo 2^32, which 32 * WORDS divides.
      for (let step = Math.min(steps, WORDS); step > 0; step--) this.#bits[((index >>> 5) - step + 1) & (WORDS - 1)] = 0;
      this.highest = index;
    }
    const word = (index >>> 5) & (WORDS - 1);
    this.#bits[word] = (this.#bits[word] ?? 0) | (1 << (index & 31));
  }
}
