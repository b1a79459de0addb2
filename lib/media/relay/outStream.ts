import { DigitQueue, type DigitStep } from './digitQueue.js';
import { EVENT_LOST_MS, EventReader, writeEvent } from './events.js';
import { Lead } from './lead.js';
import { Playback } from './playback.js';
import { clockRate, FRAME_MS, RTP_HEADER, seqDistance, silenceFrame, tsDistance, type RelayCodec } from './rtp.js';
import { JUMP_MS, PATIENCE_MS, SourceMap, type Position } from './sourceMap.js';

/** How packets look on one side of the relay. */
export interface StreamFormat {
  readonly codec: RelayCodec;
  /** Payload type of audio, as it is sent. */
  readonly audioType: number;
  /** Payload type of telephone events, as they are sent; null: none are. */
  readonly eventType: number | null;
  /** Unit of the events' durations in Hz; their timestamps always follow the audio's clock. */
  readonly eventUnit: EventUnit;
  /** Milliseconds of audio in a packet, as its far end wants them; left out: 20. */
  readonly ptime?: number;
  /** Payload types that are taken; left out: those above. */
  readonly takes?: {
    readonly audio: readonly number[];
    readonly events: readonly { readonly type: number; readonly unit: EventUnit }[];
    /** Other codecs that its far end named beside: it may change to them at any time (RFC 3264 §6.1). */
    readonly others?: readonly { readonly type: number; readonly codec: RelayCodec }[];
  };
}

export type EventUnit = 8000 | 48_000;

/** Audio ends an event when no update of it came for so long, in milliseconds; they should come every 50 (RFC 4733 §2.5.1.2). */
const EVENT_SPACING_MS = 150;
/** For so long after an event audio that misses nothing gets the next number: copies of the end that audio overtakes or that are lost leave none free, in milliseconds. */
const EVENT_SETTLES_MS = 200;
/** How long a playback that yields waits for the source's first packet, and after its last one, in milliseconds: announcements have pauses. */
const FIRST_PACKET_MS = 1000;
const SILENT_SOURCE_MS = 5000;
/** End packets of an event (RFC 4733 §2.5.1.4). */
const END_PACKETS = 3;

/**
 * One outgoing stream that never changes its SSRC, counts sequence numbers and timestamps without a break, and never falls silent:
 * packets of changing sources are renumbered into it, frames of a recording or of silence fill what they leave (META-SIP §6.2).
 * Times are milliseconds of performance.now().
 */
export class OutStream {
  readonly ssrc: number;
  packets = 0;
  bytes = 0;
  /** Frames of silence, and packets of telephone events, among `packets`. */
  silent = 0;
  events = 0;
  readonly lead = new Lead();

  #format: StreamFormat;
  readonly #send: (packet: Buffer) => void;
  readonly #silence: Buffer;
  readonly #frame: number;
  readonly #perMs: number;
  readonly #reader = new EventReader();

  #running = false;
  readonly #at: Position;
  readonly #source: SourceMap;
  /** When the next frame is due. */
  #due = 0;
  /** The last thing sent was sound of a source or recording. */
  #talking = false;
  #eventTs = 0;
  /** Timestamp of the source's event that was sent on or kept last, as its reader has it. */
  #taken = -1;
  /** Payload of the source's event that goes on; null: none does. */
  #event: Buffer | null = null;
  readonly #playback = new Playback();
  /** Until when a playback that yields is held back; null: it does not yield. */
  #quietUntil: number | null = null;
  #yielding = false;
  readonly #digits = new DigitQueue();
  #digitTs = 0;

  constructor(format: StreamFormat, ssrc: number, seq: number, timestamp: number, send: (packet: Buffer) => void) {
    this.#format = format;
    this.ssrc = ssrc;
    this.#at = { seq: seq & 0xffff, next: timestamp >>> 0 };
    this.#send = send;
    this.#perMs = clockRate(format.codec) / 1000;
    this.#source = new SourceMap(this.#at, this.#perMs);
    this.#frame = FRAME_MS * this.#perMs;
    this.#silence = silenceFrame(format.codec);
  }

  /** Packets of the source that came after silence had taken their place. */
  get late(): number {
    return this.#source.late;
  }

  /** New payload types or event unit, after a re-negotiation; the codec stays. */
  reformat(format: StreamFormat): void {
    if (format.eventType === null) {
      this.#endEvent();
      this.#digits.clear();
    }
    this.#format = format;
  }

