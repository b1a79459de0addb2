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
  /** Meta connects to it; else only peers do, or a proxy in between. */
  readonly isForMeta: boolean;
}

/** Each host name of ours; `domain` first. */
export function identities({ domain, domains, numbers, sip, meta: { proxy } }: Pick<Config, 'domain' | 'domains' | 'numbers' | 'sip' | 'meta'>): readonly Identity[] {
  const isDirect = proxy === null;
  const named = new Set(Object.keys(numbers).map((number) => domainOf({ domain, numbers }, number)));
  return [{ at: 'sip.tls', name: domain, ...sip.tls, isForMeta: isDirect }, ...Object.entries(domains).map(([name, { tls }]) => ({ at: `domains.${name}.tls`, name, ...tls, isForMeta: isDirect && named.has(name.toLowerCase()) }))];
}

/** Who is called, or calls, by SIP over TLS, and what its keys say of that. */
export interface TlsPeer {
  /** Of a peer its name; of the proxy between Meta and us `metaProxyName`. */
  readonly name: string;
  /** Key of the configuration that has the files. */
  readonly at: string;
  /** Names and addresses that mean it, as `hostKey` spells them; that of its uri first. */
  readonly hosts: readonly string[];
  readonly tls: Config['peers'][string]['tls'];
  /** Whoever shows its certificate is it. */
  readonly isCertified: boolean;
}

/** No peer can have this name. */
export const metaProxyName = ':meta';

/** Peers whose `tls` says something for SIP, and `meta.proxy`. */
export function tlsPeers({ peers, meta: { proxy } }: Pick<Config, 'peers' | 'meta'>): readonly TlsPeer[] {
  const ofMeta = proxy === null ? [] : [{ name: metaProxyName, at: 'meta.proxy', hosts: [hostKey(hostOf(proxy.uri))], tls: { verify: true, ca: proxy.ca, clientCert: proxy.clientCert, clientKey: proxy.clientKey }, isCertified: true }];
  return [...ofMeta, ...sipPeers(peers).filter(({ tls: { verify, ca, clientCert, clientKey } }) => !verify || ca !== null || clientCert !== null || clientKey !== null)];
}

/** Peers that have an address of their own. */
function sipPeers(peers: Config['peers']): readonly TlsPeer[] {
  return Object.entries(peers).flatMap(([name, peer]) => {
    const { uri, hosts, tls, register, websocket } = peer;
    if (register || websocket !== null) return [];
    const all = [hostOf(uri), ...hosts].filter((one) => one !== '').map(hostKey);
    return [{ name, at: `peers.${name}.tls`, tls, hosts: [...new Set(all)], isCertified: isKnownByCertificate(peer) }];
  });
}

function hostOf(uri: string): string {
  return /^sip:(\[[^\]]*\]|[^:;@?[\]]+)/.exec(uri)?.[1] ?? '';
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

function checkTlsPeers(config: Config, report: Report): void {
  const { peers, sip, meta } = config;
  const byHost = new Map<string, TlsPeer>();
  const all = tlsPeers(config);
  const plain = sipPeers(peers).filter(({ name }) => !all.some((peer) => peer.name === name));
  if (meta.proxy !== null && (meta.proxy.clientCert === null) !== (meta.proxy.clientKey === null)) report('meta.proxy', 'clientCert and clientKey go together');
  // What it brings may come from anybody who has found a way through it.
  if (meta.proxy !== null && meta.challenge.length === 0) report('meta.challenge', "must not be empty with meta.proxy: Meta's digest alone says that a call which the proxy brings is Meta's");
  for (const peer of all) {
    const { at, name } = peer;
    if (sip.server !== 'embedded') report(at, 'needs sip.server: embedded: how drachtio-server speaks TLS, its own configuration says');
    // What a peer's tls says holds for its hosts, whoever else is there.
    if (peer.hosts.includes(hostKey(meta.host))) report(at, `would hold for Meta, as ${name === metaProxyName ? 'the proxy' : name} is ${meta.host} too: give it its own host`);
    const beside = plain.find((other) => peer.hosts.includes(other.hosts[0] ?? '') && isCalledByTls(peers, other.name));
    if (beside !== undefined) report(at, `would hold for peer ${beside.name} as well, which is ${beside.hosts[0]} too: give both the same, or one of them another host`);
    for (const host of peer.hosts) {
      const other = byHost.get(host);
      const theirs = other?.name === metaProxyName ? 'meta.proxy' : `peer ${other?.name}`;
      if (other !== undefined && JSON.stringify(other.tls) !== JSON.stringify(peer.tls)) report(at, `is another than that of ${theirs}, which is ${host} too`);
      else if (other !== undefined && peer.isCertified && other.isCertified) report(`${at}.ca`, `makes ${theirs} known by the same certificates, as it is ${host} too: one of them needs another name`);
      byHost.set(host, peer);
    }
  }
}

function isCalledByTls(peers: Config['peers'], name: string): boolean {
  return /;transport=tls(?:;|$)/i.test(peers[name]?.uri ?? '');
}
