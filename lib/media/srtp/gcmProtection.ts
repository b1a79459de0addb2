import { createCipheriv, createDecipheriv, createSecretKey } from 'node:crypto';
import type { SessionKeys } from './derive.js';
import { carry, ENCRYPTED, put, stands, type Protection } from './protection.js';

const TAG = 16;

/**
 * AES-GCM (RFC 7714). RTP: header, cipher text, tag, MKI; RTCP: header, cipher text, tag, E flag and index, MKI.
 * node:crypto starts a GCM cipher with its IV alone: one is made for each packet.
 */
export class GcmProtection implements Protection {
  readonly rtpTrailer: number;
  readonly rtcpTrailer: number;
  readonly indexFromEnd: number;
  readonly #algorithm: 'aes-128-gcm' | 'aes-256-gcm';
  readonly #key;
  readonly #salt: Buffer;
  readonly #mki: Buffer;
  readonly #iv = Buffer.alloc(12);
  readonly #associated = Buffer.alloc(12);

  constructor({ encryption, salt }: Pick<SessionKeys, 'encryption' | 'salt'>, mki: Buffer) {
    this.#algorithm = encryption.length === 16 ? 'aes-128-gcm' : 'aes-256-gcm';
    this.#key = createSecretKey(encryption);
    this.#salt = salt;
    this.#mki = mki;
    this.rtpTrailer = TAG + mki.length;
    this.indexFromEnd = 4 + mki.length;
    this.rtcpTrailer = TAG + this.indexFromEnd;
  }

  sealRtp(packet: Buffer, header: number, rollover: number): Buffer {
    const end = packet.length;
    const out = Buffer.allocUnsafe(end + this.rtpTrailer);
    this.#seal(packet, header, packet.subarray(0, header), this.#rtpIv(packet, rollover), out);
    put(this.#mki, this.#mki.length, out, end + TAG);
    return out;
  }

  sealRtcp(packet: Buffer, index: number): Buffer {
    const end = packet.length;
    const word = (index | ENCRYPTED) >>> 0;
    const out = Buffer.allocUnsafe(end + this.rtcpTrailer);
    this.#seal(packet, 8, this.#rtcpAssociated(packet, word), this.#rtcpIv(packet, word), out);
    out.writeUInt32BE(word, end + TAG);
    put(this.#mki, this.#mki.length, out, end + TAG + 4);
    return out;
  }

  openRtp(packet: Buffer, header: number, rollover: number): Buffer | null {
    const end = packet.length - this.rtpTrailer;
    if (!stands(this.#mki, this.#mki.length, packet, end + TAG)) return null;
    return this.#open(packet, header, end, packet.subarray(0, header), this.#rtpIv(packet, rollover));
  }

  openRtcp(packet: Buffer, word: number): Buffer | null {
    const end = packet.length - this.rtcpTrailer;
    if (!stands(this.#mki, this.#mki.length, packet, end + TAG + 4)) return null;
    if (word >= ENCRYPTED) return this.#open(packet, 8, end, this.#rtcpAssociated(packet, word), this.#rtcpIv(packet, word));
    // §9.3: not encrypted, all of it is associated data.
    const wordAt = packet.length - this.indexFromEnd;
    return this.#open(packet, end, end, Buffer.concat([packet.subarray(0, end), packet.subarray(wordAt, wordAt + 4)]), this.#rtcpIv(packet, word));
  }

  #seal(packet: Buffer, header: number, associated: Buffer, iv: Buffer, out: Buffer): void {
    const cipher = createCipheriv(this.#algorithm, this.#key, iv, { authTagLength: TAG });
    cipher.setAAD(associated);
    const sealed = packet.length > header ? cipher.update(packet.subarray(header)) : null;
    cipher.final();
    carry(packet, 0, header, out);
    sealed?.copy(out, header);
    put(cipher.getAuthTag(), TAG, out, packet.length);
  }

  #open(packet: Buffer, header: number, end: number, associated: Buffer, iv: Buffer): Buffer | null {
    const decipher = createDecipheriv(this.#algorithm, this.#key, iv, { authTagLength: TAG });
    decipher.setAuthTag(packet.subarray(end, end + TAG));
    decipher.setAAD(associated);
    const opened = end > header ? decipher.update(packet.subarray(header, end)) : null;
    try {
      decipher.final();
    } catch {
      return null;
    }
    opened?.copy(packet, header);
    return packet.subarray(0, end);
  }

  /** §8.1: 0 || SSRC || ROC || SEQ, XOR salt. */
  #rtpIv(packet: Buffer, rollover: number): Buffer {
    const iv = this.#iv;
    iv.writeUInt32BE(packet.readUInt32BE(8), 2);
    iv.writeUInt32BE(rollover, 6);
    iv.writeUInt16BE(packet.readUInt16BE(2), 10);
    return this.#salted();
  }

  /** §9.1: 0 || SSRC || 0 || SRTCP index, XOR salt. */
  #rtcpIv(packet: Buffer, word: number): Buffer {
    const iv = this.#iv;
    iv.writeUInt32BE(packet.readUInt32BE(4), 2);
    iv.writeUInt16BE(0, 6);
    iv.writeUInt32BE(word & 0x7fffffff, 8);
    return this.#salted();
  }

  #salted(): Buffer {
    const iv = this.#iv;
    iv[0] = 0;
    iv[1] = 0;
    for (let i = 0; i < 12; i++) iv[i] = (iv[i] ?? 0) ^ (this.#salt[i] ?? 0);
    return iv;
  }

  /** §9.2: the header up to the SSRC, and the word with E flag and index. */
  #rtcpAssociated(packet: Buffer, word: number): Buffer {
    carry(packet, 0, 8, this.#associated);
    this.#associated.writeUInt32BE(word, 8);
    return this.#associated;
  }
}
