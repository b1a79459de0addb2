import type { Call } from './call.js';

/** The live calls, and how many of them each number, each peer and each pair of number and user carries. */
export class CallTable {
  readonly #calls = new Map<string, Call>();
  readonly #begun: Record<Call['direction'], number> = { 'user-initiated': 0, 'business-initiated': 0 };
  readonly #perNumber = new Map<string, number>();
  readonly #perPeer = new Map<string, number>();
  readonly #perPair = new Map<string, number>();
  readonly #perAccount = new Map<string, number>();
  readonly #watchers: { readonly added?: (call: Call) => void; readonly removed?: (call: Call) => void }[] = [];

  /** Adds one who is told of each call as it comes into the table, and as it leaves it. */
  watch(watcher: { readonly added?: (call: Call) => void; readonly removed?: (call: Call) => void }): void {
    this.#watchers.push(watcher);
  }

  get size(): number {
    return this.#calls.size;
  }

  /** Call attempts since the start, those that are over among them. */
  begun(): Readonly<Record<Call['direction'], number>> {
    return { ...this.#begun };
  }

  add(call: Call): void {
    this.#calls.set(call.id, call);
    this.#begun[call.direction] += 1;
    for (const { added } of this.#watchers) added?.(call);
  }

  remove(call: Call): void {
    if (this.#calls.delete(call.id)) for (const { removed } of this.#watchers) removed?.(call);
  }

  get(id: string): Call | undefined {
    return this.#calls.get(id);
  }

  all(): Call[] {
    return [...this.#calls.values()];
  }

  /** Takes one of a number's places; false when it has none left. The returned place is given back once. */
  takeNumber(number: string, limit: number): Place | null {
    return take(this.#perNumber, number, limit);
  }

  /** The same for a peer, counting attempts and calls. */
  takePeer(peer: string, limit: number): Place | null {
    return take(this.#perPeer, peer, limit);
  }

  /** The same for a business number and a WhatsApp user together, whoever called. */
  takePair(number: string, user: string, limit: number): Place | null {
    return take(this.#perPair, `${number} ${user}`, limit);
  }

  /** The same for calls that a registered user has placed. */
  takeAccount(user: string): Place | null {
    return take(this.#perAccount, user, Infinity);
  }

  onAccount(user: string): number {
    return this.#perAccount.get(user) ?? 0;
  }

  onPair(number: string, user: string): number {
    return this.#perPair.get(`${number} ${user}`) ?? 0;
  }

  onNumber(number: string): number {
    return this.#perNumber.get(number) ?? 0;
  }

  onPeer(peer: string): number {
    return this.#perPeer.get(peer) ?? 0;
  }
}

/** A counted place; release() may be called twice. */
export interface Place {
  release(): void;
}

function take(counts: Map<string, number>, key: string, limit: number): Place | null {
  const count = counts.get(key) ?? 0;
  if (count >= limit) return null;
  counts.set(key, count + 1);
  let held = true;
  return {
    release() {
      if (!held) return;
      held = false;
      const left = (counts.get(key) ?? 1) - 1;
      if (left === 0) counts.delete(key);
      else counts.set(key, left);
    },
  };
}
