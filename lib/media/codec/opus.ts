import { OpusLibrary, OpusRefusal } from './opusLibrary.js';
import type { AudioDecoder, AudioEncoder, EncoderOptions, SampleRate } from './types.js';

/** This thread's. */
const library = new OpusLibrary();

/** Octets of memory that all encoders and decoders of this thread share. */
export function opusMemoryBytes(): number {
  return library.memoryBytes;
}

// opus_defines.h
const APPLICATION_VOIP = 2048;
const SET_BITRATE = 4002;
const SET_COMPLEXITY = 4010;
const SET_INBAND_FEC = 4012;
const SET_PACKET_LOSS_PERC = 4014;

/** Meta's maxaveragebitrate (META-SIP §6.1). */
const BITRATE = 20_000;
/**
 * Of the far end's speech without loss, and with. FEC codes each frame twice, which costs a third more, and needs a complexity of 2 at this bitrate: it is
 * there once reports tell of loss. Microseconds for 20 ms of speech, on a machine with other work: at 8 kHz 38 at 1, 52 at 2 (75 with FEC), 59 at 3
 * (82), 76 at 5 (102); at 16 kHz 69 at 1, 96 at 2, 105 at 3, 138 at 5.
 */
const COMPLEXITY: Readonly<Record<SampleRate, number>> = { 8000: 1, 16_000: 2, 24_000: 2, 48_000: 2 };
const COMPLEXITY_LOSSY = 3;
/**
 * FEC from so much loss on, in percent. It takes its bits from the frames themselves: of a recording at 8 kHz and 20 kbit/s (NSIM, scripts/impairment) 0.970 are
 * heard without it and 0.958 with it at 1 percent of loss, 0.957 and 0.952 at 3, 0.944 and 0.948 at 5.
 */
const FEC_FROM = 4;

/** The longest that is concealed or decoded in one go, in milliseconds. */
const LONGEST_MS = 120;

export class OpusEncoder implements AudioEncoder {
  readonly rate: SampleRate;
  #encoder: number;
  readonly #complexity: number | null;
  #loss = 0;

  constructor(rate: SampleRate, options: EncoderOptions) {
    this.rate = rate;
    this.#encoder = library.makeEncoder(rate, APPLICATION_VOIP);
    library.set(this.#encoder, SET_BITRATE, options.bitrate ?? BITRATE);
    this.#complexity = options.complexity ?? null;
    library.set(this.#encoder, SET_COMPLEXITY, options.complexity ?? COMPLEXITY[rate]);
    library.set(this.#encoder, SET_INBAND_FEC, options.fec === false ? 0 : 1);
    library.set(this.#encoder, SET_PACKET_LOSS_PERC, 0);
  }

  encode(pcm: Int16Array, room = 0): Buffer {
    if (this.#encoder === 0) throw new Error('the encoder is closed');
    return library.encode(this.#encoder, pcm, room);
  }

  /**
   * At 20 kbit/s libopus repeats frames of 8 kHz for any loss; at 16 kHz it keeps the bandwidth, and from 6 percent on gives some of that for FEC
   * (opus_encoder.c, decide_fec).
   */
  expectLoss(percent: number): void {
    const told = Math.round(Math.min(100, Math.max(0, percent)));
    const loss = told < FEC_FROM ? 0 : told;
    if (this.#encoder === 0 || loss === this.#loss) return;
    this.#loss = loss;
    library.set(this.#encoder, SET_PACKET_LOSS_PERC, loss);
    if (this.#complexity === null) library.set(this.#encoder, SET_COMPLEXITY, loss > 0 ? COMPLEXITY_LOSSY : COMPLEXITY[this.rate]);
  }

  close(): void {
    if (this.#encoder !== 0) library.free(this.#encoder);
    this.#encoder = 0;
  }
}

/** Stereo is mixed to mono by libopus itself. */
export class OpusDecoder implements AudioDecoder {
  readonly rate: SampleRate;
  #decoder: number;
  #out = new Int16Array(0);

  constructor(rate: SampleRate) {
    this.rate = rate;
    this.#decoder = library.makeDecoder(rate);
  }

  decode(payload: Uint8Array): Int16Array {
    if (payload.length === 0) throw new Error('an Opus packet without a TOC octet');
    return this.#decode(payload, LONGEST_MS, false);
  }

  /** In steps of 2.5 ms, as libopus asks. */
  conceal(ms: number): Int16Array {
    return this.#decode(null, ms, false);
  }

  decodeFec(next: Uint8Array, ms: number): Int16Array | null {
    return hasFec(next) ? this.#decode(next, ms, true) : null;
  }

  close(): void {
    if (this.#decoder !== 0) library.free(this.#decoder);
    this.#decoder = 0;
  }

  #decode(payload: Uint8Array | null, ms: number, fec: boolean): Int16Array {
    if (this.#decoder === 0) throw new Error('the decoder is closed');
    const steps = Math.min(LONGEST_MS / 2.5, Math.max(1, Math.round(ms / 2.5)));
    try {
      const samples = library.decode(this.#decoder, payload, (steps * this.rate) / 400, fec);
      if (this.#out.length < samples.length) this.#out = new Int16Array(samples.length);
      this.#out.set(samples);
      return this.#out.subarray(0, samples.length);
    } catch (error) {
      if (!(error instanceof OpusRefusal)) library.resetDecoder(this.#decoder, this.rate);
      throw error;
    }
  }
}

/** Whether a packet repeats what the one before had: the LBRR flags of its first frame (RFC 6716 §4.2.3, §4.2.4). Frames of CELT have none. */
export function hasFec(packet: Uint8Array): boolean {
  const toc = packet[0] ?? 0xff;
  if (toc >= 0x80) return false;
  const header = headerLength(packet);
  const first = packet[header];
  if (header === 0 || first === undefined || packet.length < header + 2) return false;
  const config = toc >> 3;
  const frames = config < 12 ? Math.max(1, config & 3) : 1;
  const flags = (first >> (7 - frames)) | ((toc & 4) === 0 ? 0 : first >> (6 - 2 * frames));
  return (flags & 1) !== 0;
}

/** Octets before a packet's first frame (RFC 6716 §3.2); 0: with padding or many lengths, which are not looked through. */
function headerLength(packet: Uint8Array): number {
  const code = (packet[0] ?? 0) & 3;
  if (code < 2) return 1;
  const second = packet[1] ?? 0;
  if (code === 2) return second < 252 ? 2 : 3;
  return (second & 0xc0) === 0 ? 2 : 0;
}
