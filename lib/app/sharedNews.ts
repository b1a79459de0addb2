import type { StoreState } from '../state/shared/limits.js';

/** Another reason for the same trouble is told once in so long, in milliseconds; so is one trouble after the other, where they take turns. */
const tellEveryMs = 60_000;

interface Log { info(fields: object, message: string): void; warn(fields: object, message: string): void; error(fields: object, message: string): void }

export interface SharedNewsOptions {
  readonly log: Log;
  /** Of Redis, for people. */
  readonly place: string;
  readonly node: string;
  readonly gone: 'share' | 'refuse';
  readonly nodes: () => readonly string[];
  /** Milliseconds, of a clock that is not set. */
  readonly now: () => number;
}

/** Says in the log what becomes of the Redis that nodes share, so that a person knows what is to be done, and is not told it each second. */
export class SharedNews {
  readonly #options: SharedNewsOptions;
  /** What the connection itself has said last: "connect ECONNREFUSED …", "WRONGPASS …". */
  #trouble: string | null = null;
  #state: StoreState | null = null;
  #why = '';
  #toldAt = -Infinity;

  constructor(options: SharedNewsOptions) {
    this.#options = options;
  }

  /** The connection has failed. */
  failed(error: Error): void {
    this.#trouble = error.message;
  }

  /** The connection stands. */
  connected(): void {
    this.#trouble = null;
  }

  /** `why`: what was asked of Redis in vain says; where there is no connection, what that says counts. */
  tell(state: StoreState, why: string): void {
    const { now } = this.#options;
    const reason = this.#trouble ?? why;
    const same = this.#state === state;
    if (same && (state === 'up' || reason === this.#why || now() - this.#toldAt < tellEveryMs)) return;
    this.#state = state;
    this.#why = reason;
    this.#toldAt = now();
    this.#say(state, reason);
  }

  #say(state: StoreState, err: string): void {
    const { log, place, node, gone, nodes } = this.#options;
    if (state === 'up') log.info({ redis: place, node, nodes: nodes() }, 'Redis keeps the limits of all nodes');
    else if (state === 'settling') log.warn({ redis: place }, 'Redis is back without its memory: nodes give it theirs');
    else log.error({ redis: place, err, gone }, state === 'starting' ? 'Redis is not reached: no call is taken before it is' : gone === 'share' ? 'Redis is gone: this node takes its part of each limit' : 'Redis is gone: new calls are refused');
  }
}
