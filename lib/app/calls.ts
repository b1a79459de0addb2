import { setImmediate as turn } from 'node:timers/promises';
import { askAbout } from '../call/peer/askAbout.js';
import { auditRecord } from '../call/watch/auditRecord.js';
import type { Call } from '../call/call.js';
import type { CallContext } from '../call/context.js';
import { BusinessLimits } from '../call/limits.js';
import type { LiveCalls } from '../call/liveCalls.js';
import { ToldCalls } from '../call/meta/told.js';
import { tellLedger } from '../call/permission.js';
import { locate } from '../call/peer/locate.js';
import type { CallRecord } from '../call/record.js';
import { CallRouter } from '../call/router.js';
import { placeOrder } from '../call/ordered.js';
import { ended } from '../call/termination.js';
import type { GraphClient } from '../graph/client.js';
import type { PermissionLedger } from '../graph/permission/ledger.js';
import type { MediaEngine } from '../media/types.js';
import type { LineWriter } from '../observe/lineWriter.js';
import { Metrics } from '../observe/metrics.js';
import { openSinks } from '../records/sinks/index.js';
import { keepAlive } from '../registrar/keepAlive.js';
import { isOpen } from '../routing/index.js';
import { HealthMonitor } from '../routing/healthMonitor.js';
import { DigestServer } from '../sip/digestServer.js';
import { RateWindows } from '../state/index.js';
import { CallBacks } from '../voice/queue/callBacks.js';
import { Queues } from '../voice/queue/queues.js';
import { Rests } from '../call/hunt/rests.js';
import { Lookups } from '../voice/lookup.js';
import type { CertificateWatch } from './certificate.js';
import { metaContactHost, metaProxy } from './embedded.js';
import { figuresOf } from './figures.js';
import { graphAccess, openPermissions, type Permissions } from './permissions.js';
import { judgeMediaPlaces } from './places.js';
import { nothingRecorded } from '../voice/recording/service.js';
import { openRecordings, openSiprec } from './recordings.js';
import { openRecords, type RecordsAccess } from './records.js';
import { SettingsWatch } from './settingsWatch.js';
import { nonceLifetimeMs, strangerKnocked, type Sip } from './sip.js';
import type { Hep } from './hep.js';
import { AgentThread } from '../voice/agents/thread.js';
import { askPeer } from './askPeer.js';
import type { Start } from './start.js';
import type { State } from './state.js';

const sipConnectTimeoutMs = 10_000;

export interface Calls {
  readonly context: CallContext;
  readonly router: CallRouter;
  readonly health: HealthMonitor;
  readonly metrics: Metrics;
  readonly queues: Queues;
  readonly callBacks: CallBacks;
  readonly permissions: Permissions;
  readonly told: ToldCalls | null;
  readonly graph: () => GraphClient | null;
  readonly settings: SettingsWatch;
  readonly records: RecordsAccess | null;
}

/** What `openCalls` is given beside the state and the SIP servers. */
export interface CallParts {
  readonly media: MediaEngine;
  readonly certificate: CertificateWatch;
  readonly hep: Hep | null;
  /** Faults of ours so far: what `Start.faults` has taken and what others have. */
  readonly caught: () => number;
}

/**
 * The last step: everything that takes calls; then the SIP servers are connected, and they come.
 * @throws WabError SIP_UNAVAILABLE
 */
