import { Concealer } from './conceal.js';
import { G722Decoding, G722Encoding } from './g722.js';
import { expandG711, type G711Law } from './g711.js';
import { Resampler } from './resample.js';
import type { AudioDecoder, AudioEncoder, SampleRate } from './types.js';

/** Decoder of a codec that has no concealment of its own. */
export class WaveformDecoder implements AudioDecoder {
  readonly rate: SampleRate;
  readonly #expand: (payload: Uint8Array, out: Int16Array) => void;
  readonly #perOctet: number;
  readonly #concealer: Concealer;
  #out = new Int16Array(0);

  constructor(codec: G711Law | 'G722') {
    this.rate = codec === 'G722' ? 16_000 : 8000;
    this.#perOctet = codec === 'G722' ? 2 : 1;
    this.#concealer = new Concealer(this.rate);
    if (codec === 'G722') {
      const decoding = new G722Decoding();
      this.#expand = (payload, out) => decoding.decode(payload, out);
    } else {
      this.#expand = (payload, out) => expandG711(codec, payload, out);
    }
  }

  decode(payload: Uint8Array): Int16Array {
    const size = payload.length * this.#perOctet;
    if (this.#out.length < size) this.#out = new Int16Array(size);
    const out = this.#out.subarray(0, size);
    this.#expand(payload, out);
    this.#concealer.good(out);
    return out;
  }

  conceal(ms: number): Int16Array {
    return this.#concealer.conceal(ms);
  }

  decodeFec(): null {
    return null;
  }

  close(): void {}
}

export class G722Encoder implements AudioEncoder {
  readonly rate = 16_000;
  readonly #encoding = new G722Encoding();

  encode(pcm: Int16Array, room = 0): Buffer {
    const out = Buffer.allocUnsafe(room + (pcm.length >> 1));
    this.#encoding.encode(pcm, out, room);
    return out;
  }

  expectLoss(): void {}

  close(): void {}
}

/** A decoder at another rate than its codec's. */
export class ResampledDecoder implements AudioDecoder {
  readonly rate: SampleRate;
  readonly #decoder: AudioDecoder;
  readonly #resampler: Resampler;

  constructor(decoder: AudioDecoder, rate: SampleRate) {
    this.rate = rate;
    this.#decoder = decoder;
    this.#resampler = new Resampler(decoder.rate, rate);
  }

  decode(payload: Uint8Array): Int16Array {
    return this.#resampler.process(this.#decoder.decode(payload));
  }

  conceal(ms: number): Int16Array {
    return this.#resampler.process(this.#decoder.conceal(ms));
  }

  decodeFec(next: Uint8Array, ms: number): Int16Array | null {
    const pcm = this.#decoder.decodeFec(next, ms);
    return pcm === null ? null : this.#resampler.process(pcm);
  }

  close(): void {
    this.#decoder.close();
  }
}

/** An encoder that is fed at another rate than its codec's. */
export class ResampledEncoder implements AudioEncoder {
  readonly rate: SampleRate;
  readonly #encoder: AudioEncoder;
  readonly #resampler: Resampler;

  constructor(encoder: AudioEncoder, rate: SampleRate) {
    this.rate = rate;
    this.#encoder = encoder;
    this.#resampler = new Resampler(rate, encoder.rate);
  }

  encode(pcm: Int16Array, room = 0): Buffer {
    return this.#encoder.encode(this.#resampler.process(pcm), room);
  }

  expectLoss(percent: number): void {
    this.#encoder.expectLoss(percent);
  }

  close(): void {
    this.#encoder.close();
  }
}
