import type { EndWord } from '../../media/relay/agent/words.js';
import { Rates } from './dialects/rates.js';
import type { AgentRate } from './dialects/types.js';

/** What an agent may be ahead of the clock, in milliseconds; beyond, what it says is lost. */
const MOST_MS = 60_000;
/** Of a frame, as losses are counted. */
const FRAME_MS = 20;
/** What is brought to another rate in one turn, in milliseconds: an agent that says a minute at once keeps no other's socket waiting. */
const SLICE_MS = 200;

type Waiting = { readonly pcm: Int16Array; readonly rate: number } | { readonly mark: string };

/**
 * What an agent says, on its way to the packet path of its call: brought to the rate of the conversation in slices, and never more than a minute ahead of
 * the clock. What has been let through is said at its pace, also where nobody hears it, so that a clock is enough to know what is left.
 */
export class Spoken {
  readonly #rate: AgentRate;
  readonly #send: (word: EndWord) => void;
  readonly #now: () => number;
  readonly #rates: Rates;
  #waiting: Waiting[] = [];
  #turn: NodeJS.Immediate | null = null;
  /** When all that was let through has been said, by `now`. */
  #until = -Infinity;
  #lostMs = 0;

  /** `send`: to the call's packet path. `now`: milliseconds of a clock that is not set. */
  constructor(rate: AgentRate, send: (word: EndWord) => void, now: () => number = () => performance.now()) {
    this.#rate = rate;
    this.#send = send;
    this.#now = now;
    this.#rates = new Rates(rate);
  }

  /** Frames of 20 ms that there was no room for. */
  get lostFrames(): number {
    return Math.ceil(this.#lostMs / FRAME_MS);
  }

  /** Audio of any length, at a rate that Rates takes. */
  say(pcm: Int16Array, rate: number): void {
    const now = this.#now();
    const room = Math.max(0, Math.floor(((MOST_MS - Math.max(0, this.#until - now)) * rate) / 1000));
    const kept = pcm.subarray(0, room);
    const lost = pcm.length - kept.length;
    if (lost > 0) {
      this.#lostMs += (lost * 1000) / rate;
      this.#send({ lost: Math.round((lost * this.#rate) / rate) });
    }
    if (kept.length === 0) return;
    this.#until = Math.max(now, this.#until) + (kept.length * 1000) / rate;
    const slice = (SLICE_MS * rate) / 1000;
    if (rate === this.#rate && this.#waiting.length === 0) return this.#post(kept);
    for (let at = 0; at < kept.length; at += slice) this.#waiting.push({ pcm: kept.subarray(at, at + slice), rate });
    this.#work();
  }

  /** A mark behind all that has been said. */
  mark(name: string): void {
    if (this.#waiting.length === 0) this.#send({ mark: name });
    else this.#waiting.push({ mark: name });
  }

  /** Nothing of it is to be heard any more. */
  clear(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#until = -Infinity;
    // Those that are there already are told before these.
    this.#send({ clear: true, marks: waiting.flatMap((one) => ('mark' in one ? [one.mark] : [])) });
  }

  /** What waits is dropped. May be called twice. */
  close(): void {
    this.#waiting = [];
    if (this.#turn !== null) clearImmediate(this.#turn);
    this.#turn = null;
  }

  /** One slice now, the next when others have had their turn; marks with the slice before them. */
  #work(): void {
    if (this.#turn !== null) return;
    this.#next();
    if (this.#waiting.length === 0) return;
    this.#turn = setImmediate(() => {
      this.#turn = null;
      this.#work();
    });
  }

  #next(): void {
    const first = this.#waiting.shift();
    if (first !== undefined && 'pcm' in first) this.#post(this.#rates.brought(first.pcm, first.rate));
    else if (first !== undefined) this.#send({ mark: first.mark });
    for (let next = this.#waiting[0]; next !== undefined && 'mark' in next; next = this.#waiting[0]) {
      this.#waiting.shift();
      this.#send({ mark: next.mark });
    }
  }

  #post(pcm: Int16Array): void {
    // A view of more than it shows would take all of that along.
    this.#send(pcm.byteLength === pcm.buffer.byteLength ? pcm : pcm.slice());
  }
}
