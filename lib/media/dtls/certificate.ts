// The certificate of a DTLS end: self-signed, as RFC 5763 §5 has it, because the description's a=fingerprint (RFC 8122) vouches for it.
import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import type { KeyObject } from 'node:crypto';

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

const DAY = 86_400_000;
/** A service that runs for a year has been restarted. */
const VALID_DAYS = 400;

const TAG = { integer: 0x02, bitString: 0x03, oid: 0x06, utf8: 0x0c, sequence: 0x30, set: 0x31, utcTime: 0x17, generalizedTime: 0x18, version: 0xa0 } as const;
const ECDSA_WITH_SHA256 = Buffer.from('2a8648ce3d040302', 'hex');
const COMMON_NAME = Buffer.from('550403', 'hex');

/** A new key on P-256 and a certificate for it: random serial number and name, valid from yesterday on. */
export function makeCertificate(): DtlsCertificate {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const algorithm = tlv(TAG.sequence, tlv(TAG.oid, ECDSA_WITH_SHA256));
  const name = tlv(TAG.sequence, tlv(TAG.set, tlv(TAG.sequence, tlv(TAG.oid, COMMON_NAME), tlv(TAG.utf8, Buffer.from(randomBytes(8).toString('hex'))))));
  const serial = randomBytes(16);
  // A positive number without a leading zero (RFC 5280 §4.1.2.2).
  serial.writeUInt8((serial.readUInt8(0) & 0x7f) | 0x40, 0);
  const now = Date.now();
  const content = tlv(TAG.sequence,
    tlv(TAG.version, tlv(TAG.integer, Buffer.of(2))), tlv(TAG.integer, serial), algorithm, name,
    tlv(TAG.sequence, time(now - DAY), time(now + VALID_DAYS * DAY)), name, publicKey.export({ format: 'der', type: 'spki' }));
  const der = tlv(TAG.sequence, content, algorithm, tlv(TAG.bitString, Buffer.of(0), sign('sha256', content, privateKey)));
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

/** One value of DER (X.690 §8): tag, length, content. */
function tlv(tag: number, ...content: readonly Buffer[]): Buffer {
  const length = content.reduce((sum, part) => sum + part.length, 0);
  const head = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.of(tag, ...head), ...content]);
}

/** RFC 5280 §4.1.2.5: two digits of the year until 2049. */
function time(at: number): Buffer {
  const text = `${new Date(at).toISOString().replace(/[-:T]/g, '').slice(0, 14)}Z`;
  return text < '2050' ? tlv(TAG.utcTime, Buffer.from(text.slice(2))) : tlv(TAG.generalizedTime, Buffer.from(text));
}
