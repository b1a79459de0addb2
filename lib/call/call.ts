import { randomUUID } from 'node:crypto';
import { WabError } from '../errors.js';
import type { Logger } from '../observe/logger.js';
import type { CallMediaStats, MediaCall } from '../media/types.js';
import type { CallerFacts, TargetFacts } from '../policy/types.js';
import type { CallRecord, Direction, TransferRecord } from './record.js';
import { ended, type Termination } from './termination.js';
import type { Try } from './hunt/tries.js';
import { deferred } from '../util/deferred.js';

export type CallState = 'arriving' | 'routing' | 'ringing' | 'answered' | 'ended';

/** What is known of a call so far; steps fill it in, the CDR and the live page read it. */
export interface CallFacts {
  number: string | null;
  user: string | null;
  wacid: string | null;
  metaCallId: string | null;
  peerCallId: string | null;
  route: string | null;
  peer: string | null;
  account: string | null;
  target: string | null;
  rule: string | null;
  payload: string | null;
  country: string | null;
  metaDuration: number | null;
  readonly transfers: TransferRecord[];
  readonly tries: Try[];
}

/** Transfers and pick-ups of one call, refused ones too. */
const mostTransfers = 64;

/** A leg's own way to end: sends what ends it on the wire, never throws, may be called after the far end has gone. */
export type LegCloser = (termination: Termination) => Promise<void> | void;

/**
 * One call, from the first message to its one Termination. Owns its legs' closers, its media and its timers:
 * end() closes all of them once, whoever calls it first.
 */
export class Call {
  readonly id = randomUUID();
  readonly direction: Direction;
  readonly startedAt: number;
  readonly log: Logger;
  readonly facts: CallFacts = {
    number: null, user: null, wacid: null, metaCallId: null, peerCallId: null, route: null, peer: null, account: null,
    target: null, rule: null, payload: null, country: null, metaDuration: null, transfers: [], tries: [],
  };
  /** What policy allowed and the call lives by, by the leg it is about; judged again when the rules change. */
  readonly standing = new Map<object, TargetFacts | CallerFacts>();
  /** Signs of a leak that have been told already. */
  readonly signs = new Set<string>();

  state: CallState = 'arriving';
  answeredAt: number | null = null;

  #media: MediaCall | null = null;
  readonly #closers = new Set<LegCloser>();
  #orders = 0;
  readonly #attempts: string[] = [];
  readonly #underWay = new Set<Promise<void>>();
  readonly #connections = new Set<{ readonly connection: object }>();
  readonly #onEnded: (call: Call, record: CallRecord) => void;
  readonly #showUser: (user: string) => string;
  #hear: (() => void) | null = null;
  #termination: Termination | null = null;
  readonly #ended = deferred<void>();

  constructor(options: {
    direction: Direction;
    startedAt: number;
    log: Logger;
    showUser: (user: string) => string;
    onEnded: (call: Call, record: CallRecord) => void;
  }) {
    this.direction = options.direction;
    this.startedAt = options.startedAt;
    this.log = options.log.child({ call: this.id });
    this.#onEnded = options.onEnded;
    this.#showUser = options.showUser;
  }

  /** Resolves when the record is written, everything is closed, and nothing is under way any more. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  get termination(): Termination | null {
    return this.#termination;
  }

  /** Call-IDs of every INVITE of ours for this call, for its ladder. */
  get attempts(): readonly string[] {
    return this.#attempts;
  }

  /** An INVITE of ours went out for this call. */
  placed(callId: string): void {
    this.#attempts.push(callId);
  }

  get over(): boolean {
    return this.#termination !== null;
  }

