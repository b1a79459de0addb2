import type { IncomingMessage } from 'node:http';
import { RateWindows } from '../../state/index.js';
import { placeOf } from '../../util/place.js';
import { matching, shownToken } from '../access.js';
import { ApiError } from './error.js';

export type Scope = 'read' | 'calls' | 'numbers' | 'users' | 'admin';

/** Somebody who may use the API. */
export interface ApiToken {
  readonly name: string;
  readonly token: string;
  readonly scopes: readonly Scope[];
}

/** Wrong tokens that one address may show in a minute. */
const mostWrong = 20;
const windowMs = 60_000;
/** Behind a proxy on this machine everybody has its address: who guesses is slowed there, and nobody else shut out. Milliseconds. */
const slowedMs = 1000;
/** Addresses that are counted; beyond, they are counted anew. */
const mostPlaces = 10_000;

/** Finds out who sent a request, and slows who guesses. */
export class Doorkeeper {
  readonly #tokens: () => readonly ApiToken[];
  readonly #onWrong: (from: string) => void;
  #wrong = new RateWindows(windowMs, () => performance.now());
  readonly #places = new Set<string>();

  /** `tokens` is asked for each request, so that a reload takes effect. `onWrong` is told of a token that is none. */
  constructor(tokens: () => readonly ApiToken[], onWrong: (from: string) => void) {
    this.#tokens = tokens;
    this.#onWrong = onWrong;
  }

  /** @throws ApiError 401, 403, 429 */
  async admit({ socket, headers }: Pick<IncomingMessage, 'socket' | 'headers'>, scope: Scope | null): Promise<ApiToken> {
    return this.judge(socket.remoteAddress ?? '', shownToken(headers.authorization), scope);
  }

  /** `shown`: null where there is none. @throws ApiError 401, 403, 429 */
  async judge(address: string, shown: string | null, scope: Scope | null): Promise<ApiToken> {
    const from = placeOf(address);
    const local = from === '127.0.0.1' || from.startsWith('::1') || from === '::/64';
    if (!local && !this.#wrong.free(from, mostWrong)) throw new ApiError(429, 'token.guessing', 'too many wrong tokens from this address: try again in a minute');
    if (shown === null) throw new ApiError(401, 'token.missing', 'a token of api.tokens is needed: Authorization: Bearer TOKEN');
    const [known] = matching(this.#tokens(), shown);
    if (known === undefined) {
      this.#count(from);
      if (local && !this.#wrong.free(from, mostWrong)) await new Promise((resolve) => { setTimeout(resolve, slowedMs).unref(); });
      throw new ApiError(401, 'token.unknown', 'this token is not in api.tokens');
    }
    if (scope !== null && !known.scopes.includes(scope)) throw new ApiError(403, 'token.scope', `this token has no scope ${scope}`);
    return known;
  }

  /** Whether this token is still good for all of that, for a request that lasts. */
  isGood({ token }: ApiToken, scopes: readonly Scope[]): boolean {
    return this.#tokens().some((one) => one.token === token && scopes.every((scope) => one.scopes.includes(scope)));
  }

  #count(from: string): void {
    // What is beyond says no more, and is told of no more.
    if (!this.#wrong.free(from, mostWrong)) return;
    this.#onWrong(from);
    if (this.#places.size >= mostPlaces) {
      this.#places.clear();
      this.#wrong = new RateWindows(windowMs, () => performance.now());
    }
    this.#places.add(from);
    this.#wrong.take(from);
  }
}
