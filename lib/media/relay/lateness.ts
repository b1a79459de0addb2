import { DelayTarget } from '../transcode/delayTarget.js';
import { tsDistance } from './rtp.js';

/** A timestamp that is off from the clock on the wall by more is another clock, in milliseconds. */
const JUMP_MS = 500;
/** What a tick may be late, and the steps that lateness is counted in, in milliseconds. */
const MARGIN_MS = 10;

/** How late a source's packets come, as it was with those before: until when the next one may well be on its way. Times are milliseconds. */
export class Lateness {
  readonly #perMs: number;
  readonly #target = new DelayTarget();
  #ssrc = -1;
  #newest = { timestamp: 0, mediaMs: 0, at: 0 };
  /** Where in media time the packet behind the newest begins. */
  #nextMs = 0;
  #known = false;

  /** `perMs`: units of the source's clock in a millisecond. */
  constructor(perMs: number) {
    this.#perMs = perMs;
  }

  /** Until then all but one of a hundred would have come; -Infinity: nothing is known. */
  get deadline(): number {
    return this.#known ? this.#target.earliest(this.#nextMs) + this.#target.ms + MARGIN_MS : -Infinity;
  }

  /** Takes an audio packet of the source as it came, before it is renumbered; `samples`: its length in units of the clock. */
  take(packet: Buffer, samples: number, now: number): void {
    const [timestamp, ssrc] = [packet.readUInt32BE(4), packet.readUInt32BE(8)];
    const newest = this.#newest;
    const step = tsDistance(timestamp, newest.timestamp) / this.#perMs;
    if (ssrc !== this.#ssrc || Math.abs(step - (now - newest.at)) > JUMP_MS) {
      this.#ssrc = ssrc;
      this.#known = true;
      this.#target.restart();
      this.#newest = { timestamp, mediaMs: 0, at: now };
      this.#nextMs = samples / this.#perMs;
      this.#target.take(0, now);
      return;
    }
    const mediaMs = newest.mediaMs + step;
    this.#target.take(mediaMs, now);
    if (step <= 0) return;
    newest.timestamp = timestamp;
    newest.mediaMs = mediaMs;
    newest.at = now;
    this.#nextMs = mediaMs + samples / this.#perMs;
  }

  /** Another source may come. */
  forget(): void {
    this.#known = false;
    this.#ssrc = -1;
  }
}
