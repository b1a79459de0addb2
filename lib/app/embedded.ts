import { randomBytes } from 'node:crypto';
import { domainOf, isKnownByDigest, tlsPeers } from '../config/domains.js';
import type { Config, SipLimitsConfig } from '../config/types.js';
import { listenError } from '../errors.js';
import type { Logger } from '../observe/logger.js';
import type { TraceEntry } from '../observe/trace.js';
import type { SipServerAddress } from '../sip/connections.js';
import { startSipServer, startSipServerThread, type GivenLimits, type NodeRules, type SipServer, type SourceRules, type TlsRule } from '../sipserver/index.js';
import { nodeName } from './nodeName.js';
import { defaultSipPort, hostPort, splitHostPort, splitListen } from '../util/hostPort.js';

/** Starts the SIP server in this process, for the configuration's addresses and Meta's. @throws WabError when an address is taken or a certificate cannot be read */
export async function startEmbedded(
  config: Config, log: Logger, on: {
    record: (entry: TraceEntry) => void;
    allow: (address: string) => boolean;
    refused: (address: string) => void;
    unknown: (address: string, transport: string) => void;
    flowGone: (token: string) => void;
    acquainted: () => readonly string[];
  },
): Promise<{ server: SipServer; address: SipServerAddress }> {
  const { cert, key } = config.sip.tls;
  const secret = randomBytes(24).toString('hex');
  const { node } = config;
  if (node.secret !== null && !Object.hasOwn(node.addresses, nodeName(node))) {
    log.error({ part: 'sip', node: nodeName(node), addresses: Object.keys(node.addresses) }, 'this node is not in node.addresses: the others do not find it, and requests of its calls that come out there get 481');
  }
  const start = config.sip.thread ? startSipServerThread : startSipServer;
  const server = await start({
    listen: [...config.sip.listen],
    // In this thread it needs no socket for us, and there is nobody else.
    admin: { host: '127.0.0.1', port: config.sip.thread ? 0 : null, secret },
    tls: cert === null || key === null ? undefined : { cert, key },
    domains: domainFilesOf(config),
    tlsWith: tlsWithOf(config),
    ...(config.sip.origins[0] === 'default' ? {} : { origins: config.sip.origins }),
    advertise: { default: config.sip.advertise.peers },
    targets: {
      [config.meta.host]: { address: config.meta.address, port: config.meta.port, ca: config.meta.ca, advertise: config.sip.advertise.meta ?? config.domain },
    },
    reserved: { hosts: [config.meta.host, ...metaHosts], networks: config.meta.sources },
    nodes: nodesOf(config),
    followContacts: false,
    limits: limitsOf(config.sip.limits),
    ...(config.sip.scanners[0] === 'default' ? {} : { scanners: config.sip.scanners }),
    logger: log.child({ part: 'sipserver' }),
    sources: sourcesOf(config),
    onMessage: on.record,
    allow: on.allow,
    onRefused: on.refused,
    onUnknown: on.unknown,
    onFlowGone: on.flowGone,
    acquainted: on.acquainted,
    // The application in this process does not come back: when its connection is gone so are its calls, and their far ends are to know.
    orphanTime: 0,
  }).catch((error: unknown) => { throw startError(config, error); });
  const { join } = server;
  return { server, address: join === null ? { ...server.admin, secret } : { server: { join }, secret } };
}

/** An address that cannot be listened on, by its key; any other error as it is. */
function startError({ sip }: Config, error: unknown): unknown {
  const { listen, syscall, code } = error as NodeJS.ErrnoException & { readonly listen?: string };
  if (listen === undefined || (syscall !== 'listen' && syscall !== 'bind' && !/^E(ADDR|ACCES)/.test(code ?? ''))) return error;
  return listenError(`sip.listen[${sip.listen.indexOf(listen)}]`, listen, error);
}

/** Names of Meta's beside the one that is called: they stand in its Record-Route (META-SIP §1). */
const metaHosts = ['meta.vc', 'fbinfra.net'];

/** Undefined: this is the only node. */
function nodesOf({ node }: Config): NodeRules | undefined {
  return node.secret === null ? undefined : { name: nodeName(node), secret: node.secret, addresses: addressesOf(node) };
}

