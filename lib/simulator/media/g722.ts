// G.722 at 64 kbit/s (ITU-T G.722, 09/2012): two sub-bands of ADPCM behind a 24-tap QMF. Names of quantities follow the Recommendation.

// Table 11: half of the symmetric QMF, in the order the two phases use it.
const QMF = [3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11];
// Tables 14–20 and 6.2.1.
const WL = [-60, -30, 58, 172, 334, 538, 1198, 3042];
const RL4 = [0, 7, 6, 5, 4, 3, 2, 1, 7, 6, 5, 4, 3, 2, 1, 0];
const WH = [0, -214, 798];
const RH2 = [2, 1, 2, 1];
const QM2 = [-7408, -1616, 7408, 1616];
const QM4 = [0, -20456, -12896, -8968, -6288, -4240, -2584, -1200, 20456, 12896, 8968, 6288, 4240, 2584, 1200, 0];
const OUTPUT6 = [24808, 21904, 19008, 16704, 14984, 13512, 12280, 11192, 10232, 9360, 8576, 7856, 7192, 6576, 6000, 5456, 4944, 4464, 4008, 3576,
  3168, 2776, 2400, 2032, 1688, 1360, 1040, 728];
const QM6 = [-136, -136, -136, -136, ...OUTPUT6.map((v) => -v), ...OUTPUT6, 432, 136, -432, -136];
const DECISION6 = [0, 35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714, 786, 858, 940, 1023, 1121, 1219, 1339, 1458, 1612,
  1765, 1980, 2195, 2557, 2919];
/** The scale factor's mantissa: 2048 · 2^(i/32). */
const ILB = Array.from({ length: 32 }, (_, i) => Math.round(2048 * 2 ** (i / 32)));

function saturate(value: number): number {
  return value > 32767 ? 32767 : value < -32768 ? -32768 : value;
}

function at(table: ArrayLike<number>, index: number): number {
  return table[index] ?? 0;
}

/** The adaptive predictor and scale factor of one sub-band (blocks 3 and 4 of both coder and decoder). */
class Band {
  /** Predicted value. */
  s = 0;
  private sz = 0;
  private nb = 0;
  private readonly r = new Int32Array(3);
  private readonly a = new Int32Array(3);
  private readonly p = new Int32Array(3);
  private readonly d = new Int32Array(7);
  private readonly b = new Int32Array(7);

  constructor(public det: number, private readonly top: number, private readonly shift: number) {}

  /** Adapts the scale factor by the weight of the last code (§3.5, §4.5). */
  scale(weight: number): void {
    this.nb = Math.min(this.top, Math.max(0, ((this.nb * 127) >> 7) + weight));
    const exponent = this.shift - (this.nb >> 11);
    const mantissa = at(ILB, (this.nb >> 6) & 31);
    this.det = (exponent < 0 ? mantissa << -exponent : mantissa >> exponent) << 2;
  }

  /** Adapts the predictor by the quantized difference (§3.6, §4.6). */
  predict(difference: number): void {
    const { r, a, p, d, b } = this;
    d[0] = difference;
    r[0] = saturate(this.s + difference);
    p[0] = saturate(this.sz + difference);
    const [sg0, sg1, sg2] = [at(p, 0) >> 15, at(p, 1) >> 15, at(p, 2) >> 15];
    const four = saturate(at(a, 1) * 4);
    const turned = Math.min(32767, sg0 === sg1 ? -four : four);
    let a2 = (turned >> 7) + (sg0 === sg2 ? 128 : -128) + ((at(a, 2) * 32512) >> 15);
    a2 = Math.min(12288, Math.max(-12288, a2));
    const limit = saturate(15360 - a2);
    let a1 = saturate((sg0 === sg1 ? 192 : -192) + ((at(a, 1) * 32640) >> 15));
    a1 = Math.min(limit, Math.max(-limit, a1));
    const step = difference === 0 ? 0 : 128;
    const sign = difference >> 15;
    for (let i = 1; i < 7; i++) b[i] = saturate((at(d, i) >> 15 === sign ? step : -step) + ((at(b, i) * 32640) >> 15));
    for (let i = 6; i > 0; i--) d[i] = at(d, i - 1);
    for (let i = 2; i > 0; i--) {
      r[i] = at(r, i - 1);
      p[i] = at(p, i - 1);
    }
    a[1] = a1;
    a[2] = a2;
    const poles = saturate(((a1 * saturate(2 * at(r, 1))) >> 15) + ((a2 * saturate(2 * at(r, 2))) >> 15));
    let zeros = 0;
    for (let i = 6; i > 0; i--) zeros += (at(b, i) * saturate(2 * at(d, i))) >> 15;
    this.sz = saturate(zeros);
    this.s = saturate(poles + this.sz);
  }
}