  /** Adds what must be closed when the call ends; closed at once when it already has. Gives the means to take it back, for what ends before the call. */
  own(closer: LegCloser): () => void {
    if (this.#termination === null) this.#closers.add(closer);
    else this.track(this.#close(closer, this.#termination));
    return () => { this.#closers.delete(closer); };
  }

  /** Whether one more transfer or pick-up may be asked for. A peer that orders them without end is not served without end. */
  mayBeSentOn(): boolean {
    this.#orders += 1;
    if (this.#orders === mostTransfers + 1) this.log.warn({}, `a peer asked for more than ${mostTransfers} transfers and pick-ups in this call: further ones are refused`);
    return this.#orders <= mostTransfers;
  }

  /** Adds to the transfers of the record. */
  sentOn(record: TransferRecord): void {
    if (this.facts.transfers.length < mostTransfers) this.facts.transfers.push(record);
    this.news();
  }

  /** The call's own course; a failure of ours in it ends the call, and no other notices (house rule 7). */
  runs(course: Promise<void>): void {
    this.track(course.catch((error: unknown) => {
      this.log.error({ err: error }, 'a call failed for a reason of our own');
      this.end(ended.fault(error instanceof Error ? error.message : String(error)));
    }));
  }

  /** This call cannot outlive a SIP server connection; gives the means to take that back. */
  reliesOn(connection: object): () => void {
    const use = { connection };
    this.#connections.add(use);
    return () => { this.#connections.delete(use); };
  }

  /** Whether it does. */
  isOn(connection: object): boolean {
    return [...this.#connections].some((use) => use.connection === connection);
  }

  /** Work for this call that goes on by itself and never rejects; the call has not ended before it. */
  track(work: Promise<void>): void {
    this.#underWay.add(work);
    void work.then(() => this.#underWay.delete(work));
  }

  /** The call's media from now on: closed with it, and its death or Meta's silence ends it. `mediaTimeout` in seconds, for the text. */
  useMedia(media: MediaCall, mediaTimeout: number): void {
    this.#media = media;
    // Ended while the media was being made: nobody else would close it.
    if (this.over) void media.close().catch(() => undefined);
    media.on('mediaTimeout', () => this.end(ended.mediaTimeout(mediaTimeout)));
    media.on('impostor', (why) => this.end(ended.fingerprint(why)));
    media.on('engineLost', (why) => this.end(ended.mediaLost(why)));
  }

  get media(): MediaCall | null {
    return this.#media;
  }

  /** Milliseconds from the INVITE to the answer; null: not answered. */
  get setupMs(): number | null {
    return this.answeredAt === null ? null : this.answeredAt - this.startedAt;
  }

  answered(): void {
    this.state = 'answered';
    this.answeredAt = Date.now();
    this.news();
  }

  /** `hear` is told when something has happened that its record tells. */
  onNews(hear: () => void): void {
    this.#hear = hear;
  }

  /** Its facts have changed. */
  news(): void {
    this.#hear?.();
  }

  /** Ends the call; the first reason counts, later ones are ignored. */
  end(termination: Termination): void {
    if (this.#termination !== null) return;
    this.#termination = termination;
    this.state = 'ended';
    void this.#finish(termination);
  }

  async #finish(termination: Termination): Promise<void> {
    const endedAt = Date.now();
    // Closers run together: a far end that does not answer our BYE must not keep the media or the other leg.
    const legs = Promise.all([...this.#closers].map((closer) => this.#close(closer, termination)));
    let stats: CallMediaStats | null = null;
    try {
      stats = (await this.#media?.close()) ?? null;
    } catch (error) {
      this.log.warn({ err: (error as Error).message }, 'the media of this call could not be closed cleanly');
    }
    this.#onEnded(this, this.recordOf(termination, endedAt, stats));
    await legs;
    // A leg whose 200 was under way is ended only when it is up, by work that adds work.
    while (this.#underWay.size > 0) await Promise.all(this.#underWay);
    this.#ended.resolve();
  }

  /** Its record if it ends, or ended, with this at `endedAt` (milliseconds since 1970). */
  recordOf(termination: Termination, endedAt: number, media: CallMediaStats | null): CallRecord {
    const { facts } = this;
    return {
      id: this.id,
      time: new Date(this.startedAt).toISOString(),
      direction: this.direction,
      number: facts.number,
      user: facts.user === null ? null : this.#showUser(facts.user),
      wacid: facts.wacid,
      callIds: { meta: facts.metaCallId, peer: facts.peerCallId },
      route: facts.route, peer: facts.peer, account: facts.account, target: facts.target, rule: termination.by === 'policy' ? termination.rule : facts.rule,
      payload: facts.payload, country: facts.country,
      termination,
      tries: facts.tries.map((one) => one.record()),
      setupMs: (this.answeredAt ?? endedAt) - this.startedAt,
      durationMs: this.answeredAt === null ? null : endedAt - this.answeredAt,
      metaDuration: facts.metaDuration,
      transfers: facts.transfers,
      media,
    };
  }

  async #close(closer: LegCloser, termination: Termination): Promise<void> {
    try {
      await closer(termination);
    } catch (error) {
      if (isGone(error)) this.log.debug({ err: (error as Error).message }, 'a leg was already gone');
      else this.log.error({ err: error }, 'a leg could not be ended');
    }
  }
}

/** Whether an error says that there is nobody to end a leg with: the SIP server, or the dialog there, has gone. */
function isGone(error: unknown): boolean {
  if (error instanceof WabError) return error.verdict.reason === 'sipLost';
  const code = (error as { code?: unknown }).code;
  return code === 'ENODIALOG' || code === 'EDRACHTIO' || code === 'ESOCKETDESTROYED';
}
