/** Whether the other side still wants what we send (RFC 7675 §5.1). Milliseconds. */
const INTERVAL = 5000;
const EXPIRY = 30_000;
/**
 * After so long without an answer, two checks, it is asked more often: with one packet in ten lost each way, six checks in a row are lost in one of thirty calls
 * of an hour (0.19^6 for each of 720), and each ended by that.
 */
const DOUBTFUL = 12_000;
const URGENT = 1000;

export class Consent {
  /** Transactions that no answer came to: each check is a new one, and none is repeated. At most 25 fit before consent expires. */
  readonly #open = new Set<string>();
  #nextAt: number;
  #heardAt: number;

  constructor(now: number, private readonly random: () => number) {
    this.#heardAt = now;
    this.#nextAt = this.#after(now);
  }

  /** What is to be done now. */
  due(now: number): 'nothing' | 'ask' | 'end' {
    if (now - this.#heardAt >= EXPIRY) return 'end';
    return now >= this.#nextAt ? 'ask' : 'nothing';
  }

  asked(transaction: string, now: number): void {
    this.#open.add(transaction);
    this.#nextAt = this.#after(now);
  }

  awaits(transaction: string): boolean {
    return this.#open.has(transaction);
  }

  /** A right answer came. */
  heard(now: number): void {
    this.#open.clear();
    this.#heardAt = now;
  }

  /** Milliseconds since the last right answer. */
  silentFor(now: number): number {
    return now - this.#heardAt;
  }

  #after(now: number): number {
    return now + (this.silentFor(now) >= DOUBTFUL ? URGENT : INTERVAL) * (0.8 + 0.4 * this.random());
  }
}
