// Round trip of audio, by changing a tone and listening for the change.

/** Median and spread of the measured round trips, ms. */
export interface RoundTripReport { samples: number; medianMs: number | undefined; maxMs: number | undefined }

/**
 * Mouth-to-ear there and back: from sending the first frame of a changed tone until the arrival of the first frame in which the new tone
 * prevails. Holds everything on the way: coders, relays, the echo's own buffer (up to 40 ms); resolution is one frame, 20 ms.
 */
export class RoundTrip {
  private readonly times: number[] = [];
  private waiting: { frequency: number; since: number } | undefined;

  /** The tone was changed to `frequency` with the frame sent at `now`. */
  changed(frequency: number, now: number): void {
    this.waiting = { frequency, since: now };
  }

  get pending(): boolean {
    return this.waiting !== undefined;
  }

  heard(frequency: number, now: number): void {
    if (this.waiting === undefined || frequency !== this.waiting.frequency) return;
    this.times.push(now - this.waiting.since);
    this.waiting = undefined;
  }

  report(): RoundTripReport {
    const sorted = [...this.times].sort((a, b) => a - b);
    const at = (i: number): number | undefined => (sorted[i] === undefined ? undefined : Math.round(sorted[i] * 10) / 10);
    return { samples: sorted.length, medianMs: at(Math.floor(sorted.length / 2)), maxMs: at(sorted.length - 1) };
  }
}
