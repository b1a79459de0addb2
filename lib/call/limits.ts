import type { NumberConfig, PeerConfig } from '../config/types.js';
import { pairLimits } from '../config/types.js';
import type { DailyCounters, RateWindows } from '../state/index.js';
import type { Call } from './call.js';
import type { CallTable, Place } from './table.js';
import { numberFull, peerFull, type Termination } from './termination.js';

/** A business-initiated call that wants to begin. */
export interface WantedPlaces {
  readonly peer: string;
  readonly peerConfig: PeerConfig;
  /** Business number, E.164 with '+'. */
  readonly number: string;
  readonly numberConfig: NumberConfig;
  /** E.164 with '+', or a BSUID. */
  readonly user: string;
}

export type Places =
  | { readonly refused: Extract<Termination, { by: 'policy' }> }
  /** `store` resolves when the count would survive the death of this process: to be called right before the INVITE leaves. */
  | { readonly refused: null; readonly store: () => Promise<void>; /** The calling peer's, which may be given back before the call ends: a transfer. */ readonly peerPlace: Place };

interface Objection { readonly reason: string; readonly rule: string; readonly status: number; readonly text: string }

/**
 * The limits of business-initiated calls, kept before Meta has to refuse (META-SIP §9): one live call for each pair of business
 * number and user, calls at once, new calls and connected calls in 24 hours, calls per second; and the peers' own.
 * A call takes all its places in one step, so nothing can come between, and gives each back once.
 */
export class BusinessLimits {
  readonly #table: CallTable;
  readonly #daily: DailyCounters;
  readonly #rates: RateWindows;

  constructor(parts: { readonly table: CallTable; readonly daily: DailyCounters; /** Of one second. */ readonly rates: RateWindows }) {
    this.#table = parts.table;
    this.#daily = parts.daily;
    this.#rates = parts.rates;
  }

  /** 403 where trying again soon cannot help, 503 with Retry-After where it can (RFC 3261 §21.4.4, §21.5.4). */
  take(call: Call, wanted: WantedPlaces): Places {
    const { peer, number, user } = wanted;
    const objection = this.#objection(wanted);
    if (objection !== null) return { refused: { ...objection, by: 'policy' } };

    const peerPlace = this.#table.takePeer(peer, wanted.peerConfig.maxConcurrentCalls);
    const places = [
      peerPlace, this.#table.takeNumber(number, wanted.numberConfig.maxConcurrentCalls),
    ];
    const pair = this.#table.takePair(number, user, 1);
    this.#rates.take(`peer ${peer}`);
    this.#rates.take(`number ${number}`);
    const counted = this.#daily.add(newCalls(number));
    call.own((termination) => {
      for (const place of places) place?.release();
      // Meta counts what reached it; an outage must not use up the day.
      if (call.attempts.length === 0 || termination.reason === 'metaUnreachable') counted.undo();
      if (termination.by === 'meta' || termination.by === 'user') pair?.release();
    });
    // Where Meta did not end it, Meta has the pair's call until our BYE or CANCEL is through.
    void call.ended.then(() => pair?.release());
    return { refused: null, store: () => counted.store(), peerPlace: peerPlace ?? { release: () => undefined } };
  }

  /** Meta answered: the call counts against the pair's daily limit. */
  connected(number: string, user: string): void {
    void this.#daily.add(pairCalls(number, user)).store();
  }

  #objection({ peer, peerConfig, number, numberConfig, user }: WantedPlaces): Objection | null {
    const ofNumber = (key: string): string => `numbers."${number}".${key}`;
    const { pairLimit, newCallsPerDay, maxConcurrentCalls, callsPerSecond } = numberConfig;
    const perPair = pairLimits[pairLimit];

    const pairFree = this.#daily.freeAt(pairCalls(number, user), perPair);
    if (pairFree !== null) return { reason: 'limit.pairDaily', rule: ofNumber('pairLimit'), status: 403, text: `${perPair} connected calls to this user in 24 h; the next after ${time(pairFree)}` };
    const numberFree = this.#daily.freeAt(newCalls(number), newCallsPerDay);
    if (numberFree !== null) return { reason: 'limit.numberDaily', rule: ofNumber('newCallsPerDay'), status: 403, text: `${newCallsPerDay} new calls in 24 h; the next after ${time(numberFree)}` };

    const busy = (reason: string, rule: string, text: string): Objection => ({ reason, rule, status: 503, text });
    if (this.#table.onPair(number, user) > 0) return busy('limit.pair', 'one call for each pair', 'this user is in a call with this number already');
    if (this.#table.onNumber(number) >= maxConcurrentCalls) return numberFull(number, maxConcurrentCalls);
    if (this.#table.onPeer(peer) >= peerConfig.maxConcurrentCalls) return peerFull(peer, peerConfig.maxConcurrentCalls);
    if (!this.#rates.free(`peer ${peer}`, peerConfig.callsPerSecond)) return busy('limit.peerRate', `peers.${peer}.callsPerSecond`, `peer ${peer} began ${peerConfig.callsPerSecond} calls within a second`);
    if (!this.#rates.free(`number ${number}`, callsPerSecond)) return busy('limit.numberRate', ofNumber('callsPerSecond'), `${number} began ${callsPerSecond} calls within a second`);
    return null;
  }
}

const newCalls = (number: string): string => `n ${number}`;
const pairCalls = (number: string, user: string): string => `p ${number} ${user}`;
const time = (ms: number): string => `${new Date(ms).toISOString().slice(0, 16)}Z`;
