import { Decoder, Encoder } from '@evan/opus';
import { turns } from '../../util/turns.js';
import { makeEncoder } from '../codec/index.js';
import type { RelayCodec } from '../relay/rtp.js';
import type { Pcm } from './pcm.js';
import { resample } from './pcm.js';

/** Meta asks for wideband at 20 kbit/s (META-SIP §6.1: maxplaybackrate 16000, maxaveragebitrate 20000). */
const WIDEBAND = 16_000;
const OPUS_BITS = 20_000;

/** Linear audio as 20 ms frames of the codec; the last one is filled up with silence. */
export async function encodeFrames(pcm: Pcm, codec: RelayCodec): Promise<Buffer[]> {
  const rate = codec === 'opus' || codec === 'G722' ? WIDEBAND : 8000;
  const samples = await resample(pcm, rate);
  const size = rate / 50;
  const frames: Buffer[] = [];
  const turn = turns();
  const encode = codec === 'opus' ? opusEncoder() : codec === 'G722' ? g722Encoder() : g711Encoder(codec);
  for (let at = 0; at < samples.length; at += size) {
    const frame = new Int16Array(size);
    frame.set(samples.subarray(at, at + size));
    frames.push(encode(frame));
    await turn();
  }
  return frames;
}

/** Opus packets of any frame length as linear audio. */
export async function decodeOpus(packets: readonly Buffer[]): Promise<Pcm> {
  const decoder = new Decoder({ channels: 1, sample_rate: WIDEBAND });
  const parts: Int16Array[] = [];
  const turn = turns();
  for (const packet of packets) {
    const bytes = decoder.decode(packet);
    parts.push(new Int16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >> 1).slice());
    await turn();
  }
  const samples = new Int16Array(parts.reduce((sum, part) => sum + part.length, 0));
  parts.reduce((at, part) => { samples.set(part, at); return at + part.length; }, 0);
  return { samples, rate: WIDEBAND };
}

function opusEncoder(): (frame: Int16Array) => Buffer {
  const encoder = new Encoder({ channels: 1, sample_rate: WIDEBAND, application: 'audio' });
  encoder.bitrate = OPUS_BITS;
  return (frame) => Buffer.from(encoder.encode(frame));
}

function g722Encoder(): (frame: Int16Array) => Buffer {
  const encoder = makeEncoder('G722', WIDEBAND);
  return (frame) => encoder.encode(frame);
}

function g711Encoder(codec: 'PCMU' | 'PCMA'): (frame: Int16Array) => Buffer {
  const one = codec === 'PCMU' ? muLaw : aLaw;
  return (frame) => Buffer.from(Uint8Array.from(frame, one));
}

/** ITU-T G.711, mu-law: sign, three bits of segment, four of step, all inverted; 33 is added on the 14-bit scale. */
function muLaw(sample: number): number {
  const level = Math.min(Math.abs(sample) >> 2, 8158) + 33;
  const segment = 26 - Math.clz32(level);
  return ~((sample < 0 ? 0x80 : 0) | (segment << 4) | ((level >> (segment + 1)) & 0x0f)) & 0xff;
}

/** ITU-T G.711, A-law on the 13-bit scale; even bits are inverted on the wire. */
function aLaw(sample: number): number {
  const level = Math.min((sample < 0 ? ~sample : sample) >> 3, 4095);
  const segment = level < 32 ? 0 : 27 - Math.clz32(level);
  const step = segment === 0 ? level >> 1 : level >> segment;
  return ((sample < 0 ? 0 : 0x80) | (segment << 4) | (step & 0x0f)) ^ 0x55;
}
