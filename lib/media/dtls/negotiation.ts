// What the two hellos agree on (RFC 5246 §7.4.1, RFC 5746, RFC 5764 §4.1, RFC 7627, RFC 8422 §5.1).
import { ALERT, DtlsFault } from './alerts.js';
import { numbers16, Reader, uint, vector } from './bytes.js';
import { GROUP_CODES, OUR_SCHEME, SCHEME_CODES } from './keyExchange.js';
import { DTLS_1_2, EXTENSION } from './messages.js';
import type { ClientHello, Extensions, ServerHello } from './messages.js';
import type { SrtpProfile } from './srtpProfiles.js';
import { CIPHER_SUITES } from './suites.js';
import type { CipherSuite } from './suites.js';

export interface Agreed {
  readonly suite: CipherSuite;
  readonly profile: SrtpProfile;
  readonly extendedMasterSecret: boolean;
}

const NOTHING = Buffer.alloc(0);
const UNCOMPRESSED = vector(1, Buffer.of(0));
/** RFC 5746 §3.4: of a first handshake, empty. */
const FIRST_HANDSHAKE = Buffer.of(0);
/** TLS_EMPTY_RENEGOTIATION_INFO_SCSV. */
const RENEGOTIATION_SCSV = 0x00ff;

const list16 = (codes: readonly number[]): Buffer => vector(2, ...codes.map((code) => uint(code, 2)));
/** Without a master key identifier. */
const encodeProfiles = (codes: readonly number[]): Buffer => Buffer.concat([list16(codes), vector(1)]);

export const OFFERED_SUITES: readonly number[] = CIPHER_SUITES.map(({ code }) => code);

export function clientExtensions(profiles: readonly SrtpProfile[]): Extensions {
  return new Map([
    [EXTENSION.renegotiationInfo, FIRST_HANDSHAKE], [EXTENSION.extendedMasterSecret, NOTHING], [EXTENSION.supportedGroups, list16(GROUP_CODES)],
    [EXTENSION.pointFormats, UNCOMPRESSED], [EXTENSION.signatureAlgorithms, list16(SCHEME_CODES)], [EXTENSION.useSrtp, encodeProfiles(profiles.map(({ code }) => code))],
  ]);
}

/** What the server has chosen from our offer. */
export function readChoice({ version, suite: code, extensions }: ServerHello, profiles: readonly SrtpProfile[]): Agreed {
  if (version !== DTLS_1_2) throw new DtlsFault(ALERT.protocolVersion, `the far end speaks version ${version.toString(16)}`);
  const suite = CIPHER_SUITES.find((one) => one.code === code);
  if (suite === undefined) throw new DtlsFault(ALERT.illegalParameter, 'a cipher suite that was not offered');
  const renegotiation = extensions.get(EXTENSION.renegotiationInfo);
  if (renegotiation !== undefined && !renegotiation.equals(FIRST_HANDSHAKE)) throw new DtlsFault(ALERT.handshakeFailure, 'a renegotiation');
  const { codes, mki } = readProfiles(extensions);
  const profile = profiles.find((one) => one.code === codes[0]);
  if (profile === undefined || codes.length !== 1) throw new DtlsFault(ALERT.illegalParameter, 'an SRTP profile that was not offered');
  // RFC 5764 §4.1.3: ours or none.
  if (mki.length > 0) throw new DtlsFault(ALERT.illegalParameter, 'a master key identifier that was not offered');
  return { suite, profile, extendedMasterSecret: extensions.has(EXTENSION.extendedMasterSecret) };
}

/** What we choose as the server, and the extensions that say so. Our certificate is on P-256. */
export function choose({ version, suites, extensions }: ClientHello, profiles: readonly SrtpProfile[]): { agreed: Agreed; group: number; answer: Extensions } {
  // Versions count downwards: 1.3 is 0xfefc, and who speaks it says 1.2 here (RFC 9147 §5.3).
  if (version >>> 8 !== 0xfe || version > DTLS_1_2) throw new DtlsFault(ALERT.protocolVersion, `the far end speaks version ${version.toString(16)}`);
  const suite = CIPHER_SUITES.find(({ code, signer }) => signer === 'ec' && suites.includes(code));
  if (suite === undefined) throw new DtlsFault(ALERT.handshakeFailure, 'no cipher suite in common');
  if (!(list(extensions, EXTENSION.signatureAlgorithms) ?? []).includes(OUR_SCHEME)) throw new DtlsFault(ALERT.handshakeFailure, 'the far end does not take ecdsa_secp256r1_sha256');
  // RFC 8422 §4: any, where none is named.
  const groups = list(extensions, EXTENSION.supportedGroups) ?? GROUP_CODES;
  const group = GROUP_CODES.find((code) => groups.includes(code));
  if (group === undefined) throw new DtlsFault(ALERT.handshakeFailure, 'no group in common');
  const { codes } = readProfiles(extensions);
  const profile = profiles.find(({ code }) => codes.includes(code));
  if (profile === undefined) throw new DtlsFault(ALERT.handshakeFailure, 'no SRTP profile in common');
  const extendedMasterSecret = extensions.has(EXTENSION.extendedMasterSecret);
  const answer = new Map<number, Buffer>([[EXTENSION.useSrtp, encodeProfiles([profile.code])]]);
  if (extendedMasterSecret) answer.set(EXTENSION.extendedMasterSecret, NOTHING);
  if (extensions.has(EXTENSION.pointFormats)) answer.set(EXTENSION.pointFormats, UNCOMPRESSED);
  if (extensions.has(EXTENSION.renegotiationInfo) || suites.includes(RENEGOTIATION_SCSV)) answer.set(EXTENSION.renegotiationInfo, FIRST_HANDSHAKE);
  return { agreed: { suite, profile, extendedMasterSecret }, group, answer };
}

/** An extension that is one list of numbers of 16 bits. */
function list(extensions: Extensions, code: number): number[] | undefined {
  const body = extensions.get(code);
  if (body === undefined) return undefined;
  const reader = new Reader(body);
  const codes = numbers16(reader.vector(2));
  reader.end();
  return codes;
}

function readProfiles(extensions: Extensions): { codes: number[]; mki: Buffer } {
  const body = extensions.get(EXTENSION.useSrtp);
  if (body === undefined) throw new DtlsFault(ALERT.handshakeFailure, 'the far end does not speak DTLS-SRTP');
  const reader = new Reader(body);
  const [codes, mki] = [numbers16(reader.vector(2)), reader.vector(1)];
  reader.end();
  return { codes, mki };
}
