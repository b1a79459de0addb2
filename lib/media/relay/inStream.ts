import { seqDistance, tsDistance } from './rtp.js';

/** RFC 3550 A.1: a larger step on, or back, is a sender that counts anew once the packet after it follows, and else a stray one. */
const MAX_DROPOUT = 3000;
const MAX_MISORDER = 100;

/** Counts what one side sends us (RFC 3550 A.1, A.3, A.8); a new SSRC, or a sender that counts anew, starts the sequence count anew and keeps the sums. */
export class InStream {
  packets = 0;
  bytes = 0;
  #ssrc = -1;
  #first = 0;
  #highest = 0;
  #cycles = 0;
  #received = 0;
  #lostBefore = 0;
  /** The number behind a step that was too large; -1: there was none. */
  #bad = -1;
  #reportedExpected = 0;
  #reportedReceived = 0;
  #transit = 0;
  #jitter = 0;
  readonly #clock: number;

  constructor(clock: number) {
    this.#clock = clock;
  }

  /** Takes one RTP packet; `paced`: its timestamp is when it was sampled (audio, not a repeated event). */
  take(packet: Buffer, payloadBytes: number, now: number, paced: boolean): void {
    const seq = packet.readUInt16BE(2);
    const ssrc = packet.readUInt32BE(8);
    this.packets += 1;
    this.bytes += payloadBytes;
    if (ssrc !== this.#ssrc || seq === this.#bad) this.#begin(ssrc, seq);
    const step = seqDistance(seq, this.#highest);
    if (step >= MAX_DROPOUT || step <= -MAX_MISORDER) {
      this.#bad = (seq + 1) & 0xffff;
      return;
    }
    this.#bad = -1;
    this.#received += 1;
    if (step > 0) {
      if (seq < this.#highest) this.#cycles += 0x10000;
      this.#highest = seq;
    }
    if (paced) this.#pace(packet.readUInt32BE(4), now, step);
  }

  #begin(ssrc: number, seq: number): void {
    this.#lostBefore = this.lost;
    this.#ssrc = ssrc;
    this.#first = this.#highest = seq;
    this.#cycles = 0;
    this.#received = this.#reportedExpected = this.#reportedReceived = 0;
    this.#transit = 0;
  }

  #pace(timestamp: number, now: number, step: number): void {
    const arrival = Math.round((now * this.#clock) / 1000) | 0;
    const transit = tsDistance(arrival, timestamp);
    // Only neighbours are compared: across a gap the sender's clock may have jumped.
    if (this.#transit !== 0 && step === 1) {
      const difference = Math.abs(tsDistance(transit, this.#transit));
      if (difference < this.#clock) this.#jitter += (difference - this.#jitter) / 16;
    }
    this.#transit = transit;
  }

  /** Packets missing from the sequence; duplicates may hide some, as in RFC 3550 A.3. */
  get lost(): number {
    if (this.#received === 0) return this.#lostBefore;
    return this.#lostBefore + Math.max(0, this.#cycles + this.#highest - this.#first + 1 - this.#received);
  }

  /** What a report block says of this stream (RFC 3550 §6.4.1, A.3); the fraction is since the last call. */
  report(): { ssrc: number; lost: number; highest: number; fractionLost: number; jitter: number } {
    const expected = this.#received + this.lost - this.#lostBefore;
    const [newExpected, newReceived] = [expected - this.#reportedExpected, this.#received - this.#reportedReceived];
    this.#reportedExpected = expected;
    this.#reportedReceived = this.#received;
    const missing = Math.max(0, newExpected - newReceived);
    return {
      ssrc: this.#ssrc >>> 0, lost: this.lost, highest: this.#cycles + this.#highest, jitter: Math.round(this.#jitter),
      fractionLost: newExpected > 0 ? Math.min(255, Math.floor((missing * 256) / newExpected)) : 0,
    };
  }

  /** Interarrival jitter in milliseconds. */
  get jitterMs(): number {
    return (this.#jitter * 1000) / this.#clock;
  }
}
