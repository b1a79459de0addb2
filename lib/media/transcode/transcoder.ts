import { randomInt } from 'node:crypto';
import { ComfortNoise } from '../codec/comfortNoise.js';
import { makeDecoder, makeEncoder, type AudioDecoder, type AudioEncoder, type CodecName } from '../codec/index.js';
import { hasFec } from '../codec/opus.js';
import { opusSamples, RTP_HEADER } from '../relay/rtp.js';
import { JitterBuffer, type Held } from './jitterBuffer.js';
import { rescaled } from './timeScale.js';

/** One end of a transcoded stream. */
export interface TranscoderFormat {
  readonly codec: CodecName;
  /** Milliseconds in a packet. Towards Opus what no packet of it can have becomes 20. */
  readonly ptime: number;
  /** Payload type of comfort noise (RFC 3389), where it was agreed on. */
  readonly cn?: number | null;
  /** Whether the other end uses in-band FEC: useinbandfec of its fmtp (RFC 7587 §6.1). */
  readonly fec?: boolean;
  /** Bits a second of Opus: maxaveragebitrate of its fmtp. */
  readonly bitrate?: number;
}

export interface TranscoderFigures {
  /** Milliseconds of the source that never came and were made up. */
  readonly concealed: number;
  /** Packets that came after their time. */
  readonly late: number;
  /** By how much packets wait longer than the fastest of them must, in milliseconds. */
  readonly depthMs: number;
}

/** Frames that Opus has (RFC 6716 §2.1.4, §3.2.1). */
const OPUS_MS = [10, 20, 40, 60, 80, 100, 120];
/** The longest packet of a waveform codec that is taken, in milliseconds. */
const LONGEST_MS = 240;
const OPUS_LONGEST = 5760;
/** A source that sends nothing for so long has stopped; behind a frame of DTX (RFC 6716 §2.1.9: one comes each 400 ms) for so long. In milliseconds. */
const STOPPED_MS = 100;
const DTX_STOPPED_MS = 600;
/** A packet of Opus so short only says that nothing is to be heard. */
const DTX_BYTES = 2;
/** Frames that we are later with are not made up for, in milliseconds. */
const STALL_MS = 100;

const NOTHING = new Int16Array(0);

/** One direction of one call between two codecs or packet times. Packets go out on a clock of its own, one each `to.ptime`, as long as the source sends. */
export class Transcoder {
  readonly #from: TranscoderFormat;
  readonly #emit: (packet: Buffer, samples: number, now: number) => void;
  readonly #rate: 8000 | 16_000;
  readonly #decoder: AudioDecoder;
  readonly #encoder: AudioEncoder;
  readonly #buffer: JitterBuffer;
  readonly #noise: ComfortNoise | null;
  readonly #ptime: number;
  readonly #ssrc = randomInt(0x1_0000_0000);
  readonly #units: number;
  readonly #frame: Int16Array;
  #filled = 0;
  /** Decoded and not yet in a frame. */
  #chunk: Int16Array = NOTHING;
  #used = 0;
  #source: 'audio' | 'dtx' | 'noise' = 'audio';
  #due = 0;
  #running = false;
  #begins = true;
  #seq = 0;
  #timestamp = 0;
  /** When what was sent last ends. */
  #endsAt = 0;

  /** `emit` gets whole RTP packets with the numbers of one source, and their length in units of the target's RTP clock. */
  constructor(from: TranscoderFormat, to: TranscoderFormat, emit: (packet: Buffer, samples: number, now: number) => void) {
    this.#from = from;
    this.#emit = emit;
    const narrow = [from, to].some(({ codec }) => codec === 'PCMU' || codec === 'PCMA');
    this.#rate = narrow ? 8000 : 16_000;
    this.#ptime = to.codec === 'opus' && !OPUS_MS.includes(to.ptime) ? 20 : to.ptime;
    this.#units = this.#ptime * (clockOf(to.codec) / 1000);
    this.#frame = new Int16Array(this.#ptime * (this.#rate / 1000));
    this.#buffer = new JitterBuffer(clockOf(from.codec), this.#ptime, from.codec === 'opus' ? hasFec : () => false);
    this.#noise = from.cn === null || from.cn === undefined ? null : new ComfortNoise(this.#rate);
    this.#decoder = makeDecoder(from.codec, this.#rate);
    this.#encoder = makeEncoder(to.codec, this.#rate, { bitrate: to.bitrate, fec: to.fec });
  }