function lowBand(): Band {
  return new Band(32, 18432, 8);
}

function highBand(): Band {
  return new Band(8, 22528, 10);
}

/** Both bands step on by one code; common to coder and decoder. */
function adapt(low: Band, high: Band, code: number): void {
  const il4 = (code & 0x3f) >> 2;
  const dlow = (low.det * at(QM4, il4)) >> 15;
  low.scale(at(WL, at(RL4, il4)));
  low.predict(dlow);
  const ih = code >> 6;
  const dhigh = (high.det * at(QM2, ih)) >> 15;
  high.scale(at(WH, at(RH2, ih)));
  high.predict(dhigh);
}

export class G722Encoder {
  private readonly low = lowBand();
  private readonly high = highBand();
  private readonly x = new Int32Array(24);

  /** 16 kHz samples → one byte for each two. */
  encode(pcm: Int16Array): Buffer {
    const out = Buffer.allocUnsafe(pcm.length >> 1);
    for (let n = 0; n < out.length; n++) {
      this.x.copyWithin(0, 2);
      this.x[22] = at(pcm, 2 * n);
      this.x[23] = at(pcm, 2 * n + 1);
      let even = 0;
      let odd = 0;
      for (let i = 0; i < 12; i++) {
        odd += at(this.x, 2 * i) * at(QMF, i);
        even += at(this.x, 2 * i + 1) * at(QMF, 11 - i);
      }
      const code = (this.quantizeHigh((even - odd) >> 14) << 6) | this.quantizeLow((even + odd) >> 14);
      adapt(this.low, this.high, code);
      out[n] = code;
    }
    return out;
  }

  private quantizeLow(x: number): number {
    const e = saturate(x - this.low.s);
    const magnitude = e >= 0 ? e : -(e + 1);
    let i = 1;
    while (i < 30 && magnitude >= (at(DECISION6, i) * this.low.det) >> 12) i++;
    // Table 15: code words of the negative and positive decision intervals.
    if (e >= 0) return 62 - i;
    return i < 3 ? 64 - i : 34 - i;
  }

  private quantizeHigh(x: number): number {
    const e = saturate(x - this.high.s);
    const magnitude = e >= 0 ? e : -(e + 1);
    const far = magnitude >= (564 * this.high.det) >> 12;
    return e < 0 ? (far ? 0 : 1) : far ? 2 : 3;
  }
}

export class G722Decoder {
  private readonly low = lowBand();
  private readonly high = highBand();
  private readonly x = new Int32Array(24);

  /** One byte → two samples at 16 kHz. */
  decode(payload: Buffer): Int16Array {
    const out = new Int16Array(2 * payload.length);
    const clip = (v: number): number => Math.min(16383, Math.max(-16384, v));
    for (let n = 0; n < payload.length; n++) {
      const code = at(payload, n);
      const rlow = clip(this.low.s + ((this.low.det * at(QM6, code & 0x3f)) >> 15));
      const rhigh = clip(this.high.s + ((this.high.det * at(QM2, code >> 6)) >> 15));
      adapt(this.low, this.high, code);
      this.x.copyWithin(0, 2);
      this.x[22] = rlow + rhigh;
      this.x[23] = rlow - rhigh;
      let first = 0;
      let second = 0;
      for (let i = 0; i < 12; i++) {
        second += at(this.x, 2 * i) * at(QMF, i);
        first += at(this.x, 2 * i + 1) * at(QMF, 11 - i);
      }
      out[2 * n] = saturate(first >> 11);
      out[2 * n + 1] = saturate(second >> 11);
    }
    return out;
  }
}
