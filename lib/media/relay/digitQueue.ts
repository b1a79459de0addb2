import { FRAME_MS } from './rtp.js';

/** Pause between two digits (Q.24 receivers want at least 40 ms). */
const GAP_MS = 60;

/** A receiver knows a digit of so many milliseconds (Q.24), so one that another waits behind needs to last no longer. */
const ENOUGH_MS = 40;
/** Digits that wait at most; who sends more presses no keys. */
const MOST_WAITING = 64;

/** What one 20 ms step of a digit says. */
export interface DigitStep {
  readonly event: number;
  /** The first step: the event begins now. */
  readonly first: boolean;
  readonly end: boolean;
  /** How long it has lasted with this step. */
  readonly elapsedMs: number;
}

/** Digits of ours, one after the other, in steps of 20 ms. One that others wait behind is cut short: who presses keys fast is heard at once. */
export class DigitQueue {
  readonly #digits: { readonly event: number; readonly durationMs: number; elapsedMs: number }[] = [];
  #restUntil = 0;

  push(event: number, durationMs: number): void {
    if (this.#digits.length < MOST_WAITING) this.#digits.push({ event, durationMs, elapsedMs: 0 });
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
    const durationMs = this.#digits.length > 1 ? Math.min(digit.durationMs, Math.max(ENOUGH_MS, digit.elapsedMs + FRAME_MS)) : digit.durationMs;
    digit.elapsedMs = Math.min(durationMs, digit.elapsedMs + FRAME_MS);
    const end = digit.elapsedMs >= durationMs;
    if (end) {
      this.#digits.shift();
      this.#restUntil = now + FRAME_MS + GAP_MS;
    }
    return { event: digit.event, first, end, elapsedMs: digit.elapsedMs };
  }
}
