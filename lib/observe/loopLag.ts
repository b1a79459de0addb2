import { monitorEventLoopDelay, type IntervalHistogram } from 'node:perf_hooks';

/** How often it is looked whether the event loop comes round, in milliseconds. */
const EVERY_MS = 10;

/** By how much the event loop of this thread was late since it was last asked, in seconds. */
export interface Lag { readonly p50: number; readonly p99: number; readonly max: number }

/** Watches whether the event loop comes round: whatever keeps it makes calls wait. */
export class LoopLag {
  readonly #delays: IntervalHistogram = monitorEventLoopDelay({ resolution: EVERY_MS });

  constructor() {
    this.#delays.enable();
  }

  /** What was counted since the last time, or the start; it is counted anew from here on. */
  take(): Lag {
    // The histogram has the time between two looks.
    const late = (nanoseconds: number): number => Math.max(0, nanoseconds / 1e9 - EVERY_MS / 1000);
    const counted = this.#delays.count > 0;
    const lag = counted ? { p50: late(this.#delays.percentile(50)), p99: late(this.#delays.percentile(99)), max: late(this.#delays.max) } : { p50: 0, p99: 0, max: 0 };
    this.#delays.reset();
    return lag;
  }
}
