import { Resampler } from '../../../media/codec/resample.js';
import type { SampleRate } from '../../../media/codec/types.js';

const known: readonly SampleRate[] = [8000, 16_000, 24_000, 48_000];

/** Whether there is a way from that rate. */
export function isKnownRate(rate: number): boolean {
  return known.some((one) => one === rate);
}

const COMMON = 48_000;

/** Brings audio of several rates to one, each as a stream of its own; by way of 48 kHz, which is a whole multiple of each. */
export class Rates {
  readonly #to: SampleRate;
  readonly #steps = new Map<number, readonly Resampler[]>();

  constructor(to: SampleRate) {
    this.#to = to;
  }

  /** In memory of its own. @throws Error where there is no way from that rate */
  brought(pcm: Int16Array, rate: number): Int16Array {
    if (rate === this.#to) return pcm;
    const from = known.find((one) => one === rate);
    if (from === undefined) throw new Error(`no way from ${rate} samples a second`);
    const steps = this.#steps.get(from) ?? [new Resampler(from, COMMON), new Resampler(COMMON, this.#to)];
    this.#steps.set(from, steps);
    return steps.reduce((audio, step) => step.process(audio), pcm).slice();
  }
}
