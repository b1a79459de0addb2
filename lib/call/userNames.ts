import { isBsuid } from '../policy/index.js';
import type { Remembered } from '../state/index.js';

/**
 * Numbers that are one subscriber in two spellings, as people and PBXs write the one and WhatsApp the other: a mobile's 1 of Mexico (not dialled any
 * more since 2019), 9 of Argentina, and the ninth digit that Brazil put before its mobile numbers, which begin with 6 to 9.
 */
const spellings: readonly (readonly [spelled: RegExp, one: string])[] = [
  [/^\+521([0-9]{10})$/, '+52$1'], [/^\+549([0-9]{10})$/, '+54$1'], [/^\+55([1-9][0-9])9([6-9][0-9]{7})$/, '+55$1$2'],
];

/**
 * One WhatsApp user under all names: telephone number, business-scoped user id (BSUID) and the parent's (META-SIP §7). Meta counts users, so what is
 * counted for one name counts for all. Which belong together Meta shows in the INVITEs of the users' own calls; nothing else is believed.
 */
export class UserNames {
  readonly #remembered: Remembered;
  /** Ids by the name they stand for; made anew when most of it is of users who are forgotten. */
  readonly #idsOf = new Map<string, Set<string>>();

  /** `remembered`: the name that an id stands for; holds the state file's content already. */
  constructor(remembered: Remembered) {
    this.#remembered = remembered;
    this.#reindex();
    remembered.watch((id) => this.#index(id));
  }

  /** The name that a user is counted by: the number in one spelling, where it is known. */
  keyOf(user: string): string {
    let key = normal(user);
    // From the parent's id to the own id to the number.
    for (let steps = 0; steps < 2; steps += 1) key = this.#remembered.get(key) ?? key;
    return key;
  }

  /** Every name that the user was ever counted by, the one of keyOf() first. */
  all(user: string): readonly string[] {
    const key = this.keyOf(user);
    const ids = [...this.#idsOf.get(key) ?? []];
    const parents = ids.flatMap((id) => [...this.#idsOf.get(id) ?? []]);
    return [...new Set([key, ...[...ids, ...parents].filter((id) => this.keyOf(id) === key)])];
  }

  /** An INVITE of Meta's names one user several times: `from` in From, and the ids of its headers; null where there is none. */
  learn(from: string, userId: string | null, parentUserId: string | null): void {
    const ids = [userId, from, parentUserId].filter((name) => name !== null).filter(isBsuid);
    const own = ids.find((id) => !isParent(id)) ?? null;
    const parent = ids.find(isParent) ?? null;
    const number = /^\+?[1-9][0-9]{6,14}$/.test(from) ? normal(from) : null;
    if (number !== null && own !== null) this.#stands(own, number);
    if (parent !== null && (number ?? own) !== null) this.#stands(parent, number ?? own ?? '');
  }

  #stands(id: string, name: string): void {
    void this.#remembered.set(id, name);
    this.#index(id);
    if (this.#idsOf.size > 2 * this.#remembered.size + 100) this.#reindex();
  }

  #reindex(): void {
    this.#idsOf.clear();
    for (const id of this.#remembered.names()) this.#index(id);
  }

  #index(id: string): void {
    const name = this.#remembered.get(id);
    if (name === null) return;
    this.#idsOf.set(name, (this.#idsOf.get(name) ?? new Set()).add(id));
  }
}

function isParent(id: string): boolean {
  return /^[A-Z]{2}\.ENT\./.test(id);
}

function normal(user: string): string {
  const number = /^[1-9][0-9]{6,14}$/.test(user) ? `+${user}` : user;
  for (const [spelled, one] of spellings) if (spelled.test(number)) return number.replace(spelled, one);
  return number;
}
