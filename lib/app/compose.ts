import type { Call } from '../call/call.js';
import { recheckCalls } from '../call/watch/recheck.js';
import type { CallTable } from '../call/table.js';
import { ended } from '../call/termination.js';
import type { Config } from '../config/types.js';
import { readVersion } from '../config/version.js';
import { createMediaEngine } from '../media/index.js';
import type { MediaEngine } from '../media/types.js';
import type { Logger } from '../observe/logger.js';
import { Guard } from '../util/guard.js';
import { withTimeout } from '../util/withTimeout.js';
import { openApi } from './api.js';
import { openCalls, type Calls } from './calls.js';
import { checkCertificate, watchCertificate, type CertificateWatch } from './certificate.js';
import { addressesOf, domainFilesOf, sourcesOf, tlsWithOf } from './embedded.js';
import { drainerOf, drainTimes } from './drainer.js';
import { openHooks } from './eventHooks.js';
import { openHep } from './hep.js';
import { openPages } from './pages.js';
import { compileRules, warnOfFixedKeys } from './rules.js';
import { openSip, type Sip } from './sip.js';
import type { Start } from './start.js';
import { openTraces } from './traces.js';
import { openState, type State } from './state.js';
import type { Undo } from './undo.js';
import { openWebhooks } from './webhooks.js';

/** A running service. */
export interface Service {
  /** "tls:127.0.0.1:5061", … of the embedded server; empty with drachtio-server. */
  readonly listening: readonly string[];
  /** host:port of the HTTP pages, null when none. */
  readonly http: string | null;
  /** host:port where Meta's webhooks are taken, null when they are not. */
  readonly webhooks: string | null;
  /** host:port of the API, null when there is none. */
  readonly api: string | null;
  readonly table: CallTable;
  /** The SIP ladder of a live or recent call; null when unknown. */
  ladder(callId: string): string | null;
  /**
   * Takes numbers, peers, routes, policy and limits of a new configuration for calls to come.
   * Rejects with WabError CONFIG_INVALID when it has a path to the telephone network; the old rules stay in force.
   */
  reload(config: Config): Promise<void>;
  /** No new calls after limits.drainDelay; resolves when the last has ended, or was ended at the deadline. Cannot be called off. */
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
  /** Ends the process, after a drain by the API that asked for it; left out: nobody can be asked. */
  readonly stop?: () => void;
}

/**
 * Builds everything from one configuration and starts it.
 * @throws WabError when an address is taken, a file cannot be read or an engine does not start; what was begun is undone
 */
export async function startService(config: Config, log: Logger, parts: ServiceParts = {}): Promise<Service> {
  const undo: Undo = [];
  try {
    return await compose(config, log, parts, undo);
  } catch (error) {
    for (const step of undo.reverse()) await step();
    throw error;
  }
}

/** Four steps: state, SIP, media, calls. Each is given what those before it have made; none knows one behind it. */
async function compose(config: Config, log: Logger, parts: ServiceParts, undo: Undo): Promise<Service> {
  let caught = 0;
  const faults = new Guard(() => { caught += 1; }, (place, error) => log.error({ err: error, place }, 'a fault of ours in one message or timer; the service goes on'));
  const rules = await compileRules(config);
  const version = readVersion();
  log.info({ version, node: process.version, hash: config.hash }, `wa-b2bua ${version} starts`);
  await checkCertificate(config, log);
  const certificate = watchCertificate(config, log);
  undo.push(() => certificate.close());

  const start: Start = { config, version, log, faults, undo };
  const state = await openState(start, rules);
  const hep = await openHep(start, state);
  const sip = await openSip(start, state);
  const media = parts.media ?? createMediaEngine(config.media, log.child({ part: 'media' }), {
    webrtc: Object.values(config.numbers).some(({ keying }) => keying === 'dtls'), stack: () => sip.connections.pick(),
  });
  undo.push(() => media.close());
  await media.start();
  const calls = await openCalls(start, state, sip, { media, certificate, hep, caught: () => caught + (parts.faults?.() ?? 0) + media.faults });
  const drainer = drainerOf(state, calls.router.drain, parts.stop ?? null);
  const http = await openPages(start, state, { sip, media }, calls, drainer);
  const webhooks = await openWebhooks(start, state, calls);
  const api = await openApi(start, state, calls, drainer);
  openHooks(start, state, calls);
  openTraces(start, state, calls);

  let closing: Promise<void> | null = null;
  let reloading: Promise<void> = Promise.resolve();
  return {
    listening: sip.embedded?.listening ?? [],
    http: http?.address ?? null,
    webhooks: webhooks?.address ?? null,
    api: api?.address ?? null,
    table: state.table,
    ladder: (id) => state.history.ladder(id),
    // One reload after another, whatever became of the one before.
    reload: (next) => (reloading = reloading.catch(() => undefined).then(() => reload(next, { state, sip, media, calls, certificate }, log))),
    drain: () => calls.router.drain.stop(drainTimes(state.rules.config)),
    close: () => (closing ??= close(state, calls, undo)),
  };
}

/** What the four steps have made. */
interface Running { readonly state: State; readonly sip: Sip; readonly media: MediaEngine; readonly calls: Calls; readonly certificate: CertificateWatch }

async function reload(next: Config, { state, sip, media, calls, certificate }: Running, log: Logger): Promise<void> {
  const compiled = await compileRules(next);
  // A number that is at a name without a certificate could take no call: what does not load keeps all as it is.
  await sip.embedded?.setDomains(domainFilesOf(next));
  warnOfFixedKeys(state.rules.config, next, log);
  state.rules = compiled;
  certificate.reload(next);
  sip.embedded?.setSources(sourcesOf(next));
  sip.embedded?.setTlsWith(tlsWithOf(next));
  sip.embedded?.setNodes(addressesOf(next.node));
  media.reload?.(next.media);
  sip.registrar.reload();
  calls.health.reload();
  calls.settings.start();
  // A log that was moved away goes on in a new file.
  void Promise.all([state.files.audit.reopen(), state.files.cdr.reopen()]);
  log.info({ hash: next.hash }, 'configuration reloaded');
  if (next.policy.recheckOnReload) recheckCalls(calls.context);
}

async function close({ table }: State, { router }: Calls, undo: Undo): Promise<void> {
  // The last BYEs may take a second, in which nobody would end what has just begun.
  router.drain.refuse();
  const live = table.all();
  router.endAll(ended.drained());
  await settled(live);
  for (const step of [...undo].reverse()) await step();
}

/** Waits for the calls' BYEs to be answered, but not longer than a second: their far ends may be gone. */
async function settled(calls: readonly Call[]): Promise<void> {
  if (calls.length === 0) return;
  await withTimeout(Promise.all(calls.map((call) => call.ended)), 1000, () => undefined);
}
