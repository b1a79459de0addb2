import type { Pcm } from './pcm.js';

const RATE = 16_000;
/** ITU-T E.180 §8: 425 Hz, one second of tone and four of silence, as most of the world rings. */
const FREQUENCY = 425;
const TONE = 1;
const PAUSE = 4;
/** About -20 dBFS. */
const LEVEL = 3200;
/** Seconds of rise and fall, against clicks. */
const EDGE = 0.01;

/** A ringing tone that can be looped. */
export function ringback(): Pcm {
  const samples = new Int16Array((TONE + PAUSE) * RATE);
  for (let i = 0; i < TONE * RATE; i += 1) {
    const time = i / RATE;
    const envelope = Math.min(1, time / EDGE, (TONE - time) / EDGE);
    samples[i] = Math.round(LEVEL * envelope * Math.sin(2 * Math.PI * FREQUENCY * time));
  }
  return { rate: RATE, samples };
}
