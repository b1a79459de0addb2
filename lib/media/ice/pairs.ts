import type { IceCandidate } from '../../sdp/index.js';
import { addressKey, canonical, familyOf, isSomewhere, type Family, type IceAddress } from './address.js';
import { hostPriority, pairPriority } from './candidate.js';

/**
 * One address of theirs and the one of ours that reaches it: with one socket for each family there is no other (RFC 8445 §6.1.2.4). Pairs are not frozen
 * (§6.1.2.6): that spares checks between streams and components, and there is one of each.
 */
export interface Pair {
  readonly remote: IceAddress;
  readonly family: Family;
  remotePriority: number;
  /** Ours; that of a peer-reflexive candidate once a check showed that we are seen at another address than we told (RFC 8445 §7.2.5.3). */
  localPriority: number;
  /** Peer-reflexive: known from a check, not from their description (RFC 8445 §7.3.1.3). */
  isLearned: boolean;
  state: 'waiting' | 'inProgress' | 'succeeded' | 'failed';
  /** A check with USE-CANDIDATE came on it (RFC 8445 §7.3.1.5). */
  isNamed: boolean;
}

/** Of a description as many candidates count, and as many more addresses are learned. Together below the 100 pairs of RFC 8445 §6.1.2.5. */
const SIGNALLED = 32;
const LEARNED = 16;

export class Pairs {
  readonly #pairs = new Map<string, Pair>();
  #signalled = 0;
  #learned = 0;

  constructor(private readonly families: ReadonlySet<Family>) {}

  /** Candidates of their description; those known already are left as they are. */
  signal(candidates: readonly IceCandidate[]): void {
    for (const { component, transport, priority, address, port } of candidates) {
      if (this.#signalled >= SIGNALLED) return;
      if (component !== 1 || transport.toLowerCase() !== 'udp' || !isSomewhere({ address, port })) continue;
      const remote = canonical({ address, port });
      const known = this.at(remote);
      if (known === undefined) {
        if (this.#add(remote, priority, false) !== undefined) this.#signalled += 1;
      } else if (known.isLearned) {
        known.isLearned = false;
        known.remotePriority = priority;
        this.#learned -= 1;
        this.#signalled += 1;
      }
    }
  }

  /** The pair of an address that a check came from. Undefined when there are too many: one that failed makes room. */
  learn(from: IceAddress, priority: number): Pair | undefined {
    const known = this.at(from);
    if (known !== undefined) return known;
    if (this.#learned >= LEARNED) {
      const old = this.all().find((pair) => pair.isLearned && pair.state === 'failed');
      if (old === undefined) return undefined;
      this.#pairs.delete(addressKey(old.remote));
      this.#learned -= 1;
    }
    const pair = this.#add({ address: from.address, port: from.port }, priority, true);
    if (pair !== undefined) this.#learned += 1;
    return pair;
  }

  at(remote: IceAddress): Pair | undefined {
    return this.#pairs.get(addressKey(remote));
  }

  all(): Pair[] {
    return [...this.#pairs.values()];
  }

  some(...states: readonly Pair['state'][]): boolean {
    for (const pair of this.#pairs.values()) if (states.includes(pair.state)) return true;
    return false;
  }

  /** The one of these states with the highest priority. */
  best(isControlling: boolean, ...states: readonly Pair['state'][]): Pair | undefined {
    let best: Pair | undefined;
    for (const pair of this.#pairs.values()) {
      if (states.includes(pair.state) && (best === undefined || outranks(pair, best, isControlling))) best = pair;
    }
    return best;
  }

  #add(remote: IceAddress, remotePriority: number, isLearned: boolean): Pair | undefined {
    const family = familyOf(remote.address);
    if (!this.families.has(family)) return undefined;
    const pair: Pair = { remote, family, remotePriority, localPriority: hostPriority(family), isLearned, state: 'waiting', isNamed: false };
    this.#pairs.set(addressKey(remote), pair);
    return pair;
  }
}

export function outranks(one: Pair, other: Pair, isControlling: boolean): boolean {
  const priorityOf = ({ localPriority, remotePriority }: Pair): bigint => (isControlling ? pairPriority(localPriority, remotePriority) : pairPriority(remotePriority, localPriority));
  return priorityOf(one) > priorityOf(other);
}