  get figures(): TranscoderFigures {
    return { concealed: Math.round(this.#buffer.lostMs), late: this.#buffer.late, depthMs: this.#buffer.depthMs };
  }

  /** Takes a packet of the source, which is kept until it is played; `offset`: where its payload begins. */
  push(packet: Buffer, offset: number, now: number): void {
    const payload = packet.subarray(offset);
    const noise = ((packet[1] as number) & 0x7f) === this.#from.cn;
    const units = noise ? 0 : this.#unitsIn(packet, offset);
    if (payload.length === 0 || units < 0) return;
    this.#buffer.push({ seq: packet.readUInt16BE(2), timestamp: packet.readUInt32BE(4), ssrc: packet.readUInt32BE(8), units, payload }, now);
  }

  /** Sends what is due. Call it every 5 ms. */
  tick(now: number): void {
    if (!this.#running) {
      this.#due = now;
      if (!this.#fill(now)) return;
      this.#running = true;
      this.#send(now);
    }
    if (now - this.#due > STALL_MS) this.#due = now;
    while (this.#running && this.#due <= now) {
      if (this.#fill(this.#due)) this.#send(now);
      else this.#pause();
    }
  }

  /** When all that has come will have been played. */
  playedAt(now: number): number {
    const leftMs = this.#buffer.heldMs + ((this.#chunk.length - this.#used) * 1000) / this.#rate;
    return this.#running ? this.#due + leftMs : now + leftMs;
  }

  /** The source says something else than audio from here on: no audio is missing until its next packet. */
  rest(): void {
    this.#pause();
  }

  /** The source changed, or is silent on purpose: the next packet begins anew. */
  forget(): void {
    this.#buffer.forget();
    this.#pause();
  }

  /** How much of what we send gets lost, in percent, as the other end reports it. */
  expectLoss(percent: number): void {
    this.#encoder.expectLoss(percent);
  }

  close(): void {
    this.#decoder.close();
    this.#encoder.close();
  }

  /** -1: no packet that the codec can have. */
  #unitsIn(packet: Buffer, offset: number): number {
    if (this.#from.codec !== 'opus') return packet.length - offset <= LONGEST_MS * 8 ? packet.length - offset : -1;
    const units = opusSamples(packet, offset);
    return units > 0 && units <= OPUS_LONGEST ? units : -1;
  }

  #pause(): void {
    this.#running = false;
    this.#begins = true;
    this.#filled = 0;
    this.#chunk = NOTHING;
    this.#source = 'audio';
    this.#buffer.stop();
  }

  /** Fills the frame with what is to be played from `at` on; false: the source has stopped. */
  #fill(at: number): boolean {
    while (this.#filled < this.#frame.length) {
      if (this.#used >= this.#chunk.length) {
        this.#used = 0;
        this.#chunk = this.#more(at);
        if (this.#chunk.length === 0) return false;
      }
      const take = Math.min(this.#frame.length - this.#filled, this.#chunk.length - this.#used);
      this.#frame.set(this.#chunk.subarray(this.#used, this.#used + take), this.#filled);
      this.#filled += take;
      this.#used += take;
    }
    return true;
  }

  /** The next piece; empty: the source has stopped. */
  #more(at: number): Int16Array {
    const next = this.#buffer.next(at);
    if (next.kind === 'packet') return this.#play(next.packet);
    const lacking = ((this.#frame.length - this.#filled) * 1000) / this.#rate;
    if (next.kind === 'lost') {
      const repeated = next.behind === null ? null : this.#try(() => this.#decoder.decodeFec(next.behind?.payload ?? NOTHING_BYTES, next.ms));
      return repeated ?? this.#conceal(next.ms);
    }
    if (!this.#buffer.playing) return NOTHING;
    if (this.#source === 'noise' && this.#noise !== null) return this.#noise.next(lacking);
    if (this.#buffer.owedMs >= (this.#source === 'dtx' ? DTX_STOPPED_MS : STOPPED_MS)) return NOTHING;
    this.#buffer.stoodIn(lacking);
    return this.#conceal(lacking);
  }

  #play({ payload, ms }: Held): Int16Array {
    if (ms === 0 && this.#noise !== null) {
      this.#source = 'noise';
      this.#noise.update(payload);
      return this.#noise.next(((this.#frame.length - this.#filled) * 1000) / this.#rate);
    }
    this.#source = this.#from.codec === 'opus' && payload.length <= DTX_BYTES ? 'dtx' : 'audio';
    const pcm = this.#try(() => this.#decoder.decode(payload)) ?? this.#conceal(ms);
    const way = this.#buffer.correction;
    const other = way === null ? null : rescaled(pcm, this.#rate, way);
    if (other !== null) this.#buffer.correction = null;
    return other ?? pcm;
  }

  /** A payload that the decoder throws at costs its own frame only. */
  #try(decode: () => Int16Array | null): Int16Array | null {
    try {
      const pcm = decode();
      return pcm === null || pcm.length === 0 ? null : pcm;
    } catch {
      return null;
    }
  }

  #conceal(ms: number): Int16Array {
    const pcm = this.#try(() => this.#decoder.conceal(Math.min(ms, 120)));
    return pcm ?? new Int16Array(this.#frame.length);
  }

  #send(now: number): void {
    const packet = this.#encoder.encode(this.#frame, RTP_HEADER);
    this.#filled = 0;
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

const NOTHING_BYTES = Buffer.alloc(0);

/** RFC 7587 §4.1; RFC 3551 §4.5.2: G.722's clock runs at 8 kHz although its audio has 16. */
function clockOf(codec: CodecName): 48_000 | 8000 {
  return codec === 'opus' ? 48_000 : 8000;
}
