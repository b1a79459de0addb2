import type { ParsedMedia } from './read.js';
import type { SdpCodec } from './types.js';

/** Static payload types we use (RFC 3551 table 4); G.722's clock is 8000 there although it samples at 16 kHz. */
const statics: readonly SdpCodec[] = [
  { payloadType: 0, name: 'PCMU', clockRate: 8000, channels: 1, fmtp: null },
  { payloadType: 8, name: 'PCMA', clockRate: 8000, channels: 1, fmtp: null },
  { payloadType: 9, name: 'G722', clockRate: 8000, channels: 1, fmtp: null },
];

const known = ['opus', 'PCMU', 'PCMA', 'G722', 'telephone-event'];

/** Meta's own Opus parameters (META-SIP §6.1), echoed in what we write for it. */
export const META_OPUS_FMTP = 'maxaveragebitrate=20000;maxplaybackrate=16000;minptime=20;sprop-maxcapturerate=16000;useinbandfec=1';

/** Codecs of an m-line in its order; entries that cannot be understood are left out, the first of two equal payload types counts. */
export function readCodecs(media: ParsedMedia): SdpCodec[] {
  const codecs: SdpCodec[] = [];
  for (const format of String(media.payloads ?? '').split(/\s+/)) {
    const payloadType = /^\d{1,3}$/.test(format) ? Number(format) : -1;
    if (payloadType < 0 || payloadType > 127 || isReserved(payloadType) || codecs.some((codec) => codec.payloadType === payloadType)) continue;
    const codec = readCodec(media, payloadType);
    if (codec) codecs.push(codec);
  }
  return codecs;
}

/** With RTCP on one port these look like it (RFC 5761 §4, RFC 3551 §6): nobody could tell their packets apart. */
function isReserved(payloadType: number): boolean {
  return payloadType >= 64 && payloadType <= 95;
}

function readCodec(media: ParsedMedia, payloadType: number): SdpCodec | null {
  const map = media.rtp?.find((line) => line.payload === payloadType);
  if (!map) return statics.find((codec) => codec.payloadType === payloadType) ?? null;
  const clockRate = Number(map.rate ?? 8000);
  const channels = map.encoding === undefined ? 1 : Number(map.encoding);
  const written = String(map.codec);
  if (!/^[\w.\-]{1,40}$/.test(written) || !Number.isInteger(clockRate) || clockRate < 1 || !Number.isInteger(channels) || channels < 1) return null;
  // RFC 8866 §6.6: encoding names are compared without regard to case.
  const name = known.find((candidate) => candidate.toLowerCase() === written.toLowerCase()) ?? written;
  const fmtp = media.fmtp?.find((line) => line.payload === payloadType)?.config;
  return { payloadType, name, clockRate, channels, fmtp: fmtp !== undefined && /^[\x21-\x7e][\x20-\x7e]{0,399}$/.test(String(fmtp)) ? String(fmtp) : null };
}

/** Whether a codec line is this audio codec in the form that everybody speaks: Opus is always 48000/2 (RFC 7587 §7), the others 8000/1. */
export function isAudioCodec(codec: SdpCodec, name: 'opus' | 'PCMU' | 'PCMA' | 'G722'): boolean {
  if (codec.name !== name) return false;
  return name === 'opus' ? codec.clockRate === 48_000 && codec.channels === 2 : codec.clockRate === 8000 && codec.channels === 1;
}

/** The codec line for one of our audio codecs, under the payload type given or its static one. */
export function audioCodec(name: 'opus' | 'PCMU' | 'PCMA' | 'G722', payloadType?: number, fmtp: string | null = null): SdpCodec {
  if (name === 'opus') return { payloadType: payloadType ?? 111, name, clockRate: 48_000, channels: 2, fmtp };
  const fixed = statics.find((codec) => codec.name === name) ?? { payloadType: 0, name, clockRate: 8000, channels: 1, fmtp: null };
  return { ...fixed, payloadType: payloadType ?? fixed.payloadType };
}

/** A telephone-event line (RFC 4733); events 0-15 are the digits, * , # and A-D. */
export function eventCodec(payloadType: number, clockRate = 8000, fmtp: string | null = '0-15'): SdpCodec {
  return { payloadType, name: 'telephone-event', clockRate, channels: 1, fmtp };
}
