/** Beyond this lead a stream begins to catch up, and goes on until it is below the second, in milliseconds. */
const LIMIT = 100;
const KEPT = 60;
/** Beyond this one most is left out: a conversation suffers from more. */
const CUT = 240;
/** One packet of so many is left out while catching up, or one alone sent beyond the cut: speech that runs faster is heard less than a hole. */
const ONE_OF = 4;

/**
 * How far an outgoing stream is ahead of the clock, and which packets it leaves out to come back. Frames that stand in for late packets
 * bring it ahead when those still come: an engine that holds everything back behind one lost packet (rtpengine 10.5.3, transcoding: 200 ms)
 * would else put the call off by as much with every loss. Times are milliseconds.
 */
export class Lead {
  /** Packets left out so far. */
  leftOut = 0;
  #position = 0;
  #began = 0;
  #catchingUp = false;
  #count = 0;

  /** When its next frame is by its own count, which goes on through stalls and is ahead of the clock by the lead. */
  get at(): number {
    return this.#began + this.#position;
  }

  /** The stream runs, or runs again, from now on. */
  start(now: number): void {
    this.#began = now - this.#position;
  }

  /** So much audio was sent. */
  sent(ms: number): void {
    this.#position += ms;
  }

  /** So much time is given up: nothing was or will be sent for it. */
  skip(ms: number): void {
    this.#began += ms;
  }

  /** Whether the source's packet at hand is to be left out. */
  leavesOut(now: number): boolean {
    const lead = this.#position - (now - this.#began);
    if (lead > LIMIT) this.#catchingUp = true;
    else if (lead < KEPT) this.#catchingUp = false;
    if (!this.#catchingUp) return false;
    this.#count = (this.#count + 1) % ONE_OF;
    const out = lead < CUT ? this.#count === 0 : this.#count !== 0;
    if (out) this.leftOut += 1;
    return out;
  }
}
