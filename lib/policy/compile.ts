import ipaddr from 'ipaddr.js';
import type { Config, LeakSign, PeerConfig } from '../config/types.js';
import { addressMatcher } from '../sip/source.js';
import type { SipUri } from '../sip/uri.js';
import { escapeUser, parseUri, uriParam } from '../sip/uri.js';
import type { OnNetUsers, UserFault } from './pattern/users.js';
import { canonicalUser, compileUsers } from './pattern/users.js';

export interface CompiledPeer {
  readonly name: string;
  readonly uri: string;
  readonly host: string;
  readonly port: number;
  /** The operator's statement; the peer is routable only when it is 'none'. */
  readonly pstn: string;
  readonly users: OnNetUsers;
  readonly userFaults: readonly UserFault[];
  readonly mayTransferTo: ReadonlySet<string>;
  readonly mayCall: readonly string[];
  readonly country: string | null;
}

/** A configuration as policy asks it: look-ups only. Immutable. */
export interface CompiledPolicy {
  readonly config: Config;
  readonly peers: ReadonlyMap<string, CompiledPeer>;
  /** By host:port, the peer that is there; null where several peers are. */
  readonly peerAt: ReadonlyMap<string, string | null>;
  /** Names of routes: their number, and their targets as peer and one spelling of the user. */
  readonly routes: ReadonlyMap<string, { readonly number: string; readonly targets: ReadonlySet<string> }>;
  /** Hosts that are ourselves: the domain, advertised and listening addresses. */
  readonly ownHosts: ReadonlySet<string>;
  readonly isMeta: (host: string) => boolean;
  readonly isCarrier: (host: string) => boolean;
  /** Hosts of peers that nobody vouched for, at any port. */
  readonly gateways: ReadonlyMap<string, string>;
  readonly leaks: Readonly<Record<LeakSign, 'enforce' | 'report'>>;
}

// Sure signs end the call; signs that a PBX also gives for an internal forward are reported (issue "A PSTN policy").
const leakDefaults: Readonly<Record<LeakSign, 'enforce' | 'report'>> = {
  divertedToNumber: 'enforce', contactAtGateway: 'enforce', isupBody: 'enforce', carrierMedia: 'enforce',
  forwarded181: 'report', q850Provisional: 'report',
};

/** Never fails: what cannot be used allows nothing, and `prove` reports it. */
export function compilePolicy(config: Config): CompiledPolicy {
  const peers = new Map(Object.entries(config.peers).map(([name, peer]) => [name, compilePeer(name, peer)]));
  const peerAt = new Map<string, string | null>();
  for (const peer of peers.values()) {
    for (const address of addressesOf(peer, config.peers[peer.name]!)) peerAt.set(address, peerAt.has(address) ? null : peer.name);
  }
  const isSource = addressMatcher(config.meta.sources);
  const peerHosts = new Set([...peers.values()].map((peer) => peer.host));
  const metaHosts = new Set([hostKey(config.meta.host), ...(config.meta.address === null ? [] : [hostKey(config.meta.address)])]);
  return {
    config, peers, peerAt,
    routes: new Map(config.routes.map((route) => [route.name, {
      number: route.number, targets: new Set(route.to.map(({ peer, user }) => targetKey(peer, user))),
    }])),
    ownHosts: ownHosts(config),
    // The stand-in for Meta may share an address with peers, so an address is Meta's only when no peer is there.
    isMeta: (host) => !peerHosts.has(host) && (metaHosts.has(host) || host === 'meta.vc' || host.endsWith('.meta.vc') || host.endsWith('.fbinfra.net') || isSource(host)),
    isCarrier: carrierMatcher(config.policy.carriers),
    gateways: new Map([...peers.values()].filter((peer) => peer.pstn !== 'none').map((peer) => [peer.host, peer.name])),
    leaks: { ...leakDefaults, ...config.policy.leaks },
  };
}

function compilePeer(name: string, peer: PeerConfig): CompiledPeer {
  const uri = parseUri(peer.uri);
  const { users, faults } = compileUsers(peer.users);
  return {
    name, uri: peer.uri, pstn: peer.pstn, users, userFaults: faults,
    host: uri === null ? '' : hostKey(uri.host), port: uri === null ? 0 : portOf(uri),
    mayTransferTo: new Set(peer.mayTransferTo), mayCall: peer.mayCall, country: peer.country,
  };
}

/** Where a peer is known to be: its URI, and a source that is a single address, as PBXs write their address into Contacts. */
function addressesOf(peer: CompiledPeer, { sources }: PeerConfig): Set<string> {
  const single = sources.filter((source) => !source.includes('/') || /^[^:]*\/32$|\/128$/.test(source)).map((source) => source.replace(/\/.*$/, ''));
  return new Set([peer.host, ...single.map(hostKey)].map((host) => `${host}:${peer.port}`));
}

/** Socket address of a URI without DNS: port as written, else the default of its transport (RFC 3261 §19.1.2). */
export function portOf(uri: SipUri): number {
  return uri.port ?? (uri.scheme === 'sips' || uriParam(uri.params, 'transport')?.toLowerCase() === 'tls' ? 5061 : 5060);
}

/** One spelling of a host: lower case, no final dot, IPv6 normalised and without brackets. */
export function hostKey(host: string): string {
  const bare = host.toLowerCase().replace(/^\[|\]$/g, '').replace(/\.$/, '');
  return bare.includes(':') && ipaddr.IPv6.isValid(bare) ? ipaddr.process(bare).toString() : bare;
}

export function targetKey(peer: string, user: string): string {
  return `${peer}\u0000${canonicalUser(user)}`;
}

/** The peer's URI with this user: where an allowed call is sent. */
export function uriOf(peer: CompiledPeer, user: string): string {
  return peer.uri.replace(/^sip:/i, `sip:${escapeUser(user)}@`);
}

function ownHosts(config: Config): Set<string> {
  const listening = config.sip.listen.map((socket) => socket.replace(/^[a-z]+:/, '').replace(/:[0-9]+$/, ''));
  const advertised = [config.sip.advertise.meta, config.sip.advertise.peers].filter((host) => host !== null);
  const hosts = [config.domain, ...advertised, ...listening].map(hostKey).filter((host) => host !== '0.0.0.0' && host !== '::');
  // A peer may share our address (another port): then the address alone does not say "us".
  const peers = new Set(Object.values(config.peers).map(({ uri }) => hostKey(parseUri(uri)?.host ?? '')));
  return new Set(hosts.filter((host) => !peers.has(host)));
}

function carrierMatcher(carriers: readonly string[]): (host: string) => boolean {
  const networks = carriers.filter((carrier) => ipaddr.isValidCIDR(carrier) || ipaddr.isValid(carrier));
  const inNetwork = addressMatcher(networks);
  const names = carriers.filter((carrier) => !networks.includes(carrier)).map(hostKey);
  return (host) => names.some((name) => host === name || host.endsWith(`.${name}`)) || (networks.length > 0 && inNetwork(host));
}
