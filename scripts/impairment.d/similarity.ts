// How near what is heard is to what was said. The measure is the Neurogram Similarity Index (A. Hines, N. Harte, "Speech intelligibility prediction using a
// Neurogram Similarity Index Measure", Speech Communication 54, 2012) of patches of spectrograms, each laid on the place where it fits best, as in
// ViSQOL (A. Hines, J. Skoglund, A. Kokaram, N. Harte, "ViSQOL: an objective speech quality model", EURASIP JASMP 2015:13), for narrow-band speech at 8 kHz.
// ViSQOL was made for calls over packets: a delay that changes costs no more than is heard of the change. The mapping to an opinion score is left out.

const WINDOW = 256;
const HOP = WINDOW / 2;
/** Upper ends of the critical bands from 50 Hz on, in Hz. */
const BANDS = [150, 250, 350, 450, 570, 700, 840, 1000, 1170, 1370, 1600, 1850, 2150, 2500, 2900, 3400];
const RATE = 8000;
/** Half a second: so many frames. */
const PATCH = 30;
const PATCH_SAMPLES = (PATCH - 1) * HOP + WINDOW;
/** A patch has speech in it when it is no more than so far below the loudest, in dB. */
const SPEECH_DB = 25;
/** The neighbourhood of a point: a Gaussian with a standard deviation of 0.5. */
const SIDE = [0.106507, 0.786986, 0.106507];
/** Samples that are one where a patch is looked for at first. */
const COARSE = 4;
/** How far a patch's delay may be from the others', and from nothing, in samples. */
const NEAR = 300 * (RATE / 1000);
const FAR = 900 * (RATE / 1000);

export interface Similarity {
  /** Mean of all patches with speech: 1 where nothing was changed. */
  readonly nsim: number;
  /** Delay of the patches in milliseconds: the median, and the least and the most of nine in ten. */
  readonly delayMs: number;
  readonly delayRange: readonly [number, number];
  readonly patches: number;
}

/** A spectrogram: for each frame the level in each band, in dB over one step of a sample. */
type Spectrogram = readonly Float64Array[];

const hamming = Float64Array.from({ length: WINDOW }, (_, i) => 0.54 - 0.46 * Math.cos((2 * Math.PI * i) / (WINDOW - 1)));

/** Power of each frequency up to the half of the rate; radix 2. */
function powers(pcm: ArrayLike<number>, from: number): Float64Array {
  const [re, im] = [new Float64Array(WINDOW), new Float64Array(WINDOW)];
  const bits = Math.log2(WINDOW);
  for (let i = 0; i < WINDOW; i += 1) {
    let turned = 0;
    for (let bit = 0; bit < bits; bit += 1) turned |= ((i >> bit) & 1) << (bits - 1 - bit);
    re[turned] = (pcm[from + i] ?? 0) * (hamming[i] as number);
  }
  for (let size = 2; size <= WINDOW; size *= 2) {
    for (let k = 0; k < size / 2; k += 1) {
      const [c, s] = [Math.cos((2 * Math.PI * k) / size), -Math.sin((2 * Math.PI * k) / size)];
      for (let a = k; a < WINDOW; a += size) {
        const b = a + size / 2;
        const [x, y] = [(re[b] as number) * c - (im[b] as number) * s, (re[b] as number) * s + (im[b] as number) * c];
        [re[b], im[b]] = [(re[a] as number) - x, (im[a] as number) - y];
        [re[a], im[a]] = [(re[a] as number) + x, (im[a] as number) + y];
      }
    }
  }
  return Float64Array.from({ length: WINDOW / 2 }, (_, i) => ((re[i] as number) ** 2 + (im[i] as number) ** 2) / WINDOW);
}

function spectrogram(pcm: ArrayLike<number>, from: number): Spectrogram {
  return Array.from({ length: PATCH }, (_, frame) => {
    const power = powers(pcm, from + frame * HOP);
    let bin = Math.ceil((50 * WINDOW) / RATE);
    return Float64Array.from(BANDS, (upper) => {
      let sum = 0;
      for (; (bin * RATE) / WINDOW < upper; bin += 1) sum += power[bin] as number;
      return 10 * Math.log10(sum + 1);
    });
  });
}

/** Weighed mean around each point of what `of` gives for it. */
function blurred(of: (frame: number, band: number) => number, frame: number, band: number): number {
  let sum = 0;
  for (let i = -1; i <= 1; i += 1) {
    for (let k = -1; k <= 1; k += 1) {
      const at = [Math.min(PATCH - 1, Math.max(0, frame + i)), Math.min(BANDS.length - 1, Math.max(0, band + k))] as const;
      sum += (SIDE[i + 1] as number) * (SIDE[k + 1] as number) * of(...at);
    }
  }
  return sum;
}

