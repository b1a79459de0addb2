import { bestLag } from './pitch.js';

/** What is kept of the signal, and the range of pitch that is looked for (66 to 400 Hz), in milliseconds. */
const KEPT_MS = 50;
const SHORTEST_MS = 2.5;
const LONGEST_MS = 15;
/** The stretch by which pitch is told, in milliseconds. */
const WINDOW_MS = 20;
/** What is repeated lasts at least so long: shorter cycles ring. */
const CYCLE_MS = 10;
/** Full for so long, then fading out to silence, in milliseconds. */
const FULL_MS = 10;
const SILENT_MS = 60;
/** The step to what is repeated is spread over so long; that back to the signal over this, and as much again for each 10 ms lost, up to the second. */
const STEP_MS = 2;
const BLEND_MS = 4;
const LONGEST_BLEND_MS = 10;

/** Stands in for what a waveform codec lost by repeating pitch periods of what was heard last, in the way of ITU-T G.711 appendix I but without its delay. */
export class Concealer {
  readonly #perMs: number;
  readonly #history: Int16Array;
  #cycle = new Float32Array(0);
  #at = 0;
  /** Samples since the last good one. */
  #lost = 0;
  /** The step between the last good sample and the cycle. */
  #step = 0;
  #out = new Int16Array(0);

  constructor(rate: number) {
    this.#perMs = rate / 1000;
    this.#history = new Int16Array(KEPT_MS * this.#perMs);
  }

  /** Takes what was decoded; what follows on a loss is changed at its beginning so that it joins on. */
  good(pcm: Int16Array): void {
    if (this.#lost > 0) this.#join(pcm);
    this.#lost = 0;
    const kept = this.#history;
    if (pcm.length >= kept.length) return kept.set(pcm.subarray(pcm.length - kept.length));
    kept.copyWithin(0, pcm.length);
    kept.set(pcm, kept.length - pcm.length);
  }

  /** Valid until the next call. */
  conceal(ms: number): Int16Array {
    const size = Math.round(ms * this.#perMs);
    if (this.#out.length < size) this.#out = new Int16Array(size);
    if (this.#lost === 0) this.#begin();
    for (let i = 0; i < size; i += 1) this.#out[i] = this.#next();
    return this.#out.subarray(0, size);
  }

  #begin(): void {
    const [kept, perMs] = [this.#history, this.#perMs];
    const { samples: period } = bestLag(kept, {
      at: kept.length - WINDOW_MS * perMs, length: WINDOW_MS * perMs, least: Math.floor(SHORTEST_MS * perMs), most: LONGEST_MS * perMs, side: 1,
    }, perMs / 4);
    const length = period * Math.ceil((CYCLE_MS * perMs) / period);
    const from = kept.length - length;
    this.#cycle = Float32Array.from(kept.subarray(from));
    // Its end flows into its beginning.
    const overlap = Math.min(from, period >> 2);
    for (let i = 0; i < overlap; i += 1) {
      const at = length - overlap + i;
      const weight = (i + 1) / (overlap + 1);
      this.#cycle[at] = (this.#cycle[at] as number) * (1 - weight) + (kept[from - overlap + i] as number) * weight;
    }
    this.#at = 0;
    this.#step = (kept[kept.length - 1] as number) - (kept[from - 1] as number);
  }

  #next(): number {
    const [perMs, lost] = [this.#perMs, this.#lost];
    this.#lost += 1;
    if (lost >= SILENT_MS * perMs) return 0;
    const gain = Math.min(1, (SILENT_MS * perMs - lost) / ((SILENT_MS - FULL_MS) * perMs));
    const sample = this.#cycle[this.#at] as number;
    this.#at = this.#at + 1 === this.#cycle.length ? 0 : this.#at + 1;
    const step = this.#step * Math.max(0, 1 - lost / (STEP_MS * perMs));
    const value = (sample + step) * gain;
    return value > 32767 ? 32767 : value < -32768 ? -32768 : value;
  }

  #join(pcm: Int16Array): void {
    const perMs = this.#perMs;
    const blend = Math.min(pcm.length, Math.round(perMs * Math.min(LONGEST_BLEND_MS, BLEND_MS * (1 + Math.floor(this.#lost / (10 * perMs))))));
    for (let i = 0; i < blend; i += 1) {
      const weight = (i + 1) / (blend + 1);
      pcm[i] = (pcm[i] as number) * weight + this.#next() * (1 - weight);
    }
  }
}
