// Puts the layers together and opens the sockets.
import { createServer } from 'node:net';
import type { Server } from 'node:net';
import { networkInterfaces } from 'node:os';
import { isLoopback, isWildcard, Network, Presence, SystemNameService } from './locate/index.js';
import type { Hop, NameService, TargetRule, TlsRule } from './locate/index.js';
import type { NodeRules } from './nodes/index.js';
import { parseUri } from './parser/index.js';
import { Engine } from './protocol/engine.js';
import type { LocalClient, LocalConnection } from './protocol/channel.js';
import type { Log } from './protocol/context.js';
import type { Reserved } from './protocol/targets.js';
import { Policy, SCANNERS } from './protocol/policy.js';
import { DEFAULT_TIMERS, TransactionLayer } from './transaction/index.js';
import type { Timers } from './transaction/index.js';
import { hostPort, Transports, withDefaults } from './transport/index.js';
import type { Domains, Flow, GivenLimits, Protocol, SourceRules } from './transport/index.js';
import { hostKey } from '../util/hostKey.js';
import { defaultSipPort, unbracketed } from '../util/hostPort.js';

/** One message as it was on the wire. `text` is a binary string: one character per byte; `time` in ms since 1970. */
export interface WireMessage { direction: 'in' | 'out'; transport: string; local: string; remote: string; text: string; time: number }

export interface SipServerOptions {
  /** "tls:0.0.0.0:5061", "udp:…", "tcp:…", "wss:…", "ws:…"; IPv6 in brackets; port 0 takes any free one. */
  listen: string[];
  /** Where drachtio clients connect, and what they authenticate with; port 0 takes any free one, null none: then there are those that `join` only. */
  admin: { host: string; port: number | null; secret: string };
  /** PEM files, read again when they change. */
  tls?: { cert: string; key: string };
  /** The same for one host name each, which whoever connects by TLS asks for (RFC 6066 §3); `tls` for all others. */
  domains?: Domains;
  /** For one host name or address each that we call: how TLS is spoken with it. */
  tlsWith?: Readonly<Record<string, TlsRule>>;
  /** Origins of pages that may open a WebSocket, as browsers write them, "*": any; left out: those of the host that they connect to. */
  origins?: readonly string[];
  /** Host (or host:port) in Via, Contact and Record-Route of ours; by default the listening socket's address. */
  advertise?: { default?: string | null };
  /** For one host name each: connect to this address and port instead of resolving, extra CA file, host to show it. Certificate and SNI stay the name's. */
  targets?: Record<string, TargetRule>;
  /** Hosts (with what is below them) and networks (CIDRs) that no far end of a dialog may send us to but those that are there themselves. */
  reserved?: Reserved;
  limits?: GivenLimits;
  /**
   * Who is known by his address, and from where somebody may come who shows credentials. Those nobody knows are served with little: see
   * `StrangerLimits`. Left out: everybody is known, and it is for somebody else to decide who may send to us.
   */
  sources?: SourceRules;
  /**
   * Addresses, and networks of IPv6 (/64), where credentials were verified lately, before this start. Guests from there, and from where `authenticated()`
   * said so in the last week, are served although others use up what guests have.
   */
  acquainted?: () => readonly string[];
  /** RFC 3261 timers, ms; for tests. */
  timers?: Partial<Timers>;
  /** Substrings of User-Agent values that get no answer; by default the known scanners. */
  scanners?: readonly string[];
  /** False for sources that get no answer and no connection. */
  allow?: (address: string) => boolean;
  /** A stranger was refused a request; for TCP and TLS, where the address is proved. */
  onRefused?: (address: string) => void;
  /** Somebody whom nobody knows was not answered: told of ten in a minute, and of each once in an hour. */
  onUnknown?: (address: string, protocol: Protocol) => void;
  /** A connection by which somebody registered has closed: the user part of the URI in the Path that its REGISTERs were given. */
  onFlowGone?: (token: string) => void;
  /**
   * Several nodes behind one address: our tags name us, and a request of another node's dialog is handed to that node. Left out: this is the only one.
   */
  nodes?: NodeRules;
  /** How long calls of a drachtio client that is gone wait for one to come back, ms (default 32 s); then they are hung up. */
  orphanTime?: number;
  /**
   * drachtio-server's rule: a request for a Contact that was registered over TCP or TLS goes down that connection (default true). An application
   * that calls by flow tokens switches it off: otherwise whoever may register could name somebody else's address and be given his calls.
   */
  followContacts?: boolean;
  /** UDP requests longer than this are sent over TCP first where the URI leaves the choice (RFC 3261 §18.1.1: 1300). */
  udpBytes?: number;
  /** The name service; by default the system's. */
  names?: NameService;
  logger?: Log;
  /** SIP messages in and out, for a trace: those of whom we know, and what belongs to a dialog or transaction of ours. */
  onMessage?: (m: WireMessage) => void;
}

