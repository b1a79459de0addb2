import { addressKey, type IceAddress } from './address.js';
import type { Pair } from './pairs.js';

/** One connectivity check on its way: one STUN transaction, repeated until it is answered. Times in milliseconds. */
export interface Check {
  readonly transaction: string;
  readonly pair: Pair;
  /** It carries USE-CANDIDATE. */
  readonly nominates: boolean;
  /** The role it was sent in. */
  readonly isControlling: boolean;
  readonly bytes: Buffer;
  sends: number;
  /** Until the next send, twice the one before. */
  wait: number;
  sentAt: number;
}

/**
 * Sent so often, then it has failed. RFC 8445 §14.3 has at least 500 ms before the first repetition, for a path with no estimate; here it is 50, as a call waits
 * for it, and doubled each time: the eighth goes out after 4.75 s, and after 6.35 s the check has failed.
 */
const SENDS = 8;
const LONGEST_WAIT = 1600;
/** RFC 8445 §14.2: the least distance of any two checks, kept between those of one pair. */
const CLOSEST = 5;

export class Checks {
  readonly #live = new Map<string, Check>();

  constructor(private readonly send: (bytes: Buffer, to: IceAddress) => void) {}

  get size(): number {
    return this.#live.size;
  }

  get isNominating(): boolean {
    for (const check of this.#live.values()) if (check.nominates) return true;
    return false;
  }

  begin(check: Omit<Check, 'sends' | 'sentAt'>, now: number): void {
    const begun: Check = { ...check, sends: 0, sentAt: now };
    this.#live.set(check.transaction, begun);
    this.#again(begun, now);
  }

  /** The check that this transaction is of, sent to just this address (RFC 8445 §7.2.5.2.1). */
  find(transaction: string, from: IceAddress): Check | undefined {
    const check = this.#live.get(transaction);
    return check !== undefined && addressKey(check.pair.remote) === addressKey(from) ? check : undefined;
  }

  end(check: Check): void {
    this.#live.delete(check.transaction);
  }

  /**
   * A check of theirs came on this pair, so ours may get through from now on (RFC 8445 §7.3.1.4). It is repeated now and as often as a new one; the same transaction,
   * since an answer may be on its way. False: there is none to repeat.
   */
  hasten(pair: Pair, now: number, wait: number): boolean {
    for (const check of this.#live.values()) {
      if (check.pair !== pair) continue;
      check.sends = 0;
      check.wait = Math.min(check.wait, wait);
      if (now - check.sentAt >= CLOSEST) this.#again(check, now);
      return true;
    }
    return false;
  }

  /** Repeats what is due, and gives what has failed. `patient`: nothing fails yet. */
  tick(now: number, patient: boolean): Check[] {
    const failed: Check[] = [];
    for (const check of this.#live.values()) {
      if (now - check.sentAt < check.wait) continue;
      if (check.sends >= SENDS && !patient) {
        this.#live.delete(check.transaction);
        failed.push(check);
      } else {
        check.wait = Math.min(LONGEST_WAIT, check.wait * 2);
        this.#again(check, now);
      }
    }
    return failed;
  }

  /** Ends those that nothing hangs on any more, and gives their pairs. */
  drop(isIdle: (check: Check) => boolean): Pair[] {
    const idle = [...this.#live.values()].filter(isIdle);
    for (const check of idle) this.end(check);
    return idle.map(({ pair }) => pair);
  }

  #again(check: Check, now: number): void {
    check.sends += 1;
    check.sentAt = now;
    this.send(check.bytes, check.pair.remote);
  }
}
