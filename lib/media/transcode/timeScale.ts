import { bestLag } from '../codec/pitch.js';

const LEAST_MS = 2.5;
const MOST_MS = 10;
/** Two stretches that are so alike can be joined unheard. */
const ALIKE = 0.7;
/** Root mean square below which any two can. */
const QUIET = 80;

/** One pitch period of `pcm` left out, or said twice; null where that would be heard. */
export function rescaled(pcm: Int16Array, rate: number, way: 'shorten' | 'lengthen'): Int16Array | null {
  const perMs = rate / 1000;
  const most = Math.min(MOST_MS * perMs, pcm.length >> 1);
  if (most <= LEAST_MS * perMs) return null;
  const { samples: lag, likeness } = bestLag(pcm, { at: 0, length: pcm.length - most, least: LEAST_MS * perMs, most, side: -1 }, perMs / 4);
  if (likeness < ALIKE && loudness(pcm) > QUIET) return null;
  const out = new Int16Array(way === 'shorten' ? pcm.length - lag : pcm.length + lag);
  if (way === 'shorten') {
    out.set(pcm.subarray(2 * lag), lag);
    blend(out, 0, pcm.subarray(0, lag), pcm.subarray(lag, 2 * lag));
  } else {
    out.set(pcm.subarray(0, lag));
    blend(out, lag, pcm.subarray(lag, 2 * lag), pcm.subarray(0, lag));
    out.set(pcm.subarray(lag), 2 * lag);
  }
  return out;
}

function blend(out: Int16Array, at: number, from: Int16Array, to: Int16Array): void {
  for (let i = 0; i < from.length; i += 1) {
    const weight = (i + 0.5) / from.length;
    out[at + i] = (from[i] as number) * (1 - weight) + (to[i] as number) * weight;
  }
}

function loudness(pcm: Int16Array): number {
  let sum = 0;
  for (let i = 0; i < pcm.length; i += 1) sum += (pcm[i] as number) ** 2;
  return Math.sqrt(sum / Math.max(1, pcm.length));
}
