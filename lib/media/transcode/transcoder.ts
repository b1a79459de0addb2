import { randomInt } from 'node:crypto';
import { makeEncoder, type AudioEncoder } from '../codec/index.js';
import { clockRate, RTP_HEADER } from '../relay/rtp.js';
import { Player, type PlayerFigures, type PlayerFormat } from './player.js';

/** One end of a transcoded stream. */
export interface TranscoderFormat extends PlayerFormat {
  /** Milliseconds in a packet. Towards Opus what no packet of it can have becomes 20. */
  readonly ptime: number;
  /** Whether the other end uses in-band FEC: useinbandfec of its fmtp (RFC 7587 §6.1). */
  readonly fec?: boolean;
  /** Bits a second of Opus: maxaveragebitrate of its fmtp. */
  readonly bitrate?: number;
}

/** Frames that Opus has (RFC 6716 §2.1.4, §3.2.1). */
const OPUS_MS = [10, 20, 40, 60, 80, 100, 120];
/** Frames that we are later with are not made up for, in milliseconds. */
const STALL_MS = 100;

/** One direction of one call between two codecs or packet times. Packets go out on a clock of its own, one each `to.ptime`, as long as the source sends. */
export class Transcoder {
  readonly #emit: (packet: Buffer, samples: number, now: number) => void;
  readonly #player: Player;
  readonly #encoder: AudioEncoder;
  readonly #ptime: number;
  readonly #ssrc = randomInt(0x1_0000_0000);
  readonly #units: number;
  #due = 0;
  #running = false;
  #begins = true;
  #seq = 0;
  #timestamp = 0;
  /** When what was sent last ends. */
  #endsAt = 0;

  /** `emit` gets whole RTP packets with the numbers of one source, and their length in units of the target's RTP clock. */
  constructor(from: TranscoderFormat, to: TranscoderFormat, emit: (packet: Buffer, samples: number, now: number) => void) {
    this.#emit = emit;
    const narrow = [from, to].some(({ codec }) => codec === 'PCMU' || codec === 'PCMA');
    const rate = narrow ? 8000 : 16_000;
    this.#ptime = to.codec === 'opus' && !OPUS_MS.includes(to.ptime) ? 20 : to.ptime;
    this.#units = this.#ptime * (clockRate(to.codec) / 1000);
    this.#player = new Player(from, rate, this.#ptime);
    this.#encoder = makeEncoder(to.codec, rate, { bitrate: to.bitrate, fec: to.fec });
  }

  get figures(): PlayerFigures {
    return this.#player.figures;
  }

  /** Takes a packet of the source, which is kept until it is played; `offset`: where its payload begins. */
  push(packet: Buffer, offset: number, now: number): void {
    this.#player.push(packet, offset, now);
  }

  /** Sends what is due. Call it every 5 ms. */
  tick(now: number): void {
    if (!this.#running) {
      this.#due = now;
      const first = this.#player.next(now);
      if (first === null) return;
      this.#running = true;
      this.#send(first, now);
    }
    if (now - this.#due > STALL_MS) this.#due = now;
    while (this.#running && this.#due <= now) {
      const frame = this.#player.next(this.#due);
      if (frame !== null) this.#send(frame, now);
      else this.rest();
    }
  }

  /** When all that has come will have been played. */
  playedAt(now: number): number {
    return (this.#running ? this.#due : now) + this.#player.heldMs;
  }

  /** The source says something else than audio from here on: no audio is missing until its next packet. */
  rest(): void {
    this.#running = false;
    this.#begins = true;
    this.#player.pause();
  }

  /** The source changed, or is silent on purpose: the next packet begins anew. */
  forget(): void {
    this.#player.forget();
    this.rest();
  }

  /** How much of what we send gets lost, in percent, as the other end reports it. */
  expectLoss(percent: number): void {
    this.#encoder.expectLoss(percent);
  }

  close(): void {
    this.#player.close();
    this.#encoder.close();
  }

  #send(frame: Int16Array, now: number): void {
    const packet = this.#encoder.encode(frame, RTP_HEADER);
    // A pause of the source's, or a stall of ours, is one in the numbers too, in whole packets.
    if (this.#seq > 0) this.#timestamp += this.#units * Math.max(0, Math.ceil((this.#due - this.#endsAt) / this.#ptime - 0.01));
    packet[0] = 0x80;
    // RFC 3551 §4.1: the marker is on the first packet behind a pause.
    packet[1] = this.#begins ? 0x80 : 0;
    packet.writeUInt16BE(this.#seq & 0xffff, 2);
    packet.writeUInt32BE(this.#timestamp >>> 0, 4);
    packet.writeUInt32BE(this.#ssrc, 8);
    this.#seq += 1;
    this.#timestamp = (this.#timestamp + this.#units) >>> 0;
    this.#begins = false;
    this.#due += this.#ptime;
    this.#endsAt = this.#due;
    this.#emit(packet, this.#units, now);
  }
}
