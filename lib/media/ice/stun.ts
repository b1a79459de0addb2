// STUN messages (RFC 8489) with the attributes that ICE adds (RFC 8445 §16.1): Binding requests and their answers under short-term credentials.
import { createHmac, timingSafeEqual } from 'node:crypto';
import { addressBytes, addressText, type IceAddress } from './address.js';
import { crc32 } from './crc32.js';

/** RFC 8489 §5: class and method in one; Binding alone is ours. */
export type StunKind = 'request' | 'indication' | 'success' | 'error';

/** What a message says, apart from its seals. Left out: not said. */
export interface StunAttributes {
  readonly username?: string;
  /** 32 bits, of a candidate (RFC 8445 §7.1.1). */
  readonly priority?: number;
  /** Tie-breaker, 64 bits, of an agent in this role (RFC 8445 §7.1.3). */
  readonly controlling?: bigint;
  readonly controlled?: bigint;
  readonly useCandidate?: boolean;
  /** XOR-MAPPED-ADDRESS: where the request came from. */
  readonly mapped?: IceAddress;
  readonly error?: { readonly code: number; readonly reason: string };
  /** UNKNOWN-ATTRIBUTES: numbers of those that were not understood. */
  readonly unknown?: readonly number[];
}

/** A message as read. Its text counts for nothing until `isSealed` says so. */
export interface StunMessage extends StunAttributes {
  readonly kind: StunKind;
  /** Transaction id, 12 octets in hex. */
  readonly transaction: string;
  readonly bytes: Buffer;
  /** Where MESSAGE-INTEGRITY begins; null: there is none. */
  readonly sealAt: number | null;
  /** FINGERPRINT is there (and right: a wrong one is no STUN). */
  readonly hasFingerprint: boolean;
  /** Attributes that must be understood and are not (RFC 8489 §14: below 0x8000). */
  readonly notUnderstood: readonly number[];
}

const KINDS: readonly (readonly [StunKind, number])[] = [['request', 0x0001], ['indication', 0x0011], ['success', 0x0101], ['error', 0x0111]];
const MAGIC_COOKIE = 0x2112a442;
const HEADER = 20;
/** Octets of MESSAGE-INTEGRITY and FINGERPRINT with their heads. */
const SEAL = 24;
const FINGERPRINT_SIZE = 8;
const FINGERPRINT_MASK = 0x5354554e;
/** RFC 8489 §6.1: a message fits the path's MTU. What is longer is none. */
const LONGEST = 1500;

/** RFC 8489 §18.3, RFC 8445 §21.2. */
const ATTRIBUTE = {
  username: 0x0006, integrity: 0x0008, error: 0x0009, unknown: 0x000a, mapped: 0x0020, priority: 0x0024, useCandidate: 0x0025,
  fingerprint: 0x8028, controlled: 0x8029, controlling: 0x802a,
} as const;
/** Understood, and of no use here: MAPPED-ADDRESS, REALM, NONCE, MESSAGE-INTEGRITY-SHA256, PASSWORD-ALGORITHM, USERHASH. */
const PASSED_OVER = new Set([0x0001, 0x0014, 0x0015, 0x001c, 0x001d, 0x001e]);

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/**
 * Reads one datagram. Null for what is no Binding message, is malformed, or has a wrong FINGERPRINT. Of attributes that come twice the first
 * counts (RFC 8489 §14), and nothing but FINGERPRINT counts behind MESSAGE-INTEGRITY, which does not cover it (§14.5).
 */
