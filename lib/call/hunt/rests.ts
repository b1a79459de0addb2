import type { SipMessageView } from '../../sip/drachtio.js';
import { BoundedMap } from '../../util/boundedMap.js';

/** Longest time that a Retry-After is believed for, milliseconds: who is back earlier is not to be left out for the rest of a day. */
const longestRestMs = 300_000;
/** Targets whose Retry-After is remembered; the oldest is forgotten. */
const mostRests = 10_000;

/** Users who are away, and peers that are overloaded, for as long as they have said themselves by Retry-After (RFC 3261 §20.33). */
export class Rests {
  readonly #now: () => number;
  readonly #until = new BoundedMap<string, number>(mostRests);

  /** `now` in milliseconds, of a clock that is not set. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** A target has refused: 480 and 486 speak for the user, 503 for the peer (RFC 3261 §21.4.18, §21.4.24, §21.5.4). */
  heard(peer: string, user: string, status: number, response: Pick<SipMessageView, 'get'> | null): void {
    const seconds = Number(/^\s*(\d{1,9})\b/.exec(response?.get('Retry-After') ?? '')?.[1] ?? 0);
    if (seconds === 0 || (status !== 480 && status !== 486 && status !== 503)) return;
    this.#until.set(status === 503 ? keyOf(peer) : keyOf(peer, user), this.#now() + Math.min(seconds * 1000, longestRestMs));
  }

  /** They have taken a call. */
  back(peer: string, user: string): void {
    this.#until.delete(keyOf(peer));
    this.#until.delete(keyOf(peer, user));
  }

  /** Why a target is passed over while others are there, as a sentence; null: nothing speaks against it. */
  of(peer: string, user: string): string | null {
    const [whole, own] = [keyOf(peer), keyOf(peer, user)].map((key) => Math.ceil(((this.#until.get(key) ?? 0) - this.#now()) / 1000));
    if (whole !== undefined && whole > 0) return `peer ${peer} has asked for ${whole} s more without calls (Retry-After)`;
    return own !== undefined && own > 0 ? `user ${user} of peer ${peer} has asked for ${own} s more without calls (Retry-After)` : null;
  }
}

function keyOf(peer: string, user = ''): string {
  return `${peer}\n${user}`;
}
