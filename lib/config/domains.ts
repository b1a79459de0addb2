import { hostKey } from '../util/hostKey.js';
import type { Config } from './types.js';

type Report = (path: string, message: string) => void;
type Named = Pick<Config, 'domain' | 'numbers'>;

/** The host name at which a business number is registered with Meta, in lower case, as it is set there. */
export function domainOf({ domain, numbers }: Named, number: string | null): string {
  return ((number !== null && Object.hasOwn(numbers, number) ? numbers[number]?.domain : null) ?? domain).toLowerCase();
}

/** A host name of ours, with its certificate and key, and the key of the configuration that has them. */
export interface Identity {
  readonly at: string;
  readonly name: string;
  readonly cert: string | null;
  readonly key: string | null;
  /** Meta connects to it; else only peers do. */
  readonly isForMeta: boolean;
}

/** Each host name of ours; `domain` first. */
export function identities({ domain, domains, numbers, sip }: Pick<Config, 'domain' | 'domains' | 'numbers' | 'sip'>): readonly Identity[] {
  const named = new Set(Object.keys(numbers).map((number) => domainOf({ domain, numbers }, number)));
  return [{ at: 'sip.tls', name: domain, ...sip.tls, isForMeta: true }, ...Object.entries(domains).map(([name, { tls }]) => ({ at: `domains.${name}.tls`, name, ...tls, isForMeta: named.has(name.toLowerCase()) }))];
}

/** A peer that is called, or calls, by SIP over TLS, and what its keys say of that. */
export interface TlsPeer {
  readonly name: string;
  /** Names and addresses that mean this peer, as `hostKey` spells them; that of its uri first. */
  readonly hosts: readonly string[];
  readonly tls: Config['peers'][string]['tls'];
}

/** Peers whose `tls` says something for SIP. */
export function tlsPeers(peers: Config['peers']): readonly TlsPeer[] {
  return sipPeers(peers).filter(({ tls: { verify, ca, clientCert, clientKey } }) => !verify || ca !== null || clientCert !== null || clientKey !== null);
}

/** Peers that have an address of their own. */
function sipPeers(peers: Config['peers']): readonly TlsPeer[] {
  return Object.entries(peers).flatMap(([name, { uri, hosts, tls, register, websocket }]) => {
    if (register || websocket !== null) return [];
    const [, host = ''] = /^sip:(\[[^\]]*\]|[^:;@?[\]]+)/.exec(uri) ?? [];
    return [{ name, tls, hosts: [...new Set([host, ...hosts].filter((one) => one !== '').map(hostKey))] }];
  });
}

/** Whether a peer is known by the certificate it shows. */
export function isKnownByCertificate({ tls, register, websocket, transports }: Pick<Config['peers'][string], 'tls' | 'register' | 'websocket' | 'transports'>): boolean {
  return tls.ca !== null && !register && websocket === null && transports.includes('tls');
}

/** Whether its password alone, from anywhere, makes a peer known: what it has besides is asked for too. */
export function isKnownByDigest(peer: Pick<Config['peers'][string], 'digest' | 'sources' | 'tls' | 'register' | 'websocket' | 'transports'>): boolean {
  return peer.digest !== null && peer.sources.length === 0 && !peer.register && !isKnownByCertificate(peer);
}

/** Faults between names, certificates and peers by TLS. */
export function checkDomains(config: Config, report: Report): void {
  const { domain, domains, numbers, sip } = config;
  for (const name of Object.keys(domains)) {
    if (name.toLowerCase() === domain.toLowerCase()) report(`domains.${name}`, 'is domain, whose certificate is that of sip.tls');
    else if (sip.server !== 'embedded') report(`domains.${name}`, 'needs sip.server: embedded: which certificate drachtio-server shows, its own configuration says');
  }
  const names = [domain, ...Object.keys(domains)].map((name) => name.toLowerCase());
  for (const [number, { domain: own }] of Object.entries(numbers)) {
    if (own !== null && !names.includes(own.toLowerCase())) report(`numbers.${number}.domain`, `is ${own}, which is neither domain nor one of domains: add domains: { ${own}: { tls: { cert: FILE, key: FILE } } }`);
  }
  checkTlsPeers(config, report);
}

function checkTlsPeers({ peers, sip, meta }: Config, report: Report): void {
  const byHost = new Map<string, TlsPeer>();
  const all = tlsPeers(peers);
  const plain = sipPeers(peers).filter(({ name }) => !all.some((peer) => peer.name === name));
  for (const peer of all) {
    const at = `peers.${peer.name}.tls`;
    if (sip.server !== 'embedded') report(at, 'needs sip.server: embedded: how drachtio-server speaks TLS, its own configuration says');
    // What a peer's tls says holds for its hosts, whoever else is there.
    if (peer.hosts.includes(hostKey(meta.host))) report(at, `would hold for Meta, as ${peer.name} is ${meta.host} too: give the peer its own host`);
    const beside = plain.find(({ name, hosts: [host = ''] }) => peer.hosts.includes(host) && isCalledByTls(peers, name));
    if (beside !== undefined) report(at, `would hold for peer ${beside.name} as well, which is ${beside.hosts[0]} too: give both the same, or one of them another host`);
    for (const host of peer.hosts) {
      const other = byHost.get(host);
      if (other !== undefined && JSON.stringify(other.tls) !== JSON.stringify(peer.tls)) report(at, `is another than that of peer ${other.name}, which is ${host} too`);
      else if (other !== undefined && isCertified(peers, peer) && isCertified(peers, other)) report(`${at}.ca`, `makes peer ${other.name} known by the same certificates, as it is ${host} too: one of them needs another name`);
      byHost.set(host, peer);
    }
  }
}

function isCalledByTls(peers: Config['peers'], name: string): boolean {
  return /;transport=tls(?:;|$)/i.test(peers[name]?.uri ?? '');
}

function isCertified(peers: Config['peers'], { name }: TlsPeer): boolean {
  const peer = peers[name];
  return peer !== undefined && isKnownByCertificate(peer);
}
