export type CodecName = 'opus' | 'PCMU' | 'PCMA' | 'G722';

/** Samples a second of linear audio, mono. */
export type SampleRate = 8000 | 16_000 | 24_000 | 48_000;

/**
 * One direction of one stream, decoded. Samples are valid until the next call of any method: they lie in a buffer of the decoder's own, so that a
 * stream leaves no garbage behind.
 */
export interface AudioDecoder {
  readonly rate: SampleRate;
  /** One packet's payload. Throws Error on what the codec does not know; the decoder can be used further. */
  decode(payload: Uint8Array): Int16Array;
  /** What stands for `ms` milliseconds that were lost. May give up to 2.5 ms more or less. */
  conceal(ms: number): Int16Array;
  /** The last `ms` milliseconds before the packet `next`, out of what that repeats of them (RFC 6716 §4.2.5); null: it repeats nothing. */
  decodeFec(next: Uint8Array, ms: number): Int16Array | null;
  close(): void;
}

export interface AudioEncoder {
  readonly rate: SampleRate;
  /** One frame. Before the payload `room` bytes are left free, for a header. */
  encode(pcm: Int16Array, room?: number): Buffer;
  /** How much the other end loses, in percent: in-band FEC is as strong as that asks. */
  expectLoss(percent: number): void;
  close(): void;
}

export interface EncoderOptions {
  /** Opus: bits a second. */
  readonly bitrate?: number;
  /** Opus: packets repeat what the one before had, as far as the bitrate allows (RFC 6716 §4.2.5). */
  readonly fec?: boolean;
  /** Opus: 0 to 10. */
  readonly complexity?: number;
}
