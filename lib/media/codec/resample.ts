import type { SampleRate } from './types.js';

/** Coefficients for each sample of the slower side that is looked at. */
const SPAN = 24;
/** Shape of the Kaiser window: some 60 dB below the pass band. */
const BETA = 5.65;
/** Where the filter is 6 dB down, as a part of the slower side's Nyquist frequency. */
const EDGE = 0.96;

/** Modified Bessel function of the first kind, order 0. */
function bessel(x: number): number {
  let [sum, term] = [1, 1];
  for (let k = 1; k < 30; k += 1) sum += (term *= (x / (2 * k)) ** 2);
  return sum;
}

/** A windowed sinc for a change of rate by `factor`, its sum 1. */
function lowPass(factor: number): Float32Array {
  const length = SPAN * factor;
  const taps = Array.from({ length }, (_, i) => {
    const t = i - (length - 1) / 2;
    const x = (Math.PI * EDGE * t) / factor;
    return (Math.sin(x) / x) * bessel(BETA * Math.sqrt(1 - ((2 * t) / (length - 1)) ** 2));
  });
  const sum = taps.reduce((all, tap) => all + tap, 0);
  return Float32Array.from(taps, (tap) => tap / sum);
}

const filters: ReadonlyMap<number, Float32Array> = new Map([2, 3, 6].map((factor) => [factor, lowPass(factor)]));

/** Changes the rate of one stream by a whole factor, up or down; what it gives is valid until the next call. Adds 1.5 ms of delay at 8 kHz. */
export class Resampler {
  readonly #up: number;
  readonly #down: number;
  readonly #taps: Float32Array;
  /** The last samples of before, then those of this call. */
  #line: Float32Array;
  readonly #before: number;
  #out = new Int16Array(0);
  /** Samples to pass over before the next that is kept. */
  #skip = 0;

  constructor(from: SampleRate, to: SampleRate) {
    this.#up = Math.max(1, to / from);
    this.#down = Math.max(1, from / to);
    this.#taps = filters.get(Math.max(this.#up, this.#down)) ?? Float32Array.of(1);
    this.#before = this.#taps.length / this.#up - 1;
    this.#line = new Float32Array(this.#before);
  }

  process(pcm: Int16Array): Int16Array {
    const before = this.#before;
    if (this.#line.length < before + pcm.length) {
      const longer = new Float32Array(before + pcm.length);
      longer.set(this.#line.subarray(0, before));
      this.#line = longer;
    }
    this.#line.set(pcm, before);
    const size = this.#down > 1 ? Math.max(0, Math.ceil((pcm.length - this.#skip) / this.#down)) : pcm.length * this.#up;
    if (this.#out.length < size) this.#out = new Int16Array(size);
    if (this.#down > 1) this.#decimate(pcm.length);
    else this.#interpolate(pcm.length);
    this.#line.copyWithin(0, pcm.length, pcm.length + before);
    return this.#out.subarray(0, size);
  }

  #decimate(length: number): void {
    const [line, taps, out] = [this.#line, this.#taps, this.#out];
    let at = this.#skip;
    for (let n = 0; at < length; at += this.#down, n += 1) {
      let sum = 0;
      for (let k = 0; k < taps.length; k += 1) sum += (taps[k] as number) * (line[at + k] as number);
      out[n] = clip(sum);
    }
    this.#skip = at - length;
  }

  #interpolate(length: number): void {
    const [line, taps, out, up] = [this.#line, this.#taps, this.#out, this.#up];
    for (let i = 0; i < length; i += 1) {
      for (let phase = 0; phase < up; phase += 1) {
        let sum = 0;
        // The filter is symmetric: the newest sample meets the coefficient `phase`, each older one that `up` further on.
        for (let k = phase, at = i + this.#before; at >= i; k += up, at -= 1) sum += (taps[k] as number) * (line[at] as number);
        out[i * up + phase] = clip(sum * up);
      }
    }
  }
}

function clip(value: number): number {
  return value > 32767 ? 32767 : value < -32768 ? -32768 : Math.round(value);
}
