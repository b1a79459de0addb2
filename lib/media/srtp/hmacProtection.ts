import type { SessionKeys } from './derive.js';
import { HmacSha1 } from './hmacSha1.js';
import { CounterMode, F8Mode, type KeyStream } from './keyStream.js';
import { carry, ENCRYPTED, put, stands, type Protection } from './protection.js';
import type { Suite } from './suites.js';

/**
 * AES in counter or f8 mode with HMAC-SHA1 (RFC 3711 §4). RTP: header, cipher text, MKI, tag; RTCP: header, cipher text, E flag and index, MKI, tag.
 * The tag covers all before the MKI; with RTP the rollover counter too, which is not sent (§4.2): it stands in the place of MKI and tag while the hash is made.
 */
export class HmacProtection implements Protection {
  readonly rtpTrailer: number;
  readonly rtcpTrailer: number;
  readonly indexFromEnd: number;
  readonly #tag: number;
  readonly #rtcpTag: number;
  readonly #hmac: HmacSha1;
  readonly #stream: KeyStream;
  readonly #mki: Buffer;

  constructor(suite: Suite, keys: SessionKeys, mki: Buffer) {
    this.#tag = suite.tagBytes;
    this.#rtcpTag = suite.rtcpTagBytes;
    this.#hmac = new HmacSha1(keys.authentication);
    this.#stream = suite.cipher === 'f8' ? new F8Mode(keys) : new CounterMode(keys);
    this.#mki = mki;
    this.rtpTrailer = mki.length + this.#tag;
    this.indexFromEnd = 4 + mki.length + this.#rtcpTag;
    this.rtcpTrailer = this.indexFromEnd;
  }

  sealRtp(packet: Buffer, header: number, rollover: number): Buffer {
    const end = packet.length;
    const out = Buffer.allocUnsafe(end + this.rtpTrailer);
    carry(packet, 0, header, out);
    this.#stream.rtp(packet, header, end, rollover, out);
    out.writeUInt32BE(rollover, end);
    return this.#close(out, end + 4, end, this.#tag);
  }

  sealRtcp(packet: Buffer, index: number): Buffer {
    const end = packet.length;
    const word = (index | ENCRYPTED) >>> 0;
    const out = Buffer.allocUnsafe(end + this.rtcpTrailer);
    carry(packet, 0, 8, out);
    this.#stream.rtcp(packet, 8, end, word, out);
    out.writeUInt32BE(word, end);
    return this.#close(out, end + 4, end + 4, this.#rtcpTag);
  }

  openRtp(packet: Buffer, header: number, rollover: number): Buffer | null {
    const end = packet.length - this.rtpTrailer;
    if (!stands(this.#mki, this.#mki.length, packet, end)) return null;
    const covered = packet.readUInt32BE(end);
    packet.writeUInt32BE(rollover, end);
    const mac = this.#hmac.of(packet, end + 4);
    packet.writeUInt32BE(covered, end);
    if (!stands(mac, this.#tag, packet, packet.length - this.#tag)) return null;
    this.#stream.rtp(packet, header, end, rollover, packet);
    return packet.subarray(0, end);
  }

  openRtcp(packet: Buffer, word: number): Buffer | null {
    const end = packet.length - this.rtcpTrailer;
    if (!stands(this.#mki, this.#mki.length, packet, end + 4)) return null;
    if (!stands(this.#hmac.of(packet, end + 4), this.#rtcpTag, packet, packet.length - this.#rtcpTag)) return null;
    if (word >= ENCRYPTED) this.#stream.rtcp(packet, 8, end, word, packet);
    return packet.subarray(0, end);
  }

  /** Adds MKI and tag at `at`. */
  #close(out: Buffer, covered: number, at: number, tag: number): Buffer {
    const mac = this.#hmac.of(out, covered);
    put(this.#mki, this.#mki.length, out, at);
    put(mac, tag, out, at + this.#mki.length);
    return out;
  }
}
