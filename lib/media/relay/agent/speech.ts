import { FRAME_MS } from '../rtp.js';

/** Speech waits, behind a pause, until so much of it is there: who sends it as it is spoken is late now and then. In milliseconds. */
const CUSHION_MS = 40;
/** What is kept at most: a speech synthesis is far ahead of the clock. Seconds, one more than the agent's socket lets through, whose clock is ahead of the stream's; and marks. */
const MOST_SECONDS = 61;
const MOST_MARKS = 1000;

type Item = { readonly pcm: Int16Array } | { readonly mark: string };

/** What an agent has said and the user has not heard: audio, and marks amid it, taken in frames of 20 ms. */
export class Speech {
  /** Samples that came when there was no room, and marks. */
  lost = 0;
  readonly #rate: number;
  readonly #frame: Int16Array;
  readonly #items: Item[] = [];
  /** Where the first item is that has not been taken: to shift a long array costs as much as it is long. */
  #head = 0;
  /** Samples of that item that have been taken. */
  #taken = 0;
  #samples = 0;
  #marks = 0;
  /** It has paused: when what waits now began to come; null: nothing waits. Undefined while it speaks. */
  #waitsSince: number | null | undefined = null;

  /** `rate`: samples a second. */
  constructor(rate: number) {
    this.#rate = rate;
    this.#frame = new Int16Array((rate * FRAME_MS) / 1000);
  }

  /** Milliseconds of audio that wait. */
  get heldMs(): number {
    return (this.#samples * 1000) / this.#rate;
  }

  /** Takes audio of any length; what there is no room for is lost. */
  say(pcm: Int16Array, now: number): void {
    const room = MOST_SECONDS * this.#rate - this.#samples;
    const kept = pcm.length > room ? pcm.subarray(0, Math.max(0, room)) : pcm;
    this.lost += pcm.length - kept.length;
    if (kept.length === 0) return;
    if (this.#waitsSince === null) this.#waitsSince = now;
    this.#items.push({ pcm: kept });
    this.#samples += kept.length;
  }

  /** A mark behind all that has been said. True: nothing is before it, so that it has been reached; it is not kept. */
  mark(name: string): boolean {
    if (this.#items.length === this.#head) return true;
    if (this.#marks >= MOST_MARKS) this.lost += 1;
    else {
      this.#items.push({ mark: name });
      this.#marks += 1;
    }
    return false;
  }

  /** Nothing of it is to be heard any more. Gives the marks that were in it. */
  clear(): string[] {
    const marks = this.#items.slice(this.#head).flatMap((item) => ('mark' in item ? [item.mark] : []));
    this.#items.length = this.#head = 0;
    this.#taken = this.#samples = this.#marks = 0;
    this.#waitsSince = null;
    return marks;
  }

  /** The 20 ms that are heard from now on, valid until the next call, and the marks that are reached with them; null: nothing is said. */
  next(now: number): { readonly frame: Int16Array; readonly marks: readonly string[] } | null {
    if (this.#samples === 0 || this.#cushions(now)) return null;
    this.#waitsSince = undefined;
    const marks: string[] = [];
    let filled = 0;
    for (let first = this.#items[this.#head]; first !== undefined; first = this.#items[this.#head]) {
      if ('mark' in first) {
        marks.push(first.mark);
        this.#marks -= 1;
        this.#head += 1;
        continue;
      }
      if (filled === this.#frame.length) break;
      const take = Math.min(this.#frame.length - filled, first.pcm.length - this.#taken);
      this.#frame.set(first.pcm.subarray(this.#taken, this.#taken + take), filled);
      filled += take;
      this.#taken += take;
      this.#samples -= take;
      if (this.#taken < first.pcm.length) break;
      this.#taken = 0;
      this.#head += 1;
    }
    if (this.#head * 2 >= this.#items.length) {
      this.#items.splice(0, this.#head);
      this.#head = 0;
    }
    this.#frame.fill(0, filled);
    if (this.#samples === 0) this.#waitsSince = null;
    return { frame: this.#frame, marks };
  }

  /** Behind a pause: unless enough is there, it has waited long enough, or a mark says that this is all. */
  #cushions(now: number): boolean {
    const since = this.#waitsSince;
    if (since === undefined || this.#marks > 0 || this.heldMs >= CUSHION_MS) return false;
    return since === null || now - since < CUSHION_MS;
  }
}
