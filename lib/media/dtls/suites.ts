// Cipher suites of TLS 1.2 that DTLS-SRTP ends agree on: ECDHE with an AEAD (RFC 5288, 5289, 7905, 8422). RFC 8827 §6.5 asks for the first.
import { createCipheriv, createDecipheriv, createHash, createHmac } from 'node:crypto';
import type { CipherGCM, DecipherGCM } from 'node:crypto';

interface Aead {
  readonly keyBytes: number;
  /** Part of the nonce that comes from the key block. */
  readonly ivBytes: number;
  /** Part of the nonce that stands before each record's text: 8 with GCM (RFC 5288 §3), none with ChaCha20 (RFC 7905 §2). */
  readonly explicitBytes: number;
  encrypt(key: Buffer, nonce: Buffer): CipherGCM;
  decrypt(key: Buffer, nonce: Buffer): DecipherGCM;
}

const TAG_BYTES = 16;
const gcm = (bits: 128 | 256): Aead => ({
  keyBytes: bits / 8, ivBytes: 4, explicitBytes: 8,
  encrypt: (key, nonce) => createCipheriv(`aes-${bits}-gcm`, key, nonce),
  decrypt: (key, nonce) => createDecipheriv(`aes-${bits}-gcm`, key, nonce, { authTagLength: TAG_BYTES }),
});
const AES_128_GCM = gcm(128);
const AES_256_GCM = gcm(256);
const CHACHA20: Aead = {
  keyBytes: 32, ivBytes: 12, explicitBytes: 0,
  encrypt: (key, nonce) => createCipheriv('chacha20-poly1305', key, nonce, { authTagLength: TAG_BYTES }),
  decrypt: (key, nonce) => createDecipheriv('chacha20-poly1305', key, nonce, { authTagLength: TAG_BYTES }),
};

export interface CipherSuite {
  readonly code: number;
  readonly name: string;
  /** Kind of key in the server's certificate. */
  readonly signer: 'ec' | 'rsa';
  /** Hash of the PRF and of the messages. */
  readonly hash: 'sha256' | 'sha384';
  readonly aead: Aead;
}

/** In the order we prefer them. */
export const CIPHER_SUITES: readonly CipherSuite[] = [
  { code: 0xc02b, name: 'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256', signer: 'ec', hash: 'sha256', aead: AES_128_GCM },
  { code: 0xc02f, name: 'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256', signer: 'rsa', hash: 'sha256', aead: AES_128_GCM },
  { code: 0xc02c, name: 'TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384', signer: 'ec', hash: 'sha384', aead: AES_256_GCM },
  { code: 0xc030, name: 'TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384', signer: 'rsa', hash: 'sha384', aead: AES_256_GCM },
  { code: 0xcca9, name: 'TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256', signer: 'ec', hash: 'sha256', aead: CHACHA20 },
  { code: 0xcca8, name: 'TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256', signer: 'rsa', hash: 'sha256', aead: CHACHA20 },
];

/** The PRF of RFC 5246 §5. */
export function prf(hash: CipherSuite['hash'], secret: Buffer, label: string, seed: Buffer, length: number): Buffer {
  const labelled = Buffer.concat([Buffer.from(label, 'latin1'), seed]);
  const hmac = (...parts: readonly Buffer[]): Buffer => {
    const mac = createHmac(hash, secret);
    for (const part of parts) mac.update(part);
    return mac.digest();
  };
  const blocks: Buffer[] = [];
  let a: Buffer = labelled;
  for (let have = 0; have < length;) {
    a = hmac(a);
    const block = hmac(a, labelled);
    blocks.push(block);
    have += block.length;
  }
  return Buffer.concat(blocks, length);
}

export function hashOf(hash: CipherSuite['hash'], parts: readonly Buffer[]): Buffer {
  const sum = createHash(hash);
  for (const part of parts) sum.update(part);
  return sum.digest();
}

/** What seals and opens the records of one direction. `place`: epoch and sequence number, eight bytes (RFC 6347 §4.1.2.1). */
export class RecordCipher {
  constructor(private readonly aead: Aead, private readonly key: Buffer, private readonly iv: Buffer) {}

  /** Bytes that a sealed record has beyond its text. */
  get overhead(): number {
    return this.aead.explicitBytes + TAG_BYTES;
  }

  seal(type: number, place: Buffer, text: Buffer): Buffer {
    const cipher = this.aead.encrypt(this.key, this.nonce(place));
    cipher.setAAD(additional(type, place, text.length));
    const sealed = cipher.update(text);
    cipher.final();
    return Buffer.concat([place.subarray(0, this.aead.explicitBytes), sealed, cipher.getAuthTag()]);
  }

  /** The text, or undefined where the tag does not fit. */
  open(type: number, place: Buffer, sealed: Buffer): Buffer | undefined {
    const length = sealed.length - this.overhead;
    if (length < 0) return undefined;
    const { explicitBytes } = this.aead;
    const decipher = this.aead.decrypt(this.key, this.nonce(explicitBytes > 0 ? sealed.subarray(0, explicitBytes) : place));
    decipher.setAAD(additional(type, place, length));
    decipher.setAuthTag(sealed.subarray(explicitBytes + length));
    const text = decipher.update(sealed.subarray(explicitBytes, explicitBytes + length));
    try {
      decipher.final();
    } catch {
      return undefined;
    }
    return text;
  }

  /** GCM: the fixed part and eight bytes that the record carries (RFC 5288 §3). ChaCha20: the fixed part XOR the record's place (RFC 7905 §2). */
  private nonce(eight: Buffer): Buffer {
    if (this.aead.explicitBytes > 0) return Buffer.concat([this.iv, eight]);
    const nonce = Buffer.from(this.iv);
    for (const [n, byte] of eight.entries()) nonce.writeUInt8(nonce.readUInt8(4 + n) ^ byte, 4 + n);
    return nonce;
  }
}

/** RFC 5246 §6.2.3.3. */
function additional(type: number, place: Buffer, length: number): Buffer {
  return Buffer.concat([place, Buffer.of(type, 0xfe, 0xfd, length >> 8, length & 0xff)]);
}

/** The ciphers of both directions from the key block (RFC 5246 §6.3). */
export function recordCiphers({ aead, hash }: CipherSuite, master: Buffer, clientRandom: Buffer, serverRandom: Buffer): { client: RecordCipher; server: RecordCipher } {
  const { keyBytes, ivBytes } = aead;
  const block = prf(hash, master, 'key expansion', Buffer.concat([serverRandom, clientRandom]), 2 * (keyBytes + ivBytes));
  const part = (from: number, length: number): Buffer => block.subarray(from, from + length);
  return {
    client: new RecordCipher(aead, part(0, keyBytes), part(2 * keyBytes, ivBytes)),
    server: new RecordCipher(aead, part(keyBytes, keyBytes), part(2 * keyBytes + ivBytes, ivBytes)),
  };
}
