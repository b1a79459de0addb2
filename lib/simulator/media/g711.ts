// G.711 (ITU-T G.711): companding tables built once, at import, from the definition of the two laws.

const MU_BIAS = 0x84;
const MU_CLIP = 32635;

function muDecode(code: number): number {
  const u = ~code & 0xff;
  const magnitude = (((u & 0x0f) << 3) + MU_BIAS) << ((u >> 4) & 7);
  return (u & 0x80) !== 0 ? MU_BIAS - magnitude : magnitude - MU_BIAS;
}

function muEncode(sample: number): number {
  const sign = sample < 0 ? 0x80 : 0;
  const magnitude = Math.min(Math.abs(sample), MU_CLIP) + MU_BIAS;
  const exponent = 24 - Math.clz32(magnitude);
  return ~(sign | (exponent << 4) | ((magnitude >> (exponent + 3)) & 0x0f)) & 0xff;
}

function aDecode(code: number): number {
  const a = code ^ 0x55;
  const exponent = (a >> 4) & 7;
  const mantissa = a & 0x0f;
  const magnitude = exponent === 0 ? (mantissa << 4) + 8 : ((mantissa << 4) + 0x108) << (exponent - 1);
  return (a & 0x80) !== 0 ? magnitude : -magnitude;
}

function aEncode(sample: number): number {
  const sign = sample >= 0 ? 0x80 : 0;
  const magnitude = Math.min(sample >= 0 ? sample : -sample - 1, 32767) >> 3;
  const exponent = magnitude < 32 ? 0 : 27 - Math.clz32(magnitude);
  const mantissa = exponent === 0 ? (magnitude >> 1) & 0x0f : (magnitude >> exponent) & 0x0f;
  return (sign | (exponent << 4) | mantissa) ^ 0x55;
}

function tables(decode: (code: number) => number, encode: (sample: number) => number): { toPcm: Int16Array; fromPcm: Uint8Array } {
  return {
    toPcm: Int16Array.from({ length: 256 }, (_, code) => decode(code)),
    fromPcm: Uint8Array.from({ length: 65536 }, (_, i) => encode(i - 32768)),
  };
}

const LAWS = { PCMU: tables(muDecode, muEncode), PCMA: tables(aDecode, aEncode) } as const;

/** 16-bit linear samples → one byte each. */
export function g711Encode(law: 'PCMU' | 'PCMA', pcm: Int16Array): Buffer {
  const { fromPcm } = LAWS[law];
  const out = Buffer.allocUnsafe(pcm.length);
  for (let i = 0; i < pcm.length; i++) out[i] = fromPcm[(pcm[i] ?? 0) + 32768] ?? 0;
  return out;
}

/** One byte each → 16-bit linear samples. */
export function g711Decode(law: 'PCMU' | 'PCMA', payload: Buffer): Int16Array {
  const { toPcm } = LAWS[law];
  const out = new Int16Array(payload.length);
  for (let i = 0; i < payload.length; i++) out[i] = toPcm[payload[i] ?? 0] ?? 0;
  return out;
}
