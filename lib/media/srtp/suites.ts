// The suites of RFC 4568 §6.2, RFC 6188 and RFC 7714, and master keys for them.
import { WabError } from '../../errors.js';
import { randomBytes } from '../../util/randomBytes.js';

/** What a suite is made of; lengths in bytes. */
export interface Suite {
  /** AES in counter mode, AES in f8 mode, both with HMAC-SHA1, or AES-GCM. */
  readonly cipher: 'cm' | 'f8' | 'gcm';
  readonly keyBytes: number;
  readonly saltBytes: number;
  /** Of the tag of an RTP packet. */
  readonly tagBytes: number;
  /** Of the tag of an RTCP packet: 80 bits with the suites of 32 too (RFC 4568 §6.2.2, RFC 6188 §4). */
  readonly rtcpTagBytes: number;
}

const cm = (keyBytes: number, tagBytes: number): Suite => ({ cipher: 'cm', keyBytes, saltBytes: 14, tagBytes, rtcpTagBytes: 10 });
const gcm = (keyBytes: number): Suite => ({ cipher: 'gcm', keyBytes, saltBytes: 12, tagBytes: 16, rtcpTagBytes: 16 });

/** Every suite spoken here, by its name in SDP. */
export const SUITES: ReadonlyMap<string, Suite> = new Map([
  ['AES_CM_128_HMAC_SHA1_80', cm(16, 10)],
  ['AES_CM_128_HMAC_SHA1_32', cm(16, 4)],
  ['F8_128_HMAC_SHA1_80', { ...cm(16, 10), cipher: 'f8' }],
  ['AES_192_CM_HMAC_SHA1_80', cm(24, 10)],
  ['AES_192_CM_HMAC_SHA1_32', cm(24, 4)],
  ['AES_256_CM_HMAC_SHA1_80', cm(32, 10)],
  ['AES_256_CM_HMAC_SHA1_32', cm(32, 4)],
  ['AEAD_AES_128_GCM', gcm(16)],
  ['AEAD_AES_256_GCM', gcm(32)],
]);

/** What a protection profile of DTLS-SRTP stands for; lengths in bytes, of what the handshake exports for one direction. */
export interface DtlsProfile { readonly suite: string; readonly keyBytes: number; readonly saltBytes: number }

/** The profiles of RFC 5764 §4.1.2 and RFC 7714 §14.2 that encrypt, by their number in use_srtp. */
export const DTLS_PROFILES: ReadonlyMap<number, DtlsProfile> = new Map([
  [0x0001, { suite: 'AES_CM_128_HMAC_SHA1_80', keyBytes: 16, saltBytes: 14 }],
  [0x0002, { suite: 'AES_CM_128_HMAC_SHA1_32', keyBytes: 16, saltBytes: 14 }],
  [0x0007, { suite: 'AEAD_AES_128_GCM', keyBytes: 16, saltBytes: 12 }],
  [0x0008, { suite: 'AEAD_AES_256_GCM', keyBytes: 32, saltBytes: 12 }],
]);

/** Master key and salt of one direction. */
export interface SrtpKeys {
  /** A name of `SUITES`. */
  readonly suite: string;
  readonly key: Buffer;
  readonly salt: Buffer;
  /** Master key identifier that each packet carries, 1 to 128 bytes (RFC 3711 §3.1, RFC 4568 §6.1). */
  readonly mki?: Buffer;
}

/**
 * The keys of an `a=crypto` line. `inline`: base64 of key and salt; `mki`: "value:length" (RFC 4568 §6.1), the value decimal, the length in bytes.
 * @throws WabError 'SDP_UNACCEPTABLE' for a suite that is not known, another length, an identifier that does not fit
 */
export function keysOf(suite: string, inline: string, mki?: string): SrtpKeys {
  const { keyBytes, saltBytes } = suiteOf(suite);
  const bytes = /^[A-Za-z0-9+/]{38,64}={0,2}$/.test(inline) ? Buffer.from(inline, 'base64') : Buffer.alloc(0);
  if (bytes.length !== keyBytes + saltBytes) throw new WabError('SDP_UNACCEPTABLE', `a key of ${suite} has ${keyBytes + saltBytes} bytes in base64`);
  return { suite, key: bytes.subarray(0, keyBytes), salt: bytes.subarray(keyBytes), ...(mki === undefined ? {} : { mki: mkiOf(mki) }) };
}

/** New keys; `inline` is how an `a=crypto` line shows them. @throws WabError 'SDP_UNACCEPTABLE' for a suite that is not known. */
export function newKeys(suite: string): { keys: SrtpKeys; inline: string } {
  const { keyBytes, saltBytes } = suiteOf(suite);
  const inline = randomBytes(keyBytes + saltBytes).toString('base64');
  return { keys: keysOf(suite, inline), inline };
}

/** @throws WabError 'SDP_UNACCEPTABLE' for a suite that is not known. */
export function suiteOf(name: string): Suite {
  const suite = SUITES.get(name);
  if (suite === undefined) throw new WabError('SDP_UNACCEPTABLE', `no suite ${JSON.stringify(name.slice(0, 64))}`);
  return suite;
}

function mkiOf(text: string): Buffer {
  // The value is big-endian in as many bytes as the length says.
  const [, value = '', length = '0'] = /^(\d{1,310}):(\d{1,3})$/.exec(text) ?? [];
  const bytes = Number(length);
  if (bytes < 1 || bytes > 128 || BigInt(value) >= 1n << BigInt(8 * bytes)) throw new WabError('SDP_UNACCEPTABLE', 'a master key identifier of SRTP that does not fit its length');
  return Buffer.from(BigInt(value).toString(16).padStart(2 * bytes, '0'), 'hex');
}
