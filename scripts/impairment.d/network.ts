// What a network does to packets, by tc-netem(8)'s words. Who falls when is drawn once, so that every engine gets the same packets.
import { dice } from '../../test/helpers/signals.js';

export interface Impairment {
  /** Share of the packets that are lost, each by itself. */
  readonly loss: number;
  /** Each packet takes from 0 to so long, all alike, in milliseconds: it may overtake others. */
  readonly spreadMs: number;
  /** Every packet takes so long, in milliseconds, but for this share of them, which overtake others. */
  readonly delayMs: number;
  readonly reorder: number;
  /** Share of the packets that come twice. */
  readonly duplicate: number;
}

const CLEAN: Impairment = { loss: 0, spreadMs: 0, delayMs: 0, reorder: 0, duplicate: 0 };

export const impairments: Readonly<Record<string, Impairment>> = {
  clean: CLEAN,
  loss1: { ...CLEAN, loss: 0.01 },
  loss3: { ...CLEAN, loss: 0.03 },
  loss10: { ...CLEAN, loss: 0.1 },
  // netem: delay 30ms 30ms
  jitter30: { ...CLEAN, spreadMs: 60 },
  // netem: delay 50ms reorder 10%
  reorder10: { ...CLEAN, delayMs: 50, reorder: 0.1 },
  duplicate10: { ...CLEAN, duplicate: 0.1 },
  // netem: delay 30ms 30ms loss 3% duplicate 3%
  all: { ...CLEAN, loss: 0.03, spreadMs: 60, duplicate: 0.03 },
};

/** What becomes of one packet: when each copy of it arrives, in milliseconds behind its sending; none: it is lost. */
export type Fate = readonly number[];

/** The fates of `count` packets; the same for the same seed. */
export function fates(impairment: Impairment, count: number, seed: number): Fate[] {
  const random = dice(seed);
  // The first numbers of such dice are alike for seeds that are near.
  for (let i = 0; i < 20; i += 1) random();
  return Array.from({ length: count }, () => {
    const [lost, spread, overtakes, copied, apart] = [random(), random(), random(), random(), random()];
    if (lost < impairment.loss) return [];
    const delay = spread * impairment.spreadMs + (overtakes < impairment.reorder ? 0 : impairment.delayMs);
    return copied < impairment.duplicate ? [delay, delay + 10 * apart] : [delay];
  });
}
