import ipaddr from 'ipaddr.js';
import { metaProxyName } from '../config/domains.js';
import { unbracketed } from '../util/hostPort.js';

type Range = [ipaddr.IPv4 | ipaddr.IPv6, number];

/**
 * A test whether an address lies in one of the CIDRs (a bare address counts as its own).
 * IPv4-mapped IPv6 addresses are compared as IPv4. An address that cannot be read is in none.
 * @throws Error on a CIDR that cannot be read; the configuration loader checks them first.
 */
export function addressMatcher(cidrs: readonly string[]): (address: string) => boolean {
  const ranges: Range[] = cidrs.map((cidr) => {
    if (cidr.includes('/')) return ipaddr.parseCIDR(cidr);
    const address = ipaddr.parse(cidr);
    return [address, address.kind() === 'ipv4' ? 32 : 128];
  });
  return (address) => {
    const bare = unbracketed(address).replace(/%.*$/, '');
    // Most names are told by their letters; ipaddr.js tells by exceptions.
    if (!/^[0-9a-fx.:]+$/i.test(bare) || !ipaddr.isValid(bare)) return false;
    const parsed = ipaddr.process(bare);
    return ranges.some(([range, bits]) => range.kind() === parsed.kind() && parsed.match(range, bits));
  };
}

/** Who a request comes from, judged by the transport alone, never by a header (META-SIP §5.2). */
export type Source = { readonly kind: 'meta' } | { readonly kind: 'peer'; readonly peer: string } | { readonly kind: 'stranger' };

export interface SourceRules {
  readonly metaSources: readonly string[];
  readonly peers: Readonly<Record<string, { readonly sources: readonly string[]; readonly transports: readonly string[] }>>;
  /** Whom a certificate can make known: names of peers, and `metaProxyName`. */
  readonly certified?: readonly string[];
}

/**
 * Compiles the rules; the first peer whose sources match wins. `certified`: the peer that the sender's certificate makes known, as the embedded SIP
 * server has judged it: that proves more than an address.
 */
export function sourceJudge(rules: SourceRules): (address: string, protocol: string, certified?: string | null) => Source {
  const isMeta = addressMatcher(rules.metaSources);
  const peers = Object.entries(rules.peers).map(([peer, { sources, transports }]) => ({ peer, transports, matches: addressMatcher(sources) }));
  return (address, protocol, certified = null) => {
    const transport = protocol.toLowerCase();
    // Meta speaks TLS only (META-SIP §3).
    if (transport === 'tls' && isMeta(address)) return { kind: 'meta' };
    if (certified !== null && rules.certified?.includes(certified) === true) return certified === metaProxyName ? { kind: 'meta' } : { kind: 'peer', peer: certified };
    const found = peers.find(({ transports, matches }) => transports.includes(transport) && matches(address));
    return found === undefined ? { kind: 'stranger' } : { kind: 'peer', peer: found.peer };
  };
}
