import type { Corrections, CountedEvent } from './store.js';

interface Own { readonly at: number; readonly window: number }

/** Keys that are swept of what has lapsed at a time; events that are given to the store at a time. */
const sweptAtOnce = 200;
const givenAtOnce = 1000;

/** `doubtful`: the store may have it; `sent`: it is on its way. */
interface Owed { readonly key: string; readonly member: string; readonly doubtful: boolean; sent: boolean }

/**
 * The events that calls of this node have counted, for as long as they count: given anew to a store that has forgotten them, and all that is known while it cannot
 * be reached. Events that the store may not have, or may still have, are owed to it. Times in milliseconds of a clock that never steps back.
 */
export class OwnEvents {
  /** By key and name, the oldest first. */
  readonly #events = new Map<string, Map<string, Own>>();
  readonly #owed = new Map<string, Owed>();
  #sweep: Iterator<string> = this.#events.keys();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Those of a key that count now. */
  count(key: string): number {
    return this.#current(key)?.size ?? 0;
  }

  /** `owed`: the store does not have it yet. */
  add(key: string, member: string, window: number, owed: boolean): void {
    const events = this.#events.get(key) ?? new Map<string, Own>();
    // What is counted anew is the youngest.
    events.delete(member);
    this.#events.set(key, events.set(member, { at: this.#now(), window }));
    this.#current(key);
    if (owed) this.#owe(key, member, this.#owed.get(idOf(key, member))?.doubtful === true);
    else this.#owed.delete(idOf(key, member));
  }

  /** It does not count. */
  drop(key: string, member: string): void {
    const events = this.#events.get(key);
    if (events?.delete(member) === true && events.size === 0) this.#events.delete(key);
    const known = this.#owed.get(idOf(key, member));
    // The store has never heard of it.
    if (known !== undefined && !known.doubtful && !known.sent) this.#owed.delete(idOf(key, member));
    else this.owe(key, member);
  }

  /** Whether the store has it is to be put right. */
  owe(key: string, member: string): void {
    this.#owe(key, member, true);
  }

  #owe(key: string, member: string, doubtful: boolean): void {
    this.#owed.set(idOf(key, member), { key, member, doubtful, sent: false });
  }

  /** What is owed to the store, `all` that is on its way to it too, as much as it takes at a time; `paid` when it has it. */
  owed(all: boolean): Corrections & { readonly paid: () => void } {
    const now = this.#now();
    const some: Owed[] = [];
    for (const [id, one] of this.#owed) {
      if (some.length >= givenAtOnce) break;
      if (one.sent && !all) continue;
      const own = this.#events.get(one.key)?.get(one.member);
      const counts = own !== undefined && own.at + own.window > now;
      // What has lapsed before the store heard of it, as most of a window of a second that was counted while it was gone.
      if (!counts && !one.doubtful && !one.sent) this.#owed.delete(id);
      else some.push(one);
    }
    for (const one of some) one.sent = true;
    const add: CountedEvent[] = [];
    const drop: { key: string; member: string }[] = [];
    for (const { key, member } of some) {
      const own = this.#events.get(key)?.get(member);
      if (own === undefined || own.at + own.window <= now) drop.push({ key, member });
      else add.push({ key, member, age: Math.round(now - own.at), window: own.window });
    }
    return { add, drop, paid: () => { for (const one of some) if (this.#owed.get(idOf(one.key, one.member)) === one) this.#owed.delete(idOf(one.key, one.member)); } };
  }

  get owes(): boolean {
    for (const { sent } of this.#owed.values()) if (!sent) return true;
    return false;
  }

  /** Everything that counts for longer than `window` milliseconds, so many at a time. */
  *all(window: number, atOnce: number): Iterable<readonly CountedEvent[]> {
    let some: CountedEvent[] = [];
    for (const key of [...this.#events.keys()]) {
      for (const [member, own] of this.#current(key) ?? []) {
        if (own.window <= window) continue;
        some.push({ key, member, age: Math.round(this.#now() - own.at), window: own.window });
        if (some.length < atOnce) continue;
        yield some;
        some = [];
      }
    }
    yield some;
  }

  /** Forgets what has lapsed, bit by bit. */
  tidy(): void {
    for (let i = 0; i < sweptAtOnce; i += 1) {
      const next = this.#sweep.next();
      if (next.done === true) {
        this.#sweep = this.#events.keys();
        return;
      }
      this.#current(next.value);
    }
  }

  #current(key: string): ReadonlyMap<string, Own> | undefined {
    const events = this.#events.get(key);
    if (events === undefined) return undefined;
    const now = this.#now();
    for (const [member, { at, window }] of events) {
      if (at + window > now) break;
      events.delete(member);
    }
    if (events.size === 0) this.#events.delete(key);
    return events;
  }
}

function idOf(key: string, member: string): string {
  return `${key}\n${member}`;
}
