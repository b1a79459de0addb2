import type { Attempt } from './attempt.js';

/** One target that a call was offered to, or that was passed over. */
export interface TryRecord {
  /** Null where policy refused what is none of ours, such as the Contact of a redirection; `text` says what it was. */
  readonly peer: string | null;
  readonly user: string | null;
  /** Call-ID of the INVITE; null when none was sent. */
  readonly callId: string | null;
  /** SIP status: 200, or what it refused with; of a target that was passed over, what that means for the call. */
  readonly status: number;
  /** answered, or the reason as in a termination. */
  readonly reason: string;
  readonly text: string;
  /** From its first 18x to its end, in seconds; null: it never rang. */
  readonly ringSeconds: number | null;
}

type TryTarget = Pick<TryRecord, 'peer' | 'user'>;

/** A record keeps so many; a call with more is a loop of somebody's. */
const mostTries = 64;

/** One try, from before its INVITE to its end. */
export class Try {
  readonly #target: TryTarget;
  readonly #now: () => number;
  #callId: string | null = null;
  #rangAt: number | null = null;
  #end: Pick<TryRecord, 'status' | 'reason' | 'text' | 'ringSeconds'> | null = null;

  constructor(target: TryTarget, now: () => number) {
    this.#target = target;
    this.#now = now;
  }

  placed(callId: string): void {
    this.#callId = callId;
  }

  /** An 18x came. */
  rang(): void {
    this.#rangAt ??= this.#now();
  }

  get hasRung(): boolean {
    return this.#rangAt !== null;
  }

  /** What became of it is known. */
  get over(): boolean {
    return this.#end !== null;
  }

  /** The first end counts. */
  redirected(status: number, text: string): void {
    this.#end ??= { status, reason: 'redirected', text, ringSeconds: this.#ringSeconds() };
  }

  ended(attempt: Attempt<unknown>): void {
    const { status, reason, text } = attempt.won ? { status: 200, reason: 'answered', text: '' } : attempt.termination;
    this.#end ??= { status, reason, text, ringSeconds: this.#ringSeconds() };
  }

  /** As it stands now; one that is still under way is cancelled, for it is asked at the end of the call. */
  record(): TryRecord {
    const { peer, user } = this.#target;
    return { peer, user, callId: this.#callId, ...this.#end ?? { status: 487, reason: 'cancelled', text: '', ringSeconds: this.#ringSeconds() } };
  }

  /** To tenths. */
  #ringSeconds(): number | null {
    return this.#rangAt === null ? null : Math.round((this.#now() - this.#rangAt) / 100) / 10;
  }
}

/** Begins a try of a call. */
export function beginTry(tries: Try[], target: TryTarget): Try {
  const begun = new Try({ peer: target.peer, user: target.user }, () => performance.now());
  if (tries.length < mostTries) tries.push(begun);
  return begun;
}
