import type { Pcm } from './pcm.js';

const RATE = 16_000;
/** Hz and seconds: the tone behind which answering machines listen. */
const FREQUENCY = 1000;
const LENGTH = 0.4;
/** About -16 dBFS. */
const LEVEL = 5000;
/** Seconds of rise and fall, against clicks. */
const EDGE = 0.01;

/** The tone behind which a message is recorded. */
export function tone(): Pcm {
  const samples = new Int16Array(LENGTH * RATE);
  for (let i = 0; i < samples.length; i += 1) {
    const time = i / RATE;
    samples[i] = Math.round(LEVEL * Math.min(1, time / EDGE, (LENGTH - time) / EDGE) * Math.sin(2 * Math.PI * FREQUENCY * time));
  }
  return { rate: RATE, samples };
}
