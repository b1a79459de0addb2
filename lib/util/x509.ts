// Certificates written by ourselves (X.509 v3, RFC 5280) with keys on P-256: self-signed ones of DTLS ends, and a throw-away CA with its leaves.
import { createHash, randomBytes, sign } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import ipaddr from 'ipaddr.js';

/** What a certificate is to say. Names are common names; `key` of the issuer is its private key, on P-256. */
export interface CertificateContent {
  readonly subject: string;
  readonly publicKey: KeyObject;
  /** The same subject and its own key: self-signed. */
  readonly issuer: { readonly subject: string; readonly key: KeyObject; readonly publicKey: KeyObject };
  /** Valid from yesterday on, so many days from now. */
  readonly days: number;
  /** A CA; a leaf for TLS servers and clients with these DNS names and IP addresses (RFC 6125); null: no extensions. */
  readonly use: 'ca' | { readonly names: readonly string[] } | null;
}

const DAY = 86_400_000;

/** Tags of DER (X.690 §8.1.2); `[n]` of the context: 0x80 + n for a plain value, 0xa0 + n for one that holds others. */
const TAG = {
  boolean: 0x01, integer: 0x02, bitString: 0x03, octetString: 0x04, oid: 0x06, utf8: 0x0c, sequence: 0x30, set: 0x31, utcTime: 0x17, generalizedTime: 0x18,
  version: 0xa0, extensions: 0xa3, dnsName: 0x82, ipAddress: 0x87, keyIdentifier: 0x80,
} as const;

/** Object identifiers, encoded (X.690 §8.19). */
const OID = {
  ecdsaWithSha256: '2a8648ce3d040302', commonName: '550403',
  subjectKeyIdentifier: '551d0e', keyUsage: '551d0f', subjectAltName: '551d11', basicConstraints: '551d13', authorityKeyIdentifier: '551d23', extKeyUsage: '551d25',
  serverAuth: '2b06010505070301', clientAuth: '2b06010505070302',
} as const;

/** DER of a certificate, signed with ECDSA and SHA-256; its serial number is random. */
export function writeCertificate({ subject, publicKey, issuer, days, use }: CertificateContent): Buffer {
  const algorithm = sequence(oid('ecdsaWithSha256'));
  const serial = randomBytes(16);
  // A positive number without a leading zero (RFC 5280 §4.1.2.2).
  serial.writeUInt8((serial.readUInt8(0) & 0x7f) | 0x40, 0);
  const now = Date.now();
  const content = sequence(
    tlv(TAG.version, tlv(TAG.integer, Buffer.of(2))), tlv(TAG.integer, serial), algorithm, name(issuer.subject),
    sequence(time(now - DAY), time(now + days * DAY)), name(subject), publicKey.export({ format: 'der', type: 'spki' }),
    ...(use === null ? [] : [tlv(TAG.extensions, sequence(...extensions(use, publicKey, issuer.publicKey)))]),
  );
  return sequence(content, algorithm, tlv(TAG.bitString, Buffer.of(0), sign('sha256', content, issuer.key)));
}

/** PEM of a certificate (RFC 7468 §5). */
export function pemOf(der: Buffer): string {
  return `-----BEGIN CERTIFICATE-----\n${der.toString('base64').replace(/.{64}(?=.)/g, '$&\n')}\n-----END CERTIFICATE-----\n`;
}

/** RFC 5280 §4.2.1. */
function extensions(use: 'ca' | { readonly names: readonly string[] }, own: KeyObject, issuers: KeyObject): Buffer[] {
  const isCa = use === 'ca';
  // Bits of the usage (§4.2.1.3), the first octet saying how many are unused: keyCertSign and cRLSign, or digitalSignature.
  const usage = isCa ? Buffer.of(1, 0x06) : Buffer.of(7, 0x80);
  return [
    extension('basicConstraints', sequence(...(isCa ? [tlv(TAG.boolean, Buffer.of(0xff))] : [])), true),
    extension('keyUsage', tlv(TAG.bitString, usage), true),
    extension('subjectKeyIdentifier', tlv(TAG.octetString, keyIdentifier(own))),
    ...(isCa ? [] : [
      extension('authorityKeyIdentifier', sequence(tlv(TAG.keyIdentifier, keyIdentifier(issuers)))),
      extension('extKeyUsage', sequence(oid('serverAuth'), oid('clientAuth'))),
      extension('subjectAltName', sequence(...use.names.map(generalName))),
    ]),
  ];
}

function extension(id: keyof typeof OID, value: Buffer, critical = false): Buffer {
  return sequence(oid(id), ...(critical ? [tlv(TAG.boolean, Buffer.of(0xff))] : []), tlv(TAG.octetString, value));
}

/** Twenty bytes that tell keys apart (RFC 7093 §2, method 4). */
function keyIdentifier(key: KeyObject): Buffer {
  return createHash('sha256').update(key.export({ format: 'der', type: 'spki' })).digest().subarray(0, 20);
}

/** RFC 5280 §4.2.1.6. */
function generalName(text: string): Buffer {
  return ipaddr.isValid(text) ? tlv(TAG.ipAddress, Buffer.from(ipaddr.parse(text).toByteArray())) : tlv(TAG.dnsName, Buffer.from(text));
}

function name(commonName: string): Buffer {
  return sequence(tlv(TAG.set, sequence(oid('commonName'), tlv(TAG.utf8, Buffer.from(commonName)))));
}

/** RFC 5280 §4.1.2.5: two digits of the year until 2049. */
function time(at: number): Buffer {
  const text = `${new Date(at).toISOString().replace(/[-:T]/g, '').slice(0, 14)}Z`;
  return text < '2050' ? tlv(TAG.utcTime, Buffer.from(text.slice(2))) : tlv(TAG.generalizedTime, Buffer.from(text));
}

function oid(id: keyof typeof OID): Buffer {
  return tlv(TAG.oid, Buffer.from(OID[id], 'hex'));
}

function sequence(...content: readonly Buffer[]): Buffer {
  return tlv(TAG.sequence, ...content);
}

/** One value of DER (X.690 §8): tag, length, content of at most 65535 bytes. */
function tlv(tag: number, ...content: readonly Buffer[]): Buffer {
  const length = content.reduce((sum, part) => sum + part.length, 0);
  const head = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.of(tag, ...head), ...content]);
}
