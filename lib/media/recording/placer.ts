import { tsDistance } from '../relay/rtp.js';
import { SLOT_MS } from './batch.js';

/** A frame stands in the slot behind the one before as long as it is off by no more of a slot: one that is off by half would go to and fro. */
const STAYS = 0.55;
/** Slots that are remembered as taken. */
const KEPT = 64;

/** Puts the frames of one stream, which need not be where 20 ms begin, into slots, each into one of its own. */
export class Slots {
  #next = 0;
  readonly #taken = new Int32Array(KEPT).fill(-1);

  /** Where frames of `count` slots from `ms` on begin; -1: there is no place, for they are copies or too many. */
  place(ms: number, count: number): number {
    const at = ms / SLOT_MS;
    const slot = Math.abs(at - this.#next) <= STAYS ? this.#next : Math.round(at);
    if (slot < 0) return -1;
    for (let i = slot; i < slot + count; i += 1) if (this.#taken[i % KEPT] === i) return -1;
    for (let i = slot; i < slot + count; i += 1) this.#taken[i % KEPT] = i;
    this.#next = Math.max(this.#next, slot + count);
    return slot;
  }

  /** The same for a piece of less than a slot, which others may stand beside. */
  within(ms: number): number {
    const slot = Math.floor(ms / SLOT_MS + 0.1);
    this.#next = Math.max(this.#next, slot);
    return slot < 0 ? -1 : slot;
  }
}

/** A source whose packets are off from its numbers by more has begun to count anew, in milliseconds: it may be late by more than early. */
const LATE_JUMP = 1000;
const EARLY_JUMP = -500;
/** The earliest packet of so many, in so long, decides where the source stands; of a new one sooner. */
const FIRST = { ms: 100, packets: 4 };
const LATER = { ms: 500, packets: 10 };
/** What it may be off, in milliseconds. */
const TOLERANCE = 4;

/**
 * Where what comes from the network belongs: by the source's own timestamps, so that jitter does not move it, and where the earliest packets say that
 * the source stands, so that its clock, and a way that has become longer, do.
 */
export class Arrival {
  #ssrc = -1;
  #timestamp = 0;
  #at = 0;
  #window = FIRST;
  #since = 0;
  #count = 0;
  #least = Infinity;

  /** Milliseconds by the clock of `when`, which is when it came. `perMs`: units of its timestamps. */
  place(packet: Buffer, when: number, perMs: number): number {
    const [timestamp, ssrc] = [packet.readUInt32BE(4), packet.readUInt32BE(8)];
    let at = this.#at + tsDistance(timestamp, this.#timestamp) / perMs;
    const off = when - at;
    if (ssrc !== this.#ssrc || off > LATE_JUMP || off < EARLY_JUMP) {
      this.#ssrc = ssrc;
      at = when;
      this.#begin(FIRST, when);
    }
    this.#count += 1;
    this.#least = Math.min(this.#least, when - at);
    this.#timestamp = timestamp;
    this.#at = at;
    if (when - this.#since < this.#window.ms || this.#count < this.#window.packets) return at;
    const { ms } = this.#window;
    // What came in a long pause says little: a few packets, all of which may be late.
    if (Math.abs(this.#least) > TOLERANCE && when - this.#since < 4 * ms) this.#at += this.#least;
    this.#begin(LATER, when);
    return at;
  }

  #begin(window: typeof FIRST, when: number): void {
    this.#window = window;
    this.#since = when;
    this.#count = 0;
    this.#least = Infinity;
  }
}

/** For so long the furthest that a stream was ahead counts, and at most twice as long, in milliseconds. */
const FURTHEST_MS = 500;

/**
 * By how much the stream towards Meta is ahead of the clock. Its packets leave when the source's come, some of them late: the one that was sent furthest
 * ahead says it. One that leaves a packet out comes back by that.
 */
export class Ahead {
  #leftOut = 0;
  #since = 0;
  #before = -Infinity;
  #furthest = -Infinity;

  /** Milliseconds. */
  get ms(): number {
    const ms = Math.max(this.#before, this.#furthest);
    return ms === -Infinity ? 0 : ms;
  }

  take(ms: number, leftOut: number, now: number): void {
    if (leftOut !== this.#leftOut) {
      this.#before -= (leftOut - this.#leftOut) * SLOT_MS;
      this.#furthest -= (leftOut - this.#leftOut) * SLOT_MS;
      this.#leftOut = leftOut;
    }
    if (now - this.#since >= FURTHEST_MS) {
      this.#before = this.#furthest;
      this.#furthest = -Infinity;
      this.#since = now;
    }
    this.#furthest = Math.max(this.#furthest, ms);
  }
}
