import { G711Encoder } from './g711.js';
import { OpusDecoder, OpusEncoder } from './opus.js';
import type { AudioDecoder, AudioEncoder, CodecName, EncoderOptions, SampleRate } from './types.js';
import { G722Encoder, ResampledDecoder, ResampledEncoder, WaveformDecoder } from './waveform.js';

export type { AudioDecoder, AudioEncoder, CodecName, EncoderOptions, SampleRate } from './types.js';

/** A decoder that gives linear audio at `rate`: Opus decodes at any natively, the others are resampled where theirs is another. */
export function makeDecoder(codec: CodecName, rate: SampleRate): AudioDecoder {
  if (codec === 'opus') return new OpusDecoder(rate);
  const decoder = new WaveformDecoder(codec);
  return decoder.rate === rate ? decoder : new ResampledDecoder(decoder, rate);
}

/** An encoder that takes linear audio at `rate`. It holds memory outside of the heap until it is closed. */
export function makeEncoder(codec: CodecName, rate: SampleRate, options: EncoderOptions = {}): AudioEncoder {
  if (codec === 'opus') return new OpusEncoder(rate, options);
  const encoder = codec === 'G722' ? new G722Encoder() : new G711Encoder(codec);
  return encoder.rate === rate ? encoder : new ResampledEncoder(encoder, rate);
}
