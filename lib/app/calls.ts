import { askAbout } from '../call/peer/askAbout.js';
import { auditRecord } from '../call/watch/auditRecord.js';
import type { Call } from '../call/call.js';
import type { CallContext } from '../call/context.js';
import { BusinessLimits } from '../call/limits.js';
import type { LiveCalls } from '../call/liveCalls.js';
import { locate } from '../call/peer/locate.js';
import type { CallRecord } from '../call/record.js';
import { CallRouter } from '../call/router.js';
import { UnansweredCalls } from '../call/unanswered.js';
import { ended } from '../call/termination.js';
import type { MediaEngine } from '../media/types.js';
import type { LineWriter } from '../observe/lineWriter.js';
import { Metrics } from '../observe/metrics.js';
import { keepAlive } from '../registrar/keepAlive.js';
import { HealthMonitor } from '../routing/healthMonitor.js';
import { DigestServer } from '../sip/digestServer.js';
import { RateWindows } from '../state/index.js';
import type { CertificateWatch } from './certificate.js';
import { metaContactHost, metaProxy } from './embedded.js';
import { judgeMediaPlaces } from './places.js';
import { nonceLifetimeMs, strangerKnocked, type Sip } from './sip.js';
import type { Start } from './start.js';
import type { State } from './state.js';

const sipConnectTimeoutMs = 10_000;

export interface Calls {
  readonly context: CallContext;
  readonly router: CallRouter;
  readonly health: HealthMonitor;
  readonly metrics: Metrics;
}

/** What `openCalls` is given beside the state and the SIP servers. */
export interface CallParts {
  readonly media: MediaEngine;
  readonly certificate: CertificateWatch;
  /** Faults of ours so far: what `Start.faults` has taken and what others have. */
  readonly caught: () => number;
}

/**
 * The last step: everything that takes calls; then the SIP servers are connected, and they come.
 * @throws WabError SIP_UNAVAILABLE
 */
export async function openCalls({ config, version, log, faults, undo }: Start, state: State, sip: Sip, { media, certificate, caught }: CallParts): Promise<Calls> {
  const { files, table, dialogs, guard, history, userNames } = state;
  const { connections, embedded, registrar, authenticator } = sip;
  const health = new HealthMonitor({
    peers: () => state.rules.config.peers, ask: (uri, timeout) => sip.ask(uri, null, {}, timeout), moved: (peer) => askAbout(dialogs, peer, log),
    log: log.child({ part: 'health' }), now: Date.now,
  });
  undo.push(() => health.close());
  const metrics = new Metrics({
    version, liveCalls: () => table.size, certificateExpires: () => certificate.expiresIn(),
    sipUp: () => connections.healthy, faults: caught, mediaUp: () => media.healthy, mediaWorkers: () => media.status().workers,
    sipServer: () => (embedded === null ? null : { ...embedded.stats() }),
    peers: () => health.status(),
    registrar: () => ({ devices: registrar.devices(), results: registrar.counts(), bans: guard.list(Date.now()).length }),
  });
  for (const record of files.left) {
    metrics.ended(record.direction, record.termination, record.setupMs, record.durationMs);
    log.error({ call: record.id, number: record.number, durationMs: record.durationMs }, 'a call was up when the process before died; its record says so');
  }
  const unanswered = new UnansweredCalls(() => state.rules.config, (user) => userNames.keyOf(user), log.child({ part: 'calls' }));
  const context: CallContext = {
    rules: () => state.rules,
    media, table, log, dialogs, userNames, authenticator, registrar,
    digest: new DigestServer({ realm: config.domain, algorithms: config.meta.challenge, nonceLifetime: nonceLifetimeMs, now: Date.now }),
    limits: new BusinessLimits({ table, daily: files.daily, rates: new RateWindows(1000, () => performance.now()), names: userNames }),
    locate: (target, peer) => locate({ out: (name) => health.out(name), contacts: (name, user) => registrar.contacts(name, user) }, target, peer, config.domain),
    heardPeer: (peer, failure) => health.heard(peer, failure),
    onStranger: (address, protocol) => strangerKnocked(address, protocol, guard, state.rules, log),
    objectsToPlace: judgeMediaPlaces(config.media, () => embedded?.listening ?? connections.listening),
    askAgain: (peer) => health.askAgain(peer),
    pickStack: () => connections.pick(),
    metaProxy: () => (embedded === null ? metaProxy(config) : null),
    metaContactHost: (stack) => metaContactHost(config, embedded?.listening, connections.tlsPort(stack)),
    onVerdict: (call, facts, verdict, enforced) => {
      const record = auditRecord(call, facts, verdict, state.rules.config, enforced);
      files.audit.write(record);
      call.log.debug(record, 'policy');
    },
    onEnded: (call, record) => finish(call, record, { cdr: files.cdr, metrics, live: files.live, unanswered }),
  };
  const router = new CallRouter(context);
  connections.on('down', (address, stack) => {
    for (const call of table.all()) {
      if (call.isOn(stack)) faults.run('end of a call', () => call.end(ended.sipLost(address)));
    }
  });
  undo.push(() => connections.close());
  await connections.connect(sipConnectTimeoutMs, {
    request: (req, res, stack) => router.take(req, res, stack),
    message: embedded === null ? (entry) => history.recordUnjudged(entry) : null,
  });
  health.reload();
  const pinging = keepAlive({ registrar, ask: (to, timeout) => sip.ask(to.uri, to.proxy, to.headers, timeout) });
  undo.push(() => pinging.close());
  return { context, router, health, metrics };
}

function finish(call: Call, record: CallRecord, to: { cdr: LineWriter; metrics: Metrics; live: LiveCalls; unanswered: UnansweredCalls }): void {
  to.cdr.write(record);
  // Not before the record is on the disk: a process that is killed in between has the call in one of the two.
  void to.cdr.flushed().then((done) => { if (done) to.live.end(record.id); });
  to.unanswered.ended(call, record);
  to.metrics.ended(record.direction, record.termination, record.setupMs, record.durationMs);
  call.log.info({ termination: record.termination, setupMs: record.setupMs, durationMs: record.durationMs, rule: record.rule }, 'call ended');
}
