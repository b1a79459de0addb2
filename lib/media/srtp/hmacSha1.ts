// HMAC-SHA1 (RFC 2104, FIPS 180-4) of packets. For so few bytes OpenSSL's takes several times as long, most of it to set one up.

const BLOCK = 64;
const DIGEST = 20;

/** Working memory: one message at a time is hashed in a thread. */
const words = new Int32Array(80);
const block = new Uint8Array(BLOCK);
const state = new Int32Array(5);

/** Words of a block, and those made of them. */
function schedule(bytes: Uint8Array, from: number): void {
  for (let i = 0, at = from; i < 16; i++, at += 4) {
    words[i] = ((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0);
  }
  for (let i = 16; i < 80; i++) {
    const word = (words[i - 3] ?? 0) ^ (words[i - 8] ?? 0) ^ (words[i - 14] ?? 0) ^ (words[i - 16] ?? 0);
    words[i] = (word << 1) | (word >>> 31);
  }
}

/** What a step adds, but for its word. */
function mixed(step: number, b: number, c: number, d: number): number {
  if (step < 20) return ((b & c) | (~b & d)) + 0x5a827999;
  if (step < 40) return (b ^ c ^ d) + 0x6ed9eba1;
  if (step < 60) return ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc;
  return (b ^ c ^ d) + 0xca62c1d6;
}

/** One block of the hash. */
function compress(bytes: Uint8Array, from: number): void {
  schedule(bytes, from);
  let [a, b, c, d, e] = [state[0] ?? 0, state[1] ?? 0, state[2] ?? 0, state[3] ?? 0, state[4] ?? 0];
  for (let i = 0; i < 80; i++) {
    const next = (((a << 5) | (a >>> 27)) + mixed(i, b, c, d) + e + (words[i] ?? 0)) | 0;
    e = d;
    d = c;
    c = (b << 30) | (b >>> 2);
    b = a;
    a = next;
  }
  state[0] = ((state[0] ?? 0) + a) | 0;
  state[1] = ((state[1] ?? 0) + b) | 0;
  state[2] = ((state[2] ?? 0) + c) | 0;
  state[3] = ((state[3] ?? 0) + d) | 0;
  state[4] = ((state[4] ?? 0) + e) | 0;
}

/** Hashes what stands in `block` up to `end`, the end of a message of `length` bytes in all. */
function finish(end: number, length: number): void {
  block[end] = 0x80;
  block.fill(0, end + 1);
  if (end > BLOCK - 9) {
    compress(block, 0);
    block.fill(0);
  }
  const bits = 8 * length;
  for (let i = 0; i < 4; i++) block[BLOCK - 1 - i] = bits >>> (8 * i);
  compress(block, 0);
}

function digestInto(target: Uint8Array): void {
  for (let i = 0; i < DIGEST; i++) target[i] = (state[i >>> 2] ?? 0) >>> (24 - 8 * (i & 3));
}

/** The hash of one block: the key, XORed with the pad of RFC 2104. */
function padded(key: Uint8Array, pad: number): Int32Array {
  for (let i = 0; i < BLOCK; i++) block[i] = (key[i] ?? 0) ^ pad;
  state.set([0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0]);
  compress(block, 0);
  return state.slice();
}

export class HmacSha1 {
  readonly #inner: Int32Array;
  readonly #outer: Int32Array;
  readonly #digest = Buffer.alloc(DIGEST);

  /** @throws RangeError for a key of more than 64 bytes, which SRTP does not have. */
  constructor(key: Uint8Array) {
    if (key.length > BLOCK) throw new RangeError(`a key of ${key.length} bytes`);
    this.#inner = padded(key, 0x36);
    this.#outer = padded(key, 0x5c);
  }

  /** Of the first `length` bytes: 20 bytes, which stand until the next question. */
  of(bytes: Uint8Array, length: number): Buffer {
    state.set(this.#inner);
    let at = 0;
    for (; at + BLOCK <= length; at += BLOCK) compress(bytes, at);
    for (let i = 0; at + i < length; i++) block[i] = bytes[at + i] ?? 0;
    finish(length - at, BLOCK + length);
    digestInto(block);
    state.set(this.#outer);
    finish(DIGEST, BLOCK + DIGEST);
    digestInto(this.#digest);
    return this.#digest;
  }
}
