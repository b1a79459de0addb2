// ITU-T G.711: an octet is sign, three bits of segment and four of step.
import type { AudioEncoder } from './types.js';

export type G711Law = 'PCMU' | 'PCMA';

/** mu-law: octets are inverted; each magnitude has 33 added on the 14-bit scale, so that segment s begins at 2^(s+5). */
function expandMu(octet: number): number {
  const bits = octet ^ 0xff;
  const magnitude = ((((bits & 15) << 1) + 33) << ((bits >> 4) & 7)) - 33;
  return (bits & 0x80 ? -magnitude : magnitude) << 2;
}

/** A-law: even bits are inverted; on the 13-bit scale segment 0 and 1 have steps of 2, each further one twice as large. */
function expandA(octet: number): number {
  const bits = octet ^ 0x55;
  const segment = (bits >> 4) & 7;
  const steps = ((bits & 15) << 1) + 1;
  const magnitude = segment === 0 ? steps : (steps + 32) << (segment - 1);
  return (bits & 0x80 ? magnitude : -magnitude) << 3;
}

/** mu-law of a 14-bit level, negative ones by their one's complement as in the reference code of ITU-T G.191. */
function compressMu(level: number): number {
  const biased = Math.min(level < 0 ? ~level : level, 8158) + 33;
  const segment = 26 - Math.clz32(biased);
  return ((level < 0 ? 0x80 : 0) | (segment << 4) | ((biased >> (segment + 1)) & 15)) ^ 0xff;
}

/** A-law of a 13-bit level. */
function compressA(level: number): number {
  const magnitude = level < 0 ? ~level : level;
  const segment = magnitude < 32 ? 0 : 27 - Math.clz32(magnitude);
  return ((level < 0 ? 0 : 0x80) | (segment << 4) | ((magnitude >> Math.max(1, segment)) & 15)) ^ 0x55;
}

/** By octet, and by the 14 bits of a sample that either law looks at. */
const expanded: Readonly<Record<G711Law, Int16Array>> = {
  PCMU: Int16Array.from({ length: 256 }, (_, octet) => expandMu(octet)),
  PCMA: Int16Array.from({ length: 256 }, (_, octet) => expandA(octet)),
};
const compressed: Readonly<Record<G711Law, Uint8Array>> = {
  PCMU: Uint8Array.from({ length: 0x4000 }, (_, i) => compressMu((i << 18) >> 18)),
  PCMA: Uint8Array.from({ length: 0x4000 }, (_, i) => compressA((i << 18) >> 19)),
};

/** Octets as samples at 8000 Hz, into `out`, which is as long. */
export function expandG711(law: G711Law, payload: Uint8Array, out: Int16Array): void {
  const table = expanded[law];
  for (let i = 0; i < payload.length; i += 1) out[i] = table[payload[i] as number] as number;
}

export class G711Encoder implements AudioEncoder {
  readonly rate = 8000;
  readonly #table: Uint8Array;

  constructor(law: G711Law) {
    this.#table = compressed[law];
  }

  encode(pcm: Int16Array, room = 0): Buffer {
    const out = Buffer.allocUnsafe(room + pcm.length);
    for (let i = 0; i < pcm.length; i += 1) out[room + i] = this.#table[((pcm[i] as number) >> 2) & 0x3fff] as number;
    return out;
  }

  expectLoss(): void {}

  close(): void {}
}
