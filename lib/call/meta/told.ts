import type { ToldCall } from '../../graph/webhook/reading.js';
import { BoundedMap } from '../../util/boundedMap.js';
import { after } from '../../util/after.js';
import { deferred } from '../../util/deferred.js';
import type { Call } from '../call.js';
import type { CallRecord } from '../record.js';
import type { CallTable } from '../table.js';

/** A call's record waits so long for its wacid, ms. */
const wacidWaitMs = 2000;
/** Meta's time of a call and ours of its INVITE differ by no more, ms: the latency, and both clocks. */
const nearMs = 300_000;
/** Business-initiated calls without a wacid that are over and may get one. */
const mostOver = 500;
/** Ids of Meta's that are remembered. */
const mostRemembered = 10_000;

export interface ToldCallsOptions {
  readonly table: Pick<CallTable, 'all'>;
  readonly keyOf: (user: string) => string;
  readonly log: { info(fields: object, message: string): void; warn(fields: object, message: string): void };
  /** A user's call that nobody took; `reached`: whether it came to us by SIP. */
  readonly onMissed: (missed: { readonly number: string; readonly user: string; readonly wacid: string; readonly reached: boolean }) => void;
}

/** A business-initiated call that Meta's webhooks may be about. */
interface Candidate { readonly call: Call; readonly pair: string; readonly leftAt: number; /** Its record waits. */ found: (() => void) | null }

/**
 * What Meta's webhooks tell of calls: the wacid of those that a business has placed, which SIP tells at Meta's BYE only, and users' calls that nobody took.
 * A webhook ends no call, and comes twice, late or never.
 */
export class ToldCalls {
  readonly #options: ToldCallsOptions;
  /** Those that are over and have no wacid yet, or had none when they were written. */
  readonly #over = new BoundedMap<string, Candidate>(mostOver);
  /** wacid → id of the call that has it. */
  readonly #known = new BoundedMap<string, string>(mostRemembered);
  readonly #missed = new BoundedMap<string, true>(mostRemembered);
  #closed = false;

  constructor(options: ToldCallsOptions) {
    this.#options = options;
  }

  /** A call_created or terminate of a number of ours. */
  take(number: string, user: string, told: ToldCall): void {
    if (told.direction === 'business-initiated') this.#name(number, user, told);
    if (told.event !== 'terminate') return;
    for (const { code, message } of told.errors) this.#options.log.warn({ number, user, wacid: told.wacid, code, metaSaid: message }, 'Meta tells of an error in a call');
    if (told.direction === 'user-initiated' && told.connectedAt === null) this.#miss(number, user, told.wacid);
  }

  /** A call is over; resolves when its record may be written: with Meta's id, or without one after two seconds. At once where it has one, or never reached Meta. */
  async settled(call: Call, { direction, wacid }: Pick<CallRecord, 'direction' | 'wacid'>): Promise<void> {
    if (wacid !== null) this.#known.set(wacid, call.id);
    const { number, user } = call.facts;
    if (direction !== 'business-initiated' || wacid !== null || call.leftAt === null || number === null || user === null || this.#closed) return;
    const { promise, resolve } = deferred<void>();
    const candidate: Candidate = { call, pair: this.#pair(number, user), leftAt: call.leftAt, found: resolve };
    this.#over.set(call.id, candidate);
    const timer = after(wacidWaitMs, resolve);
    await promise;
    clearTimeout(timer);
    candidate.found = null;
  }

  /** Nothing waits any more. May be called twice. */
  close(): void {
    this.#closed = true;
    for (const { found } of this.#over.values()) found?.();
  }

  /** Gives a wacid to the call of this pair whose INVITE left nearest to Meta's time. */
  #name(number: string, user: string, { wacid, at }: ToldCall): void {
    if (this.#known.has(wacid)) return;
    const pair = this.#pair(number, user);
    const live = this.#options.table.all().flatMap((call): Candidate[] => (call.direction === 'business-initiated' && call.leftAt !== null && call.facts.wacid === null
      && call.facts.number === number && call.facts.user !== null && this.#pair(number, call.facts.user) === pair ? [{ call, pair, leftAt: call.leftAt, found: null }] : []));
    const time = at ?? Date.now();
    const candidates = [...live, ...[...this.#over.values()].filter((one) => one.pair === pair && one.call.facts.wacid === null)]
      .filter(({ leftAt }) => Math.abs(time - leftAt) < nearMs).sort((a, b) => Math.abs(time - a.leftAt) - Math.abs(time - b.leftAt));
    const [nearest] = candidates;
    if (nearest === undefined) return;
    const { call } = nearest;
    this.#known.set(wacid, call.id);
    call.facts.wacid = wacid;
    call.news();
    this.#over.delete(call.id);
    if (nearest.found !== null) nearest.found();
    else if (call.over) call.log.info({ wacid }, "Meta's id of this call came when its record was written");
  }

  #miss(number: string, user: string, wacid: string): void {
    if (this.#missed.has(wacid)) return;
    this.#missed.set(wacid, true);
    const reached = this.#known.has(wacid) || this.#options.table.all().some((call) => call.facts.wacid === wacid);
    this.#options.onMissed({ number, user, wacid, reached });
    if (reached) this.#options.log.info({ number, user, wacid }, 'a missed call: nobody took it');
    else this.#options.log.warn({ number, user, wacid }, 'a missed call: Meta tells of a call of a user that never came here by SIP');
  }

  #pair(number: string, user: string): string {
    return `${number} ${this.#options.keyOf(user)}`;
  }
}
