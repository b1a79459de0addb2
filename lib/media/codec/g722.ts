// ITU-T G.722 at 64 kbit/s: a filter bank halves the band, each half is coded by ADPCM with six bits and two. Quantities are called as there.

/** Table 11, every second coefficient from the one end; the other phase uses them from the other. */
const TAPS = Int32Array.of(3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11);

/** Output levels of the quantizers of six, four and two bits by their code word (tables 7 to 10, times 8 as in §6.2.1). */
const SIX = Int32Array.of(
  -136, -136, -136, -136, -24808, -21904, -19008, -16704, -14984, -13512, -12280, -11192, -10232, -9360, -8576, -7856,
  -7192, -6576, -6000, -5456, -4944, -4464, -4008, -3576, -3168, -2776, -2400, -2032, -1688, -1360, -1040, -728,
  24808, 21904, 19008, 16704, 14984, 13512, 12280, 11192, 10232, 9360, 8576, 7856, 7192, 6576, 6000, 5456,
  4944, 4464, 4008, 3576, 3168, 2776, 2400, 2032, 1688, 1360, 1040, 728, 432, 136, -432, -136,
);
const FOUR = Int32Array.of(0, -20456, -12896, -8968, -6288, -4240, -2584, -1200, 20456, 12896, 8968, 6288, 4240, 2584, 1200, 0);
const TWO = Int32Array.of(-7408, -1616, 7408, 1616);
/** What a code word adds to the logarithm of the scale factor (tables 16 and 18). */
const LOW_LOG = Int32Array.of(-60, 3042, 1198, 538, 334, 172, 58, -30, 3042, 1198, 538, 334, 172, 58, -30, -60);
const HIGH_LOG = Int32Array.of(798, -214, 798, -214);
/** Decision levels of the six-bit quantizer on the scale of its step (table 6). */
const LEVELS = Int32Array.of(
  35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714, 786, 858, 940, 1023, 1121, 1219, 1339, 1458, 1612, 1765, 1980, 2195, 2557, 2919,
);
/** The same of the two-bit quantizer. */
const HIGH_LEVEL = 564;
/** 2048 times 2^(i/32) (§6.2.1, table 20). */
const MANTISSA = Int32Array.from({ length: 32 }, (_, i) => Math.round(2048 * 2 ** (i / 32)));

const saturated = (value: number): number => (value > 32767 ? 32767 : value < -32768 ? -32768 : value);
const doubled = (value: number): number => saturated(value + value);

/** One band's predictor of two poles and six zeros, and its scale factor. */
class SubBand {
  /** Signal estimate: what the next sample probably is. */
  estimate = 0;
  #zeros = 0;
  #log = 0;
  #r1 = 0;
  #a1 = 0;
  #a2 = 0;
  #p1 = 0;
  #p2 = 0;
  readonly #b = new Int32Array(6);
  readonly #d = new Int32Array(6);
  readonly #most: number;
  readonly #shift: number;

  /** `scale`: of the quantizer, at first; `most`: of its logarithm; `shift`: of its unit. */
  constructor(public scale: number, most: number, shift: number) {
    this.#most = most;
    this.#shift = shift;
  }

