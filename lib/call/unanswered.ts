import type { Config } from '../config/types.js';
import { unansweredLimits } from '../config/types.js';
import type { Call } from './call.js';
import type { CallRecord } from './record.js';
import { BoundedMap } from '../util/boundedMap.js';

interface Log { warn(fields: object, message: string): void }

/** Pairs of number and user that are remembered; the one heard of longest ago goes first. */
const mostPairs = 10_000;

/**
 * Business-initiated calls in a row that one user did not take. Meta asks the user after some whether calls are still wanted, and takes the permission
 * back after more (META-SIP §9): how many depends on the number's environment. The log says so before Meta refuses.
 */
export class UnansweredCalls {
  readonly #config: () => Pick<Config, 'numbers'>;
  readonly #keyOf: (user: string) => string;
  readonly #log: Log;
  readonly #inARow = new BoundedMap<string, number>(mostPairs);

  /** `keyOf`: one name for a user who is known under several. */
  constructor(config: () => Pick<Config, 'numbers'>, keyOf: (user: string) => string, log: Log) {
    this.#keyOf = keyOf;
    this.#config = config;
    this.#log = log;
  }

  /** A call has ended. */
  ended({ facts, attempts }: Pick<Call, 'facts' | 'attempts'>, { direction, termination: { by, reason }, durationMs }: Pick<CallRecord, 'direction' | 'termination' | 'durationMs'>): void {
    const { number, user } = facts;
    if (number === null || user === null) return;
    const pair = `${number} ${this.#keyOf(user)}`;
    // Any connected call, whoever placed it, begins anew.
    if (durationMs !== null) return void this.#inARow.delete(pair);
    const untaken = (by === 'meta' && (reason === 'declined' || reason === 'unreachable')) || (by === 'us' && reason === 'ringTimeout');
    if (direction !== 'business-initiated' || attempts.length === 0 || !untaken) return;
    const count = (this.#inARow.get(pair) ?? 0) + 1;
    this.#inARow.set(pair, count);
    this.#tell(number, user, count);
  }

  #tell(number: string, user: string, count: number): void {
    const environment = this.#config().numbers[number]?.environment ?? 'production';
    const { asks, revokes } = unansweredLimits[environment];
    const then = count === revokes ? 'Meta takes the permission to call back: ask for it anew' : count === asks ? `Meta asks the user whether calls are wanted; after ${revokes} it takes the permission back` : null;
    if (then !== null) this.#log.warn({ number, user, environment, count }, `${count} calls in a row were not taken by this user: ${then}`);
  }
}
