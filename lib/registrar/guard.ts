import type { BanRules, Strike } from '../sip/banList.js';
import { BanList } from '../sip/banList.js';
import { placeOf } from '../util/place.js';
import type { Remembered } from '../state/index.js';
import type { KnownPlaces } from './knownPlaces.js';

/**
 * How credentials are to be met. `judge`: by what they are. `closed`: the account is guessed at from many places, so that here, where it is not known,
 * not even the right password opens it. `banned`: nothing from here is judged.
 */
export type Standing = 'judge' | 'closed' | 'banned';

/** Wrong digests behind nonces that are not known to be ours, over UDP, that are told from right ones: so many, and one more each minute. */
const unprovenGuesses = 20;
const unprovenRefillMs = 60_000;

/**
 * Slows and bans those who guess passwords or knock where nobody knows them: by address, and by user whatever address the guesses come from.
 * A user who has got in from an address before is judged there by his own faults alone, so that neither a stranger who guesses at his account
 * nor a neighbour behind the same NAT locks him out. Times in milliseconds.
 *
 * Whoever calls fault() vouches that the request came from that address: a nonce of ours came back from there, or it came by a connection. A datagram
 * that proves nothing is nobody's fault, as it may be forged in anybody's name.
 *
 * What a guesser sees is the same for every name, made-up ones too: the answer is held back by the faults of his address alone, an address is banned after
 * as many faults whatever names they named, and a closed account answers as a wrong password does and counts as one.
 */
export class Guard {
  readonly #bans: BanList;
  readonly #known: KnownPlaces;
  /** Holds answers back: counts every fault of a place, and bans nobody. */
  readonly #pace = new BanList(() => ({ after: 0, first: 1, longest: 1 }));
  /** Bans by key and when each ends, for all nodes; null: there is this one alone. */
  readonly #shared: Remembered | null;
  #unproven = { left: unprovenGuesses, since: 0 };

  /** `shared`: bans, for all nodes that share it. */
  constructor(rules: () => BanRules, known: KnownPlaces, shared: Remembered | null = null) {
    this.#bans = new BanList(rules);
    this.#known = known;
    this.#shared = shared;
    const impose = (key: string): void => this.#bans.impose(key, Number(shared?.get(key) ?? 0), Date.now());
    for (const key of shared?.names() ?? []) impose(key);
    shared?.watch(impose);
  }

  /** `user`: one of our accounts whose password could be shown, else null. */
  standing(address: string, user: string | null, now: number): Standing {
    const place = placeOf(address);
    if (user !== null && this.#known.has(user, place)) return this.#bans.banned(pairKey(place, user), now) ? 'banned' : 'judge';
    if (this.#bans.banned(place, now)) return 'banned';
    return user !== null && this.#bans.banned(userKey(user), now) ? 'closed' : 'judge';
  }

  /** True for an address that gets no answer at all: it is banned and no user of ours has come from there. */
  silent(address: string, now: number): boolean {
    const place = placeOf(address);
    return this.#bans.banned(place, now) && !this.#known.any(place);
  }

  /** A wrong password, or a request of nobody we know. `user`: one of our accounts, else null, so that made-up names take no memory. */
  fault(address: string, user: string | null, now: number): Strike & { readonly what: string } {
    const place = placeOf(address);
    const { delay } = this.#pace.strike(place, now);
    if (user !== null && this.#known.has(user, place)) return { delay, ban: this.#strike(pairKey(place, user), now), what: `user ${user} at ${place}` };
    const ban = this.#strike(place, now);
    const closed = user === null || this.#bans.banned(userKey(user), now) ? null : this.#strike(userKey(user), now);
    if (ban === null && closed !== null) return { delay, ban: closed, what: `user ${user}, except where it has registered before` };
    return { delay, ban, what: `address ${place}` };
  }

  /** How long a ban is that begins now; null: none does. */
  #strike(key: string, now: number): number | null {
    const { ban } = this.#bans.strike(key, now);
    if (ban !== null) void this.#shared?.set(key, String(now + ban));
    return ban;
  }

  /**
   * Whether it may be told if a digest is right whose nonce proves nothing, over UDP: after a restart of ours phones show nonces that we do not know any
   * more, and some ask a person for the password unless told that it is the nonce alone (stale=true). Whoever makes a nonce up could learn as much of a
   * guess, and nobody could be blamed for it. So wrong ones use up a small budget of the whole service, right ones do not, and beyond it
   * every answer is stale=true, which tells a guesser nothing and brings each phone back with a nonce of ours (RFC 7616 §3.3 asks for no more than an
   * invalid nonce). A budget for each account or address would tell accounts from made-up names, or be flushed by forged addresses.
   */
  tellsUnproven(now: number): boolean {
    const refilled = Math.floor((now - this.#unproven.since) / unprovenRefillMs);
    if (refilled > 0) this.#unproven = { left: Math.min(unprovenGuesses, this.#unproven.left + refilled), since: this.#unproven.since + refilled * unprovenRefillMs };
    return this.#unproven.left > 0;
  }

  /** A wrong digest of that kind. */
  unprovenFault(): void {
    this.#unproven.left -= 1;
  }

  success(address: string, user: string): void {
    const place = placeOf(address);
    this.#known.add(user, place);
    this.#bans.clear(pairKey(place, user));
    // Whoever is behind the same NAT and has a password is no reason to silence the others; each account is still counted by itself.
    this.#bans.clear(place);
  }

  /** The bans that are on, for people. */
  list(now: number): { readonly who: string; readonly until: string }[] {
    return this.#bans.list(now).map(({ key, until }) => ({ who: key, until: new Date(until).toISOString() }));
  }
}

function userKey(user: string): string {
  return `user ${user}`;
}

function pairKey(place: string, user: string): string {
  return `user ${user} at ${place}`;
}
