// Audio codecs of the stand-ins, each for one direction pair of one call.
import { Decoder, Encoder } from '@evan/opus';
import { g711Decode, g711Encode } from './g711.js';
import { G722Decoder, G722Encoder } from './g722.js';

export type CodecName = 'opus' | 'PCMU' | 'PCMA' | 'G722';

/** What a codec is called in SDP and how its RTP clock runs. */
export interface CodecFacts {
  name: CodecName;
  /** RTP clock, Hz: the timestamp grows by `clockRate / 50` for each frame of 20 ms. */
  clockRate: number;
  /** Sampling rate of the linear audio we feed and get, Hz. */
  sampleRate: number;
  /** Value of `a=rtpmap` behind the payload type. */
  rtpmap: string;
  /** Static payload type (RFC 3551 §6), or the dynamic one we prefer. */
  payloadType: number;
}

export interface Codec extends CodecFacts {
  /** Encodes one frame of 20 ms: `sampleRate / 50` samples. */
  encode(pcm: Int16Array): Buffer;
  /** Decodes one packet; throws on bytes the codec does not know. */
  decode(payload: Buffer): Int16Array;
}

export const CODECS: Readonly<Record<CodecName, CodecFacts>> = {
  // RFC 7587 §4.1, §7: the clock is 48 kHz and the map says two channels, whatever is coded. Audio is coded wideband, as Meta's fmtp says (META-SIP §6.1).
  opus: { name: 'opus', clockRate: 48000, sampleRate: 16000, rtpmap: 'opus/48000/2', payloadType: 111 },
  PCMU: { name: 'PCMU', clockRate: 8000, sampleRate: 8000, rtpmap: 'PCMU/8000', payloadType: 0 },
  PCMA: { name: 'PCMA', clockRate: 8000, sampleRate: 8000, rtpmap: 'PCMA/8000', payloadType: 8 },
  // RFC 3551 §4.5.2: the RTP clock of G.722 is 8 kHz by mistake and for ever; the audio is 16 kHz.
  G722: { name: 'G722', clockRate: 8000, sampleRate: 16000, rtpmap: 'G722/8000', payloadType: 9 },
};

/** Makes a codec with state of its own. */
export function makeCodec(name: CodecName): Codec {
  if (name === 'G722') {
    const encoder = new G722Encoder();
    const decoder = new G722Decoder();
    return { ...CODECS.G722, encode: (pcm) => encoder.encode(pcm), decode: (payload) => decoder.decode(payload) };
  }
  if (name !== 'opus') {
    return { ...CODECS[name], encode: (pcm) => g711Encode(name, pcm), decode: (payload) => g711Decode(name, payload) };
  }
  const { sampleRate } = CODECS.opus;
  let encoder: Encoder | undefined;
  let decoder: Decoder | undefined;
  return {
    ...CODECS.opus,
    encode(pcm) {
      if (encoder === undefined) {
        encoder = new Encoder({ channels: 1, sample_rate: 16000, application: 'voip' });
        encoder.bitrate = 20000;
        encoder.complexity = 0;
      }
      return Buffer.from(encoder.encode(pcm));
    },
    decode(payload) {
      decoder ??= new Decoder({ channels: 1, sample_rate: sampleRate as 16000 });
      const bytes = decoder.decode(payload);
      return new Int16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >> 1);
    },
  };
}

/** Duration of a packet's audio in ms; undefined when it cannot be told. For Opus it is read from the TOC byte (RFC 6716 §3.1). */
export function durationOf(name: CodecName, payload: Buffer): number | undefined {
  if (name !== 'opus') return payload.length / 8;
  const toc = payload[0];
  if (toc === undefined) return undefined;
  const config = toc >> 3;
  const frame = config < 12 ? [10, 20, 40, 60][config & 3] : config < 16 ? [10, 20][config & 1] : [2.5, 5, 10, 20][config & 3];
  const code = toc & 3;
  const frames = code === 0 ? 1 : code < 3 ? 2 : (payload[1] ?? 0) & 0x3f;
  return frame === undefined ? undefined : frame * frames;
}