/** Counters since the start and present numbers, flat. */
export type SipServerStats = Record<string, number>;

/** Those of the figures that are present numbers; the others only rise. */
export const PRESENT: ReadonlySet<string> = new Set([
  'connections', 'acceptedConnections', 'handshakesInProgress', 'strangersConnections', 'strangersTransactions', 'authenticatedUdp', 'serverTransactions', 'clientTransactions', 'dialogs',
  'requestsIn', 'requestsOut', 'proxied', 'registeredFlows', 'clients',
]);

export interface SipServer {
  /** "tls:127.0.0.1:43211", … as really bound. */
  readonly listening: string[];
  /** Where clients connect; port 0: nowhere. */
  readonly admin: { host: string; port: number };
  /** Takes in a client of this thread: the client protocol, secret and all, without a socket. Null where the server runs in a thread of its own. */
  readonly join: ((client: LocalClient) => LocalConnection) | null;
  stats(): SipServerStats;
  /** Judges by these rules from now on. Throws on a network that cannot be read; then the old ones stay. */
  setSources(rules: SourceRules): void;
  /** New TLS connections of ours are opened as this says. */
  setTlsWith(rules: Readonly<Record<string, TlsRule>>): void;
  /** Certificates by the name that is asked for, from now on, where there is a tls or wss socket. Rejects where one does not load; then all is as before. */
  setDomains(domains: Domains): Promise<void>;
  /** Where the nodes are from now on. */
  setNodes(addresses: NodeRules['addresses']): void;
  /** Credentials were verified in a request from this connection, or UDP address and port: for so many seconds its holder is served in full. */
  authenticated(protocol: Protocol, address: string, port: number, seconds: number): void;
  /** Closes every socket and forgets every call, without a word to the peers. May be called twice. */
  close(): Promise<void>;
}

const SILENT: Log = { info() { /* no log */ }, warn() { /* no log */ }, error() { /* no log */ }, debug() { /* no log */ } };

/** What the options leave open, filled in. */
function complete(o: SipServerOptions) {
  return {
    log: o.logger ?? SILENT, limits: withDefaults(o.limits ?? {}), timers: { ...DEFAULT_TIMERS, ...o.timers }, targets: byKey(o.targets ?? {}, (host) => host.toLowerCase()),
    tlsWith: byKey(o.tlsWith ?? {}, hostKey),
    scanners: o.scanners ?? SCANNERS, orphanTime: o.orphanTime ?? 32_000, followContacts: o.followContacts ?? true,
    reserved: o.reserved ?? { hosts: [], networks: [] }, names: o.names ?? new SystemNameService(), udpBytes: o.udpBytes ?? 1300,
  };
}

/**
 * Starts the server. Rejects when a listening address is malformed or taken, TLS is wanted without a certificate, or the certificate does not
 * load, with that address as `listen` of the error; then nothing stays open.
 */
