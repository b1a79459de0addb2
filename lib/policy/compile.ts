import ipaddr from 'ipaddr.js';
import { reachable } from '../config/destinations.js';
import { metaSources } from '../config/metaSources.js';
import type { Config, LeakSign, PeerConfig } from '../config/types.js';
import type { OwnHosts } from '../sip/ownHosts.js';
import { ownHosts } from '../sip/ownHosts.js';
import { addressMatcher } from '../sip/source.js';
import type { SipUri } from '../sip/uri.js';
import { escapeUser, isTls, parseUri, portOf } from '../sip/uri.js';
import { hostKey } from '../util/hostKey.js';
import { countryOf } from './numbers.js';
import type { OnNetUsers, PatternCache, UserFault } from './pattern/users.js';
import { canonicalUser, compileUsers } from './pattern/users.js';

export interface CompiledPeer {
  readonly name: string;
  readonly uri: string;
  readonly host: string;
  readonly port: number;
  /** Its host and what else means it (`peers.*.hosts`). */
  readonly hosts: ReadonlySet<string>;
  /** Registered users are at our own hosts. */
  readonly register: boolean;
  /** Calls to it leave over TLS. */
  readonly tls: boolean;
  /** The operator's statement; the peer is routable only when it is 'none'. */
  readonly pstn: string;
  readonly users: OnNetUsers;
  readonly userFaults: readonly UserFault[];
  readonly mayTransferTo: ReadonlySet<string>;
  readonly mayCall: readonly string[];
  readonly callerIds: readonly string[];
  readonly country: string | null;
}

/** A configuration as policy asks it: look-ups only. Immutable. */
export interface CompiledPolicy {
  readonly config: Config;
  readonly peers: ReadonlyMap<string, CompiledPeer>;
  /** Peers by host:port of where they are. */
  readonly peersAt: ReadonlyMap<string, readonly CompiledPeer[]>;
  /** Names of routes: their number, and their targets as peer and one spelling of the user. */
  readonly routes: ReadonlyMap<string, { readonly number: string; readonly targets: ReadonlySet<string> }>;
  /** Targets of siprec, likewise. */
  readonly recorders: ReadonlySet<string>;
  /** ISO 3166 country of each business number; null where it has none. */
  readonly countries: ReadonlyMap<string, string | null>;
  readonly own: OwnHosts;
  /** Whether a SIP URI leads to ourselves. */
  readonly isOwn: (uri: SipUri) => boolean;
  readonly isMeta: (host: string) => boolean;
  readonly isCarrier: (host: string) => boolean;
  /** The peer that nobody vouched for at this socket, or, where no peer is, at this host; null when there is none. */
  readonly gatewayAt: (host: string, port: number) => CompiledPeer | null;
  readonly leaks: Readonly<Record<LeakSign, 'enforce' | 'report'>>;
}

// Sure signs end the call; signs that a PBX also gives for an internal forward are reported (issue "A PSTN policy").
const leakDefaults: Readonly<Record<LeakSign, 'enforce' | 'report'>> = {
  divertedToNumber: 'enforce', contactAtGateway: 'enforce', isupBody: 'enforce', carrierMedia: 'enforce', connectedNumber: 'enforce',
  forwarded181: 'report', q850Provisional: 'report',
};

/**
 * Never fails: what cannot be used allows nothing, and `prove` reports it.
 * @param machine addresses of the machine it runs on (`machineAddresses`)
 */
export function compilePolicy(config: Config, machine: readonly string[] = []): CompiledPolicy {
  const own = ownHosts(config, machine);
  const patterns: PatternCache = new Map();
  const peers = new Map<string, CompiledPeer>();
  const peersAt = new Map<string, CompiledPeer[]>();
  const gatewayHosts = new Map<string, CompiledPeer>();
  const hosts = new Set<string>();
  for (const [name, configured] of Object.entries(config.peers)) {
    const peer = compilePeer(name, configured, patterns);
    peers.set(name, peer);
    for (const host of hostsOf(peer, configured)) {
      hosts.add(host);
      if (peer.pstn !== 'none') gatewayHosts.set(host, peer);
      // Where a gateway calls from may be a PBX's address; only where it is called makes a socket a gateway's.
      if (peer.pstn !== 'none' && !peer.hosts.has(host)) continue;
      // A further name is written with the peer's port, or with none; so is that of its uri where hosts has it too.
      const ports = new Set((host !== peer.host && peer.hosts.has(host)) || configured.hosts.some((one) => hostKey(one) === host) ? [peer.port, 5060, 5061] : [peer.port]);
      for (const port of ports) peersAt.set(`${host}:${port}`, [...peersAt.get(`${host}:${port}`) ?? [], peer]);
    }
  }
  return {
    config, peers, peersAt,
    routes: new Map(config.routes.map((route, index) => [route.name, {
      number: route.number, targets: new Set(reachable(config, index).flatMap(({ destination }) => (destination.kind === 'ring' ? destination.to.map(({ peer, user }) => targetKey(peer, user)) : []))),
    }])),
    recorders: new Set(Object.values(config.siprec).flatMap(({ to }) => to.map(({ peer, user }) => targetKey(peer, user)))),
    own, isOwn: isOwn(own, config),
    // Most questions are about hosts of the configuration: their answers are worked out now.
    isMeta: remember(metaMatcher(config, new Set([...own.hosts, ...[...peers.values()].flatMap((peer) => [...peer.hosts])])), hosts),
    isCarrier: remember(carrierMatcher(config.policy.carriers), hosts),
    countries: new Map(Object.keys(config.numbers).map((number) => [number, countryOf(number)])),
    gatewayAt: (host, port) => {
      const here = peersAt.get(`${host}:${port}`);
      return here === undefined ? gatewayHosts.get(host) ?? null : here.find(({ pstn }) => pstn !== 'none') ?? null;
    },
    leaks: { ...leakDefaults, ...config.policy.leaks },
  };
}