  /** Blocks 3L, 3H: the scale factor follows the code words' weights. */
  rescale(weight: number): void {
    const log = ((this.#log * 127) >> 7) + weight;
    this.#log = log < 0 ? 0 : log > this.#most ? this.#most : log;
    const shift = this.#shift - (this.#log >> 11);
    const mantissa = MANTISSA[(this.#log >> 6) & 31] as number;
    this.scale = (shift < 0 ? mantissa << -shift : mantissa >> shift) << 2;
  }

  /** Blocks 4L, 4H: the predictor follows the difference that the other end sees, and says what comes next. */
  adapt(difference: number): void {
    const r0 = saturated(this.estimate + difference);
    const p0 = saturated(this.#zeros + difference);
    // UPPOL2, UPPOL1
    const rises = (p0 ^ this.#p1) >= 0;
    const lean = saturated(this.#a1 << 2);
    let a2 = (((rises ? saturated(-lean) : lean) >> 7) + ((p0 ^ this.#p2) >= 0 ? 128 : -128)) + ((this.#a2 * 32512) >> 15);
    a2 = a2 > 12288 ? 12288 : a2 < -12288 ? -12288 : a2;
    const bound = 15360 - a2;
    let a1 = (rises ? 192 : -192) + ((this.#a1 * 32640) >> 15);
    a1 = a1 > bound ? bound : a1 < -bound ? -bound : a1;
    this.#p2 = this.#p1;
    this.#p1 = p0;
    // FILTEP with the new r, and the one before
    const poles = saturated(((a1 * doubled(r0)) >> 15) + ((a2 * doubled(this.#r1)) >> 15));
    this.#r1 = r0;
    this.#a1 = a1;
    this.#a2 = a2;
    // UPZERO, DELAYA, FILTEZ in one go from the oldest on
    const b = this.#b;
    const d = this.#d;
    const step = difference === 0 ? 0 : 128;
    let sum = 0;
    for (let i = 5; i >= 0; i -= 1) {
      const old = d[i] as number;
      const coefficient = saturated(((old ^ difference) >= 0 ? step : -step) + (((b[i] as number) * 32640) >> 15));
      b[i] = coefficient;
      const newer = i === 0 ? difference : (d[i - 1] as number);
      d[i] = newer;
      sum += (coefficient * doubled(newer)) >> 15;
    }
    this.#zeros = saturated(sum);
    this.estimate = saturated(poles + this.#zeros);
  }
}

class Bands {
  readonly low = new SubBand(32, 18_432, 8);
  readonly high = new SubBand(8, 22_528, 10);
  /** The filter bank's memory, of each phase, twice over: a window slides over it without being copied. */
  readonly #even = new Int32Array(24);
  readonly #odd = new Int32Array(24);
  #at = 0;
  /** What the two phases of the filter bank give. */
  first = 0;
  second = 0;

  filter(even: number, odd: number): void {
    const at = this.#at;
    this.#even[at] = this.#even[at + 12] = even;
    this.#odd[at] = this.#odd[at + 12] = odd;
    this.#at = at === 11 ? 0 : at + 1;
    let first = 0;
    let second = 0;
    for (let i = 0; i < 12; i += 1) {
      first += (this.#even[at + 1 + i] as number) * (TAPS[i] as number);
      second += (this.#odd[at + 1 + i] as number) * (TAPS[11 - i] as number);
    }
    this.first = first;
    this.second = second;
  }

  /** Both ends do this after each octet. */
  follow(octet: number): void {
    const { low, high } = this;
    const four = (octet >> 2) & 15;
    const lowDifference = (low.scale * (FOUR[four] as number)) >> 15;
    low.rescale(LOW_LOG[four] as number);
    low.adapt(lowDifference);
    const two = octet >> 6;
    const highDifference = (high.scale * (TWO[two] as number)) >> 15;
    high.rescale(HIGH_LOG[two] as number);
    high.adapt(highDifference);
  }
}

export class G722Encoding {
  readonly #bands = new Bands();

  /** Samples at 16 kHz, two for an octet, into `out` from `offset` on. */
  encode(pcm: Int16Array, out: Uint8Array, offset: number): void {
    const bands = this.#bands;
    for (let n = 0; n + 1 < pcm.length; n += 2) {
      bands.filter(pcm[n] as number, pcm[n + 1] as number);
      const octet = (highCode(bands.high, (bands.second - bands.first) >> 14) << 6) | lowCode(bands.low, (bands.second + bands.first) >> 14);
      bands.follow(octet);
      out[offset + (n >> 1)] = octet;
    }
  }
}

/** Block 1L: the interval that the difference falls into, and its code word (table 15). */
function lowCode({ estimate, scale }: SubBand, sample: number): number {
  const difference = saturated(sample - estimate);
  const magnitude = difference < 0 ? ~difference : difference;
  let from = 0;
  let to = LEVELS.length;
  while (from < to) {
    const middle = (from + to) >> 1;
    if (magnitude < ((LEVELS[middle] as number) * scale) >> 12) to = middle;
    else from = middle + 1;
  }
  if (difference >= 0) return 61 - from;
  return from < 2 ? 63 - from : 33 - from;
}

/** Block 1H. */
function highCode({ estimate, scale }: SubBand, sample: number): number {
  const difference = saturated(sample - estimate);
  const magnitude = difference < 0 ? ~difference : difference;
  const inner = magnitude < (HIGH_LEVEL * scale) >> 12 ? 1 : 0;
  return inner | (difference < 0 ? 0 : 2);
}

/** A band's reconstructed signal has 15 bits (§6.2.2, LIMIT). */
const limited = (value: number): number => (value > 16383 ? 16383 : value < -16384 ? -16384 : value);

export class G722Decoding {
  readonly #bands = new Bands();

  /** Octets as two samples each at 16 kHz, into `out`. */
  decode(payload: Uint8Array, out: Int16Array): void {
    const bands = this.#bands;
    const { low, high } = bands;
    for (let n = 0; n < payload.length; n += 1) {
      const octet = payload[n] as number;
      const l = limited(low.estimate + ((low.scale * (SIX[octet & 63] as number)) >> 15));
      const h = limited(high.estimate + ((high.scale * (TWO[octet >> 6] as number)) >> 15));
      bands.follow(octet);
      bands.filter(l + h, l - h);
      out[2 * n] = saturated(bands.second >> 11);
      out[2 * n + 1] = saturated(bands.first >> 11);
    }
  }
}
