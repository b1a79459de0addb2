import { EventEmitter } from 'node:events';
import { isKnownByCertificate } from '../config/domains.js';
import { phoneTransports, transports } from '../config/types.js';
import type { CallRules } from '../call/context.js';
import type { Logger } from '../observe/logger.js';
import { Authenticator } from '../registrar/authenticator.js';
import type { Guard as BanGuard } from '../registrar/guard.js';
import { Registrar } from '../registrar/registrar.js';
import { SipConnections } from '../sip/connections.js';
import { DigestServer } from '../sip/digestServer.js';
import type { SipHeaders, SipRequest } from '../sip/drachtio.js';
import { sendOptions, type OptionsOutcome } from '../sip/options.js';
import type { SipServer } from '../sipserver/index.js';
import type { ElsewhereOptions } from '../registrar/elsewhere.js';
import { addressesOf, startEmbedded } from './embedded.js';
import { splitListen } from '../util/hostPort.js';
import type { Start } from './start.js';
import type { State } from './state.js';

/** How long a nonce of ours may be answered. Meta answers within a round trip; a minute forgives a slow network. */
export const nonceLifetimeMs = 60_000;
/** How long the SIP server serves those in full who have shown a password, seconds. */
const authenticatedFor = 3600;

/** The SIP servers and who is known to them. */
export interface Sip {
  /** Null with drachtio-server. */
  readonly embedded: SipServer | null;
  /** Not connected yet: nothing comes in before everything is there to take it. */
  readonly connections: SipConnections;
  readonly authenticator: Authenticator;
  readonly registrar: Registrar;
  /** OPTIONS to somebody, given up after `timeout` milliseconds; null while no SIP server is connected. */
  readonly ask: (uri: string, proxy: string | null, headers: SipHeaders, timeout: number) => Promise<OptionsOutcome | null>;
}

/**
 * The second step: the embedded server listens from here on.
 * @throws WabError when an address is taken or a certificate cannot be read
 */
export async function openSip({ config, log, faults, undo }: Start, state: State): Promise<Sip> {
  // Said where an operator looks, not only in the documents.
  if (config.sip.server === 'drachtio') log.warn({ part: 'sip' }, "drachtio-server does not verify Meta's certificate and sends no server name: use the embedded server or a verifying TLS relay where that matters");
  // Nobody has registered by a connection that is gone before there is a registrar.
  const flows = new EventEmitter<{ gone: [token: string] }>();
  const { history, guard, places } = state;
  const embedded = config.sip.server === 'embedded'
    ? await startEmbedded(config, log, {
      record: (entry) => history.record(entry), // Other nodes are never shut out: what comes by them is of whoever they speak for.
      allow: (address) => isNode(address, state) || !guard.silent(address, Date.now()),
      refused: (address) => { if (!isNode(address, state)) strangerKnocked(address, 'tcp', guard, state.rules, log); },
      unknown: (address, transport) => strangerUnanswered(address, transport, state.rules, log),
      flowGone: (token) => { flows.emit('gone', token); },
      acquainted: () => places.all(),
    }) : null;
  const server = embedded?.server ?? null;
  if (server !== null) undo.push(() => server.close());

  /** To the SIP server, whoever sent this from there is known for so many seconds. */
  const knownNow = (req: SipRequest, seconds: number): void => {
    const transport = phoneTransports.find((known) => known === req.protocol.toLowerCase());
    if (transport !== undefined) server?.authenticated(transport, req.source_address, req.source_port, seconds);
  };
  const authenticator = new Authenticator({
    digest: new DigestServer({ realm: config.domain, algorithms: config.sip.challenge, nonceLifetime: nonceLifetimeMs, now: Date.now }),
    guard, log: log.child({ part: 'registrar' }), now: Date.now,
    authenticated: (req) => knownNow(req, authenticatedFor),
  });
  undo.push(() => authenticator.close());
  const registrar = new Registrar({
    peers: () => state.rules.config.peers, owns: (host) => state.rules.isOwnHost(host), objects: (uri, user) => state.rules.judgeContact(uri, user), flowTokens: server !== null,
    authenticator, log: log.child({ part: 'registrar' }), now: Date.now, nodes: server === null ? null : registrarNodes(state),
    // A little longer, so that a registration that is refreshed at the last moment is of somebody known.
    registered: (req, seconds) => knownNow(req, seconds + 60),
  });
  undo.push(() => registrar.close());
  flows.on('gone', (token) => registrar.flowGone(token));

  const connections = new SipConnections(embedded === null ? config.sip.drachtio : [embedded.address], log.child({ part: 'sip' }), faults);
  return {
    embedded: server, connections, authenticator, registrar,
    ask: (uri, proxy, headers, timeout) => (connections.healthy ? sendOptions(connections.pick(), { uri, proxy, headers, from: `sip:${config.domain}`, timeout }) : Promise.resolve(null)),
  };
}

function isNode(address: string, { rules }: State): boolean {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, '');
  return Object.values(addressesOf(rules.config.node)).some((place) => splitListen(place, ['tcp', 'udp'])?.host === plain);
}

/** Other nodes that phones register at: what they know of each other, and where each takes requests of the others. */
function registrarNodes(state: State): ElsewhereOptions | null {
  const { shared, devices } = state;
  if (shared === null || state.rules.config.node.secret === null) return null;
  return { store: devices, node: shared.node, process: shared.instance, alive: (process) => shared.limits.alive(process), address: (name) => addressesOf(state.rules.config.node)[name] };
}

/** Nobody we know sent a request. Over UDP that is nobody's fault, as anybody can write any address; nor is Meta's address banned, or a peer's. */
export function strangerKnocked(address: string, protocol: string, guard: BanGuard, { judgeSource }: CallRules, log: Logger): void {
  if (protocol.toLowerCase() === 'udp' || transports.some((transport) => judgeSource(address, transport).kind !== 'stranger')) return;
  const { ban, what } = guard.fault(address, null, Date.now());
  if (ban !== null) log.error({ source: address, seconds: ban / 1000 }, `silence for ${what} for ${ban / 1000} s: too many requests of nobody we know; if it is a peer's, it must be in peers.*.sources; if it is meta.proxy, it must show the certificate that meta.proxy names`);
}

/** An operator whose PBX is not answered is to find the reason in the log. */
function strangerUnanswered(source: string, transport: string, { judgeSource, config }: CallRules, log: Logger): void {
  const as = transports.map((other) => judgeSource(source, other)).find(({ kind }) => kind !== 'stranger');
  const why = as === undefined ? 'if it is a peer\'s, it must be in peers.*.sources' + (transport === 'tls' && Object.values(config.peers).some(isKnownByCertificate) ? ', or show a certificate of its peers.*.tls.ca' : '') + (transport === 'tls' && config.meta.proxy !== null ? '; if it is meta.proxy, it must show a certificate of meta.proxy.ca that names the host of meta.proxy.uri' : '')
    : as.kind === 'peer' ? `it is an address of peer ${as.peer}, which is not known by ${transport}: see peers.${as.peer}.transports` : 'it is an address of Meta, which speaks TLS only';
  log.warn({ source, transport }, `${source} is not answered over ${transport}, as nobody knows it: ${why}`);
}
