// The certificate of a DTLS end: self-signed, as RFC 5763 §5 has it, because the description's a=fingerprint (RFC 8122) vouches for it.
import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { writeCertificate } from '../../util/x509.js';

export interface DtlsCertificate {
  readonly der: Buffer;
  /** Private key on P-256. */
  readonly key: KeyObject;
  /** Value of a=fingerprint: "sha-256 AB:CD…". */
  readonly fingerprint: string;
}

/** One a=fingerprint of the far end: `hash` in lower case, `value` in upper case hex with colons. */
export interface Fingerprint { readonly hash: string; readonly value: string }

/** Hashes that vouch for a certificate; RFC 8122 §5 names them with md5, md2 and sha-1, which no longer do. */
const HASHES: ReadonlyMap<string, string> = new Map([['sha-224', 'sha224'], ['sha-256', 'sha256'], ['sha-384', 'sha384'], ['sha-512', 'sha512']]);

/** A service that runs for a year has been restarted. */
const VALID_DAYS = 400;

/** A new key on P-256 and a certificate for it: random serial number and name, valid from yesterday on. */
export function makeCertificate(): DtlsCertificate {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const subject = randomBytes(8).toString('hex');
  const der = writeCertificate({ subject, publicKey, issuer: { subject, key: privateKey, publicKey }, days: VALID_DAYS, use: null });
  return { der, key: privateKey, fingerprint: `sha-256 ${digest('sha256', der)}` };
}

/** Whether one of the far end's fingerprints is that of its certificate (RFC 8122 §5). */
export function isVouchedFor(der: Buffer, fingerprints: readonly Fingerprint[]): boolean {
  return fingerprints.some(({ hash, value }) => {
    const name = HASHES.get(hash.toLowerCase());
    return name !== undefined && digest(name, der) === value.toUpperCase();
  });
}

function digest(hash: string, bytes: Buffer): string {
  return createHash(hash).update(bytes).digest('hex').toUpperCase().replace(/..(?=.)/g, '$&:');
}
