import { seqDistance } from './rtp.js';

/** Characters of telephone events 0-15 (RFC 4733 §3.2, table 4). */
const DIGITS = '0123456789*#ABCD';

export function digitOf(event: number): string | null {
  return DIGITS[event] ?? null;
}

/** How long a digit of ours lasts that is to last so long, milliseconds. RFC 4733 §2.5.2.2 and Q.24: shorter than 40 ms is not heard as one; 8 s is the field's end at 8 kHz. */
export function digitLength(durationMs: number): number {
  return Math.min(8000, Math.max(40, durationMs));
}

/** The event code of a digit; null when it is none. */
export function eventOf(digit: string): number | null {
  const at = DIGITS.indexOf(digit.toUpperCase());
  return digit.length === 1 && at >= 0 ? at : null;
}

/** Within so many milliseconds, a packet without a beginning belongs to the event before. */
const GOES_ON_MS = 200;
/** The same for one that says it is the end: it would have to be all that came of a new one. rtpengine 10.5.3 lets them wait for more than 200 ms. */
const END_GOES_ON_MS = 500;
/** A packet that a later one overtook comes within so many milliseconds, and is shorter by two updates at 48 kHz at most. */
const SWAPPED_MS = 40;
const SWAPPED_UNITS = 1920;

/** An event is taken as ended when nothing of it came for so long, in milliseconds. */
export const EVENT_LOST_MS = 400;

/** A step of the sequence number back by no more than this is a packet that was overtaken, a larger one another count. */
const OVERTAKEN = 100;

/** Largest value of the 16-bit duration field (RFC 4733 §2.3.5). */
const MAX_DURATION = 0xffff;

/**
 * Follows the events in one stream. Durations are unwrapped: an engine that scales a long 8 kHz event to a 48 kHz clock
 * lets the 16-bit field run over (rtpengine 10.5.3, codec_add_dtmf_packet), a sender that keeps RFC 4733 §2.5.1.3 starts a new segment.
 */
export class EventReader {
  /** Timestamp of the event under way or last seen, in the stream's own clock. */
  timestamp = -1;
  event = 0;
  /** Unwrapped, in the unit of the stream. */
  duration = 0;
  ended = true;
  /** When the last packet of it came, milliseconds. */
  lastAt = 0;
  #wraps = 0;
  #last = 0;
  #ssrc = -1;
  /** Its timestamp at the source that sends it now, which need not be the one that began it. */
  #under = -1;
  #seq = 0;
  /** Its end has been seen. */
  #over = true;

  /** What comes next is of another sender, which may count from where this one did. */
  forget(): void {
    this.timestamp = -1;
  }

  /** Takes the four bytes at `offset`; true when this packet begins a new event. */
  take(packet: Buffer, offset: number, timestamp: number, now: number): boolean {
    const field = packet.readUInt16BE(offset + 2);
    const ssrc = packet.readUInt32BE(8);
    const seq = packet.readUInt16BE(2);
    // What was sent before the packet that came last begins nothing and says nothing new.
    if (ssrc === this.#ssrc && this.timestamp >= 0 && seqDistance(seq, this.#seq) < 0 && seqDistance(seq, this.#seq) > -OVERTAKEN) return false;
    const known = this.timestamp >= 0 && timestamp === this.#under && ssrc === this.#ssrc;
    const fresh = known ? this.#repeats(packet, offset, field, now) : !this.#goesOn(packet, offset, field, now, ssrc);
    const changed = ssrc !== this.#ssrc;
    if (fresh || changed) this.#under = timestamp;
    this.#ssrc = ssrc;
    this.#seq = seq;
    this.lastAt = now;
    if (fresh) {
      this.timestamp = timestamp;
      this.event = packet[offset] as number;
      this.ended = false;
      this.#over = false;
      this.duration = this.#wraps = 0;
    } else if (changed) {
      // Another source counts for itself.
      this.#wraps = 0;
    } else if (field < this.#last - 0x8000) {
      this.#wraps += 1;
    }
    this.#over ||= ((packet[offset + 1] as number) & 0x80) !== 0;
    this.#last = field;
    this.duration = Math.max(this.duration, field + this.#wraps * 0x10000);
    return fresh;
  }

  /** The same timestamp once more: rtpengine 10.5.3 counts from 0 after each negotiation, where a digit is the first thing it transcodes. */
  #repeats(packet: Buffer, offset: number, field: number, now: number): boolean {
    if (packet[offset] !== this.event) return true;
    const marked = ((packet[1] as number) & 0x80) !== 0;
    const end = ((packet[offset + 1] as number) & 0x80) !== 0;
    return (marked || field < this.#last) && now - this.lastAt >= (this.#over && !end ? SWAPPED_MS : GOES_ON_MS);
  }

  /**
   * A packet without a beginning that goes on with, or repeats the end of, the event that was there a moment ago. A phone that goes on
   * sending audio during an event (baresip) makes rtpengine 10.5.3 give what comes behind audio, the end packets at least, a timestamp each.
   * Or a digit whose end another source brings: nobody lets go of a key and presses it again without an end and a pause.
   */
  #goesOn(packet: Buffer, offset: number, field: number, now: number, ssrc: number): boolean {
    const marked = ((packet[1] as number) & 0x80) !== 0;
    const end = ((packet[offset + 1] as number) & 0x80) !== 0;
    const since = now - this.lastAt;
    if (this.timestamp < 0 || packet[offset] !== this.event || since >= (end ? END_GOES_ON_MS : GOES_ON_MS)) return false;
    if (ssrc !== this.#ssrc && !this.#over) return true;
    if (marked) return false;
    // It also swaps the last updates and the end.
    return field >= this.#last || (since < SWAPPED_MS && this.#last - field <= SWAPPED_UNITS);
  }
}

/** Writes an event payload (RFC 4733 §2.3) at `offset`; `duration` is cut at what the field can hold. */
export function writeEvent(packet: Buffer, offset: number, event: number, end: boolean, duration: number): void {
  packet[offset] = event;
  // Volume 10: -10 dBm0, what most gateways send.
  packet[offset + 1] = (end ? 0x80 : 0) | 10;
  packet.writeUInt16BE(Math.min(MAX_DURATION, Math.round(duration)), offset + 2);
}
