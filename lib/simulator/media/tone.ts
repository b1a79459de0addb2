// Tones: a generator, and a detector on decoded audio.

/** Phase-continuous sine. Level in dBFS of the peak (−12 leaves room for codecs). */
export class ToneGenerator {
  private phase = 0;

  constructor(public frequency: number, private readonly sampleRate: number, private readonly levelDb = -12) {}

  /** The next `samples` samples. */
  next(samples: number): Int16Array {
    const out = new Int16Array(samples);
    const amplitude = 32767 * 10 ** (this.levelDb / 20);
    const step = (2 * Math.PI * this.frequency) / this.sampleRate;
    for (let i = 0; i < samples; i++) {
      out[i] = Math.round(amplitude * Math.sin(this.phase));
      this.phase += step;
    }
    this.phase %= 2 * Math.PI;
    return out;
  }
}

/** Share of the frame's energy (0…1) that lies at `frequency`, by Goertzel's algorithm. */
export function shareAt(pcm: Int16Array, frequency: number, sampleRate: number): number {
  const coefficient = 2 * Math.cos((2 * Math.PI * frequency) / sampleRate);
  let s1 = 0;
  let s2 = 0;
  let energy = 0;
  for (const sample of pcm) {
    const s0 = sample + coefficient * s1 - s2;
    s2 = s1;
    s1 = s0;
    energy += sample * sample;
  }
  if (energy === 0) return 0;
  const power = s1 * s1 + s2 * s2 - coefficient * s1 * s2;
  return Math.min(1, (2 * power) / (pcm.length * energy));
}

/** Level of a frame in dBFS (RMS of a full-scale square wave is 0); −Infinity for digital silence. */
export function levelOf(pcm: Int16Array): number {
  let energy = 0;
  for (const sample of pcm) energy += sample * sample;
  return pcm.length === 0 ? -Infinity : 10 * Math.log10(energy / pcm.length / 32768 ** 2);
}

/** What was heard. `fraction` is of the frames since the tone was first heard, `firstMs` on the caller's clock. */
export interface ToneReport {
  /** Tones that were heard, Hz. */
  frequencies: number[];
  firstMs: number | undefined;
  /** Frames (of 20 ms) with the tone / silent / with something else, counted from the first packet. */
  heard: number;
  silent: number;
  other: number;
  fraction: number;
  levelDb: number | undefined;
  /** The tones one after the other, each with the frames for which it went on; a pause of less than 100 ms is none. The last hundred. */
  course: { frequency: number; frames: number }[];
}

/** Frames without a tone behind which it begins anew, and how many tones are remembered. */
const PAUSE = 5;
const REMEMBERED = 100;
const SILENCE_DB = -50;
const SHARE = 0.5;
/** Where any tone will do, these are tried: 20 ms hold a whole number of periods of each. */
const ANY = Array.from({ length: 55 }, (_, i) => 300 + 50 * i);

/** Listens for tones, frame by frame: for those expected, or for any multiple of 50 Hz from 300 to 3000 when none is named. */
export class ToneDetector {
  private firstMs: number | undefined;
  private heard = 0;
  private silent = 0;
  private other = 0;
  private sinceFirst = 0;
  private levels = 0;
  private readonly found = new Set<number>();
  private readonly course: { frequency: number; frames: number }[] = [];
  private without = 0;

  constructor(private readonly expect: readonly number[], private readonly sampleRate: number) {}

  /** Takes one frame that arrived at `now`; gives the tone it holds. */
  feed(pcm: Int16Array, now: number): number | undefined {
    const level = levelOf(pcm);
    const tone = level > SILENCE_DB ? this.toneIn(pcm) : undefined;
    this.follow(tone);
    if (tone !== undefined) {
      this.found.add(tone);
      this.firstMs ??= now;
      this.heard++;
      this.levels += level;
    } else if (level > SILENCE_DB) this.other++;
    else this.silent++;
    if (this.firstMs !== undefined) this.sinceFirst++;
    return tone;
  }

  report(): ToneReport {
    return {
      frequencies: [...this.found], firstMs: this.firstMs, heard: this.heard, silent: this.silent, other: this.other,
      fraction: this.sinceFirst === 0 ? 0 : this.heard / this.sinceFirst,
      levelDb: this.heard === 0 ? undefined : Math.round((10 * this.levels) / this.heard) / 10,
      course: this.course.map((one) => ({ ...one })),
    };
  }

  private follow(tone: number | undefined): void {
    const last = this.course.at(-1);
    if (tone === undefined) this.without++;
    else if (last?.frequency === tone && this.without < PAUSE) last.frames++;
    else if (this.course.push({ frequency: tone, frames: 1 }) > REMEMBERED) this.course.shift();
    if (tone !== undefined) this.without = 0;
  }

  private toneIn(pcm: Int16Array): number | undefined {
    const holds = (f: number): boolean => shareAt(pcm, f, this.sampleRate) > SHARE;
    if (this.expect.length > 0) return this.expect.find(holds);
    // What was heard before is tried first: mostly it is that again.
    return [...this.found].find(holds) ?? ANY.find(holds);
  }
}