  /** From now on a frame leaves every 20 ms. */
  start(now: number): void {
    if (this.#running) return;
    this.#running = true;
    this.#due = now;
    this.lead.start(now);
  }

  /** Stops the flow; start() goes on in the same numbering. */
  pause(): void {
    this.#running = false;
    this.#source.filled = true;
  }

  /** Forgets the source: the next packet, from whomever, is joined on without a break. */
  detach(): void {
    this.#endEvent();
    // Another source may count from where this one did: rtpengine begins at 0 where an event is the first thing it transcodes.
    this.#reader.forget();
    this.#taken = -1;
    this.#source.forget();
    this.#talking = false;
  }

  /**
   * Plays prepared 20 ms frames instead of the source; null stops. `onEnd` is called once, at the end or when replaced. `yieldsFrom`: when a
   * playback begins that is heard only while the source sends nothing; null: it takes the source's place.
   */
  play(frames: readonly Buffer[] | null, loop: boolean, onEnd: (() => void) | null, yieldsFrom: number | null = null): void {
    this.#endEvent();
    this.#quietUntil = yieldsFrom === null ? null : yieldsFrom + FIRST_PACKET_MS;
    this.#yielding = yieldsFrom !== null;
    this.#source.filled = true;
    this.#talking = false;
    this.#playback.play(frames, loop, onEnd);
  }

  /** Queues a digit of our own. */
  digit(event: number, durationMs: number): void {
    if (this.#format.eventType !== null) this.#digits.push(event, durationMs);
  }

  /** Ours alone goes out: the source is not heard. */
  get #occupied(): boolean {
    return (this.#playback.playing && !this.#yielding) || !this.#digits.empty;
  }

  /** Joins an audio packet of the source in. The buffer is changed and sent. `samples`: its length in the stream's clock. */
  audio(packet: Buffer, samples: number, now: number): void {
    if (!this.#running) return;
    if (this.#quietUntil !== null) this.#yieldTo(now);
    if (this.#occupied) return;
    // RFC 4733 §1.2: an event takes the place of audio; some send both.
    if (this.#event !== null && now - this.#reader.lastAt < EVENT_SPACING_MS && this.#source.isFrom(packet)) return this.#source.passOver(packet);
    if (!this.#source.place(packet, now, this.#due)) return;
    const timestamp = this.#source.timestampOf(packet);
    const newest = tsDistance(timestamp, this.#at.next) >= 0;
    if (newest) this.#endEvent();
    if (newest && this.lead.leavesOut(now)) {
      this.#source.passOver(packet, samples);
      this.#due = now + samples / this.#perMs;
      return;
    }
    if (newest && now - this.#reader.lastAt < EVENT_SETTLES_MS && tsDistance(timestamp, this.#at.next) < samples) this.#source.number(packet);
    // RFC 3551 §4.1: the marker is set on the first packet after silence and clear otherwise.
    this.#write(packet, this.#format.audioType | (this.#talking ? 0 : 0x80), timestamp);
    this.#talking = true;
    if (newest) {
      this.#moveTo((timestamp + samples) >>> 0);
      this.#due = now + samples / this.#perMs;
    }
  }

  /** The source speaks: what plays waits until it has been silent for a while. */
  #yieldTo(now: number): void {
    this.#quietUntil = now + SILENT_SOURCE_MS;
    if (this.#yielding) return;
    this.#yielding = true;
    this.#talking = false;
  }

  #moveTo(timestamp: number): void {
    this.lead.sent(tsDistance(timestamp, this.#at.next) / this.#perMs);
    this.#at.next = timestamp;
  }

  /** Joins a telephone event of the source in, its duration converted from `unit`. `offset`: where its payload begins. */
  event(packet: Buffer, offset: number, unit: number, now: number): void {
    if (!this.#running || this.#format.eventType === null || packet.length < offset + 4) return;
    const timestamp = packet.readUInt32BE(4);
    if (this.#occupied) return this.#keep(packet, offset, unit, now, timestamp);
    const begins = this.#reader.take(packet, offset, timestamp, now);
    // Or it began while ours alone went out, which has ended meanwhile.
    const fresh = begins || this.#reader.timestamp !== this.#taken;
    this.#taken = this.#reader.timestamp;
    if (fresh) this.#endEvent();
    // It has its three end packets already.
    if (!fresh && this.#event === null) {
      if (!this.#source.filled) this.#due = now + FRAME_MS;
      return this.#source.passOver(packet);
    }
    // An update overtaken by a later one says nothing new.
    if (!fresh && !this.#source.filled && this.#source.isFrom(packet) && this.#source.ahead(packet) <= 0) return;
    this.#eventTs = this.#source.placeEvent(packet, fresh) ?? this.#eventTs;
    const end = ((packet[offset + 1] as number) & 0x80) !== 0;
    const milliseconds = (this.#reader.duration * 1000) / unit;
    const payload = Buffer.alloc(4);
    writeEvent(payload, 0, this.#reader.event, end, (milliseconds * this.#format.eventUnit) / 1000);
    this.#event = end ? null : payload;
    this.events += 1;
    this.#emit(this.#format.eventType | (fresh ? 0x80 : 0), this.#eventTs, payload);
    this.#source.sent(packet);
    // All three end packets at once: audio between them would make two digits of one, for an engine that counts by timestamps.
    if (end) for (let copy = 1; copy < END_PACKETS; copy += 1) this.#repeat(payload);
    this.#advance((this.#eventTs + Math.round(milliseconds * this.#perMs)) >>> 0);
    this.#due = now + FRAME_MS;
  }

  /** A digit of the source's while a recording plays, as a PBX sends on hold: ours goes out in its place once it is over. */
  #keep(packet: Buffer, offset: number, unit: number, now: number, timestamp: number): void {
    if (this.#reader.take(packet, offset, timestamp, now)) this.#taken = -1;
    // Its copies of the end may have timestamps of their own.
    if (((packet[offset + 1] as number) & 0x80) === 0 || this.#reader.timestamp === this.#taken) return;
    this.#taken = this.#reader.timestamp;
    this.#digits.push(this.#reader.event, (this.#reader.duration * 1000) / unit);
  }

  /** Where the stream's clock stands, for sender reports (RFC 3550 §6.4.1). */
  timestampAt(now: number): number {
    return (this.#at.next + Math.round((now - this.#due) * this.#perMs)) >>> 0;
  }

  /** Sends what is due. Call it at least every 10 ms. */
  tick(now: number): void {
    if (!this.#running) return;
    const patience = this.#source.filled || this.#occupied ? 0 : PATIENCE_MS;
    if (now < this.#due + patience) return;
    // After a stall of ours the missed frames are given up, not sent in one burst.
    if (now - this.#due > JUMP_MS) {
      this.lead.skip(now - this.#due);
      this.#due = now;
    }
    while (this.#due <= now) {
      this.#own(this.#due);
      this.#due += FRAME_MS;
    }
  }

  /** Numbers and sends a packet of the source. */
  #write(packet: Buffer, markerAndType: number, timestamp: number): void {
    const seq = this.#source.seqOf(packet);
    if (seqDistance(seq, this.#at.seq) > 0) this.#at.seq = seq;
    packet[1] = markerAndType;
    packet.writeUInt16BE(seq, 2);
    packet.writeUInt32BE(timestamp, 4);
    packet.writeUInt32BE(this.ssrc, 8);
    this.packets += 1;
    this.bytes += packet.length - RTP_HEADER;
    this.#send(packet);
  }

  /** Ends the source's event whose own end did not come, so that every digit has one. */
  #endEvent(): void {
    const payload = this.#event;
    this.#event = null;
    if (payload === null || !this.#running) return;
    payload[1] = (payload[1] as number) | 0x80;
    for (let copy = 0; copy < END_PACKETS; copy += 1) this.#repeat(payload);
  }

  #repeat(payload: Buffer): void {
    this.events += 1;
    this.#emit(this.#format.eventType as number, this.#eventTs, payload);
    this.#source.inserted();
  }

  /** The next frame of ours: a digit, the recording, silence. */
  #own(now: number): void {
    this.#source.filled = true;
    // Audio amid an event would make two of it: an update that is late is stood in for by the last one (RFC 4733 §2.5.1.2).
    if (this.#event !== null) {
      if (now - this.#reader.lastAt <= EVENT_LOST_MS) return this.#repeat(this.#event);
      this.#endEvent();
    }
    const digit = this.#digits.step(now);
    if (digit !== null) {
      this.#sendDigit(digit);
      return;
    }
    if (this.#quietUntil !== null && now >= this.#quietUntil) this.#yielding = false;
    const recorded = this.#yielding ? null : this.#playback.next();
    if (recorded === null) this.silent += 1;
    this.#emit(this.#format.audioType | (recorded !== null && !this.#talking ? 0x80 : 0), this.#at.next, recorded ?? this.#silence);
    this.#talking = recorded !== null;
    this.#moveTo((this.#at.next + this.#frame) >>> 0);
  }

  #sendDigit({ event, first, end, elapsedMs }: DigitStep): void {
    if (first) this.#digitTs = this.#at.next;
    const type = this.#format.eventType as number;
    for (let copy = 0; copy < (end ? END_PACKETS : 1); copy += 1) {
      const payload = Buffer.allocUnsafe(4);
      writeEvent(payload, 0, event, end, (elapsedMs * this.#format.eventUnit) / 1000);
      this.events += 1;
      this.#emit(type | (first && copy === 0 ? 0x80 : 0), this.#digitTs, payload);
    }
    this.#advance((this.#digitTs + elapsedMs * this.#perMs) >>> 0);
  }

  /** Moves the audio's clock to `timestamp`, in whole frames, never back. */
  #advance(timestamp: number): void {
    const ahead = tsDistance(timestamp, this.#at.next);
    if (ahead > 0) this.#moveTo((this.#at.next + Math.ceil(ahead / this.#frame) * this.#frame) >>> 0);
  }

  #emit(markerAndType: number, timestamp: number, payload: Buffer): void {
    const packet = Buffer.allocUnsafe(RTP_HEADER + payload.length);
    this.#at.seq = (this.#at.seq + 1) & 0xffff;
    packet[0] = 0x80;
    packet[1] = markerAndType;
    packet.writeUInt16BE(this.#at.seq, 2);
    packet.writeUInt32BE(timestamp, 4);
    packet.writeUInt32BE(this.ssrc, 8);
    payload.copy(packet, RTP_HEADER);
    this.packets += 1;
    this.bytes += payload.length;
    this.#send(packet);
  }
}
