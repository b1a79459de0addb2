/** Reflection coefficients that are looked at; RFC 3389 §3.3 thinks of 10. */
const MOST_ORDER = 12;
/** A new level is reached within so long, in milliseconds. */
const GLIDE_MS = 20;

/** Noise of the level and spectrum that comfort noise payloads tell (RFC 3389). */
export class ComfortNoise {
  readonly #rate: number;
  /** Of an all-pole lattice filter: reflection coefficients and backward errors. */
  readonly #reflection = new Float64Array(MOST_ORDER);
  readonly #backward = new Float64Array(MOST_ORDER + 1);
  #order = 0;
  #gain = 0;
  #target = 0;
  #random = 0x2545_f491;
  #out = new Int16Array(0);

  constructor(rate: number) {
    this.#rate = rate;
  }

  /** Takes a payload: its first octet is the level in -dBov, the others are reflection coefficients (§3.1, §3.2). */
  update(payload: Uint8Array): void {
    const level = (payload[0] ?? 127) & 0x7f;
    this.#order = Math.min(MOST_ORDER, Math.max(0, payload.length - 1));
    let power = 1;
    for (let i = 0; i < this.#order; i += 1) {
      const k = (258 * (Math.min(254, payload[i + 1] as number) - 127)) / 32_768;
      this.#reflection[i] = k;
      power *= 1 - k * k;
    }
    // 0 dBov is the power of a full-scale square wave (§3.1); the filter makes its input 1/power stronger; the source below has a variance of 1/3.
    this.#target = 32_767 * 10 ** (-level / 20) * Math.sqrt(3 * power);
  }

  /** Valid until the next call. */
  next(ms: number): Int16Array {
    const size = Math.round((ms * this.#rate) / 1000);
    if (this.#out.length < size) this.#out = new Int16Array(size);
    const glide = 1 - Math.exp(-1000 / (GLIDE_MS * this.#rate / 3));
    for (let i = 0; i < size; i += 1) {
      this.#gain += (this.#target - this.#gain) * glide;
      this.#random = (Math.imul(this.#random, 1_664_525) + 1_013_904_223) | 0;
      const value = this.#filter((this.#random / 0x8000_0000) * this.#gain);
      this.#out[i] = value > 32_767 ? 32_767 : value < -32_768 ? -32_768 : value;
    }
    return this.#out.subarray(0, size);
  }

  #filter(excitation: number): number {
    const [k, b] = [this.#reflection, this.#backward];
    let forward = excitation;
    for (let i = this.#order - 1; i >= 0; i -= 1) {
      forward -= (k[i] as number) * (b[i] as number);
      b[i + 1] = (b[i] as number) + (k[i] as number) * forward;
    }
    b[0] = forward;
    return forward;
  }
}