/** Where the nodes are. */
export function addressesOf({ addresses }: Config['node']): NodeRules['addresses'] {
  return Object.fromEntries(Object.entries(addresses).flatMap(([name, address]) => (address === undefined ? [] : [[name, address] as const])));
}

/** The file's limits in the server's units. */
function limitsOf(limits: SipLimitsConfig): GivenLimits {
  const { handshakeTimeout, connectTimeout, firstMessageTimeout, messageTimeout, idleTimeout, strangers: { idleTimeout: strangersIdle, ...strangers }, ...rest } = limits;
  return {
    ...rest, handshakeTime: handshakeTimeout * 1000, connectTime: connectTimeout * 1000, firstMessageTime: firstMessageTimeout * 1000,
    messageTime: messageTimeout * 1000, idleTime: idleTimeout * 1000, strangers: { ...strangers, idleTime: strangersIdle * 1000 },
  };
}

/**
 * Who is known to the embedded server by address and transport: Meta and the peers, as `sourceJudge` has it. A phone, and a trunk that has only a
 * password, may be behind any address from which it may come; where there are none of these, nobody else is answered.
 */
export function sourcesOf({ meta, peers, node }: Pick<Config, 'meta' | 'peers' | 'node'>): SourceRules {
  const certified = tlsPeers({ peers, meta }).filter(({ isCertified }) => isCertified);
  const all = Object.values(peers);
  const guests = all.filter((peer) => peer.register || isKnownByDigest(peer))
    .flatMap(({ sources }) => (sources.length > 0 ? sources : ['0.0.0.0/0', '::/0']));
  return {
    // Meta speaks TLS only (META-SIP §3). Users who register are known by what they know, never by their address.
    known: [{ networks: meta.sources, protocols: ['tls'] }, ...all.filter(({ register }) => !register).map(({ sources, transports }) => ({ networks: sources, protocols: transports })),
      // They hand requests on; what they would ask for themselves is a stranger's all the same.
      ...Object.values(addressesOf(node)).flatMap((address) => { const place = splitListen(address, ['tcp', 'udp']); return place === null ? [] : [{ networks: [place.host], protocols: [place.transport] }]; })],
    guests: [...new Set(guests)],
    clients: certified.flatMap(({ name, hosts, tls: { ca } }) => (ca === null ? [] : [{ name, hosts, ca }])),
    // META-SIP §3: Meta is asked for no certificate.
    unasked: meta.sources,
  };
}

/** Certificates of the names beside `domain`. */
export function domainFilesOf({ domains }: Pick<Config, 'domains'>): Readonly<Record<string, { cert: string; key: string }>> {
  return Object.fromEntries(Object.entries(domains).map(([name, { tls }]) => [name, tls]));
}

/** How the embedded server speaks TLS with each peer that it calls, and the proxy towards Meta, by the names and addresses that mean them. */
export function tlsWithOf(config: Pick<Config, 'peers' | 'meta'>): Readonly<Record<string, TlsRule>> {
  return Object.fromEntries(tlsPeers(config).flatMap(({ hosts, tls: { verify, ca, clientCert, clientKey } }) =>
    hosts.map((host) => [host, { verify, ca, cert: clientCert, key: clientKey }] as const)));
}

/**
 * Our Contact towards Meta is the registered name (META-SIP §4.1), with the port of the server that holds the dialog: Meta's BYE
 * must not reach another.
 */
export function metaContactHost(config: Config, number: string | null, listening: readonly string[] = [], tlsPort: number | null): string {
  const own = domainOf(config, number);
  const told = config.sip.advertise.meta ?? config.domain;
  const publicPort = splitHostPort(told)?.port ?? null;
  // A number of another domain is reached by that, at the same port.
  const host = own === config.domain.toLowerCase() ? told : publicPort === null ? own : hostPort(own, publicPort);
  // A port of its own is the public one.
  if (publicPort !== null) return host;
  const port = tlsPort ?? splitListen(listening.find((l) => l.startsWith('tls:')) ?? '', ['tls'])?.port ?? defaultSipPort(true);
  return hostPort(host, port);
}

/** drachtio-server is told with each INVITE what the embedded server knows of Meta's address; null: the name and 5061 are right. */
export function metaProxy({ meta: { address, host, port } }: Config): string | null {
  if (address === null && port === defaultSipPort(true)) return null;
  return `sip:${hostPort(address ?? host, port)};transport=tls`;
}
