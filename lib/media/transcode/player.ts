import { ComfortNoise } from '../codec/comfortNoise.js';
import { makeDecoder, type AudioDecoder, type CodecName, type SampleRate } from '../codec/index.js';
import { hasFec } from '../codec/opus.js';
import { clockRate, opusSamples } from '../relay/rtp.js';
import { JitterBuffer, type Held } from './jitterBuffer.js';
import { rescaled } from './timeScale.js';

/** What a player is given: packets of one codec, and of comfort noise. */
export interface PlayerFormat {
  readonly codec: CodecName;
  /** Payload type of comfort noise (RFC 3389), where it was agreed on. */
  readonly cn?: number | null;
}

export interface PlayerFigures {
  /** Milliseconds of the source that never came and were made up. */
  readonly concealed: number;
  /** Packets that came after their time. */
  readonly late: number;
  /** By how much packets wait longer than the fastest of them must, in milliseconds. */
  readonly depthMs: number;
}

/** The longest packet of a waveform codec that is taken, in milliseconds. */
const LONGEST_MS = 240;
const OPUS_LONGEST = 5760;
/** A source that sends nothing for so long has stopped; behind a frame of DTX (RFC 6716 §2.1.9: one comes each 400 ms) for so long. In milliseconds. */
const STOPPED_MS = 100;
const DTX_STOPPED_MS = 600;
/** A packet of Opus so short only says that nothing is to be heard. */
const DTX_BYTES = 2;

const NOTHING = new Int16Array(0);
const NOTHING_BYTES = Buffer.alloc(0);

/** Makes linear audio of one source's packets: jitter buffer, decoder, FEC, concealment, comfort noise, a delay that follows the jitter. */
export class Player {
  readonly #format: PlayerFormat;
  readonly rate: SampleRate;
  readonly #frameMs: number;
  readonly #decoder: AudioDecoder;
  readonly #buffer: JitterBuffer;
  readonly #noise: ComfortNoise | null;
  readonly #frame: Int16Array;
  #filled = 0;
  /** Decoded and not yet in a frame. */
  #chunk: Int16Array = NOTHING;
  #used = 0;
  #source: 'audio' | 'dtx' | 'noise' = 'audio';

  /** Gives frames of `frameMs` at this rate. */
  constructor(format: PlayerFormat, rate: SampleRate, frameMs: number) {
    this.#format = format;
    this.rate = rate;
    this.#frameMs = frameMs;
    this.#frame = new Int16Array(frameMs * (rate / 1000));
    this.#buffer = new JitterBuffer(clockRate(format.codec), frameMs, format.codec === 'opus' ? hasFec : () => false);
    this.#noise = format.cn === null || format.cn === undefined ? null : new ComfortNoise(rate);
    this.#decoder = makeDecoder(format.codec, rate);
  }

  get figures(): PlayerFigures {
    return { concealed: Math.round(this.#buffer.lostMs), late: this.#buffer.late, depthMs: this.#buffer.depthMs };
  }

  /** Milliseconds of the source that are here and not played. */
  get heldMs(): number {
    return this.#buffer.heldMs + ((this.#chunk.length - this.#used) * 1000) / this.rate;
  }

  /** Takes a packet of the source, which is kept until it is played; `offset`: where its payload begins. */
  push(packet: Buffer, offset: number, now: number): void {
    const payload = packet.subarray(offset);
    const noise = ((packet[1] as number) & 0x7f) === this.#format.cn;
    const units = noise ? 0 : this.#unitsIn(packet, offset);
    if (payload.length === 0 || units < 0) return;
    this.#buffer.push({ seq: packet.readUInt16BE(2), timestamp: packet.readUInt32BE(4), ssrc: packet.readUInt32BE(8), units, payload }, now);
  }

  /** The frame that is played from `at` on, valid until the next call; null: the source has stopped, or has not begun. */
  next(at: number): Int16Array | null {
    while (this.#filled < this.#frame.length) {
      if (this.#used >= this.#chunk.length) {
        this.#used = 0;
        this.#chunk = this.#more(at);
        if (this.#chunk.length === 0) return null;
      }
      const take = Math.min(this.#frame.length - this.#filled, this.#chunk.length - this.#used);
      this.#frame.set(this.#chunk.subarray(this.#used, this.#used + take), this.#filled);
      this.#filled += take;
      this.#used += take;
    }
    this.#filled = 0;
    return this.#frame;
  }

  /** What was begun is given up: nothing is played until the time of a packet has come. */
  pause(): void {
    this.#filled = 0;
    this.#chunk = NOTHING;
    this.#source = 'audio';
    this.#buffer.stop();
  }

  /** The source changed, or is silent on purpose: the next packet begins anew. */
  forget(): void {
    this.#buffer.forget();
    this.pause();
  }

  close(): void {
    this.#decoder.close();
  }

  /** -1: no packet that the codec can have. */
  #unitsIn(packet: Buffer, offset: number): number {
    if (this.#format.codec !== 'opus') return packet.length - offset <= LONGEST_MS * 8 ? packet.length - offset : -1;
    const units = opusSamples(packet, offset);
    return units > 0 && units <= OPUS_LONGEST ? units : -1;
  }

  /** The next piece; empty: the source has stopped. */
  #more(at: number): Int16Array {
    const filledMs = (this.#filled * 1000) / this.rate;
    const next = this.#buffer.next(at, filledMs);
    if (next.kind === 'packet') return this.#play(next.packet);
    const lacking = this.#frameMs - filledMs;
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
      return this.#noise.next(this.#frameMs - (this.#filled * 1000) / this.rate);
    }
    this.#source = this.#format.codec === 'opus' && payload.length <= DTX_BYTES ? 'dtx' : 'audio';
    const pcm = this.#try(() => this.#decoder.decode(payload)) ?? this.#conceal(ms);
    const way = this.#buffer.correction;
    const other = way === null ? null : rescaled(pcm, this.rate, way);
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
}