export async function startSipServer(o: SipServerOptions): Promise<SipServer> {
  const { log, limits, timers, targets, scanners, orphanTime, followContacts, reserved, names, udpBytes, tlsWith } = complete(o);
  const advertised = o.advertise?.default;
  const { onMessage, allow, onRefused, onUnknown, onFlowGone } = o;
  const transports: Transports = new Transports({
    limits, ...(o.tls === undefined ? {} : { tls: o.tls }),
    ...(o.domains === undefined ? {} : { domains: o.domains }), ...(o.sources === undefined ? {} : { sources: o.sources }), ...(o.origins === undefined ? {} : { origins: o.origins }),
    acquainted: o.acquainted?.() ?? [],
    handlers: {
      message: (bytes, flow, text) => { layer.receive(bytes, flow, text); },
      fault: (reason, head, flow) => { layer.unreadable(reason, head, flow); },
      ...(onMessage === undefined ? {} : { wire: (direction, flow, text) => { onMessage(wireMessage(direction, flow, text)); } }),
      ...(allow === undefined ? {} : { allow }),
      ...(onUnknown === undefined ? {} : { unknown: onUnknown }),
      concerns: (bytes) => layer.concerns(bytes),
      unproven: (address, why) => { log.warn({ source: address }, `the certificate that ${address} shows makes nobody known: ${why}`); },
      foreign: (origin, address) => { log.warn({ origin, source: address }, `a page of ${origin.slice(0, 100)} may not connect: it is not among the allowed origins`); },
      busy: () => layer.serverCount + layer.clientCount + engine.legs.size > 0,
      trouble: (what, error) => { log.error({ error: error.message, stack: error.stack }, what); },
      renewed: () => { log.info({}, 'certificate read again'); },
    },
  });
  const engine: Engine = new Engine({
    secret: o.admin.secret, timers, log, guard: transports.guard, crowded: (is) => { transports.pause(is); }, orphanTime, followContacts,
    policy: new Policy(scanners, limits.dialogs),
    hostports: () => ({
      advertised: transports.points.map((p) => `${p.protocol}/${advertised ?? hostPort(p.local)}`),
      local: transports.points.map((p) => `${p.protocol}/${hostPort(p.local)}`),
    }),
    connection: (id) => transports.connection(id), flowGone: (token) => { onFlowGone?.(token); },
    isSelf: (hop) => isOurs(transports, hop), reserved, nodes: o.nodes,
    isOurHost: (uri) => isOurHost(transports, uri, advertised),
  });
  const layer: TransactionLayer = new TransactionLayer({
    timers, user: engine, guard: transports.guard, maxTransactions: limits.transactions, maxHeaders: limits.headers,
    maxGuests: limits.strangers.transactions, question: (flow) => transports.gate.question(flow), acquainted: (flow) => transports.gate.isAcquainted(flow),
    ...(onMessage === undefined ? {} : { trace: (flow, text) => { onMessage(wireMessage('in', flow, text)); } }),
    ...(onRefused === undefined ? {} : { refused: (flow) => { if (flow.protocol !== 'udp') onRefused(flow.remote.address); } }),
    udp: (address, port) => transports.udp({ address, port }),
  });
  const admin = createServer(transports.guard.wrap('new client', (socket) => { engine.connected(socket); }));
  admin.on('error', (error) => { log.error({ error: error.message }, 'the socket for clients'); });
  try {
    const listening: string[] = [];
    for (const spec of o.listen) {
      const point = await transports.listen(spec).catch((error: unknown) => { throw Object.assign(error instanceof Error ? error : new Error(String(error)), { listen: spec }); });
      listening.push(`${point.protocol}:${hostPort(point.local)}`);
    }
    engine.attach(layer, new Network({
      transports, layer, targets, names, udpBytes, tls: tlsWith, likeWeb: reserved.hosts,
      presence: new Presence(transports.points, advertised, targets),
    }));
    const { host, port } = o.admin;
    const bound = port === null ? { host, port: 0 } : await listenAdmin(admin, host, port);
    return running(listening, bound, { transports, layer, engine, admin });
  } catch (error) {
    admin.close();
    layer.close();
    await transports.close();
    throw error;
  }
}

