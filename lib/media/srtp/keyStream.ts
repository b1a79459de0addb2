import { createCipheriv, type CipherGCM, type Cipher } from 'node:crypto';
import type { SessionKeys } from './derive.js';

/**
 * Encrypts, and decrypts, by a key stream. Bytes `from` to `to` of `packet` go to the same place of `target`, which may be the packet itself.
 * The header is read where it is: it is never encrypted.
 */
export interface KeyStream {
  rtp(packet: Buffer, from: number, to: number, rollover: number, target: Buffer): void;
  /** `word`: the index of SRTCP, the E flag in its highest bit. */
  rtcp(packet: Buffer, from: number, to: number, word: number, target: Buffer): void;
}

function xor(packet: Buffer, from: number, to: number, stream: Buffer, target: Buffer): void {
  for (let at = from, i = 0; at < to; at++, i++) target[at] = (packet[at] ?? 0) ^ (stream[i] ?? 0);
}

/** Blocks of 16 bytes that go through a cipher at once; they grow to what the longest packet needed. */
class Blocks {
  bytes = Buffer.alloc(0);
  #view = this.bytes;

  /** Room for `count` blocks; true: it is new. */
  grow(count: number): boolean {
    if (16 * count <= this.bytes.length) return false;
    // 11 blocks carry 20 ms of G.711.
    this.bytes = Buffer.alloc(16 * Math.max(count, 11));
    this.#view = this.bytes;
    return true;
  }

  first(count: number): Buffer {
    if (this.#view.length !== 16 * count) this.#view = this.bytes.subarray(0, 16 * count);
    return this.#view;
  }
}

/** An AES cipher that is kept: whole blocks in, as many out. */
function keptCipher(mode: 'ecb' | 'cbc', key: Buffer): Cipher | CipherGCM {
  return createCipheriv(`aes-${8 * key.length}-${mode}`, key, mode === 'ecb' ? null : Buffer.alloc(16)).setAutoPadding(false);
}

/** AES in counter mode (RFC 3711 §4.1.1, RFC 6188 §2): one kept cipher makes the key stream out of counter blocks, of which only two bytes change with each packet. */
export class CounterMode implements KeyStream {
  readonly #cipher;
  readonly #salt: Buffer;
  readonly #blocks = new Blocks();
  #ssrc = -1;
  #high = -1;

  constructor({ encryption, salt }: Pick<SessionKeys, 'encryption' | 'salt'>) {
    this.#cipher = keptCipher('ecb', encryption);
    this.#salt = salt;
  }

  rtp(packet: Buffer, from: number, to: number, rollover: number, target: Buffer): void {
    if (to > from) xor(packet, from, to, this.#stream(packet.readUInt32BE(8), rollover, packet.readUInt16BE(2), to - from), target);
  }

  rtcp(packet: Buffer, from: number, to: number, word: number, target: Buffer): void {
    if (to > from) xor(packet, from, to, this.#stream(packet.readUInt32BE(4), (word & 0x7fffffff) >>> 16, word & 0xffff, to - from), target);
  }

  /** IV = salt * 2^16 XOR SSRC * 2^64 XOR index * 2^16; `high` and `low`: the upper 32 and lower 16 bits of the index. */
  #stream(ssrc: number, high: number, low: number, length: number): Buffer {
    const count = (length + 15) >>> 4;
    if (this.#blocks.grow(count) || ssrc !== this.#ssrc || high !== this.#high) this.#prepare(ssrc, high);
    const { bytes } = this.#blocks;
    const upper = (this.#salt[12] ?? 0) ^ (low >>> 8);
    const lower = (this.#salt[13] ?? 0) ^ (low & 0xff);
    for (let at = 12; at < 16 * count; at += 16) {
      bytes[at] = upper;
      bytes[at + 1] = lower;
    }
    return this.#cipher.update(this.#blocks.first(count));
  }

  #prepare(ssrc: number, high: number): void {
    const { bytes } = this.#blocks;
    const block = Buffer.alloc(16);
    this.#salt.copy(block);
    block.writeUInt32BE((block.readUInt32BE(4) ^ ssrc) >>> 0, 4);
    block.writeUInt32BE((block.readUInt32BE(8) ^ high) >>> 0, 8);
    for (let count = 0; 16 * count < bytes.length; count++) {
      block.copy(bytes, 16 * count);
      bytes.writeUInt16BE(count, 16 * count + 14);
    }
    this.#ssrc = ssrc;
    this.#high = high;
  }
}

/**
 * AES in f8 mode (RFC 3711 §4.1.2): S(j) = E(IV' XOR j XOR S(j-1)), which is CBC of the blocks IV' XOR j. The kept CBC cipher still holds the last
 * block of the packet before; XORed into the first block, it is taken out.
 */
export class F8Mode implements KeyStream {
  readonly #cipher;
  readonly #masked;
  readonly #blocks = new Blocks();
  readonly #iv = Buffer.alloc(16);
  readonly #last = Buffer.alloc(16);

  constructor({ encryption, salt }: Pick<SessionKeys, 'encryption' | 'salt'>) {
    // m = salt || 0x555..5
    const masked = Buffer.alloc(encryption.length, 0x55);
    salt.copy(masked);
    for (const [i, byte] of encryption.entries()) masked[i] = (masked[i] ?? 0) ^ byte;
    this.#cipher = keptCipher('cbc', encryption);
    this.#masked = keptCipher('ecb', masked);
  }

  rtp(packet: Buffer, from: number, to: number, rollover: number, target: Buffer): void {
    // §4.1.2.2: 0x00 || M || PT || SEQ || TS || SSRC || ROC
    packet.copy(this.#iv, 0, 0, 12);
    this.#iv[0] = 0;
    this.#iv.writeUInt32BE(rollover, 12);
    if (to > from) xor(packet, from, to, this.#stream(to - from), target);
  }

  rtcp(packet: Buffer, from: number, to: number, word: number, target: Buffer): void {
    // §4.1.2.3: 0..0 || E || SRTCP index || V || P || RC || PT || length || SSRC
    this.#iv.writeUInt32BE(0, 0);
    this.#iv.writeUInt32BE(word >>> 0, 4);
    packet.copy(this.#iv, 8, 0, 8);
    if (to > from) xor(packet, from, to, this.#stream(to - from), target);
  }

  #stream(length: number): Buffer {
    const count = (length + 15) >>> 4;
    this.#blocks.grow(count);
    const { bytes } = this.#blocks;
    const iv = this.#masked.update(this.#iv);
    for (let j = 0; j < count; j++) {
      iv.copy(bytes, 16 * j);
      bytes.writeUInt32BE((bytes.readUInt32BE(16 * j + 12) ^ j) >>> 0, 16 * j + 12);
    }
    for (let i = 0; i < 16; i++) bytes[i] = (bytes[i] ?? 0) ^ (this.#last[i] ?? 0);
    const stream = this.#cipher.update(this.#blocks.first(count));
    stream.copy(this.#last, 0, 16 * (count - 1));
    return stream;
  }
}
