import { turns } from '../../util/turns.js';
import { LOOK, type Pcm } from './pcm.js';

const RATE = 16_000;
/** Seconds for which a chord sounds; a note begins every third of it. */
const CHORD = 3;
/** Frequencies in Hz: C, A minor, F and G in close positions. Made here, so nobody's licence applies. */
const chords = [
  [261.63, 329.63, 392.0],
  [220.0, 261.63, 329.63],
  [174.61, 220.0, 261.63],
  [196.0, 246.94, 293.66],
] as const;
/** Peak of one note: three of them together stay near -18 dBFS, which leaves room and does not startle. */
const LEVEL = 1800;

/** The hold music that is there when none is configured: soft broken chords, twelve seconds that can be looped without a click. */
export async function holdMusic(): Promise<Pcm> {
  const length = chords.length * CHORD * RATE;
  const sum = new Float64Array(length);
  const turn = turns();
  const all = chords.flatMap((notes, bar) => notes.map((frequency, beat) => ({ frequency, begin: Math.round((bar * CHORD + (beat * CHORD) / notes.length) * RATE) })));
  for (const { frequency, begin } of all) {
    for (let i = 0; i < CHORD * RATE; i += 1) {
      if (i % LOOK === 0) await turn();
      const time = i / RATE;
      // A quick rise, a slow fall, and nothing left when the note's time is over.
      const envelope = Math.min(1, time / 0.02) * Math.exp(-1.6 * time) * Math.min(1, (CHORD - time) / 0.3);
      const wave = Math.sin(2 * Math.PI * frequency * time) + 0.3 * Math.sin(4 * Math.PI * frequency * time);
      const at = (begin + i) % length;
      sum[at] = (sum[at] as number) + LEVEL * envelope * wave;
    }
  }
  return { rate: RATE, samples: Int16Array.from(sum, Math.round) };
}