export function readStun(bytes: Buffer): StunMessage | null {
  const kind = kindOf(bytes);
  if (kind === undefined) return null;
  const said: Mutable<StunAttributes> = {};
  const notUnderstood: number[] = [];
  let sealAt: number | null = null;
  for (let at = HEADER; at < bytes.length;) {
    const number = bytes.readUInt16BE(at);
    const length = bytes.readUInt16BE(at + 2);
    const next = at + 4 + padded(length);
    if (next > bytes.length) return null;
    if (number === ATTRIBUTE.fingerprint) {
      // RFC 8489 §14.7: the last of all.
      if (length !== 4 || next !== bytes.length || bytes.readUInt32BE(at + 4) !== fingerprintOf(bytes.subarray(0, at))) return null;
      return { ...said, kind, transaction: bytes.toString('hex', 8, HEADER), bytes, sealAt, hasFingerprint: true, notUnderstood };
    }
    if (sealAt === null) {
      if (number === ATTRIBUTE.integrity) {
        if (length !== SEAL - 4) return null;
        sealAt = at;
      } else if (!take(said, number, bytes.subarray(at + 4, at + 4 + length), bytes)) {
        return null;
      } else if (number < 0x8000 && !PASSED_OVER.has(number) && !KNOWN.has(number) && notUnderstood.length < 16) {
        notUnderstood.push(number);
      }
    }
    at = next;
  }
  return { ...said, kind, transaction: bytes.toString('hex', 8, HEADER), bytes, sealAt, hasFingerprint: false, notUnderstood };
}

/** RFC 8489 §5. */
function kindOf(bytes: Buffer): StunKind | undefined {
  if (bytes.length < HEADER || bytes.length > LONGEST || bytes.length % 4 !== 0) return undefined;
  if (bytes.readUInt32BE(4) !== MAGIC_COOKIE || bytes.readUInt16BE(2) !== bytes.length - HEADER) return undefined;
  const type = bytes.readUInt16BE(0);
  return KINDS.find(([, number]) => number === type)?.[0];
}

/** Whether MESSAGE-INTEGRITY was made with this password (RFC 8489 §14.5). */
export function isSealed({ bytes, sealAt }: StunMessage, password: string): boolean {
  return sealAt !== null && timingSafeEqual(sealOf(bytes.subarray(0, sealAt), password), bytes.subarray(sealAt + 4, sealAt + SEAL));
}

/** A message with FINGERPRINT and, where a password is given, MESSAGE-INTEGRITY. `transaction`: 12 octets in hex. */
export function writeStun(kind: StunKind, transaction: string, attributes: StunAttributes, password: string | null): Buffer {
  const header = Buffer.alloc(HEADER);
  header.writeUInt16BE(KINDS.find(([name]) => name === kind)?.[1] ?? 0, 0);
  header.writeUInt32BE(MAGIC_COOKIE, 4);
  header.write(transaction, 8, 12, 'hex');
  const values = valuesOf(attributes, header);
  const plain = HEADER + values.reduce((sum, [, value]) => sum + 4 + padded(value.length), 0);
  const out = Buffer.alloc(plain + (password === null ? 0 : SEAL) + FINGERPRINT_SIZE);
  header.copy(out);
  out.writeUInt16BE(out.length - HEADER, 2);
  let at = HEADER;
  for (const [number, value] of values) {
    head(out, at, number, value.length);
    value.copy(out, at + 4);
    at += 4 + padded(value.length);
  }
  if (password !== null) {
    head(out, at, ATTRIBUTE.integrity, SEAL - 4);
    sealOf(out.subarray(0, at), password).copy(out, at + 4);
    at += SEAL;
  }
  head(out, at, ATTRIBUTE.fingerprint, 4);
  out.writeUInt32BE(fingerprintOf(out.subarray(0, at)), at + 4);
  return out;
}

const KNOWN = new Set<number>(Object.values(ATTRIBUTE));

/** Takes over one attribute. False where its value cannot be. */
function take(said: Mutable<StunAttributes>, number: number, value: Buffer, message: Buffer): boolean {
  switch (number) {
    case ATTRIBUTE.username:
      // RFC 8489 §14.3: fewer than 513 octets (508 and a NUL for some).
      said.username ??= value.toString('utf8');
      return value.length < 514;
    case ATTRIBUTE.priority:
      if (value.length !== 4) return false;
      said.priority ??= value.readUInt32BE(0);
      return true;
    case ATTRIBUTE.controlling:
    case ATTRIBUTE.controlled: {
      if (value.length !== 8) return false;
      const role = number === ATTRIBUTE.controlling ? 'controlling' : 'controlled';
      said[role] ??= value.readBigUInt64BE(0);
      return true;
    }
    case ATTRIBUTE.useCandidate:
      said.useCandidate = true;
      return true;
    case ATTRIBUTE.mapped: {
      const mapped = readAddress(value, message);
      if (mapped === null) return false;
      said.mapped ??= mapped;
      return true;
    }
    case ATTRIBUTE.error:
      if (value.length < 4) return false;
      said.error ??= { code: (value.readUInt8(2) & 7) * 100 + value.readUInt8(3), reason: value.toString('utf8', 4) };
      return true;
    case ATTRIBUTE.unknown:
      said.unknown ??= Array.from({ length: value.length >> 1 }, (_, i) => value.readUInt16BE(2 * i));
      return true;
    default:
      return true;
  }
}

