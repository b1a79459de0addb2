import { createHmac, randomBytes } from 'node:crypto';

/** What a connectivity check proves and claims (RFC 8445 §7.1). */
export interface CheckInput {
  /** Both fragments, of the one who is asked first. */
  readonly username: string;
  /** Password of the one who is asked. */
  readonly password: string;
  readonly priority: number;
}

const BINDING_REQUEST = 0x0001;
const MAGIC_COOKIE = 0x2112a442;
const HEADER = 20;
/** Numbers of attributes: RFC 8489 §18.3, RFC 8445 §21.2. */
const ATTRIBUTE = { username: 0x0006, integrity: 0x0008, priority: 0x0024, fingerprint: 0x8028, controlled: 0x8029 } as const;
const FINGERPRINT_MASK = 0x5354554e;

/** A Binding request in the controlled role, with MESSAGE-INTEGRITY and FINGERPRINT (RFC 8489 §14.5, §14.7). */
export function controlledCheck({ username, password, priority }: CheckInput): Buffer {
  const header = Buffer.alloc(HEADER);
  header.writeUInt16BE(BINDING_REQUEST, 0);
  header.writeUInt32BE(MAGIC_COOKIE, 4);
  randomBytes(12).copy(header, 8);
  const wanted = Buffer.alloc(4);
  wanted.writeUInt32BE(priority);
  const plain = Buffer.concat([header, attribute(ATTRIBUTE.username, Buffer.from(username)), attribute(ATTRIBUTE.priority, wanted), attribute(ATTRIBUTE.controlled, randomBytes(8))]);
  // Each of the two is made over a header whose length counts it already.
  const sealed = withLength(plain, 24);
  const proven = Buffer.concat([sealed, attribute(ATTRIBUTE.integrity, createHmac('sha1', password).update(sealed).digest())]);
  const counted = withLength(proven, 8);
  const crc = Buffer.alloc(4);
  crc.writeUInt32BE((crc32(counted) ^ FINGERPRINT_MASK) >>> 0);
  return Buffer.concat([counted, attribute(ATTRIBUTE.fingerprint, crc)]);
}

/** Type, length, value, padded to a multiple of four octets. */
function attribute(type: number, value: Buffer): Buffer {
  const out = Buffer.alloc(4 + Math.ceil(value.length / 4) * 4);
  out.writeUInt16BE(type, 0);
  out.writeUInt16BE(value.length, 2);
  value.copy(out, 4);
  return out;
}

function withLength(message: Buffer, more: number): Buffer {
  const out = Buffer.from(message);
  out.writeUInt16BE(message.length - HEADER + more, 2);
  return out;
}

/** CRC-32 of ISO 3309 (node:zlib has one from 20.15 on only). */
function crc32(data: Buffer): number {
  let crc = 0xffff_ffff;
  for (const byte of data) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb8_8320 : 0);
  }
  return ~crc >>> 0;
}
