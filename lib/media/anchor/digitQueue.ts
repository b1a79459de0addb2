import { FRAME_MS } from './rtp.js';

/** Pause between two digits (Q.24 receivers want at least 40 ms). */
const GAP_MS = 60;

/** What one 20 ms step of a digit says. */
export interface DigitStep {
  readonly event: number;
  /** The first step: the event begins now. */
  readonly first: boolean;
  readonly end: boolean;
  /** How long it has lasted with this step. */
  readonly elapsedMs: number;
}

/** Digits of ours, one after the other, in steps of 20 ms. */
export class DigitQueue {
  readonly #digits: { readonly event: number; readonly durationMs: number; elapsedMs: number }[] = [];
  #restUntil = 0;

  push(event: number, durationMs: number): void {
    this.#digits.push({ event, durationMs, elapsedMs: 0 });
  }

  clear(): void {
    this.#digits.length = 0;
  }

  get empty(): boolean {
    return this.#digits.length === 0;
  }

  /** The step that is due; null when there is no digit or a pause. */
  step(now: number): DigitStep | null {
    const digit = this.#digits[0];
    if (!digit || now < this.#restUntil) return null;
    const first = digit.elapsedMs === 0;
    digit.elapsedMs = Math.min(digit.durationMs, digit.elapsedMs + FRAME_MS);
    const end = digit.elapsedMs >= digit.durationMs;
    if (end) {
      this.#digits.shift();
      this.#restUntil = now + FRAME_MS + GAP_MS;
    }
    return { event: digit.event, first, end, elapsedMs: digit.elapsedMs };
  }
}