interface Parts { transports: Transports; layer: TransactionLayer; engine: Engine; admin: Server }

function running(listening: string[], bound: SipServer['admin'], { transports, layer, engine, admin }: Parts): SipServer {
  let closing: Promise<void> | undefined;
  return {
    listening,
    admin: bound,
    join: (client) => engine.joined(client),
    stats: () => ({
      ...transports.counters, ...layer.counters,
      connections: transports.connections, acceptedConnections: transports.admission.open, handshakesInProgress: transports.admission.handshaking.known + transports.admission.handshaking.strangers,
      strangersConnections: transports.admission.strangers, strangersTransactions: layer.guestCount, authenticatedUdp: transports.sources.authenticatedSize,
      serverTransactions: layer.serverCount, clientTransactions: layer.clientCount, dialogs: engine.legs.size, refusedDialogs: engine.policy.refusedDialogs, refusedBusy: engine.policy.refusedBusy,
      requestsIn: engine.uas.size, requestsOut: engine.uac.size, proxied: engine.proxying.size, ...engine.nodes.counts, registeredFlows: engine.flows.size, clients: engine.sessions.size,
    }),
    setSources: (rules) => { transports.setSources(rules); },
    setDomains: (domains) => transports.setDomains(domains),
    setNodes: (addresses) => { engine.nodes.setAddresses(addresses); },
    setTlsWith: (rules) => { engine.network.tls = byKey(rules, hostKey); },
    authenticated: (protocol, address, port, seconds) => {
      transports.authenticated(protocol, { address, port }, seconds);
      layer.authenticated(protocol, { address, port });
    },
    close: () => closing ??= (async () => {
      engine.close();
      layer.close();
      await Promise.all([transports.close(), new Promise<void>((resolve) => { admin.close(() => { resolve(); }); })]);
    })(),
  };
}

async function listenAdmin(admin: Server, host: string, port: number): Promise<SipServer['admin']> {
  await new Promise<void>((resolve, reject) => {
    admin.once('error', reject);
    admin.listen({ host, port, exclusive: true }, () => {
      admin.removeListener('error', reject);
      resolve();
    });
  });
  const bound = admin.address();
  if (bound === null || typeof bound === 'string') throw new Error('admin socket has no address');
  return { host: bound.address, port: bound.port };
}

function wireMessage(direction: 'in' | 'out', flow: Flow, text: string): WireMessage {
  return { direction, transport: flow.protocol, local: hostPort(flow.local), remote: hostPort(flow.remote), text, time: Date.now() };
}

/** True when a hop is one of our own listening points: a request sent there would come back. */
function isOurs(transports: Transports, hop: Hop): boolean {
  return transports.points.some(({ protocol, local }) => protocol === hop.protocol && local.port === hop.port
    && (local.address === hop.address || (isWildcard(local.address) && isLocal(hop.address))));
}

/** True when a Request-URI names this server: the address of a listening point, or the host we advertise. */
function isOurHost(transports: Transports, uri: string, advertised: string | null | undefined): boolean {
  const parsed = parseUri(uri);
  if (parsed === undefined) return false;
  const host = unbracketed(parsed.host);
  if (advertised !== null && advertised !== undefined && (parsed.host === advertised || `${parsed.host}:${parsed.port ?? ''}` === advertised)) return true;
  return transports.points.some(({ protocol, local }) => (parsed.port ?? defaultSipPort(protocol === 'tls')) === local.port
    && (local.address === host || (isWildcard(local.address) && isLocal(host))));
}

function isLocal(address: string): boolean {
  return isLoopback(address) || Object.values(networkInterfaces()).some((list) => list?.some((a) => a.address === address) === true);
}

function byKey<T>(rules: Readonly<Record<string, T>>, key: (host: string) => string): Record<string, T> {
  return Object.fromEntries(Object.entries(rules).map(([host, rule]) => [key(host), rule]));
}
