import { BoundedMap } from '../util/boundedMap.js';

/** When faults lead to a ban, and for how long. */
export interface BanRules {
  /** Faults in a row that lead to a ban; 0: nobody is ever banned. */
  readonly after: number;
  /** Seconds of the first ban; each further one is twice as long, up to `longest`. */
  readonly first: number;
  readonly longest: number;
}

/** What a fault led to. Milliseconds. */
export interface Strike {
  /** How long the answer should be held back. */
  readonly delay: number;
  /** Length of the ban that begins now; null: none does. */
  readonly ban: number | null;
}

interface Entry {
  strikes: number;
  bans: number;
  until: number;
  last: number;
}

/** Faults this far apart are no guessing; they are counted anew. */
const fadeMs = 600_000;
const longestDelayMs = 5000;

/**
 * Faults by key (an address, a user), the delays and the growing bans they lead to. Holds no clock: `now` is in milliseconds.
 * Bounded: beyond `capacity` keys the one whose last fault is longest ago is forgotten.
 */
export class BanList {
  readonly #rules: () => BanRules;
  /** In the order of the last fault. */
  readonly #entries: BoundedMap<string, Entry>;

  constructor(rules: () => BanRules, capacity = 20_000) {
    this.#rules = rules;
    this.#entries = new BoundedMap(capacity);
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Counts a fault. The second in a row is answered after 1 s, then 2 s, 4 s, at most 5 s. */
  strike(key: string, now: number): Strike {
    const { after, first, longest } = this.#rules();
    const entry = this.#entries.get(key) ?? { strikes: 0, bans: 0, until: 0, last: now };
    if (now - entry.last > fadeMs) entry.strikes = 0;
    // A ban is forgotten when nothing happened for as long as the longest one takes.
    if (now - Math.max(entry.last, entry.until) > longest * 1000) entry.bans = 0;
    entry.strikes += 1;
    entry.last = now;
    const delay = entry.strikes === 1 ? 0 : Math.min(1000 * 2 ** (entry.strikes - 2), longestDelayMs);
    let ban: number | null = null;
    if (after > 0 && entry.strikes >= after) {
      ban = Math.min(first * 2 ** Math.min(entry.bans, 30), longest) * 1000;
      entry.until = now + ban;
      entry.bans += 1;
      entry.strikes = 0;
    }
    this.#entries.set(key, entry);
    return { delay, ban };
  }

  /** A ban that another node has begun. */
  impose(key: string, until: number, now: number): void {
    const entry = this.#entries.get(key) ?? { strikes: 0, bans: 0, until: 0, last: now };
    if (until <= Math.max(now, entry.until)) return;
    this.#entries.set(key, { ...entry, until, bans: entry.bans + 1 });
  }

  banned(key: string, now: number): boolean {
    return (this.#entries.get(key)?.until ?? 0) > now;
  }

  /** The faults of a key no longer count; a ban that is on stays. */
  clear(key: string): void {
    const entry = this.#entries.get(key);
    if (entry !== undefined) entry.strikes = 0;
  }

  /** The bans that are on: key, and when each ends. */
  list(now: number): { readonly key: string; readonly until: number }[] {
    return [...this.#entries].flatMap(([key, { until }]) => (until > now ? [{ key, until }] : []));
  }
}
