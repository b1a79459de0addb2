import { auditRecord } from './call/auditRecord.js';
import { Call } from './call/call.js';
import type { CallContext, CallRules } from './call/context.js';
import { DialogIndex } from './call/dialogIndex.js';
import { CallHistory } from './call/history.js';
import type { LiveCalls } from './call/liveCalls.js';
import type { CallRecord } from './call/record.js';
import { BusinessLimits } from './call/limits.js';
import { recheckCalls } from './call/recheck.js';
import { CallService } from './call/service.js';
import { CallTable } from './call/table.js';
import { UnansweredCalls } from './call/unanswered.js';
import { UserNames } from './call/userNames.js';
import { isLoopbackListen } from './config/checks.js';
import { transports, type Config } from './config/types.js';
import { readVersion } from './config/version.js';
import type { HttpAccess } from './http/access.js';
import { startHttp, type HttpServer } from './http/server.js';
import { createMediaEngine } from './media/index.js';
import type { MediaEngine } from './media/types.js';
import type { LineWriter } from './observe/lineWriter.js';
import type { Logger } from './observe/logger.js';
import { Metrics } from './observe/metrics.js';
import { locate } from './call/locate.js';
import { Authenticator } from './registrar/authenticator.js';
import { Guard } from './registrar/guard.js';
import { KnownPlaces } from './registrar/knownPlaces.js';
import { keepAlive } from './registrar/keepAlive.js';
import { Registrar } from './registrar/registrar.js';
import { HealthMonitor } from './routing/healthMonitor.js';
import { SipConnections } from './sip/connections.js';
import { sendOptions, type OptionsOutcome } from './sip/options.js';
import type { SipHeaders, SipRequest } from './sip/drachtio.js';
import { DigestServer } from './sip/digestServer.js';
import { checkCertificate, watchCertificate } from './main/certificate.js';
import { metaContactHost, metaProxy, sourcesOf, startEmbedded } from './main/embedded.js';
import { openFiles } from './main/files.js';
import { judgeMediaPlaces } from './main/places.js';
import { compileRules, warnOfFixedKeys } from './main/rules.js';
import { RateWindows, Remembered } from './state/index.js';
import { Guard as FaultGuard } from './util/guard.js';
import { withTimeout } from './util/withTimeout.js';

/** How long a nonce of ours may be answered. Meta answers within a round trip; a minute forgives a slow network. */
const nonceLifetimeMs = 60_000;
const sipConnectTimeoutMs = 10_000;
/** How long the SIP server serves those in full who have shown a password, seconds. */
const authenticatedFor = 3600;
/** An account is known where it has shown its password for so long; a phone may be off over a holiday. */
const knownPlaceMs = 7 * 24 * 3600 * 1000;
/** Which names are one user is known for so long after a call; numbers are given to others some time. */
const knownNameMs = 90 * 24 * 3600 * 1000;

/** A running service. */
export interface Service {
  /** "tls:127.0.0.1:5061", … of the embedded server; empty with drachtio-server. */
  readonly listening: readonly string[];
  /** host:port of the HTTP pages, null when none. */
  readonly http: string | null;
  readonly table: CallTable;
  /** The SIP ladder of a live or recent call; null when unknown. */
  ladder(callId: string): string | null;
  /**
   * Takes numbers, peers, routes, policy and limits of a new configuration for calls to come.
   * Rejects with WabError CONFIG_INVALID when it has a path to the telephone network; the old rules stay in force.
   */
  reload(config: Config): Promise<void>;
  /** No new calls; resolves when the last has ended, or was ended at the deadline. */
  drain(): Promise<void>;
  /** Ends everything. May be called twice. */
  close(): Promise<void>;
}

/** Parts that a caller brings instead of those the configuration names. */
export interface ServiceParts {
  /** Closed with the service. */
  readonly media?: MediaEngine;
  /** Exceptions that nobody caught, since the start. */
  readonly faults?: () => number;
}

/**
 * Builds everything from one configuration and starts it.
 * @throws WabError when an address is taken, a file cannot be read or an engine does not start; what was begun is undone
 */