function remember(matches: (host: string) => boolean, hosts: ReadonlySet<string>): (host: string) => boolean {
  const known = new Map([...hosts].map((host) => [host, matches(host)]));
  return (host) => known.get(host) ?? matches(host);
}

/**
 * Meta by its names and published prefixes, and by the configured address and sources, which a private stand-in may share
 * with peers and with us: those count only where nobody else is (`others`).
 */
function metaMatcher({ meta }: Config, others: ReadonlySet<string>): (host: string) => boolean {
  const isPublished = addressMatcher(metaSources);
  const isSource = addressMatcher(meta.sources);
  const name = hostKey(meta.host);
  const address = meta.address === null ? null : hostKey(meta.address);
  const proxy = meta.proxy === null ? null : hostKey(parseUri(meta.proxy.uri)?.host ?? '');
  return (host) => host === name || host === proxy || /(^|\.)(meta\.vc|fbinfra\.net)$/.test(host) || isPublished(host)
    || (!others.has(host) && (host === address || isSource(host)));
}

function compilePeer(name: string, peer: PeerConfig, patterns: PatternCache): CompiledPeer {
  const uri = parseUri(peer.uri);
  const { users, faults } = compileUsers(peer.users, patterns, peer.extensions);
  return {
    name, uri: peer.uri, pstn: peer.pstn, users, userFaults: faults,
    host: uri === null ? '' : hostKey(uri.host), hosts: new Set([...(uri === null ? [] : [uri.host]), ...peer.hosts].map(hostKey)), register: peer.register, port: uri === null ? 0 : portOf(uri), tls: uri !== null && isTls(uri),
    mayTransferTo: new Set(peer.mayTransferTo), mayCall: peer.mayCall, callerIds: peer.callerIds, country: peer.country,
  };
}

/** Where a peer is known to be: its URI, its further hosts, and a source that is a single address, as PBXs write their address into Contacts. */
function hostsOf(peer: CompiledPeer, { sources }: PeerConfig): Set<string> {
  const single = sources.filter((source) => !source.includes('/') || /^[^:]*\/32$|\/128$/.test(source)).map((source) => source.replace(/\/.*$/, ''));
  return new Set([peer.host, ...peer.hosts, ...single.map(hostKey)]);
}

export function targetKey(peer: string, user: string): string {
  return `${peer}\u0000${canonicalUser(user)}`;
}

/** The peer's URI with this user: where an allowed call is sent. */
export function uriOf(peer: CompiledPeer, user: string): string {
  return peer.uri.replace(/^sip:/i, `sip:${escapeUser(user)}@`);
}

/** A peer may share our address (another port): then the address says "us" only with a port of ours, or with none. */
function isOwn({ hosts, sockets }: OwnHosts, config: Config): (uri: SipUri) => boolean {
  const peers = new Set(Object.values(config.peers).flatMap(({ uri, hosts: named }) => [hostKey(parseUri(uri)?.host ?? ''), ...named.map(hostKey)]));
  const ports = new Set([...sockets].map((socket) => socket.replace(/^.*:/, '')));
  return (uri) => {
    const host = hostKey(uri.host);
    return hosts.has(host) && (!peers.has(host) || uri.port === null || ports.has(String(uri.port)));
  };
}

function carrierMatcher(carriers: readonly string[]): (host: string) => boolean {
  const networks = carriers.filter((carrier) => ipaddr.isValidCIDR(carrier) || ipaddr.isValid(carrier));
  const inNetwork = addressMatcher(networks);
  const names = carriers.filter((carrier) => !networks.includes(carrier)).map(hostKey);
  return (host) => names.some((name) => host === name || host.endsWith(`.${name}`)) || (networks.length > 0 && inNetwork(host));
}
