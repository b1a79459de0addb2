import ipaddr from 'ipaddr.js';
import type { BanRules, Strike } from '../sip/banList.js';
import { BanList } from '../sip/banList.js';

/** A user who got in from an address is known there for this long without coming again. */
const knownMs = 24 * 3600 * 1000;
const knownAddresses = 20_000;

/**
 * Slows and bans those who guess passwords or knock where nobody knows them: by address, and by user whatever address the guesses come from.
 * A user who has got in from an address before is judged there by his own faults alone, so that neither a stranger who guesses at his account
 * nor a neighbour behind the same NAT locks him out. Times in milliseconds.
 */
export class Guard {
  readonly #bans: BanList;
  /** Users who got in, by address, with the time; addresses in the order of the last success. */
  readonly #known = new Map<string, Map<string, number>>();

  constructor(rules: () => BanRules) {
    this.#bans = new BanList(rules);
  }

  /** True while nothing this user says from this address is to be listened to. `user`: null for a request that names none. */
  refused(address: string, user: string | null, now: number): boolean {
    const place = placeOf(address);
    if (user !== null && this.#knows(place, user, now)) return this.#bans.banned(pairKey(place, user), now);
    return this.#bans.banned(place, now) || (user !== null && this.#bans.banned(userKey(user), now));
  }

  /** True for an address that gets no answer at all: it is banned and no user of ours has come from there. */
  silent(address: string, now: number): boolean {
    const place = placeOf(address);
    return this.#bans.banned(place, now) && ![...this.#known.get(place)?.keys() ?? []].some((user) => this.#knows(place, user, now));
  }

  /** A wrong password, or a request of nobody we know. `user`: one of our accounts, else null, so that made-up names take no memory. */
  fault(address: string, user: string | null, now: number): Strike & { readonly what: string } {
    const place = placeOf(address);
    if (user !== null && this.#knows(place, user, now)) return { ...this.#bans.strike(pairKey(place, user), now), what: `user ${user} at ${place}` };
    const byPlace = this.#bans.strike(place, now);
    const byUser = user === null ? null : this.#bans.strike(userKey(user), now);
    const delay = Math.max(byPlace.delay, byUser?.delay ?? 0);
    if (byPlace.ban === null && byUser !== null && byUser.ban !== null) return { delay, ban: byUser.ban, what: `user ${user}, except where it has registered before` };
    return { delay, ban: byPlace.ban, what: `address ${place}` };
  }

  success(address: string, user: string, now: number): void {
    const place = placeOf(address);
    const users = this.#known.get(place) ?? new Map<string, number>();
    users.set(user, now);
    this.#known.delete(place);
    this.#known.set(place, users);
    if (this.#known.size > knownAddresses) this.#known.delete(this.#known.keys().next().value!);
    this.#bans.clear(pairKey(place, user));
  }

  /** The bans that are on, for people. */
  list(now: number): { readonly who: string; readonly until: string }[] {
    return this.#bans.list(now).map(({ key, until }) => ({ who: key, until: new Date(until).toISOString() }));
  }

  #knows(place: string, user: string, now: number): boolean {
    const since = this.#known.get(place)?.get(user);
    return since !== undefined && now - since < knownMs;
  }
}

/** What counts as one address: of IPv6 the /64, as whoever has one address there has them all (RFC 6177 §2). */
function placeOf(address: string): string {
  const bare = address.replace(/^\[|\]$/g, '').replace(/%.*$/, '');
  if (!ipaddr.isValid(bare)) return bare;
  const parsed = ipaddr.process(bare);
  if (parsed.kind() === 'ipv4') return parsed.toString();
  return `${ipaddr.IPv6.networkAddressFromCIDR(`${parsed.toString()}/64`).toString()}/64`;
}

function userKey(user: string): string {
  return `user ${user}`;
}

function pairKey(place: string, user: string): string {
  return `user ${user} at ${place}`;
}
