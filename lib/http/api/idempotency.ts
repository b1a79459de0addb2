import { createHash } from 'node:crypto';
import { BoundedMap } from '../../util/boundedMap.js';
import { ApiError } from './error.js';

/** Keys that are known; beyond, the oldest is forgotten. */
const mostKeys = 50_000;
const lifetimeMs = 24 * 3_600_000;

interface Known<T> { readonly at: number; readonly body: string; readonly outcome: Promise<T> }

/**
 * What was done under a key of the caller's choice is not done again: who asks a second time, as after a lost answer, gets what came of the first. What was
 * refused is forgotten, as it may be allowed later.
 */
export class Idempotency<T> {
  readonly #known = new BoundedMap<string, Known<T>>(mostKeys);
  readonly #now: () => number;

  /** `now`: milliseconds since 1970. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** @throws ApiError 409 where the key was used for another body; what `work` throws */
  once(key: string, body: string, work: () => Promise<T>): Promise<T> {
    const name = createHash('sha256').update(key).digest('base64');
    const digest = createHash('sha256').update(body).digest('base64');
    const known = this.#known.get(name);
    if (known !== undefined && this.#now() - known.at < lifetimeMs) {
      if (known.body !== digest) throw new ApiError(409, 'key.reused', 'this Idempotency-Key was used for another call');
      return known.outcome;
    }
    const outcome = work();
    this.#known.set(name, { at: this.#now(), body: digest, outcome });
    outcome.catch(() => { if (this.#known.get(name)?.outcome === outcome) this.#known.delete(name); });
    return outcome;
  }
}
