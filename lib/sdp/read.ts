import { isIP } from 'node:net';
import { parse } from 'sdp-transform';
import { readCodecs } from './codecs.js';
import { unacceptable } from './error.js';
import { readDtls, readIce, readSdes } from './security.js';
import type { AudioSection, Direction, MediaProtocol, Section, SessionDescription } from './types.js';

/** Larger texts than these are refused unread; a browser's longest audio offer is below 8 kB. */
const MAX_LENGTH = 32_768;
const MAX_SECTIONS = 16;

const protocols = new Set<string>(['RTP/AVP', 'RTP/AVPF', 'RTP/SAVP', 'RTP/SAVPF', 'UDP/TLS/RTP/SAVP', 'UDP/TLS/RTP/SAVPF'] satisfies MediaProtocol[]);
const directions = new Set<string>(['sendrecv', 'sendonly', 'recvonly', 'inactive'] satisfies Direction[]);

export type ParsedSession = ReturnType<typeof parse>;
export type ParsedMedia = ParsedSession['media'][number];

/**
 * Reads a session description (RFC 8866) into types. Every `m=audio` of a known RTP profile becomes an audio section,
 * everything else a section to be answered with port 0.
 * @throws WabError 'SDP_UNACCEPTABLE', naming what is wrong.
 */
export function readSdp(text: string): SessionDescription {
  if (text.length > MAX_LENGTH) throw unacceptable(`longer than ${MAX_LENGTH} characters`);
  if (!/^v=0\r?\n/.test(text)) throw unacceptable('does not begin with v=0');
  if (text.includes('\0')) throw unacceptable('contains a NUL character');
  const session = parseText(text);
  if (!Array.isArray(session.media) || session.media.length === 0) throw unacceptable('no m= line');
  if (session.media.length > MAX_SECTIONS) throw unacceptable(`more than ${MAX_SECTIONS} m= lines`);
  const origin = session.origin;
  return {
    id: /^\d{1,20}$/.test(String(origin?.sessionId ?? '')) ? String(origin?.sessionId) : '0',
    version: Number.isSafeInteger(origin?.sessionVersion) ? Number(origin?.sessionVersion) : 0,
    bundle: (session.groups ?? []).some((group) => group.type === 'BUNDLE'),
    sections: session.media.map((media) => readSection(session, media)),
  };
}

function parseText(text: string): ParsedSession {
  try {
    return parse(text);
  } catch (cause) {
    throw unacceptable('cannot be parsed', cause);
  }
}

function readSection(session: ParsedSession, media: ParsedMedia): Section {
  const protocol = String(media.protocol).toUpperCase();
  if (media.type !== 'audio' || !protocols.has(protocol)) {
    return {
      other: {
        // Written back in our answer, so only tokens may pass (RFC 8866 §9, token).
        kind: token(media.type), protocol: token(media.protocol),
        formats: /^[\w.\-+ /]{1,200}$/.test(String(media.payloads ?? '')) ? String(media.payloads) : '0',
        mid: readMid(media),
      },
    };
  }
  return { audio: readAudio(session, media, protocol as MediaProtocol) };
}

function readAudio(session: ParsedSession, media: ParsedMedia, protocol: MediaProtocol): AudioSection {
  const port = Number(media.port);
  if (!Number.isInteger(port) || port < 0 || port > 65535) throw unacceptable(`port ${String(media.port)} in m=audio`);
  const address = media.connection?.ip ?? session.connection?.ip;
  // RFC 8866 §5.7 allows a host name here; we take literals only, as nothing in this path may wait for DNS.
  const literal = String(address ?? '').split('/')[0] ?? '';
  if (port !== 0 && isIP(literal) === 0) throw unacceptable(address === undefined ? 'no c= line' : 'c= line without an IP address');
  const direction = String(media.direction ?? session.direction ?? 'sendrecv');
  if (!directions.has(direction)) throw unacceptable(`direction ${direction}`);
  return {
    address: isIP(literal) === 0 ? '0.0.0.0' : literal,
    port,
    protocol,
    direction: direction as Direction,
    rtcpMux: media.rtcpMux !== undefined,
    ...readRtcp(media, literal),
    mid: readMid(media),
    codecs: port === 0 ? [] : readCodecs(media),
    ptime: milliseconds(media.ptime),
    maxptime: milliseconds(media.maxptime),
    sdes: readSdes(media),
    ice: readIce(session, media),
    dtls: readDtls(session, media),
  };
}

/** `a=rtcp` (RFC 3605 §2.1): where RTCP goes when that is not the port after RTP's. */
function readRtcp(media: ParsedMedia, address: string): Pick<AudioSection, 'rtcp'> {
  const { port, address: own } = media.rtcp ?? {};
  if (!Number.isInteger(port) || Number(port) < 1 || Number(port) > 65535) return {};
  return { rtcp: { address: own !== undefined && isIP(own) !== 0 ? own : address, port: Number(port) } };
}

function readMid(media: ParsedMedia): string | null {
  const mid = media.mid === undefined ? '' : String(media.mid);
  return /^[\w.\-+]{1,64}$/.test(mid) ? mid : null;
}

function milliseconds(value: unknown): number | null {
  const number = Number(value);
  return value !== undefined && Number.isFinite(number) && number >= 1 && number <= 1000 ? number : null;
}

function token(value: unknown): string {
  if (!/^[\w.\-+/]{1,40}$/.test(String(value ?? ''))) throw unacceptable('malformed m= line');
  return String(value);
}
