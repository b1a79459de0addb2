import { createCipheriv } from 'node:crypto';
import { suiteOf, type SrtpKeys } from './suites.js';

/** Session keys of one stream of packets, RTP's or RTCP's. */
export interface SessionKeys {
  readonly encryption: Buffer;
  /** Of HMAC-SHA1; nothing uses it with GCM. */
  readonly authentication: Buffer;
  readonly salt: Buffer;
}

/** Labels of RFC 3711 §4.3.1 and §4.3.2. */
const labels = { rtp: { encryption: 0, authentication: 1, salt: 2 }, rtcp: { encryption: 3, authentication: 4, salt: 5 } } as const;

/** The session keys of RFC 3711 §4.3.1, RFC 6188 §3 and RFC 7714 §11; the key derivation rate is 0. @throws WabError 'SDP_UNACCEPTABLE' for keys that do not fit their suite. */
export function sessionKeys(keys: SrtpKeys, packets: 'rtp' | 'rtcp'): SessionKeys {
  const { keyBytes, saltBytes } = suiteOf(keys.suite);
  const label = labels[packets];
  return {
    encryption: derive(keys, label.encryption, keyBytes),
    authentication: derive(keys, label.authentication, 20),
    salt: derive(keys, label.salt, saltBytes),
  };
}

/** `bytes` of the AES-CM PRF under a label (RFC 3711 §4.3.3, RFC 6188 §3). */
export function derive({ key, salt }: Pick<SrtpKeys, 'key' | 'salt'>, label: number, bytes: number): Buffer {
  // x = label || index DIV kdr, XOR salt, shifted left by 16 bits; a salt of 12 bytes stands at the left (RFC 7714 §11).
  const input = Buffer.alloc(16);
  salt.copy(input);
  input.writeUInt8(input.readUInt8(7) ^ label, 7);
  return createCipheriv(`aes-${8 * key.length}-ctr`, key, input).update(Buffer.alloc(bytes));
}
