import { Lateness } from './lateness.js';
import { Lead } from './lead.js';
import { OutEvents } from './outEvents.js';
import { Playback } from './playback.js';
import { clockRate, FRAME_MS, RTP_HEADER, seqDistance, silenceFrame, tsDistance, type RelayCodec } from './rtp.js';
import { JUMP_MS, MOST_PATIENCE_MS, PATIENCE_MS, SourceMap, type Position } from './sourceMap.js';

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

/** Audio that is not sent to the stream but taken by it, a frame of 20 ms as each is due. */
export interface LiveSource {
  /** The payload that leaves now; null: there is none. `heard`: false where something else is heard, and this is passed over. */
  next(now: number, heard: boolean): Buffer | null;
}

/** How long a playback that yields waits for the source's first packet, and after its last one, in milliseconds: announcements have pauses. */
const FIRST_PACKET_MS = 1000;
const SILENT_SOURCE_MS = 5000;

/**
 * One outgoing stream that never changes its SSRC, counts sequence numbers and timestamps without a break, and never falls silent:
 * packets of changing sources are renumbered into it, frames of a recording or of silence fill what they leave (META-SIP §6.2).
 * Times are milliseconds of performance.now().
 */
export class OutStream {
  readonly ssrc: number;
  packets = 0;
  bytes = 0;
  /** Frames of silence among `packets`. */
  silent = 0;
  readonly lead = new Lead();
  /** Heard where nothing plays and no source sends; null: there is none. */
  live: LiveSource | null = null;

  #format: StreamFormat;
  readonly #send: (packet: Buffer) => void;
  readonly #silence: Buffer;
  readonly #frame: number;
  readonly #perMs: number;

  #running = false;
  readonly #at: Position;
  readonly #source: SourceMap;
  readonly #lateness: Lateness;
  /** Until when the source's next packet may well be on its way. */
  #awaited = -Infinity;
  /** When the next frame is due. */
  #due = 0;
  readonly #events: OutEvents;
  readonly #playback = new Playback();
  /** Until when a playback that yields is held back; null: it does not yield. */
  #quietUntil: number | null = null;
  #yielding = false;

