import { seqDistance, tsDistance } from './rtp.js';

/** How long a packet may be late before silence takes its place, beyond its 20 ms; and how long where packets of its source often are. */
export const PATIENCE_MS = 40;
export const MOST_PATIENCE_MS = 60;
/** A source's clock that is off by more than this is set anew, in milliseconds. */
export const JUMP_MS = 200;
/** A larger step of the sequence is a restart, not a loss (RFC 3550 A.1 allows 3000; a talk spurt of loss is far below). */
const MAX_STEP = 1000;

/** Where an outgoing stream stands. */
export interface Position {
  /** Sequence number it sent last. */
  seq: number;
  /** Timestamp of its next frame. */
  next: number;
}

/** What is added to the numbers of changing sources so that they make one stream without a break. Times are milliseconds. */
export class SourceMap {
  /** True once a frame of the stream's own has stood where the source's packet should have been. */
  filled = true;
  /** Packets of the source that came after silence had taken their place. */
  late = 0;
  readonly #at: Position;
  readonly #perMs: number;
  #mapped = false;
  #ssrc = 0;
  #seqOffset = 0;
  #tsOffset = 0;
  /** The first number that is the source's since then: those before it have been used. */
  #firstSeq = 0;
  /** When the first of a row of late packets came; -1: none did. */
  #lateSince = -1;

  /** `perMs`: units of the stream's clock in a millisecond. */
  constructor(at: Position, perMs: number) {
    this.#at = at;
    this.#perMs = perMs;
  }

  /** The next packet, from whomever, is joined on. */
  forget(): void {
    this.#mapped = false;
    this.filled = true;
  }

  /** Whether a packet is of the source that was joined on last. */
  isFrom(packet: Buffer): boolean {
    return packet.readUInt32BE(8) === this.#ssrc;
  }

  seqOf(packet: Buffer): number {
    return (packet.readUInt16BE(2) + this.#seqOffset) & 0xffff;
  }

  timestampOf(packet: Buffer): number {
    return (packet.readUInt32BE(4) + this.#tsOffset) >>> 0;
  }

  /** How many numbers a packet is ahead of what was sent last; zero or less: its number has been used. */
  ahead(packet: Buffer): number {
    return seqDistance(packet.readUInt16BE(2) + this.#seqOffset, this.#at.seq);
  }

  /** Finds the place of an audio packet; `due`: when the stream's next frame is. False: there is none, it is to be dropped. */
  place(packet: Buffer, now: number, due: number): boolean {
    if (!this.#mapped || !this.isFrom(packet)) return this.#join(packet);
    const aheadMs = tsDistance(this.timestampOf(packet), this.#at.next) / this.#perMs;
    if (this.filled) return aheadMs < 0 && aheadMs > -JUMP_MS && this.#tooLate(now) ? false : this.#join(packet);
    const step = this.ahead(packet);
    if (aheadMs < 0 && aheadMs > -JUMP_MS) {
      // Reordered within what a receiver still sorts: passed on under its own number; a duplicate is dropped.
      if (step <= 0) return step < 0 && seqDistance(this.seqOf(packet), this.#firstSeq) >= 0;
      return this.#join(packet);
    }
    if (aheadMs < 0 || aheadMs > Math.max(0, now - due) + JUMP_MS || step <= 0 || step > MAX_STEP) return this.#join(packet);
    return true;
  }

  /** The timestamp of a telephone event; its packets have that of its beginning, so only a fresh one can be placed by it. Null: as before. */
  placeEvent(packet: Buffer, fresh: boolean): number | null {
    if (!this.#mapped || !this.isFrom(packet) || (fresh && this.filled)) {
      this.#join(packet);
      return fresh ? this.#at.next : null;
    }
    if (!fresh) return null;
    // RFC 4733 §2.4.1.2 wants the instant it began; where our audio is further already, the next free one.
    const mapped = this.timestampOf(packet);
    const aheadMs = tsDistance(mapped, this.#at.next) / this.#perMs;
    if (aheadMs > JUMP_MS || aheadMs < -JUMP_MS) this.#join(packet);
    return aheadMs > 0 && aheadMs <= JUMP_MS ? mapped : this.#at.next;
  }

  /** The packet gets the next number, and those after it follow. */
  number(packet: Buffer): void {
    this.#seqOffset = this.#at.seq + 1 - packet.readUInt16BE(2);
    this.#firstSeq = this.#at.seq + 1;
  }

  /** The packet was sent under the last number. */
  sent(packet: Buffer): void {
    this.#seqOffset = this.#at.seq - packet.readUInt16BE(2);
    this.#firstSeq = this.#at.seq + 1;
    this.filled = false;
  }

  /** A packet that the source does not know of was sent. */
  inserted(): void {
    this.#seqOffset += 1;
    this.#firstSeq = this.#at.seq + 1;
  }

  /** The packet is not sent on: the one after it takes its number, and with `units` its place in time. */
  passOver(packet: Buffer, units = 0): void {
    if (this.ahead(packet) > 0) {
      this.#seqOffset -= 1;
      this.#firstSeq = this.#at.seq + 1;
    }
    this.#tsOffset -= units;
  }

  #join(packet: Buffer): boolean {
    this.#ssrc = packet.readUInt32BE(8);
    this.number(packet);
    this.#tsOffset = this.#at.next - packet.readUInt32BE(4);
    this.#mapped = true;
    this.filled = false;
    this.#lateSince = -1;
    return true;
  }

  /**
   * Packets whose place silence took come in a burst when the network held them back, and are dropped; when they keep coming the
   * source is simply later than it was, and is joined on where it is.
   */
  #tooLate(now: number): boolean {
    if (this.#lateSince < 0) this.#lateSince = now;
    if (now - this.#lateSince > PATIENCE_MS) return false;
    this.late += 1;
    return true;
  }
}