function valuesOf(said: StunAttributes, header: Buffer): [number, Buffer][] {
  const values: [number, Buffer][] = [];
  if (said.username !== undefined) values.push([ATTRIBUTE.username, Buffer.from(said.username)]);
  if (said.priority !== undefined) values.push([ATTRIBUTE.priority, number32(said.priority)]);
  if (said.controlling !== undefined) values.push([ATTRIBUTE.controlling, number64(said.controlling)]);
  if (said.controlled !== undefined) values.push([ATTRIBUTE.controlled, number64(said.controlled)]);
  if (said.useCandidate === true) values.push([ATTRIBUTE.useCandidate, Buffer.alloc(0)]);
  if (said.error !== undefined) {
    const { code, reason } = said.error;
    values.push([ATTRIBUTE.error, Buffer.concat([Buffer.of(0, 0, Math.floor(code / 100), code % 100), Buffer.from(reason)])]);
  }
  if (said.unknown !== undefined) values.push([ATTRIBUTE.unknown, Buffer.concat(said.unknown.map((number) => Buffer.of(number >> 8, number & 255)))]);
  if (said.mapped !== undefined) values.push([ATTRIBUTE.mapped, writeAddress(said.mapped, header)]);
  return values;
}

/** RFC 8489 §14.2: the port is XORed with the magic cookie, the address with the cookie and the transaction id. */
function readAddress(value: Buffer, message: Buffer): IceAddress | null {
  if (value.length !== (value[1] === 1 ? 8 : value[1] === 2 ? 20 : 0)) return null;
  return { address: addressText(xored(value.subarray(4), message)), port: value.readUInt16BE(2) ^ (MAGIC_COOKIE >>> 16) };
}

function writeAddress({ address, port }: IceAddress, message: Buffer): Buffer {
  const raw = addressBytes(address);
  const head = Buffer.of(0, raw.length === 4 ? 1 : 2, 0, 0);
  head.writeUInt16BE(port ^ (MAGIC_COOKIE >>> 16), 2);
  return Buffer.concat([head, xored(raw, message)]);
}

function xored(address: Buffer, message: Buffer): Buffer {
  return Buffer.from(address.map((byte, i) => byte ^ (message[4 + i] ?? 0)));
}

/** RFC 8489 §14.5: HMAC-SHA1 of all before the attribute, under a header whose length counts the attribute and nothing behind it. */
function sealOf(before: Buffer, password: string): Buffer {
  const header = Buffer.from(before.subarray(0, HEADER));
  header.writeUInt16BE(before.length + SEAL - HEADER, 2);
  return createHmac('sha1', password).update(header).update(before.subarray(HEADER)).digest();
}

function fingerprintOf(before: Buffer): number {
  return (crc32(before) ^ FINGERPRINT_MASK) >>> 0;
}

/** Attributes end at a multiple of four octets (RFC 8489 §14). */
function padded(length: number): number {
  return (length + 3) & ~3;
}

function head(out: Buffer, at: number, number: number, length: number): void {
  out.writeUInt16BE(number, at);
  out.writeUInt16BE(length, at + 2);
}

function number32(value: number): Buffer {
  const out = Buffer.alloc(4);
  out.writeUInt32BE(value);
  return out;
}

function number64(value: bigint): Buffer {
  const out = Buffer.alloc(8);
  out.writeBigUInt64BE(value);
  return out;
}