export async function openCalls({ config, version, log, faults, undo }: Start, state: State, sip: Sip, { media, certificate, hep, caught }: CallParts): Promise<Calls> {
  const { files, table, dialogs, guard, history, userNames, news } = state;
  const shared = state.shared?.limits ?? null;
  const { connections, embedded, registrar, authenticator } = sip;
  const health = new HealthMonitor({
    peers: () => state.rules.config.peers, ask: (uri, timeout, peer) => askPeer(peer, timeout, () => sip.ask(uri, null, {}, timeout)),
    moved: (peer) => {
      askAbout(dialogs, peer, log);
      news.peer(peer, health.out(peer));
    },
    log: log.child({ part: 'health' }), now: Date.now,
  });
  undo.push(() => health.close());
  const agents = new AgentThread(log.child({ part: 'agents' }));
  undo.push(() => agents.close());
  const graph = graphAccess(() => state.rules.config);
  const settings = new SettingsWatch(() => state.rules.config, graph, log.child({ part: 'settings' }), faults, (number, found) => news.number(number, { ...found }));
  undo.push(() => settings.close());
  const records = await openRecords({ config, version, log, faults, undo }, state);
  const recordings = openRecordings({ config, version, log, faults, undo }, state);
  const recorders = openSiprec({ config, version, log, faults, undo }, state);
  const queues = new Queues(() => performance.now(), (queue, left, waitMs) => metrics.leftQueue(queue, left, waitMs));
  undo.push(async () => queues.close());
  const metrics: Metrics = new Metrics({
    version, liveCalls: () => table.size, certificateExpires: () => certificate.expiresIn(),
    sipUp: () => connections.healthy, faults: caught, mediaUp: () => media.healthy, mediaWorkers: () => media.status().workers, hepLost: () => hep?.lost ?? null,
    ...figuresOf({ config: () => state.rules.config, table, daily: files.daily, embedded }),
    queues: () => queues.figures(state.rules.config.queues),
    pickUpRates: () => records?.pickUpRates() ?? {},
    recordings: () => recordings?.figures ?? nothingRecorded, siprec: () => recorders.figures,
    shared: () => (shared === null ? null : { up: shared.state === 'up', nodes: shared.nodes.length }),
    peers: () => health.status(), agents: () => agents.figures(), numberDrift: () => settings.drift(),
    registrar: () => ({ devices: registrar.devices(), results: registrar.counts(), bans: guard.list(Date.now()).length }),
  });
  const sinks = openSinks(config.cdr.sinks, { log, onOutcome: (sink, outcome, count) => metrics.recordSunk(sink, outcome, count) });
  undo.push(() => sinks.close());
  const cdr: Ends['cdr'] = {
    write: (record) => {
      files.cdr.write(record);
      sinks.write(record);
    },
    flushed: () => files.cdr.flushed(),
  };
  for (const record of files.left) {
    sinks.write(record);
    metrics.ended(record.direction, record.termination, record.setupMs, record.durationMs);
    log.error({ call: record.id, number: record.number, durationMs: record.durationMs }, 'a call was up when the process before died; its record says so');
  }
  const permissions = openPermissions(state, graph, log, (ruling) => metrics.permissionJudged(ruling));
  const told = config.webhooks === null ? null : new ToldCalls({
    table, keyOf: (user) => userNames.keyOf(user), log: log.child({ part: 'webhooks' }),
    onMissed: ({ number, user, wacid, reached }) => {
      metrics.callMissed(number, reached);
      state.news.missed(number, user, wacid, reached);
    },
  });
  undo.push(async () => {
    told?.close();
    // Records that waited for their wacid are written before the sinks end.
    await turn();
  });
  const callBacks = new CallBacks({
    config: () => state.rules.config, queues, store: state.callBacks, gate: permissions.gate, log: log.child({ part: 'callBacks' }), now: Date.now,
    place: async (order) => (router.drain.refusing ? null : placeOrder(context, order)), open: (route) => isOpen(state.rules.config, route, Date.now()),
    news: (what, callBack, call, why) => news.callBack(what, callBack, call, why),
  });
  undo.push(async () => callBacks.close());
  const context: CallContext = {
    rules: () => state.rules, certifies: embedded !== null,
    media, table, log, dialogs, shared, userNames, aliases: state.aliases, rests: new Rests(() => performance.now()), lookups: new Lookups(log.child({ part: 'lookup' }), () => performance.now()), authenticator, registrar, agents,
    digest: new DigestServer({ realm: config.domain, algorithms: config.meta.challenge, nonceLifetime: nonceLifetimeMs, now: Date.now }),
    limits: new BusinessLimits({ table, daily: files.daily, rates: new RateWindows(1000, () => performance.now()), names: userNames, ledger: permissions.ledger, shared }),
    permissions, recordings, recorders,
    locate: (target, peer) => locate({ out: (name) => health.out(name), contacts: (name, user) => registrar.contacts(name, user) }, target, peer, config.domain),
    wake: async (call, { peer, user }, { registration: { pushWait } }, over) => {
      // Where nobody hears of a push nobody is woken.
      if (news.bus === null) return;
      for (const { push } of registrar.contacts(peer, user, true)) if (push !== null) news.push(call, { peer, user }, push, pushWait);
      if (registrar.contacts(peer, user).length === 0 && registrar.contacts(peer, user, true).length > 0) await registrar.sleepers.until(user, pushWait * 1000, over);
    },
    heardPeer: (peer, failure) => health.heard(peer, failure),
    onStranger: (address, protocol) => strangerKnocked(address, protocol, guard, state.rules, log),
    objectsToPlace: judgeMediaPlaces(config.media, () => embedded?.listening ?? connections.listening),
    askAgain: (peer) => health.askAgain(peer),
    pickStack: () => connections.pick(),
    metaProxy: () => state.rules.config.meta.proxy?.uri ?? (embedded === null ? metaProxy(config) : null),
    metaContactHost: (stack, number) => metaContactHost(state.rules.config, number, embedded?.listening, connections.tlsPort(stack)),
    onVerdict: (call, facts, verdict, enforced) => {
      const record = auditRecord(call, facts, verdict, state.rules.config, enforced);
      files.audit.write(record);
      call.log.debug(record, 'policy');
    },
    queues, callBacks, onMessage: (message) => news.message(message),
    keyUser: (user) => files.userKey?.(user) ?? null,
    onEnded: (call, record) => {
      history.recorded(call, record);
      finish(call, record, { hep, cdr, metrics, live: files.live, ledger: permissions.ledger, told });
    },
  };
  const router: CallRouter = new CallRouter(context);
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
  settings.start();
  callBacks.start();
  const pinging = keepAlive({ registrar, ask: (to, timeout) => sip.ask(to.uri, to.proxy, to.headers, timeout) });
  undo.push(() => pinging.close());
  return { context, router, health, metrics, queues, callBacks, permissions, told, graph, settings, records };
}

interface Ends {
  readonly hep: Hep | null;
  readonly cdr: Pick<LineWriter, 'write' | 'flushed'>;
  readonly metrics: Metrics;
  readonly live: LiveCalls;
  readonly ledger: PermissionLedger;
  /** Null where no webhooks are taken. */
  readonly told: ToldCalls | null;
}

function finish(call: Call, record: CallRecord, to: Ends): void {
  void writeRecord(call, record, to);
  to.hep?.ended(call, record.media);
  tellLedger(to.ledger, call, record);
  to.metrics.ended(record.direction, record.termination, record.setupMs, record.durationMs);
  call.log.info({ termination: record.termination, setupMs: record.setupMs, durationMs: record.durationMs, rule: record.rule }, 'call ended');
}

/** Never rejects. */
async function writeRecord(call: Call, record: CallRecord, { cdr, live, told }: Ends): Promise<void> {
  if (told === null) cdr.write(record);
  else {
    if (record.direction === 'business-initiated' && record.wacid === null && call.leftAt !== null) live.over(call, record);
    await told.settled(call, record);
    cdr.write({ ...record, wacid: call.facts.wacid });
  }
  // Not before the record is on the disk: a process that is killed in between has the call in one of the two.
  if (await cdr.flushed()) live.end(record.id);
}
