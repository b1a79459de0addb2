import { DigitQueue, type DigitStep } from './digitQueue.js';
import { EVENT_LOST_MS, EventReader, writeEvent } from './events.js';
import type { StreamFormat } from './outStream.js';
import type { Position, SourceMap } from './sourceMap.js';

/** Audio ends an event when no update of it came for so long, in milliseconds; they should come every 50 (RFC 4733 §2.5.1.2). */
const EVENT_SPACING_MS = 150;
/** For so long after an event audio that misses nothing gets the next number: copies of the end that audio overtakes or that are lost leave none free, in milliseconds. */
const EVENT_SETTLES_MS = 200;
/** End packets of an event (RFC 4733 §2.5.1.4). */
const END_PACKETS = 3;

/** What events need of the stream they are in. */
export interface EventStream {
  readonly at: Position;
  readonly source: SourceMap;
  /** Units of the stream's clock in a millisecond. */
  readonly perMs: number;
  /** Numbers and sends a packet. */
  emit(markerAndType: number, timestamp: number, payload: Buffer): void;
  /** Moves the audio's clock to `timestamp`, in whole frames, never back. */
  advance(timestamp: number): void;
}

/** The telephone events of one outgoing stream: the source's, each with an end, and digits of our own. Times are milliseconds. */
export class OutEvents {
  /** Packets of them so far. */
  packets = 0;
  format: StreamFormat;
  readonly #stream: EventStream;
  readonly #reader = new EventReader();
  /** Timestamp, as it is sent, of the source's event that is under way or was last. */
  #timestamp = 0;
  /** Timestamp of the source's event that was sent on or kept last, as its reader has it. */
  #taken = -1;
  /** Payload of the source's event that goes on; null: none does. */
  #event: Buffer | null = null;
  readonly #digits = new DigitQueue();
  #digitTs = 0;

  constructor(format: StreamFormat, stream: EventStream) {
    this.format = format;
    this.#stream = stream;
  }

  /** Digits of ours wait or go out. */
  get ours(): boolean {
    return !this.#digits.empty;
  }

  /** Queues a digit of our own. */
  digit(event: number, durationMs: number): void {
    if (this.format.eventType !== null) this.#digits.push(event, durationMs);
  }

  /** Gives up what waits. */
  clear(): void {
    this.#digits.clear();
  }

  /** Whether an event stands where this packet of audio would (RFC 4733 §1.2: an event takes the place of audio; some send both). */
  covers(packet: Buffer, now: number): boolean {
    return this.#event !== null && now - this.#reader.lastAt < EVENT_SPACING_MS && this.#stream.source.isFrom(packet);
  }

  /** Whether copies of an event's end may still come or be missing. */
  settles(now: number): boolean {
    return now - this.#reader.lastAt < EVENT_SETTLES_MS;
  }

  /** What comes next is of another source, which may count from where this one did: rtpengine begins at 0 where an event is the first thing it transcodes. */
  forget(): void {
    this.#reader.forget();
    this.#taken = -1;
  }

  /**
   * Joins a telephone event of the source in, its duration converted from `unit`. `offset`: where its payload begins. True where the
   * next frame is due one frame from now.
   */
  take(packet: Buffer, offset: number, unit: number, now: number): boolean {
    const { source } = this.#stream;
    const begins = this.#reader.take(packet, offset, packet.readUInt32BE(4), now);
    // Or it began while ours alone went out, which has ended meanwhile.
    const fresh = begins || this.#reader.timestamp !== this.#taken;
    this.#taken = this.#reader.timestamp;
    if (fresh) this.end();
    // It has its three end packets already.
    if (!fresh && this.#event === null) {
      const due = !source.filled;
      source.passOver(packet);
      return due;
    }
    // An update overtaken by a later one says nothing new.
    if (!fresh && !source.filled && source.isFrom(packet) && source.ahead(packet) <= 0) return false;
    this.#timestamp = source.placeEvent(packet, fresh) ?? this.#timestamp;
    const end = ((packet[offset + 1] as number) & 0x80) !== 0;
    const milliseconds = (this.#reader.duration * 1000) / unit;
    const payload = this.#payload(this.#reader.event, end, milliseconds);
    this.#event = end ? null : payload;
    this.#emit(fresh, this.#timestamp, payload);
    source.sent(packet);
    // All three end packets at once: audio between them would make two digits of one, for an engine that counts by timestamps.
    if (end) for (let copy = 1; copy < END_PACKETS; copy += 1) this.#repeat(payload);
    this.#stream.advance((this.#timestamp + Math.round(milliseconds * this.#stream.perMs)) >>> 0);
    return true;
  }

  /** A digit of the source's while a recording plays, as a PBX sends on hold: ours goes out in its place once it is over. */
  keep(packet: Buffer, offset: number, unit: number, now: number): void {
    if (this.#reader.take(packet, offset, packet.readUInt32BE(4), now)) this.#taken = -1;
    // Its copies of the end may have timestamps of their own.
    if (((packet[offset + 1] as number) & 0x80) === 0 || this.#reader.timestamp === this.#taken) return;
    this.#taken = this.#reader.timestamp;
    this.#digits.push(this.#reader.event, (this.#reader.duration * 1000) / unit);
  }

  /** Ends the source's event whose own end did not come, so that every digit has one; without a packet where nothing `flows`. */
  end(flows = true): void {
    const payload = this.#event;
    this.#event = null;
    if (payload === null || !flows) return;
    payload[1] = (payload[1] as number) | 0x80;
    for (let copy = 0; copy < END_PACKETS; copy += 1) this.#repeat(payload);
  }

  /** Sends an event in the place of the frame that is due; false: there is none. */
  step(now: number): boolean {
    // Audio amid an event would make two of it: an update that is late is stood in for by the last one (RFC 4733 §2.5.1.2).
    if (this.#event !== null) {
      if (now - this.#reader.lastAt <= EVENT_LOST_MS) {
        this.#repeat(this.#event);
        return true;
      }
      this.end();
    }
    const digit = this.#digits.step(now);
    if (digit === null) return false;
    this.#sendDigit(digit);
    return true;
  }

  #sendDigit({ event, first, end, elapsedMs }: DigitStep): void {
    if (first) this.#digitTs = this.#stream.at.next;
    for (let copy = 0; copy < (end ? END_PACKETS : 1); copy += 1) this.#emit(first && copy === 0, this.#digitTs, this.#payload(event, end, elapsedMs));
    this.#stream.advance((this.#digitTs + elapsedMs * this.#stream.perMs) >>> 0);
  }

  #payload(event: number, end: boolean, milliseconds: number): Buffer {
    const payload = Buffer.alloc(4);
    writeEvent(payload, 0, event, end, (milliseconds * this.format.eventUnit) / 1000);
    return payload;
  }

  #repeat(payload: Buffer): void {
    this.#emit(false, this.#timestamp, payload);
    this.#stream.source.inserted();
  }

  #emit(marked: boolean, timestamp: number, payload: Buffer): void {
    this.packets += 1;
    this.#stream.emit((this.format.eventType as number) | (marked ? 0x80 : 0), timestamp, payload);
  }
}
