// Calls through two engines at once: the same packets at the same instants, what comes out at each far end, and what it is worth.
import type { MediaEngine } from '../../lib/media/index.js';
import { startEngine } from '../../test/scenario/media/bench.js';
import { formatsOf, TrialCall, type PeerCodec, type Way } from './call.js';
import { listen, type Arrival } from './listener.js';
import { fates, impairments, type Fate } from './network.js';
import { similarity, type Similarity } from './similarity.js';
import { FRAME_MS, payloadsOf, RATE, speech } from './speech.js';

const ENGINES = ['embedded', 'rtpengine'] as const;
const WAYS: readonly Way[] = ['user to peer', 'peer to user'];
/** Before anybody speaks, and behind the last packet. */
const SETTLE_MS = 500;
const LISTEN_MS = 400;

/** An impairment, before our engine or behind it. */
export interface Trial { readonly name: string; readonly side: 'before' | 'behind'; readonly peer: PeerCodec }
export interface Row extends Trial, Similarity {
  readonly way: Way;
  readonly engine: typeof ENGINES[number];
  /** Milliseconds that the listener made up. */
  readonly missingMs: number;
}
interface Captured extends Omit<Row, keyof Similarity | 'missingMs'> { readonly began: number; readonly arrivals: readonly Arrival[] }

/** `atOnce`: how many calls each engine has at a time; `seconds`: of speech in each. Gives the rows of each group as it is done. */
export async function* runTrials(trials: readonly Trial[], atOnce: number, seconds: number): AsyncGenerator<readonly Row[]> {
  const length = RATE * seconds;
  const said: Record<Way, Int16Array> = { 'user to peer': speech(0).subarray(0, length), 'peer to user': speech(1).subarray(0, length) };
  const engines = await Promise.all(ENGINES.map(async (name) => (await startEngine({}, name)).engine));
  for (let at = 0; at < trials.length; at += atOnce) {
    // What was sent and heard is judged once nothing waits for it.
    const captured = await Promise.all(trials.slice(at, at + atOnce).map((trial, i) => capture(engines, trial, said, 1000 * (at + i + 1))));
    yield captured.flat().map((one) => judged(one, said[one.way]));
  }
  for (const engine of engines) await engine.close();
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => { setTimeout(resolve, ms); });

async function capture(engines: readonly MediaEngine[], trial: Trial, said: Readonly<Record<Way, Int16Array>>, seed: number): Promise<Captured[]> {
  const impairment = impairments[trial.name];
  if (impairment === undefined) throw new Error(`no impairment ${trial.name}: ${Object.keys(impairments).join(', ')}`);
  const streams = WAYS.map((way, i) => {
    const payloads = payloadsOf(formatsOf(way, trial.peer).sent.codec, said[way], trial.side === 'before' ? impairment.loss : 0);
    return { way, payloads, network: fates(impairment, 2 * payloads.length, seed + i) };
  });
  // Nothing is awaited before: every call of a group has its packets before one begins.
  const calls = await Promise.all(engines.map((engine, i) => TrialCall.open(engine, `${trial.name}-${trial.side}-${ENGINES[i]}`, trial.peer, trial.side === 'behind' ? impairment.loss : 0)));
  await sleep(SETTLE_MS);
  const sending = streams.flatMap(({ way, payloads, network }) => payloads.flatMap((payload, index) => {
    const fate: Fate = trial.side === 'before' ? network[index] ?? [] : [0];
    return fate.map((delay) => ({ at: index * FRAME_MS + delay, way, index, payload }));
  })).sort((a, b) => a.at - b.at);
  const began = performance.now();
  for (const { at, way, index, payload } of sending) {
    const wait = began + at - performance.now();
    if (wait > 0.5) await sleep(Math.floor(wait));
    for (const call of calls) call.send(way, index, payload);
  }
  await sleep(LISTEN_MS);
  const captured = calls.flatMap((call, i) => streams.map(({ way, network }): Captured => ({
    ...trial, way, engine: ENGINES[i] as Captured['engine'], began, arrivals: call.heard(way, began, trial.side === 'behind' ? network : []),
  })));
  await Promise.all(calls.map((call) => call.close()));
  return captured;
}

function judged({ arrivals, began, ...captured }: Captured, said: Int16Array): Row {
  const { pcm, missingMs } = listen(arrivals, formatsOf(captured.way, captured.peer).heard.codec, began, (1000 * said.length) / RATE + LISTEN_MS);
  return { ...captured, missingMs, ...similarity(said, pcm) };
}
