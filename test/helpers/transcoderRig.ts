// A source of RTP, a network between, and the transcoder's clock, all in simulated time.
import { makeDecoder, makeEncoder, type CodecName } from '../../lib/media/codec/index.js';
import { Transcoder, type TranscoderFormat } from '../../lib/media/transcode/transcoder.js';
import { framesOf, joined } from './signals.js';

export interface Sent { at: number; packet: Buffer }
export interface Heard { at: number; seq: number; timestamp: number; ssrc: number; marker: boolean; samples: number; payload: Buffer }

const rateOf = (codec: CodecName): 8000 | 16_000 => (codec === 'PCMU' || codec === 'PCMA' ? 8000 : 16_000);
export const clockOf = (codec: CodecName): number => (codec === 'opus' ? 48_000 : 8000);
const types: Readonly<Record<CodecName, number>> = { opus: 111, PCMU: 0, PCMA: 8, G722: 9 };

export function rtp(type: number, seq: number, timestamp: number, payload: Buffer, ssrc = 77): Buffer {
  const header = Buffer.alloc(12);
  header[0] = 0x80;
  header[1] = type;
  header.writeUInt16BE(seq & 0xffff, 2);
  header.writeUInt32BE(timestamp >>> 0, 4);
  header.writeUInt32BE(ssrc, 8);
  return Buffer.concat([header, payload]);
}

/** A signal as packets of `ptime`, each sent as its time comes; `ppm`: how much the sender's clock is fast. */
export function packetsOf(format: { codec: CodecName; ptime: number; fec?: boolean }, pcm: Int16Array, rate: 8000 | 16_000, ppm = 0): Sent[] {
  const { codec, ptime } = format;
  const encoder = makeEncoder(codec, rate, { fec: format.fec ?? true });
  encoder.expectLoss(10);
  const sent = framesOf(pcm, (rate * ptime) / 1000).map((frame, i) => ({
    at: 1000 + (i * ptime) / (1 + ppm / 1e6), packet: rtp(types[codec], 65_500 + i, 0xffff_f000 + i * ptime * (clockOf(codec) / 1000), encoder.encode(frame)),
  }));
  encoder.close();
  return sent;
}

export interface Run { readonly heard: Heard[]; readonly transcoder: Transcoder; readonly depths: number[] }

/** Lets packets arrive and the clock tick until `endMs` behind the last of them. */
export function run(from: TranscoderFormat, to: TranscoderFormat, arrivals: readonly Sent[], endMs = 400, at?: (now: number, transcoder: Transcoder) => void): Run {
  const heard: Heard[] = [];
  const depths: number[] = [];
  const transcoder = new Transcoder(from, to, (packet, samples, now) => {
    heard.push({
      at: now, seq: packet.readUInt16BE(2), timestamp: packet.readUInt32BE(4), ssrc: packet.readUInt32BE(8), marker: (packet.readUInt8(1) & 0x80) !== 0, samples, payload: packet.subarray(12),
    });
  });
  const sorted = [...arrivals].sort((a, b) => a.at - b.at);
  const end = (sorted[sorted.length - 1]?.at ?? 0) + endMs;
  let next = 0;
  let looked = 0;
  for (let now = 1000; now <= end; now += 5) {
    for (let arrival = sorted[next]; arrival !== undefined && arrival.at <= now; arrival = sorted[(next += 1)]) transcoder.push(arrival.packet, 12, arrival.at);
    at?.(now, transcoder);
    transcoder.tick(now);
    if (now - looked >= 1000) {
      looked = now;
      depths.push(transcoder.figures.depthMs);
    }
  }
  transcoder.close();
  return { heard, transcoder, depths };
}

/** What a listener hears of it, at 8 or 16 kHz. */
export function listened(heard: readonly Heard[], codec: CodecName, rate = rateOf(codec)): Int16Array {
  const decoder = makeDecoder(codec, rate);
  const pcm = joined(heard.map(({ payload }) => Int16Array.from(decoder.decode(payload))));
  decoder.close();
  return pcm;
}
