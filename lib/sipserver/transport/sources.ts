// Who is at the far end, by what the transport shows alone: the address, the protocol, and whether credentials were verified there lately.
import { BlockList, isIPv4, isIPv6 } from 'node:net';
import type { Address, Protocol } from './flow.js';
import type { ClientRule } from './clients.js';
import { BoundedMap } from '../../util/boundedMap.js';
import { placeOf } from '../../util/place.js';

/** Whom to take for whom, as plain data. Networks are CIDRs or single addresses. */
export interface SourceRules {
  /** Known by their address, on these protocols. */
  readonly known: readonly { readonly networks: readonly string[]; readonly protocols: readonly Protocol[] }[];
  /** From where somebody may come whom only his credentials make known. Everybody else is answered nothing. */
  readonly guests: readonly string[];
  /** Known by the certificate they show over TLS, from wherever they come. */
  readonly clients?: readonly ClientRule[];
  /** Networks that are asked for no certificate. */
  readonly unasked?: readonly string[];
}

/**
 * `known`: by address and protocol. `authenticated`: the application has verified credentials of this very connection, or UDP address and port, and
 * that has not lapsed. `guest`: may show credentials, and is served no more than that takes. `stranger`: gets silence.
 */
export type SourceClass = 'known' | 'authenticated' | 'guest' | 'stranger';

/** UDP addresses with verified credentials that are remembered; the oldest give way. */
const MOST_AUTHENTICATED = 100_000;

/** Places where a password was shown that are remembered, and for how long after it was, ms. */
const MOST_ACQUAINTED = 200_000;
const ACQUAINTED_FOR = 7 * 86_400_000;

/** Classes of addresses that are remembered. */
const MOST_JUDGED = 20_000;

type Match = (address: string) => boolean;

/** The rules, compiled, and who has authenticated over UDP. Without rules everybody is known: somebody else then decides who may send to us. */
export class Sources {
  private known: { matches: Match; protocols: ReadonlySet<Protocol> }[] = [];
  private guests: Match = () => false;
  private unasked: Match = () => false;
  private open = true;
  /** Protocol → address → class. */
  private readonly judged: Readonly<Record<Protocol, Map<string, SourceClass>>> = { udp: new Map(), tcp: new Map(), tls: new Map(), ws: new Map(), wss: new Map() };
  /** UDP address and port → until when, in order of the last authentication. */
  private readonly authenticatedUdp = new BoundedMap<string, number>(MOST_AUTHENTICATED);

  /** Place → until when it counts that a password was shown there, in order of the last time. */
  private readonly acquaintances = new BoundedMap<string, number>(MOST_ACQUAINTED);

  constructor(rules?: SourceRules) {
    if (rules !== undefined) this.replace(rules);
  }

  /** Judges by these rules from now on, connections that are up too. Throws on a network that cannot be read. */
  replace(rules: SourceRules): void {
    const known = rules.known.map(({ networks, protocols }) => ({ matches: matcher(networks), protocols: new Set(protocols) }));
    const [guests, unasked] = [matcher(rules.guests), matcher(rules.unasked ?? [])];
    this.guests = guests;
    this.unasked = unasked;
    this.known = known;
    this.open = false;
    for (const judged of Object.values(this.judged)) judged.clear();
  }

  /** Whether somebody from there may be asked for a certificate. */
  mayAsk(address: string): boolean {
    return !this.unasked(address);
  }

  /** By address and protocol alone. */
  byAddress(protocol: Protocol, address: string): SourceClass {
    if (this.open) return 'known';
    const all = this.judged[protocol];
    const before = all.get(address);
    if (before !== undefined) return before;
    const judged = this.known.some(({ matches, protocols }) => protocols.has(protocol) && matches(address)) ? 'known' : this.guests(address) ? 'guest' : 'stranger';
    // Made-up addresses can only empty this, not make it grow.
    if (all.size >= MOST_JUDGED) all.clear();
    all.set(address, judged);
    return judged;
  }

  /** Who sent a datagram. `now` in ms. */
  ofDatagram(remote: Address, now: number): SourceClass {
    const judged = this.byAddress('udp', remote.address);
    if (judged === 'known') return judged;
    const until = this.authenticatedUdp.get(keyOf(remote));
    return until !== undefined && until > now ? 'authenticated' : judged;
  }

  /** Credentials were verified in a request from this UDP address and port; that counts until then, ms. */
  authenticate(remote: Address, until: number): void {
    const key = keyOf(remote);
    // An INVITE says no more than a REGISTER said before it.
    const later = Math.max(until, this.authenticatedUdp.get(key) ?? 0);
    this.authenticatedUdp.set(key, later);
  }

  get authenticatedSize(): number {
    return this.authenticatedUdp.size;
  }

  /** A password was shown at this address, or somewhere in this /64, lately. */
  acquaint(address: string, now: number): void {
    this.acquaintances.set(placeOf(address.replace(/\/64$/, '')), now + ACQUAINTED_FOR);
  }

  /** See `placeOf`. */
  acquainted(place: string, now: number): boolean {
    return (this.acquaintances.get(place) ?? 0) > now;
  }

  /** Called now and then. */
  sweep(now: number): void {
    for (const [key, until] of this.authenticatedUdp) if (until <= now) this.authenticatedUdp.delete(key);
    for (const [place, until] of this.acquaintances) if (until <= now) this.acquaintances.delete(place);
  }
}

function keyOf({ address, port }: Address): string {
  return `${address} ${port}`;
}

/** A test whether an address lies in one of the networks. */
function matcher(networks: readonly string[]): Match {
  const v4: { base: number; mask: number }[] = [];
  const v6 = new BlockList();
  for (const network of networks) {
    const [address = '', bits] = network.split('/');
    if (isIPv4(address)) {
      const prefix = bits === undefined ? 32 : Number(bits);
      if (!Number.isInteger(prefix) || prefix < 0 || prefix > 32) throw new Error(`not a network: ${network}`);
      const mask = prefix === 0 ? 0 : (-1 << (32 - prefix)) >>> 0;
      v4.push({ base: (toInteger(address) & mask) >>> 0, mask });
    } else if (isIPv6(address)) v6.addSubnet(address, bits === undefined ? 128 : Number(bits), 'ipv6');
    else throw new Error(`not a network: ${network}`);
  }
  return (address) => {
    if (address.includes(':')) return isIPv6(address) && v6.check(address, 'ipv6');
    const n = toInteger(address);
    return v4.some(({ base, mask }) => ((n & mask) >>> 0) === base);
  };
}

/** An IPv4 address as a number; the system gives none that is malformed. */
function toInteger(address: string): number {
  let n = 0;
  for (const part of address.split('.')) n = (n << 8) | (Number(part) & 255);
  return n >>> 0;
}