export async function startService(config: Config, log: Logger, parts: ServiceParts = {}): Promise<Service> {
  const undo: (() => Promise<void> | void)[] = [];
  try {
    return await build(config, log, parts, undo);
  } catch (error) {
    for (const step of undo.reverse()) await step();
    throw error;
  }
}

async function build(config: Config, log: Logger, parts: ServiceParts, undo: (() => Promise<void> | void)[]): Promise<Service> {
  let caught = 0;
  const faults = new FaultGuard(() => { caught += 1; }, (place, error) => log.error({ err: error, place }, 'a fault of ours in one message or timer; the service goes on'));
  let rules = await compileRules(config);
  const table: CallTable = new CallTable((call) => history.ended(call), (call) => live.begin(call));
  const history = new CallHistory(table, () => rules);

  const version = readVersion();
  log.info({ version, node: process.version, hash: config.hash }, `wa-b2bua ${version} starts`);
  await checkCertificate(config, log);
  const certificate = watchCertificate(config, log);
  undo.push(() => certificate.close());
  const knownPlaces = new Remembered({ prefix: 'k', capacity: 200_000, lifetime: knownPlaceMs, now: Date.now });
  const knownNames = new Remembered({ prefix: 'u', capacity: 100_000, lifetime: knownNameMs, now: Date.now });
  const { cdr, audit, daily, live, left } = await openFiles(config, log, [knownPlaces, knownNames], undo);
  const userNames = new UserNames(knownNames);

  const media = parts.media ?? createMediaEngine(config.media, log.child({ part: 'media' }), {
    webrtc: Object.values(config.numbers).some(({ keying }) => keying === 'dtls'), stack: () => connections.pick(),
  });
  undo.push(() => media.close());
  const places = new KnownPlaces(knownPlaces);
  const guard = new Guard(() => rules.config.limits.ban, places);
  // Said where an operator looks, not only in the README.
  if (config.sip.server === 'drachtio') log.warn({ part: 'sip' }, "drachtio-server does not verify Meta's certificate and sends no server name: use the embedded server or a verifying TLS relay where that matters");
  const embedded = config.sip.server === 'embedded'
    ? await startEmbedded(config, log, {
      record: (entry) => history.record(entry), allow: (address) => !guard.silent(address, Date.now()),
      refused: (address) => strangerKnocked(address, 'tcp', guard, rules, log),
      unknown: (address, transport) => strangerUnanswered(address, transport, rules, log),
      flowGone: (token) => registrar.flowGone(token),
      acquainted: () => places.all(),
    }) : null;
  if (embedded !== null) undo.push(() => embedded.server.close());
  await media.start();

  const metrics = new Metrics({
    version, liveCalls: () => table.size, certificateExpires: () => certificate.expiresIn(),
    sipUp: () => connections.healthy,
    faults: () => caught + (parts.faults?.() ?? 0),
    mediaUp: () => media.healthy,
    sipServer: () => (embedded === null ? null : { ...embedded.server.stats() } as unknown as Record<string, number>),
    peers: () => health.status(),
    registrar: () => ({ devices: registrar.devices(), results: registrar.counts(), bans: guard.list(Date.now()).length }),
  });
  /** To the SIP server, whoever sent this from there is known for so many seconds. */
  const knownNow = (req: SipRequest, seconds: number): void => {
    const transport = transports.find((known) => known === req.protocol.toLowerCase());
    if (transport !== undefined) embedded?.server.authenticated(transport, req.source_address, req.source_port, seconds);
  };
  const authenticator = new Authenticator({
    digest: new DigestServer({ realm: config.domain, algorithms: config.sip.challenge, nonceLifetime: nonceLifetimeMs, now: Date.now }),
    guard, log: log.child({ part: 'registrar' }), now: Date.now,
    authenticated: (req) => knownNow(req, authenticatedFor),
  });
  undo.push(() => authenticator.close());
  for (const record of left) {
    metrics.ended(record.direction, record.termination, record.setupMs, record.durationMs);
    log.error({ call: record.id, number: record.number, durationMs: record.durationMs }, 'a call was up when the process before died; its record says so');
  }
  const registrar = new Registrar({
    peers: () => rules.config.peers, owns: (host) => rules.isOwnHost(host), objects: (uri, user) => rules.judgeContact(uri, user), flowTokens: embedded !== null,
    authenticator, log: log.child({ part: 'registrar' }), now: Date.now,
    // A little longer, so that a registration that is refreshed at the last moment is of somebody known.
    registered: (req, seconds) => knownNow(req, seconds + 60),
  });
  undo.push(() => registrar.close());
  const askAt = (uri: string, proxy: string | null, headers: SipHeaders, timeout: number): Promise<OptionsOutcome | null> =>
    (connections.healthy ? sendOptions(connections.pick(), { uri, proxy, headers, from: `sip:${config.domain}`, timeout }) : Promise.resolve(null));
  const health = new HealthMonitor({ peers: () => rules.config.peers, ask: (uri, timeout) => askAt(uri, null, {}, timeout), moved: (peer) => calls.askAbout(peer), log: log.child({ part: 'health' }), now: Date.now });
  undo.push(() => health.close());
  const unanswered = new UnansweredCalls(() => rules.config, (user) => userNames.keyOf(user), log.child({ part: 'calls' }));
  const context: CallContext = {
    rules: () => rules,
    media, table, log, dialogs: new DialogIndex(),
    digest: new DigestServer({ realm: config.domain, algorithms: config.meta.challenge, nonceLifetime: nonceLifetimeMs, now: Date.now }),
    limits: new BusinessLimits({ table, daily, rates: new RateWindows(1000, () => performance.now()), names: userNames }),
    userNames,
    authenticator,
    registrar,
    locate: (target, peer) => locate({ out: (name) => health.out(name), contacts: (name, user) => registrar.contacts(name, user) }, target, peer, config.domain),
    heardPeer: (peer, failure) => health.heard(peer, failure),
    onStranger: (address, protocol) => strangerKnocked(address, protocol, guard, rules, log),
    objectsToPlace: judgeMediaPlaces(config.media, () => embedded?.server.listening ?? []),
    askAgain: (peer) => health.askAgain(peer),
    pickStack: () => connections.pick(),
    metaProxy: () => (embedded === null ? metaProxy(config) : null),
    metaContactHost: (stack) => metaContactHost(config, embedded?.server.listening, connections.tlsPort(stack)),
    onVerdict: (call, facts, verdict, enforced) => {
      const record = auditRecord(call, facts, verdict, rules.config, enforced);
      audit.write(record);
      call.log.debug(record, 'policy');
    },
    onEnded: (call, record) => finish(call, record, { cdr, metrics, live, unanswered }),
  };
  const calls = new CallService(context);
  const connections = new SipConnections(
    embedded === null ? config.sip.drachtio : [embedded.admin], log.child({ part: 'sip' }), faults,
    { request: (req, res, stack) => calls.take(req, res, stack), message: embedded === null ? (entry) => history.recordUnjudged(entry) : null },
  );
  connections.on('down', (address, stack) => {
    for (const call of table.all()) {
      if (call.isOn(stack)) faults.run('end of a call', () => call.end({ by: 'us', reason: 'sipLost', status: 503, text: `the connection to the SIP server ${address} was lost` }));
    }
  });
  undo.push(() => connections.close());
  await connections.connect(sipConnectTimeoutMs);
  health.reload();
  const pinging = keepAlive({ registrar, ask: (to, timeout) => askAt(to.uri, to.proxy, to.headers, timeout) });
  undo.push(() => pinging.close());

  const http: HttpServer | null = config.http.listen === null ? null : await startHttp({ listen: config.http.listen, access: pageAccess(config.http.listen, () => rules.config) }, {
    notReady: () => (calls.draining ? 'draining' : !connections.healthy ? 'no SIP server is connected' : !media.healthy ? 'no media engine is up' : null),
    metrics: () => metrics.text(),
    calls: () => table.all().map((call) => ({ id: call.id, state: call.state, direction: call.direction, number: call.facts.number, peer: call.facts.peer, seconds: Math.round((Date.now() - call.startedAt) / 1000) })),
    ladder: (id) => history.ladder(id),
    messages: (id) => history.messages(id),
    media: async (id) => await table.all().find((call) => call.id === id)?.media?.stats() ?? null,
    status: () => ({ version, sip: connections.status(), media: media.status(), peers: health.status(), registrations: registrar.status(), bans: guard.list(Date.now()), calls: table.size }),
  });
  if (http !== null) undo.push(() => http.close());

  let closing: Promise<void> | null = null;
  let reloading: Promise<void> = Promise.resolve();
  /** One reload after another, whatever became of the one before. */
  const inTurn = (reload: () => Promise<void>): Promise<void> => (reloading = reloading.catch(() => undefined).then(reload));
  return {
    listening: embedded?.server.listening ?? [],
    http: http?.address ?? null,
    table,
    ladder: (id) => history.ladder(id),
    reload: (next) => inTurn(async () => {
      const compiled = await compileRules(next);
      warnOfFixedKeys(rules.config, next, log);
      rules = compiled;
      embedded?.server.setSources(sourcesOf(next));
      media.reload?.(next.media);
      registrar.reload();
      health.reload();
      // A log that was moved away goes on in a new file.
      void Promise.all([audit.reopen(), cdr.reopen()]);
      log.info({ hash: next.hash }, 'configuration reloaded');
      if (next.policy.recheckOnReload) recheckCalls(context);
    }),
    drain: () => calls.drain(rules.config.limits.drain),
    close() {
      closing ??= (async () => {
        const live = table.all();
        calls.endAll({ by: 'us', reason: 'drained', status: 503, text: 'the service is stopping' });
        await settled(live);
        for (const step of [...undo].reverse()) await step();
      })();
      return closing;
    },
  };
}

