import { isIP } from 'node:net';
import { unacceptable } from './error.js';
import type { ParsedMedia, ParsedSession } from './read.js';
import type { AudioSection, DtlsDescription, DtlsSetup, IceCandidate, IceDescription, MediaProtocol, SdesKey } from './types.js';

/** Length of master key and salt in bytes, per suite (RFC 4568 §6.2.1 to §6.2.3; RFC 6188: 14 bytes of salt; RFC 7714: 12). */
const suites: Readonly<Record<string, number>> = {
  AES_CM_128_HMAC_SHA1_80: 30,
  AES_CM_128_HMAC_SHA1_32: 30,
  F8_128_HMAC_SHA1_80: 30,
  AES_192_CM_HMAC_SHA1_80: 38,
  AES_192_CM_HMAC_SHA1_32: 38,
  AES_256_CM_HMAC_SHA1_80: 46,
  AES_256_CM_HMAC_SHA1_32: 46,
  AEAD_AES_128_GCM: 28,
  AEAD_AES_256_GCM: 44,
};

/** Every suite that can be read. */
export const KNOWN_SUITES: readonly string[] = Object.keys(suites);

/** The suite Meta and we speak (META-SIP §6.1). */
export const SDES_SUITE = 'AES_CM_128_HMAC_SHA1_80';

/** The suites of our offers to peers, in their order: every phone has the first, some gateways only the second. */
export const OFFERED_SUITES: readonly string[] = [SDES_SUITE, 'AES_CM_128_HMAC_SHA1_32'];

/** The protocol of a section as an engine is told it: secure where it has a key, whatever its own words (RFC 8643: RTP/AVP with a=crypto). */
export function protocolInUse({ protocol, sdes }: Pick<AudioSection, 'protocol' | 'sdes'>): MediaProtocol {
  const feedback = protocol.endsWith('F');
  if (sdes.length > 0) return feedback ? 'RTP/SAVPF' : 'RTP/SAVP';
  return feedback ? 'RTP/AVPF' : 'RTP/AVP';
}

/** The `a=crypto` lines that can be used as they are; others are passed over, as RFC 4568 §7.1.1 has an answerer choose. */
export function readSdes(media: ParsedMedia): SdesKey[] {
  const keys: SdesKey[] = [];
  for (const line of media.crypto ?? []) {
    const size = suites[line.suite];
    // inline:key[|lifetime][|MKI:length], a single key; the length is 1 to 128 bytes (RFC 4568 §6.1, §9.2).
    const inline = /^inline:([A-Za-z0-9+/]+={0,2})(?:\|(?:2\^)?\d{1,15})?(?:\|(\d{1,10}:\d{1,3}))?$/.exec(line.config);
    const mki = inline?.[2];
    if (mki !== undefined && !fits(mki)) continue;
    if (size === undefined || !inline?.[1] || Buffer.from(inline[1], 'base64').length !== size) continue;
    // RFC 4568 §6.3: parameters such as UNENCRYPTED_SRTP change the stream; only the window size hint is harmless.
    if (line.sessionConfig !== undefined && !/^(\s*WSH=\d+)*\s*$/.test(line.sessionConfig)) continue;
    if (!Number.isInteger(line.id) || line.id < 0 || line.id > 999_999_999) continue;
    keys.push({ tag: line.id, suite: line.suite, key: inline[1], ...(mki === undefined ? {} : { mki }) });
  }
  return keys;
}

/** Whether the value of a master key identifier, "value:length", fits its length in bytes. */
function fits(mki: string): boolean {
  const [value = 0, length = 0] = mki.split(':').map(Number);
  return length >= 1 && length <= 128 && value < 2 ** (8 * length);
}

/** ICE attributes, media level first (RFC 8839 §5.4); null when there are none. @throws WabError 'SDP_UNACCEPTABLE'. */
export function readIce(session: ParsedSession, media: ParsedMedia): IceDescription | null {
  const ufrag = media.iceUfrag ?? session.iceUfrag;
  const pwd = media.icePwd ?? session.icePwd;
  if (ufrag === undefined && pwd === undefined) return null;
  // RFC 8839 §5.4: 4-256 and 22-256 ice-chars. sdp-transform gives a purely numeric value as it stands, so compare as text.
  if (!/^[A-Za-z0-9+/=]{4,256}$/.test(String(ufrag)) || !/^[A-Za-z0-9+/=]{22,256}$/.test(String(pwd))) throw unacceptable('ice-ufrag or ice-pwd');
  return {
    ufrag: String(ufrag),
    pwd: String(pwd),
    lite: session.icelite !== undefined || (media as { readonly icelite?: string }).icelite !== undefined,
    candidates: (media.candidates ?? []).slice(0, 32).map(readCandidate).filter((candidate) => candidate !== null),
  };
}

function readCandidate(line: NonNullable<ParsedMedia['candidates']>[number]): IceCandidate | null {
  const transport = String(line.transport).toLowerCase();
  // Host names (mDNS) and TCP candidates are passed over.
  if (transport !== 'udp' || isIP(line.ip) === 0 || !(line.port > 0 && line.port < 65536)) return null;
  const priority = Number(line.priority);
  if (!Number.isInteger(priority) || priority < 0 || priority > 0xffffffff || !Number.isInteger(line.component)) return null;
  if (!/^[A-Za-z0-9+/]{1,32}$/.test(String(line.foundation)) || !['host', 'srflx', 'prflx', 'relay'].includes(line.type)) return null;
  return { foundation: String(line.foundation), component: line.component, transport, priority, address: line.ip, port: line.port, type: line.type };
}

/** DTLS attributes (RFC 8842, RFC 8122); null when there is no fingerprint. @throws WabError 'SDP_UNACCEPTABLE'. */
export function readDtls(session: ParsedSession, media: ParsedMedia): DtlsDescription | null {
  const line = media.fingerprint ?? session.fingerprint;
  if (!line) return null;
  const value = String(line.hash).toUpperCase();
  const hash = String(line.type).toLowerCase();
  if (!/^sha-(1|224|256|384|512)$/.test(hash) || !/^[0-9A-F]{2}(:[0-9A-F]{2}){19,63}$/.test(value)) throw unacceptable('fingerprint');
  // RFC 8842 §5.2: an offer without setup means actpass is unknown; RFC 4145 §4.1's default is active.
  const setup = String(media.setup ?? session.setup ?? 'active');
  if (!['active', 'passive', 'actpass'].includes(setup)) throw unacceptable(`setup ${setup}`);
  return { setup: setup as DtlsSetup, fingerprints: [{ hash, value }] };
}
