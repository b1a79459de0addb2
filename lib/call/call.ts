import { randomUUID } from 'node:crypto';
import type { PermissionRecord } from '../graph/permission/gate.js';
import type { Logger } from '../observe/logger.js';
import type { CallMediaStats, MediaCall } from '../media/types.js';
import type { CallerFacts, TargetFacts } from '../policy/types.js';
import type { CallRecord, Direction, TransferRecord, VoiceFacts } from './record.js';
import { isGone } from './gone.js';
import { ended, type Termination } from './termination.js';
import type { CallControl } from './control.js';
import type { Happening } from './happening.js';
import type { RecordedFile, SiprecRecord } from './recording.js';
import type { Try } from './hunt/tries.js';
import { deferred } from '../util/deferred.js';
import { Observer } from '../util/observer.js';

export type CallState = 'arriving' | 'routing' | 'ringing' | 'answered' | 'ended';

/** What is known of a call so far; steps fill it in, the CDR and the live page read it. */
export interface CallFacts extends VoiceFacts {
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
  permission: PermissionRecord | null;
  /** What whoever ordered it calls it by. */
  reference: string | null;
  metaDuration: number | null;
  readonly recordings: RecordedFile[];
  readonly siprec: SiprecRecord[];
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
    target: null, rule: null, payload: null, country: null, permission: null, reference: null, metaDuration: null, closed: null,
    menu: [], queue: [], voicemail: null, recordings: [], siprec: [], transfers: [], tries: [],
  };
  /** What policy allowed and the call lives by, by the leg it is about; judged again when the rules change. */
  readonly standing = new Map<object, TargetFacts | CallerFacts>();
  /** Signs of a leak that have been told already. */
  readonly signs = new Set<string>();

  /** What happens to it, for whoever looks on. */
  readonly observer = new Observer<Happening>((error) => this.log.error({ err: error }, 'somebody who looks on at this call has failed; the call goes on'));

  state: CallState = 'arriving';
  /** How others steer it; null: it has not got so far that they can. */
  control: CallControl | null = null;
  /** Business-initiated: the telephone of the user rings, or has rung and nobody took the call. */
  rings = false;
  answeredAt: number | null = null;
  /** Is told when it is answered. */
  whenAnswered: (() => void) | null = null;

  #media: MediaCall | null = null;
  readonly #closers = new Set<LegCloser>();
  #orders = 0;
  readonly #attempts: string[] = [];
  #leftAt: number | null = null;
  readonly #underWay = new Set<Promise<void>>();
  readonly #connections = new Set<{ readonly connection: object }>();
  readonly #onEnded: (call: Call, record: CallRecord) => void;
  readonly #showUser: (user: string) => string;
  readonly #keyUser: (user: string) => string | null;
  #hear: (() => void) | null = null;
  #told: 'nothing' | 'created' | 'ended' = 'nothing';
  #termination: Termination | null = null;
  readonly #ended = deferred<void>();

  constructor(options: {
    direction: Direction;
    startedAt: number;
    log: Logger;
    showUser: (user: string) => string;
    keyUser?: (user: string) => string | null;
    onEnded: (call: Call, record: CallRecord) => void;
  }) {
    this.direction = options.direction;
    this.startedAt = options.startedAt;
    this.log = options.log.child({ call: this.id });
    this.#onEnded = options.onEnded;
    this.#showUser = options.showUser;
    this.#keyUser = options.keyUser ?? (() => null);
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

  /** When the first INVITE to Meta went out, in milliseconds since 1970; null: none has. */
  get leftAt(): number | null {
    return this.#leftAt;
  }

  /** An INVITE of ours went out for this call, to a peer or to Meta. */
  placed(callId: string, to: 'peer' | 'meta'): void {
    if (to === 'meta') this.#leftAt ??= Date.now();
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
    this.tell({ type: record.status === 200 ? 'transferred' : 'transferFailed', transfer: record });
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

  /** The user as its record shows them. */
  get shownUser(): string | null {
    return this.facts.user === null ? null : this.#showUser(this.facts.user);
  }

  answered(): void {
    this.state = 'answered';
    this.answeredAt = Date.now();
    this.news();
    this.whenAnswered?.();
  }

  /** `hear` is told when something has happened that its record tells. */
  onNews(hear: () => void): void {
    this.#hear = hear;
  }

  /** Its facts have changed. */
  news(): void {
    this.#hear?.();
  }

  /** It is known who calls whom. May be called twice. */
  introduce(): void {
    if (this.#told !== 'nothing') return;
    this.#told = 'created';
    this.observer.tell({ type: 'created' });
  }

  /** Something has happened to it. What comes after its end is not told. */
  tell(what: Exclude<Happening, { type: 'created' | 'ended' }>): void {
    this.introduce();
    if (this.#told !== 'ended') this.observer.tell(what);
  }

  /** Ends the call; the first reason counts, later ones are ignored. */
  end(termination: Termination): void {
    if (this.#termination !== null) return;
    this.introduce();
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
    const record = this.recordOf(termination, endedAt, stats);
    this.#onEnded(this, record);
    this.#told = 'ended';
    this.observer.tell({ type: 'ended', record });
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
      user: this.shownUser,
      userKey: facts.user === null ? null : this.#keyUser(facts.user),
      wacid: facts.wacid,
      callIds: { meta: facts.metaCallId, peer: facts.peerCallId },
      route: facts.route, peer: facts.peer, account: facts.account, target: facts.target, rule: termination.by === 'policy' ? termination.rule : facts.rule,
      payload: facts.payload, country: facts.country, permission: facts.permission, reference: facts.reference, closed: facts.closed, menu: facts.menu, queue: facts.queue, voicemail: facts.voicemail,
      termination,
      tries: facts.tries.map((one) => one.record()),
      setupMs: (this.answeredAt ?? endedAt) - this.startedAt,
      durationMs: this.answeredAt === null ? null : endedAt - this.answeredAt,
      metaDuration: facts.metaDuration, recordings: [...facts.recordings], siprec: facts.siprec.map((one) => ({ ...one })), transfers: facts.transfers,
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
