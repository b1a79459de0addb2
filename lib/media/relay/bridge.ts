import { randomInt } from 'node:crypto';
import { Transcoder, type TranscoderFormat } from '../transcode/transcoder.js';
import { clockRate, tsDistance } from './rtp.js';
import { PATIENCE_MS } from './sourceMap.js';

/** Payload type of comfort noise beside the codecs with a clock of 8 kHz (RFC 3389 §4, RFC 3551 table 4). */
export const COMFORT_NOISE = 13;
/** An event waits no longer for the audio before it, in milliseconds. */
const MOST_WAIT_MS = 150;

/** Audio behind an event that is off by no more, in frames, follows it without a hole. */
const NEAR_FRAMES = 3;

/** Where what has been transcoded goes: the outgoing stream of the side that is to hear. */
export interface BridgeSink {
  audio(packet: Buffer, samples: number, now: number): void;
  event(packet: Buffer, offset: number, unit: number, now: number): void;
}

interface WaitingEvent { readonly packet: Buffer; readonly offset: number; readonly unit: number; readonly at: number }

/**
 * One way between two sides that do not speak alike: transcoded audio, and the events amid it, as one source of the outgoing stream. Audio waits in
 * the jitter buffer, so events wait for the audio before them: else each would leave a hole in the stream's timestamps.
 */
export class Bridge {
  readonly #transcoder: Transcoder;
  readonly #sink: BridgeSink;
  readonly #ssrc = randomInt(1, 0xffff_ffff);
  #seq = randomInt(0x8000);
  /** Timestamp behind the last packet. */
  #next = 0;
  /** The source's timestamp of the event that goes on, and ours. */
  #event = { theirs: -1, ours: 0 };
  readonly #waiting: WaitingEvent[] = [];
  /** Where the audio behind an event begins; null: no event has just ended. */
  #resumes: number | null = null;
  /** What is added to the transcoder's timestamps. */
  #shift = 0;
  readonly #perMs: number;
  readonly #frame: number;

  constructor(from: TranscoderFormat, to: TranscoderFormat, sink: BridgeSink) {
    this.#sink = sink;
    this.#perMs = clockRate(to.codec) / 1000;
    this.#frame = to.ptime * this.#perMs;
    this.#transcoder = new Transcoder(from, to, (packet, samples, now) => {
      const timestamp = this.#placed(packet.readUInt32BE(4), ((packet[1] as number) & 0x80) !== 0);
      this.#next = (timestamp + samples) >>> 0;
      this.#number(packet, timestamp);
      sink.audio(packet, samples, now);
    });
  }

  /** A packet of audio or comfort noise. */
  audio(packet: Buffer, offset: number, now: number): void {
    this.#transcoder.push(packet, offset, now);
  }

  /** A packet of an event, which is changed; `offset`: of its payload, `unit`: of its duration in Hz. */
  event(packet: Buffer, offset: number, unit: number, now: number): void {
    const at = Math.min(now + MOST_WAIT_MS, this.#transcoder.playedAt(now));
    this.#waiting.push({ packet, offset, unit, at });
    this.#release(now);
  }

  /** Sends on what has waited long enough, in order. */
  #release(now: number): void {
    for (let first = this.#waiting[0]; first !== undefined && first.at <= now; first = this.#waiting[0]) {
      this.#waiting.shift();
      if (this.#transcoder.playedAt(now) <= now) this.#transcoder.rest();
      const theirs = first.packet.readUInt32BE(4);
      if (theirs !== this.#event.theirs) this.#event = { theirs, ours: this.#next };
      this.#number(first.packet, this.#event.ours);
      this.#ends(first);
      this.#sink.event(first.packet, first.offset, first.unit, now);
    }
  }

  /** At the end of an event: audio goes on behind it, in whole frames. */
  #ends({ packet, offset, unit }: WaitingEvent): void {
    if (packet.length < offset + 4 || ((packet[offset + 1] as number) & 0x80) === 0) return;
    const length = (packet.readUInt16BE(offset + 2) * this.#perMs * 1000) / unit;
    this.#resumes = (this.#event.ours + Math.ceil(length / this.#frame) * this.#frame) >>> 0;
  }

  /**
   * The transcoder's clock is the wall's: behind a pause of the source's (`begins`) it has gone on. Without one a step is a stall of ours, which
   * leaves no hole; and behind an event it is off from the event's length by what the jitter buffer makes of it.
   */
  #placed(timestamp: number, begins: boolean): number {
    const resumes = this.#resumes;
    this.#resumes = null;
    const gap = tsDistance(timestamp + this.#shift, this.#next);
    // Or so short a pause that the outgoing stream still waits, and has put nothing in its place.
    if (!begins || (resumes === null && gap > 0 && gap <= PATIENCE_MS * this.#perMs)) this.#shift -= gap;
    const off = resumes === null ? 0 : tsDistance(resumes, timestamp + this.#shift);
    if (Math.abs(off) <= NEAR_FRAMES * this.#frame) this.#shift += off;
    return (timestamp + this.#shift) >>> 0;
  }

  #number(packet: Buffer, timestamp: number): void {
    this.#seq = (this.#seq + 1) & 0xffff;
    packet.writeUInt16BE(this.#seq, 2);
    packet.writeUInt32BE(timestamp, 4);
    packet.writeUInt32BE(this.#ssrc, 8);
  }

  /** How much of what we send gets lost, 0 to 1, as the other end reports it. */
  expectLoss(share: number): void {
    this.#transcoder.expectLoss(Math.round(share * 100));
  }

  tick(now: number): void {
    if (this.#waiting.length > 0) this.#release(now);
    this.#transcoder.tick(now);
  }

  close(): void {
    this.#transcoder.close();
  }
}