/** Beyond loopback the pages are for those who have a token. Names and tokens may change with a reload, the socket does not. */
function pageAccess(listen: string, config: () => Config): () => HttpAccess {
  const local = isLoopbackListen(listen);
  return () => ({
    hosts: config().http.hosts,
    tokens: local ? null : config().api.tokens.map(({ token, scopes }) => ({ token, mayRead: scopes.includes('read') })),
  });
}

/** Nobody we know sent a request. Over UDP that is nobody's fault, as anybody can write any address; nor is Meta's address banned, or a peer's. */
function strangerKnocked(address: string, protocol: string, guard: Guard, { judgeSource }: CallRules, log: Logger): void {
  if (protocol.toLowerCase() === 'udp' || transports.some((transport) => judgeSource(address, transport).kind !== 'stranger')) return;
  const { ban, what } = guard.fault(address, null, Date.now());
  if (ban !== null) log.error({ source: address, seconds: ban / 1000 }, `silence for ${what} for ${ban / 1000} s: too many requests of nobody we know; if it is yours, it must be in peers.*.sources`);
}

/** An operator whose PBX is not answered is to find the reason in the log. */
function strangerUnanswered(source: string, transport: string, { judgeSource }: CallRules, log: Logger): void {
  const as = transports.map((other) => judgeSource(source, other)).find(({ kind }) => kind !== 'stranger');
  const why = as === undefined ? 'if it is yours, it must be in peers.*.sources'
    : as.kind === 'peer' ? `it is an address of peer ${as.peer}, which is not known by ${transport}: see peers.${as.peer}.transports` : `it is an address of Meta, which speaks TLS only`;
  log.warn({ source, transport }, `${source} is not answered over ${transport}, as nobody knows it: ${why}`);
}

function finish(call: Call, record: CallRecord, to: { cdr: LineWriter; metrics: Metrics; live: LiveCalls; unanswered: UnansweredCalls }): void {
  to.cdr.write(record);
  // Not before the record is on the disk: a process that is killed in between has the call in one of the two.
  void to.cdr.flushed().then((done) => { if (done) to.live.end(record.id); });
  to.unanswered.ended(call, record);
  to.metrics.ended(record.direction, record.termination, record.setupMs, record.durationMs);
  call.log.info({ termination: record.termination, setupMs: record.setupMs, durationMs: record.durationMs, rule: record.rule }, 'call ended');
}

/** Waits for the calls' BYEs to be answered, but not longer than a second: their far ends may be gone. */
async function settled(calls: readonly Call[]): Promise<void> {
  if (calls.length === 0) return;
  await withTimeout(Promise.all(calls.map((call) => call.ended)), 1000, () => undefined);
}
