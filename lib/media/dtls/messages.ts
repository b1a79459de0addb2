// Handshake messages of TLS 1.2 as DTLS-SRTP uses them (RFC 5246 §7.4, RFC 6347 §4.2, RFC 8422 §5).
import { ALERT, DtlsFault } from './alerts.js';
import { numbers16, Reader, uint, vector } from './bytes.js';
import { OUR_SCHEME, SCHEME_CODES } from './keyExchange.js';

export const HANDSHAKE = {
  clientHello: 1, serverHello: 2, helloVerifyRequest: 3, certificate: 11, serverKeyExchange: 12, certificateRequest: 13,
  serverHelloDone: 14, certificateVerify: 15, clientKeyExchange: 16, finished: 20,
} as const;

export const EXTENSION = { supportedGroups: 10, pointFormats: 11, signatureAlgorithms: 13, useSrtp: 14, extendedMasterSecret: 23, renegotiationInfo: 0xff01 } as const;

export const DTLS_1_2 = 0xfefd;
export const RANDOM_BYTES = 32;
const NAMED_CURVE = 3;
const ECDSA_SIGN = 64;
const RSA_SIGN = 1;

export type Extensions = ReadonlyMap<number, Buffer>;

export interface ClientHello {
  readonly version: number;
  readonly random: Buffer;
  readonly cookie: Buffer;
  readonly suites: readonly number[];
  readonly extensions: Extensions;
}

export interface ServerHello { readonly version: number; readonly random: Buffer; readonly suite: number; readonly extensions: Extensions }

function encodeExtensions(extensions: Extensions): Buffer {
  return vector(2, ...[...extensions].flatMap(([code, body]) => [uint(code, 2), vector(2, body)]));
}

function readExtensions(reader: Reader): Extensions {
  const extensions = new Map<number, Buffer>();
  // RFC 5246 §7.4.1.2: there may be none.
  if (reader.left === 0) return extensions;
  const list = new Reader(reader.vector(2));
  reader.end();
  while (list.left > 0) {
    const code = list.u16();
    if (extensions.has(code)) throw new DtlsFault(ALERT.illegalParameter, 'an extension twice');
    extensions.set(code, list.vector(2));
  }
  return extensions;
}

export function encodeClientHello({ version, random, cookie, suites, extensions }: ClientHello): Buffer {
  return Buffer.concat([
    uint(version, 2), random, vector(1), vector(1, cookie), vector(2, ...suites.map((code) => uint(code, 2))), vector(1, Buffer.of(0)), encodeExtensions(extensions),
  ]);
}

export function readClientHello(body: Buffer): ClientHello {
  const reader = new Reader(body);
  const [version, random] = [reader.u16(), reader.take(RANDOM_BYTES)];
  // Sessions are not resumed.
  reader.vector(1);
  const [cookie, suites, compressions] = [reader.vector(1), numbers16(reader.vector(2)), reader.vector(1)];
  if (!compressions.includes(0)) throw new DtlsFault(ALERT.illegalParameter, 'compression is not spoken');
  return { version, random, cookie, suites, extensions: readExtensions(reader) };
}

export function encodeServerHello({ version, random, suite, extensions }: ServerHello): Buffer {
  return Buffer.concat([uint(version, 2), random, vector(1), uint(suite, 2), Buffer.of(0), encodeExtensions(extensions)]);
}

export function readServerHello(body: Buffer): ServerHello {
  const reader = new Reader(body);
  const [version, random] = [reader.u16(), reader.take(RANDOM_BYTES)];
  reader.vector(1);
  const [suite, compression] = [reader.u16(), reader.u8()];
  if (compression !== 0) throw new DtlsFault(ALERT.illegalParameter, 'compression was not offered');
  return { version, random, suite, extensions: readExtensions(reader) };
}

export function encodeHelloVerifyRequest(cookie: Buffer): Buffer {
  // RFC 6347 §4.2.1: version 1.0, whatever comes of the handshake.
  return Buffer.concat([uint(0xfeff, 2), vector(1, cookie)]);
}

export function readHelloVerifyRequest(body: Buffer): Buffer {
  const reader = new Reader(body);
  reader.u16();
  const cookie = reader.vector(1);
  reader.end();
  return cookie;
}

export function encodeCertificate(der: Buffer): Buffer {
  return vector(3, vector(3, der));
}

/** The far end's own certificate, the first of the list; undefined where it has none to show. */
export function readCertificate(body: Buffer): Buffer | undefined {
  const reader = new Reader(body);
  const list = new Reader(reader.vector(3));
  reader.end();
  return list.left === 0 ? undefined : list.vector(3);
}

/** ECDHE parameters and their signature (RFC 8422 §5.4). */
export interface ServerKeyExchange {
  readonly group: number;
  readonly point: Buffer;
  /** The parameters as they are signed. */
  readonly params: Buffer;
  readonly scheme: number;
  readonly signature: Buffer;
}

export function ecdhParams(group: number, point: Buffer): Buffer {
  return Buffer.concat([Buffer.of(NAMED_CURVE), uint(group, 2), vector(1, point)]);
}

export function encodeServerKeyExchange(params: Buffer, signature: Buffer): Buffer {
  return Buffer.concat([params, encodeSignature(signature)]);
}

export function readServerKeyExchange(body: Buffer): ServerKeyExchange {
  const reader = new Reader(body);
  if (reader.u8() !== NAMED_CURVE) throw new DtlsFault(ALERT.illegalParameter, 'a curve that has no name');
  const [group, point] = [reader.u16(), reader.vector(1)];
  const params = body.subarray(0, body.length - reader.left);
  return { group, point, params, ...readSignature(reader) };
}

/** RFC 5246 §7.4.4, 7.4.8: no authorities, since certificates are self-signed. */
export function encodeCertificateRequest(): Buffer {
  return Buffer.concat([vector(1, Buffer.of(ECDSA_SIGN, RSA_SIGN)), vector(2, ...SCHEME_CODES.map((code) => uint(code, 2))), vector(2)]);
}

/** Signed with ecdsa_secp256r1_sha256. */
export function encodeSignature(signature: Buffer): Buffer {
  return Buffer.concat([uint(OUR_SCHEME, 2), vector(2, signature)]);
}

function readSignature(reader: Reader): { scheme: number; signature: Buffer } {
  const [scheme, signature] = [reader.u16(), reader.vector(2)];
  reader.end();
  return { scheme, signature };
}

export function readCertificateVerify(body: Buffer): { scheme: number; signature: Buffer } {
  return readSignature(new Reader(body));
}

export function encodeClientKeyExchange(point: Buffer): Buffer {
  return vector(1, point);
}

export function readClientKeyExchange(body: Buffer): Buffer {
  const reader = new Reader(body);
  const point = reader.vector(1);
  reader.end();
  return point;
}
