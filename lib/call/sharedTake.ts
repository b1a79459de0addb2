import type { Lease } from '../state/shared/limits.js';
import { limitRefusals } from './limitRefusals.js';
import type { WantedPlaces } from './limits.js';
import { sharedKeys, takeShared, type Shared, type SharedWant } from './sharedPlaces.js';
import type { Termination } from './termination.js';

const dayMs = 86_400_000;
const secondMs = 1000;

/** What a business-initiated call takes of the limits that all nodes keep together. `names`: of the user, the one that counts first; `perPair`: connected calls to the user in 24 h. */
export function sharedWants(wanted: WantedPlaces, names: readonly string[], perPair: number): readonly SharedWant[] {
  const { peer, peerConfig, number, numberConfig, account, user } = wanted;
  const refuse = limitRefusals(wanted, perPair);
  const of = (key: (name: string) => string): readonly [string, ...string[]] => [key(names[0] ?? user), ...names.slice(1).map(key)];
  const places = (key: string, limit: number, refusal: () => Termination): SharedWant => ({ keys: [key], limit, window: null, refuse: refusal });
  const day = (keys: readonly [string, ...string[]], limit: number, refusal: (freeAt: number) => Termination): SharedWant => (
    { keys, limit, window: dayMs, refuse: (freeAt) => refusal(freeAt ?? Date.now() + dayMs) });
  // 0: no limit.
  const rate = (key: string, limit: number, refusal: () => Termination): SharedWant => ({ keys: [key], limit: limit === 0 ? Infinity : limit, window: secondMs, refuse: refusal });
  return [
    { keys: of((name) => sharedKeys.pair(number, name)), limit: 1, window: null, whole: true, refuse: refuse.pair },
    day(of((name) => sharedKeys.pairCalls(number, name)), perPair, refuse.pairDaily),
    day([sharedKeys.newCalls(number)], numberConfig.newCallsPerDay, refuse.numberDaily),
    ...account === null ? [] : [
      day([sharedKeys.accountCalls(account.user)], account.config.callsPerDay ?? Infinity, refuse.accountDaily),
      places(sharedKeys.account(account.user), account.config.maxConcurrentCalls ?? Infinity, refuse.account),
    ],
    places(sharedKeys.number(number), numberConfig.maxConcurrentCalls, refuse.number), places(sharedKeys.peer(peer), peerConfig.maxConcurrentCalls, refuse.peer),
    rate(sharedKeys.rate('peer', peer), peerConfig.callsPerSecond, refuse.peerRate), rate(sharedKeys.rate('number', number), numberConfig.callsPerSecond, refuse.numberRate),
  ];
}

/** The same over a call's life: taken once, given back as its places here are. It may end before it has them. */
export class SharedTake {
  readonly #shared: NonNullable<Shared>;
  readonly #wants: readonly SharedWant[];
  #lease: Lease | null = null;
  #connected = false;
  readonly #given = new Set<string>();
  #over: { readonly nothingSent: boolean; readonly termination: Termination } | null = null;
  #gone = false;

  constructor(shared: NonNullable<Shared>, wants: readonly SharedWant[]) {
    this.#shared = shared;
    this.#wants = wants;
  }

  /** Null: it has all of them; else why not. */
  async take(): Promise<Termination | null> {
    const taken = await takeShared(this.#shared, this.#wants);
    if (taken.refused !== null) return taken.refused;
    this.#lease = taken.lease;
    this.give(...this.#given);
    if (this.#over !== null) this.over(this.#over.termination, this.#over.nothingSent);
    if (this.#gone) this.letGo();
    return null;
  }

  give(...keys: readonly string[]): void {
    for (const key of keys) this.#given.add(key);
    this.#lease?.give(...keys);
  }

  /** Meta has answered: for the pair's day it counts from now on. */
  connected(): void {
    this.#connected = true;
    this.#lease?.again(this.#pairDay);
  }

  /** The call is over; the pair is Meta's until letGo() where Meta has it and did not end it. */
  over(termination: Termination, nothingSent: boolean): void {
    this.#over = { termination, nothingSent };
    const places = this.#wants.filter(({ window }) => window === null).map(({ keys: [key] }) => key);
    const pairToo = nothingSent || termination.by === 'meta' || termination.by === 'user';
    this.give(...places.slice(pairToo ? 0 : 1));
    if (!this.#connected) this.#lease?.undo(this.#pairDay);
    if (nothingSent || termination.reason === 'metaUnreachable') for (const { keys: [key], window } of this.#wants) if (window === dayMs) this.#lease?.undo(key);
  }

  letGo(): void {
    this.#gone = true;
    const [pair] = this.#wants;
    if (pair !== undefined) this.give(pair.keys[0]);
  }

  get #pairDay(): string {
    return this.#wants[1]?.keys[0] ?? '';
  }
}
