// Protection profiles of the extension use_srtp (RFC 5764 §4.1.2, RFC 7714 §14.2) and the keys that come of a handshake (RFC 5764 §4.2).
import { DTLS_PROFILES } from '../srtp/suites.js';
import type { SrtpKeys } from '../srtp/suites.js';

/** `code`: its number in use_srtp. */
export interface SrtpProfile { readonly code: number; readonly suite: string; readonly keyBytes: number; readonly saltBytes: number }

/** What Meta is known to take first (META-SIP §6.1); the short tag last. */
const ORDER = [0x0001, 0x0007, 0x0008, 0x0002];
export const SRTP_PROFILES: readonly SrtpProfile[] = [...DTLS_PROFILES].map(([code, profile]) => ({ code, ...profile })).sort((a, b) => ORDER.indexOf(a.code) - ORDER.indexOf(b.code));

/** The label of the exporter (RFC 5764 §4.2). */
export const SRTP_LABEL = 'EXTRACTOR-dtls_srtp';

export function materialBytes({ keyBytes, saltBytes }: SrtpProfile): number {
  return 2 * (keyBytes + saltBytes);
}

/** Client's key, server's key, client's salt, server's salt. */
export function splitMaterial({ suite, keyBytes, saltBytes }: SrtpProfile, material: Buffer): { client: SrtpKeys; server: SrtpKeys } {
  const part = (from: number, length: number): Buffer => Buffer.from(material.subarray(from, from + length));
  const salts = 2 * keyBytes;
  return {
    client: { suite, key: part(0, keyBytes), salt: part(salts, saltBytes) },
    server: { suite, key: part(keyBytes, keyBytes), salt: part(salts + saltBytes, saltBytes) },
  };
}