  constructor(format: StreamFormat, ssrc: number, seq: number, timestamp: number, send: (packet: Buffer) => void) {
    this.#format = format;
    this.ssrc = ssrc;
    this.#at = { seq: seq & 0xffff, next: timestamp >>> 0 };
    this.#send = send;
    this.#perMs = clockRate(format.codec) / 1000;
    this.#source = new SourceMap(this.#at, this.#perMs);
    this.#lateness = new Lateness(this.#perMs);
    this.#frame = FRAME_MS * this.#perMs;
    this.#silence = silenceFrame(format.codec);
    this.#events = new OutEvents(format, {
      at: this.#at, source: this.#source, perMs: this.#perMs,
      emit: (markerAndType, at, payload) => this.#emit(markerAndType, at, payload),
      advance: (to) => this.#advance(to),
    });
  }

  /** Packets of telephone events among `packets`. */
  get events(): number {
    return this.#events.packets;
  }

  /** Packets of the source that came after silence had taken their place. */
  get late(): number {
    return this.#source.late;
  }

  /** New payload types or event unit, after a re-negotiation; the codec stays. */
  reformat(format: StreamFormat): void {
    if (format.eventType === null) {
      this.#endEvent();
      this.#events.clear();
    }
    this.#format = this.#events.format = format;
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
    this.#events.forget();
    this.#source.forget();
    this.#lateness.forget();
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
    this.#playback.play(frames, loop, onEnd);
  }

  /** Queues a digit of our own. */
  digit(event: number, durationMs: number): void {
    this.#events.digit(event, durationMs);
  }

  /** Ours alone goes out: the source is not heard. */
  get #occupied(): boolean {
    return (this.#playback.playing && !this.#yielding) || this.#events.ours;
  }

  /** Joins an audio packet in as the network brought it, which is waited for longer where packets often come late. Else as audio(). */
  passed(packet: Buffer, samples: number, now: number): void {
    this.#lateness.take(packet, samples, now);
    this.audio(packet, samples, now);
  }

  /** Joins an audio packet of the source in. The buffer is changed and sent. `samples`: its length in the stream's clock. */
  audio(packet: Buffer, samples: number, now: number): void {
    if (!this.#running) return;
    if (this.#quietUntil !== null) this.#yieldTo(now);
    if (this.#occupied) return;
    if (this.#events.covers(packet, now)) return this.#source.passOver(packet);
    if (!this.#source.place(packet, now, this.#due)) return;
    const timestamp = this.#source.timestampOf(packet);
    const newest = tsDistance(timestamp, this.#at.next) >= 0;
    if (newest) this.#endEvent();
    if (newest && this.lead.leavesOut(now)) {
      this.#source.passOver(packet, samples);
      this.#due = now + samples / this.#perMs;
      return;
    }
    if (newest && this.#events.settles(now) && tsDistance(timestamp, this.#at.next) < samples) this.#source.number(packet);
    // RFC 3551 §4.1: a stream that never pauses has no marker, whatever the source's had. FreeSWITCH throws away what it holds of a stream at a marker.
    this.#write(packet, this.#format.audioType, timestamp);
    if (newest) {
      this.#moveTo((timestamp + samples) >>> 0);
      this.#due = now + samples / this.#perMs;
      this.#awaited = this.#lateness.deadline;
    }
  }

  /** The source speaks: what plays waits until it has been silent for a while. */
  #yieldTo(now: number): void {
    this.#quietUntil = now + SILENT_SOURCE_MS;
    if (this.#yielding) return;
    this.#yielding = true;
  }

  #moveTo(timestamp: number): void {
    this.lead.sent(tsDistance(timestamp, this.#at.next) / this.#perMs);
    this.#at.next = timestamp;
  }

  /** Joins a telephone event of the source in, its duration converted from `unit`. `offset`: where its payload begins. */
  event(packet: Buffer, offset: number, unit: number, now: number): void {
    if (!this.#running || this.#format.eventType === null || packet.length < offset + 4) return;
    if (this.#occupied) this.#events.keep(packet, offset, unit, now);
    else if (this.#events.take(packet, offset, unit, now)) this.#due = now + FRAME_MS;
  }

  /** Where the stream's clock stands, for sender reports (RFC 3550 §6.4.1). */
  timestampAt(now: number): number {
    return (this.#at.next + Math.round((now - this.#due) * this.#perMs)) >>> 0;
  }

  /** When this timestamp is by the stream's own count, in milliseconds of performance.now(): see Lead.at. Null: it does not run. */
  whenOf(timestamp: number): number | null {
    return this.#running ? this.lead.at + tsDistance(timestamp, this.#at.next) / this.#perMs : null;
  }

  /** Sends what is due. Call it at least every 10 ms. */
  tick(now: number): void {
    if (!this.#running) return;
    const patience = this.#source.filled || this.#occupied ? 0 : Math.max(PATIENCE_MS, Math.min(MOST_PATIENCE_MS, this.#awaited - this.#due));
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

  #endEvent(): void {
    this.#events.end(this.#running);
  }

  /** The next frame of ours: a digit, the recording, silence. */
  #own(now: number): void {
    this.#source.filled = true;
    if (this.#events.step(now)) return;
    if (this.#quietUntil !== null && now >= this.#quietUntil) this.#yielding = false;
    const played = this.#yielding ? null : this.#playback.next();
    const said = this.live?.next(now, played === null) ?? null;
    const recorded = played ?? said;
    if (recorded === null) this.silent += 1;
    this.#emit(this.#format.audioType, this.#at.next, recorded ?? this.#silence);
    this.#moveTo((this.#at.next + this.#frame) >>> 0);
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
