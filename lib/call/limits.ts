import type { AccountConfig, NumberConfig, PeerConfig } from '../config/types.js';
import { pairLimits } from '../config/types.js';
import type { PermissionLedger } from '../graph/permission/ledger.js';
import type { DailyCounters, RateWindows } from '../state/index.js';
import type { Call } from './call.js';
import { limitRefusals } from './limitRefusals.js';
import { sharedKeys, type Shared } from './sharedPlaces.js';
import { SharedTake, sharedWants } from './sharedTake.js';
import type { CallTable, Place } from './table.js';
import type { Termination } from './termination.js';
import type { UserNames } from './userNames.js';

/** A business-initiated call that wants to begin. */
export interface WantedPlaces {
  readonly peer: string;
  readonly peerConfig: PeerConfig;
  /** The user who calls, of a peer whose users register; null for other peers. User names are unique across peers. */
  readonly account: { readonly user: string; readonly config: AccountConfig } | null;
  /** Business number, E.164 with '+'. */
  readonly number: string;
  readonly numberConfig: NumberConfig;
  /** E.164 with '+', or a BSUID. */
  readonly user: string;
}

export type Places =
  | { readonly refused: Extract<Termination, { by: 'policy' }> }
  /** `store` resolves when the count would survive the death of this process: to be called right before the INVITE leaves. */
  | {
    readonly refused: null; readonly store: () => Promise<void>;
    /** The calling peer's, which may be given back before the call ends: a transfer. */
    readonly peerPlace: Place;
    /** Meta has answered: the call counts against the pair's daily limit from now on. */
    readonly connected: () => void;
    /** Takes the same of all nodes: to be called before anything is done. Gives why not; null: it has it. */
    readonly share: (() => Promise<Termination | null>) | null;
  };

/**
 * The limits of business-initiated calls, kept before Meta has to refuse (META-SIP §9): one live call for each pair of business
 * number and user, calls at once, new calls and connected calls in 24 hours, calls per second; and the peers' and accounts' own.
 * A call takes all its places in one step, so nothing can come between, and gives each back once.
 */
export class BusinessLimits {
  readonly #table: CallTable;
  readonly #daily: DailyCounters;
  readonly #rates: RateWindows;
  readonly #names: UserNames;
  readonly #ledger: Pick<PermissionLedger, 'callsPerDay'>;
  readonly #shared: Shared;

  constructor(parts: { readonly table: CallTable; readonly daily: DailyCounters; /** Of one second. */ readonly rates: RateWindows; readonly names: UserNames; readonly ledger: Pick<PermissionLedger, 'callsPerDay'>; readonly shared: Shared }) {
    this.#table = parts.table;
    this.#daily = parts.daily;
    this.#rates = parts.rates;
    this.#names = parts.names;
    this.#ledger = parts.ledger;
    this.#shared = parts.shared;
  }

  /** 403 where trying again soon cannot help, 503 with Retry-After where it can (RFC 3261 §21.4.4, §21.5.4). */
  take(call: Call, wanted: WantedPlaces): Places {
    const { peer, number, user, account } = wanted;
    const objection = this.#objection(wanted);
    if (objection !== null) return { refused: objection };

    const peerPlace = this.#table.takePeer(peer, wanted.peerConfig.maxConcurrentCalls);
    const places = [
      peerPlace, this.#table.takeNumber(number, wanted.numberConfig.maxConcurrentCalls),
      account === null ? null : this.#table.takeAccount(account.user),
    ];
    const pair = this.#table.takePair(number, this.#names.keyOf(user), 1);
    this.#rates.take(`peer ${peer}`);
    this.#rates.take(`number ${number}`);
    const counted = [newCalls(number), ...(account === null ? [] : [accountCalls(account.user)])].map((key) => this.#daily.add(key));
    // Meta counts connected calls alone; one that a killed process leaves behind may have been.
    const ofPair = this.#daily.add(pairCalls(number, this.#names.keyOf(user)));
    const shared = this.#shared === null ? null : new SharedTake(this.#shared, sharedWants(wanted, this.#names.all(user), this.#perPair(wanted)));
    call.own((termination) => {
      shared?.over(termination, call.leftAt === null);
      ofPair.undo();
      for (const place of places) place?.release();
      // Meta counts what reached it; an outage must not use up the day.
      const nothingSent = call.leftAt === null;
      if (nothingSent || termination.reason === 'metaUnreachable') for (const one of counted) one.undo();
      // A caller who is refused may dial again at once, with another offer say.
      if (nothingSent || termination.by === 'meta' || termination.by === 'user') pair?.release();
    });
    // Where Meta has the call and did not end it, it is the pair's until our BYE or CANCEL is through.
    void call.ended.then(() => {
      pair?.release();
      shared?.letGo();
    });
    return {
      refused: null, store: async () => void await Promise.all([...counted, ofPair].map((one) => one.store())), peerPlace: { release: () => {
        peerPlace?.release();
        shared?.give(sharedKeys.peer(peer));
      } },
      share: shared === null ? null : () => shared.take(),
      connected: () => {
        shared?.connected();
        ofPair.undo();
        void this.#daily.add(pairCalls(number, this.#names.keyOf(user))).store();
      },
    };
  }

  /** New business-initiated calls of a number in the last 24 hours. */
  newCalls(number: string): number {
    return this.#daily.count(newCalls(number));
  }

  #objection(wanted: WantedPlaces): Extract<Termination, { by: 'policy' }> | null {
    const { peer, peerConfig, number, numberConfig, user, account } = wanted;
    const perPair = this.#perPair(wanted);
    const refuse = limitRefusals(wanted, perPair);
    const names = this.#names.all(user);

    // Its call is counted for the day already.
    if (names.some((name) => this.#table.onPair(number, name) > 0)) return refuse.pair();
    const pairFree = this.#daily.freeAt(names.map((name) => pairCalls(number, name)), perPair);
    if (pairFree !== null) return refuse.pairDaily(pairFree);
    const numberFree = this.#daily.freeAt(newCalls(number), numberConfig.newCallsPerDay);
    if (numberFree !== null) return refuse.numberDaily(numberFree);
    const perDay = account?.config.callsPerDay ?? null;
    const accountFree = account === null || perDay === null ? null : this.#daily.freeAt(accountCalls(account.user), perDay);
    if (accountFree !== null) return refuse.accountDaily(accountFree);

    if (this.#table.onNumber(number) >= numberConfig.maxConcurrentCalls) return refuse.number();
    if (this.#table.onPeer(peer) >= peerConfig.maxConcurrentCalls) return refuse.peer();
    const atOnce = account?.config.maxConcurrentCalls ?? null;
    if (account !== null && atOnce !== null && this.#table.onAccount(account.user) >= atOnce) return refuse.account();
    if (!this.#rates.free(`peer ${peer}`, peerConfig.callsPerSecond)) return refuse.peerRate();
    if (!this.#rates.free(`number ${number}`, numberConfig.callsPerSecond)) return refuse.numberRate();
    return null;
  }

  /** Connected calls to a user in 24 h. */
  #perPair({ number, user, numberConfig }: WantedPlaces): number {
    return this.#ledger.callsPerDay(number, user) ?? pairLimits[numberConfig.pairLimit];
  }
}

/** New business-initiated calls of a number in the last 24 hours. */
export const newCallsOf = (daily: Pick<DailyCounters, 'count'>, number: string): number => daily.count(newCalls(number));

const newCalls = (number: string): string => `n ${number}`;
const accountCalls = (user: string): string => `a ${user}`;
const pairCalls = (number: string, user: string): string => `p ${number} ${user}`;
