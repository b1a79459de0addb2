// An hour of speech from a sender whose clock is off, through what a packet passes in a thread of ours: transcoder and outgoing stream. The clock is simulated.
import { Bridge } from '../../lib/media/relay/bridge.js';
import { OutStream } from '../../lib/media/relay/outStream.js';
import { dice } from '../../test/helpers/signals.js';
import { clockOf, rtp } from '../../test/helpers/transcoderRig.js';
import { listen, type Arrival } from './listener.js';
import { similarity } from './similarity.js';
import { FRAME_MS, payloadsOf, RATE, speech } from './speech.js';

type Codec = 'opus' | 'PCMA';

export interface Drift {
  readonly from: Codec;
  readonly to: Codec;
  /** By how much the sender's clock is fast, in millionths. */
  readonly ppm: number;
}

export interface DriftResult extends Drift {
  /** From mouth to ear in the first and the last minute, and the most of any, in milliseconds. */
  readonly delayMs: { readonly first: number; readonly last: number; readonly most: number };
  /** NSIM of the worst minute, and the mean. */
  readonly nsim: { readonly least: number; readonly mean: number };
  /** Packets that were passed over, so that those behind them are no longer late. */
  readonly leftOut: number;
}

const TICK_MS = 5;
const JITTER_MS = 10;
const BEGINS_MS = 1000;
const WINDOW_MS = 60_000;
const TYPES: Readonly<Record<Codec, number>> = { opus: 111, PCMA: 8 };

/** `minutes`: how long it lasts. */
export function drifts({ from, to, ppm }: Drift, minutes: number): DriftResult {
  const said = speech(0);
  const payloads = payloadsOf(from, said, 0);
  const step = FRAME_MS / (1 + ppm / 1e6);
  const count = Math.floor((minutes * WINDOW_MS) / step);
  const { arrivals, leftOut } = passed({ from, to, count, step, payloads });
  const heard = listen(arrivals, to, BEGINS_MS, minutes * WINDOW_MS + 1000).pcm;
  // In each minute once through the recordings; the last one ends amid them.
  const loopMs = payloads.length * step;
  const scores = Array.from({ length: minutes - 1 }, (_, minute) => {
    const round = Math.ceil((minute * WINDOW_MS) / loopMs);
    const at = Math.round((round * loopMs * RATE) / 1000);
    return similarity(said, heard.subarray(at, at + said.length + RATE));
  });
  const delays = scores.map(({ delayMs }) => delayMs);
  const nsims = scores.map(({ nsim }) => nsim);
  return {
    from, to, ppm, leftOut,
    delayMs: { first: delays[0] ?? NaN, last: delays.at(-1) ?? NaN, most: Math.max(...delays) },
    nsim: { least: Math.min(...nsims), mean: nsims.reduce((sum, nsim) => sum + nsim, 0) / nsims.length },
  };
}

interface Sending { readonly from: Codec; readonly to: Codec; readonly count: number; readonly step: number; readonly payloads: readonly Buffer[] }

/** What leaves our engine, and when. */
function passed({ from, to, count, step, payloads }: Sending): { arrivals: Arrival[]; leftOut: number } {
  const arrivals: Arrival[] = [];
  const random = dice(11);
  let now = BEGINS_MS;
  const out = new OutStream({ codec: to, audioType: TYPES[to], eventType: null, eventUnit: 8000 }, 7, 1, 0, (packet) => { arrivals.push({ at: now, packet: Buffer.from(packet) }); });
  const bridge = from === to ? null : new Bridge({ codec: from, ptime: FRAME_MS }, { codec: to, ptime: FRAME_MS, fec: true }, out);
  const units = (FRAME_MS * clockOf(from)) / 1000;
  out.start(now);
  let [next, due] = [0, BEGINS_MS];
  for (const end = BEGINS_MS + count * step; now < end; now += TICK_MS) {
    for (; next < count && due <= now; next += 1, due = Math.max(due, BEGINS_MS + next * step + random() * JITTER_MS)) {
      const packet = rtp(TYPES[from], next, next * units, payloads[next % payloads.length] as Buffer);
      if (bridge === null) out.passed(packet, units, now);
      else bridge.audio(packet, 12, due);
    }
    out.tick(now);
    bridge?.tick(now);
  }
  bridge?.close();
  return { arrivals, leftOut: out.lead.leftOut };
}
