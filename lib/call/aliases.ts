import { createHash } from 'node:crypto';
import { isBsuid } from '../policy/index.js';
import type { Remembered } from '../state/index.js';

/** 999 is no country code and is not to become one (ITU-T E.164 Annex D lists it as reserved), and no number has 14 digits behind none. */
const form = /^999[0-9]{11}$/;

/** Aliases that are given out; who comes then keeps the id. None is taken back, so that no PBX's call-back list ever leads to somebody else. */
export const mostAliases = 1_000_000;

/**
 * Digits for users who have no number, for PBXs that know nothing else: 999 and 11 digits, without '+'. The same user always has the same: it is made
 * from the id, and where two ids would have one, the second has the next that is free, which the state file keeps.
 */
export class Aliases {
  readonly #remembered: Remembered;
  readonly #byUser = new Map<string, string>();

  /** `remembered`: the id behind each alias; holds the state file's content already. */
  constructor(remembered: Remembered) {
    this.#remembered = remembered;
    for (const alias of remembered.names()) this.#index(alias);
    remembered.watch((alias) => this.#index(alias));
  }

  #index(alias: string): void {
    const user = this.#remembered.get(alias);
    if (user !== null) this.#byUser.set(user, alias);
  }

  /** The alias of a user; null: they have a number, or every alias is given out. */
  of(user: string): string | null {
    if (!isBsuid(user)) return null;
    const known = this.#byUser.get(user);
    if (known !== undefined) return known;
    if (this.#byUser.size >= mostAliases) return null;
    let alias = made(user, 0);
    for (let salt = 1; this.#remembered.get(alias) !== null; salt += 1) alias = made(user, salt);
    this.#byUser.set(user, alias);
    void this.#remembered.set(alias, user);
    return alias;
  }

  /** Whether these digits are an alias by their form. */
  isAlias(dialled: string): boolean {
    return form.test(dialled);
  }

  /** The user behind an alias; null: it is nobody's. */
  userOf(alias: string): string | null {
    return form.test(alias) ? this.#remembered.get(alias) : null;
  }

  /** Aliases in order, those behind `after`, so many at most. */
  list(after: string, limit: number): readonly { readonly alias: string; readonly user: string }[] {
    return [...this.#byUser].map(([user, alias]) => ({ alias, user })).filter(({ alias }) => alias > after).sort((a, b) => (a.alias < b.alias ? -1 : 1)).slice(0, limit);
  }
}

function made(user: string, salt: number): string {
  const number = createHash('sha256').update(`${salt} ${user}`).digest().readBigUInt64BE() % 100_000_000_000n;
  return `999${String(number).padStart(11, '0')}`;
}
