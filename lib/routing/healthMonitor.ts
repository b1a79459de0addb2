import type { HealthConfig, PeerConfig } from '../config/types.js';
import type { Logger } from '../observe/logger.js';
import type { OptionsOutcome } from '../sip/options.js';
import type { PeerHealth } from './health.js';
import { observe, restless, undecided, unheard } from './health.js';

export interface HealthMonitorOptions {
  readonly peers: () => Readonly<Record<string, PeerConfig>>;
  /** OPTIONS to a peer, or a connection to a voice agent, given up after `timeout` milliseconds; null when there is no way to ask now, which says nothing of the peer. */
  readonly ask: (uri: string, timeout: number, peer: PeerConfig) => Promise<OptionsOutcome | null>;
  /** A peer has gone out of service, or is back. */
  readonly moved: (peer: string) => void;
  readonly log: Logger;
  /** Milliseconds. */
  readonly now: () => number;
}

export interface PeerStatus extends Omit<PeerHealth, 'since'> {
  readonly peer: string;
  readonly since: string;
  /** Round trip of the last answered OPTIONS, milliseconds. */
  readonly roundTripMs: number | null;
}

interface Watch {
  readonly peer: string;
  readonly uri: string;
  readonly rules: HealthConfig;
  health: PeerHealth;
  roundTripMs: number | null;
  timer: NodeJS.Timeout | null;
  /** When it was asked last, milliseconds. */
  askedAt: number;
  asking: boolean;
}

const answerWithin = 5000;
/** While it is not decided whether a peer is there, and while it has not been out for long, it is asked again so soon, milliseconds. */
const soon = 2000;

/**
 * Asks every peer with OPTIONS whether it is there (never Meta, which is no peer; RFC 3261 §11), and hears what calls find out.
 * Peers whose users register are not asked: their registrations say.
 */
export class HealthMonitor {
  readonly #options: HealthMonitorOptions;
  readonly #watches = new Map<string, Watch>();
  #closed = false;

  constructor(options: HealthMonitorOptions) {
    this.#options = options;
  }

  /** Begins, and takes up a changed configuration; what is known of a peer that stays where it is is kept. */
  reload(): void {
    const peers = this.#options.peers();
    for (const watch of [...this.#watches.values()]) {
      const peer = peers[watch.peer];
      if (peer === undefined || peer.uri !== watch.uri || !watched(peer) || !same(peer.health, watch.rules)) this.#stop(watch);
    }
    for (const [name, peer] of Object.entries(peers)) {
      if (!watched(peer) || this.#watches.has(name)) continue;
      const watch: Watch = { peer: name, uri: peer.uri, rules: peer.health, health: unheard(this.#options.now()), roundTripMs: null, timer: null, askedAt: 0, asking: false };
      this.#watches.set(name, watch);
      void this.#ask(watch);
    }
  }

  /** Why a peer gets only the calls that nobody else takes, as a sentence; null when it is not out. */
  out(peer: string): string | null {
    const health = this.#watches.get(peer)?.health;
    return health?.state === 'out' ? `peer ${peer} is out of service since ${new Date(health.since).toISOString()}: ${health.reason ?? 'it has just begun to answer'}` : null;
  }

  /** A call to the peer was answered in any way (`failure` null), or found nobody there. */
  heard(peer: string, failure: string | null): void {
    const watch = this.#watches.get(peer);
    if (watch !== undefined) this.#observe(watch, failure);
  }

  /** A call is about to be sent to a peer that is out: it is asked now. The result tells whether it has said nothing since it went out. */
  askAgain(peer: string): () => boolean {
    const watch = this.#watches.get(peer);
    if (watch !== undefined && !watch.asking) {
      if (watch.timer !== null) clearTimeout(watch.timer);
      watch.timer = null;
      void this.#ask(watch);
    }
    return () => watch?.health.state === 'out' && watch.health.answers === 0;
  }

  status(): PeerStatus[] {
    return [...this.#watches.values()].map(({ peer, health, roundTripMs }) => ({ peer, ...health, since: new Date(health.since).toISOString(), roundTripMs }));
  }

  close(): void {
    this.#closed = true;
    for (const watch of [...this.#watches.values()]) this.#stop(watch);
  }

  async #ask(watch: Watch): Promise<void> {
    watch.asking = true;
    watch.askedAt = this.#options.now();
    const within = restless(watch.health, watch.askedAt) ? soon : answerWithin;
    const peer = this.#options.peers()[watch.peer];
    const outcome = peer === undefined ? null : await this.#options.ask(watch.uri, Math.min(within, watch.rules.interval * 1000), peer);
    watch.asking = false;
    if (this.#closed || this.#watches.get(watch.peer) !== watch) return;
    if (outcome?.answered === true) watch.roundTripMs = Math.round(outcome.ms);
    if (outcome !== null) this.#observe(watch, outcome.answered ? null : outcome.reason);
    this.#plan(watch);
  }

  #observe(watch: Watch, failure: string | null): void {
    const before = watch.health;
    const after = watch.health = observe(before, { failure }, watch.rules, this.#options.now());
    if (after.state !== before.state) this.#tell(watch, before, after);
    if ((after.state === 'out') !== (before.state === 'out')) this.#options.moved(watch.peer);
    // A call found nobody: whether that is so is asked now and not at the end of the interval.
    if (failure !== null && after.state !== 'out' && !watch.asking) this.#plan(watch);
  }

  #tell({ peer, uri }: Watch, before: PeerHealth, after: PeerHealth): void {
    const { log, now } = this.#options;
    if (after.state === 'out') {
      log.error({ peer, uri, reason: after.reason }, `peer ${peer} is out of service: ${after.reason}, ${after.failures} times in a row; until it answers it gets only calls that nobody else takes`);
    } else if (before.state === 'out') {
      log.warn({ peer, uri }, `peer ${peer} is back in service after ${Math.round((now() - before.since) / 1000)} s`);
    } else log.info({ peer, uri }, `peer ${peer} answers`);
  }

  #plan(watch: Watch): void {
    if (watch.timer !== null) clearTimeout(watch.timer);
    const interval = watch.rules.interval * 1000;
    // Spread, so that many peers are not asked at the same moment for ever.
    // So soon after the last question, not after its time-out.
    const since = this.#options.now() - watch.askedAt;
    const wait = undecided(watch.health) || restless(watch.health, this.#options.now()) ? Math.max(0, Math.min(soon, interval) - since) : interval * (0.9 + Math.random() * 0.2);
    watch.timer = setTimeout(() => {
      watch.timer = null;
      void this.#ask(watch);
    }, wait);
    watch.timer.unref();
  }

  #stop(watch: Watch): void {
    if (watch.timer !== null) clearTimeout(watch.timer);
    this.#watches.delete(watch.peer);
  }
}

function watched(peer: PeerConfig): boolean {
  return !peer.register && peer.health.interval > 0;
}

function same(a: HealthConfig, b: HealthConfig): boolean {
  return a.interval === b.interval && a.outAfter === b.outAfter && a.backAfter === b.backAfter;
}
