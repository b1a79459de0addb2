// A recording of somebody who speaks, as the packets that each end of a call sends of it.
import { readFileSync } from 'node:fs';
import { makeEncoder, type CodecName } from '../../lib/media/codec/index.js';
import { readWav } from '../../lib/media/prompts/pcm.js';
import { framesOf, joined } from '../../test/helpers/signals.js';

const FOLDER = '/usr/share/asterisk/sounds/en_US_f_Allison';
/** Whole sentences, 45 seconds of them. */
const RECORDINGS = ['vm-msginstruct', 'demo-abouttotry', 'demo-moreinfo'];

export const RATE = 8000;
export const FRAME_MS = 20;

/** The recordings one behind the other, from the one with this number on; 16-bit samples at 8 kHz. */
export function speech(first: number): Int16Array {
  return joined(RECORDINGS.map((_, i) => {
    const { samples, rate } = readWav(readFileSync(`${FOLDER}/${RECORDINGS[(first + i) % RECORDINGS.length]}.wav`));
    if (rate !== RATE) throw new Error(`a recording of ${rate} samples a second`);
    return samples;
  }));
}

/** A client of Opus that hears of loss repeats frames as for so much at least, in percent. */
const LEAST_FEC = 5;

/** Payloads of 20 ms each. `loss`: what its far end reports to an encoder of Opus, 0 to 1. */
export function payloadsOf(codec: CodecName, pcm: Int16Array, loss: number): Buffer[] {
  const encoder = makeEncoder(codec, RATE, { fec: true, complexity: 5 });
  encoder.expectLoss(loss === 0 ? 0 : Math.max(LEAST_FEC, loss * 100));
  const payloads = framesOf(pcm, (RATE * FRAME_MS) / 1000).map((frame) => encoder.encode(frame));
  encoder.close();
  return payloads;
}