/** NSIM of two spectrograms; `most`: the range of their levels in dB. */
function nsim(reference: Spectrogram, heard: Spectrogram, most: number): number {
  const [c1, c3] = [(0.01 * most) ** 2, (0.03 * most) ** 2 / 2];
  const [r, d] = [reference, heard].map((levels) => (frame: number, band: number) => levels[frame]?.[band] ?? 0) as [(f: number, b: number) => number, (f: number, b: number) => number];
  let sum = 0;
  for (let frame = 0; frame < PATCH; frame += 1) {
    for (let band = 0; band < BANDS.length; band += 1) {
      const [mr, md] = [blurred(r, frame, band), blurred(d, frame, band)];
      const vr = Math.max(0, blurred((f, b) => r(f, b) ** 2, frame, band) - mr * mr);
      const vd = Math.max(0, blurred((f, b) => d(f, b) ** 2, frame, band) - md * md);
      const vrd = blurred((f, b) => r(f, b) * d(f, b), frame, band) - mr * md;
      sum += ((2 * mr * md + c1) / (mr * mr + md * md + c1)) * ((vrd + c3) / (Math.sqrt(vr * vd) + c3));
    }
  }
  return sum / (PATCH * BANDS.length);
}

/** Where in `heard`, from `least` to `most` samples behind `at`, the next `length` samples of the reference fit best. */
function lagOf(reference: Float32Array, heard: Float32Array, at: number, length: number, [least, most]: readonly [number, number]): number {
  let best = { lag: least, fit: -Infinity };
  let energy = 1;
  for (let i = at + least; i < at + least + length; i += 1) energy += (heard[i] ?? 0) ** 2;
  for (let lag = least; lag <= most; lag += 1) {
    const from = at + lag;
    let product = 0;
    const end = Math.min(length, heard.length - from);
    for (let i = Math.max(0, -from); i < end; i += 1) product += (reference[at + i] as number) * (heard[from + i] as number);
    const fit = product / Math.sqrt(energy);
    if (fit > best.fit) best = { lag, fit };
    energy += (heard[from + length] ?? 0) ** 2 - (heard[from] ?? 0) ** 2;
  }
  return best.lag;
}

/** Means of COARSE samples: what lies below 1 kHz tells where to look. */
function coarse(pcm: Float32Array): Float32Array {
  return Float32Array.from({ length: Math.floor(pcm.length / COARSE) }, (_, i) => {
    let sum = 0;
    for (let k = 0; k < COARSE; k += 1) sum += pcm[COARSE * i + k] as number;
    return sum / COARSE;
  });
}

const quantile = (values: readonly number[], share: number): number => [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))] ?? 0;

/** Compares what is heard with what was said, both at 8 kHz from the same instant on. */
export function similarity(said: Int16Array, listened: Int16Array): Similarity {
  const [reference, heard] = [Float32Array.from(said), Float32Array.from(listened)];
  const starts = Array.from({ length: Math.floor(reference.length / PATCH_SAMPLES) }, (_, i) => i * PATCH_SAMPLES);
  const loudness = starts.map((at) => 10 * Math.log10(reference.subarray(at, at + PATCH_SAMPLES).reduce((sum, sample) => sum + sample * sample, 1) / PATCH_SAMPLES));
  const loudest = Math.max(...loudness);
  const active = starts.filter((_, i) => (loudness[i] as number) > loudest - SPEECH_DB);
  const [referenceCoarse, heardCoarse] = [coarse(reference), coarse(heard)];
  const look = (at: number, least: number, most: number): number =>
    COARSE * lagOf(referenceCoarse, heardCoarse, Math.floor(at / COARSE), Math.floor(PATCH_SAMPLES / COARSE), [Math.floor(least / COARSE), Math.ceil(most / COARSE)]);
  const rough = quantile(active.filter((_, i) => i % 8 === 0).map((at) => look(at, 0, FAR)), 0.5);
  const patches = active.map((at) => {
    const near = look(at, rough - NEAR, rough + NEAR);
    const lag = lagOf(reference, heard, at, PATCH_SAMPLES, [near - 2 * COARSE, near + 2 * COARSE]);
    return { lag, said: spectrogram(reference, at), heard: spectrogram(heard, at + lag) };
  });
  // As in ViSQOL, levels count from the least of the reference on.
  const levels = patches.flatMap(({ said: rows }) => rows.flatMap((row) => [...row]));
  const [floor, top] = [Math.max(0, quantile(levels, 0.02)), levels.reduce((most, level) => Math.max(most, level), 0)];
  const above = (rows: Spectrogram): Spectrogram => rows.map((row) => row.map((level) => Math.max(0, level - floor)));
  const scores = patches.map((patch) => nsim(above(patch.said), above(patch.heard), top - floor));
  const delays = patches.map(({ lag }) => (lag * 1000) / RATE);
  return {
    nsim: scores.reduce((sum, score) => sum + score, 0) / Math.max(1, scores.length),
    delayMs: quantile(delays, 0.5), delayRange: [quantile(delays, 0.05), quantile(delays, 0.95)], patches: patches.length,
  };
}
