import { createHmac, timingSafeEqual } from 'node:crypto';
import type { DigestAlgorithm } from '../config/types.js';
import { randomBytes } from '../util/randomBytes.js';
import type { AuthValue } from './digest.js';
import { algorithmOf, digestResponse, parseAuthValues } from './digest.js';

/** Credentials for our realm that can be judged. Whom they name is not known before they are found right. */
export interface Shown {
  readonly judgeable: true;
  readonly username: string;
  /** The nonce went from us to the place that this request came from, for this Call-ID, lately: whoever sent the request can read what we send there. */
  readonly proven: boolean;
  readonly algorithm: DigestAlgorithm;
  readonly uri: string;
  readonly response: string;
  readonly nonce: string;
  /** Milliseconds since the nonce was made; null when it is none of ours for this Call-ID and place. */
  readonly age: number | null;
  readonly cnonce: string;
  readonly nc: string;
}

/** Nothing that could be judged: ask (again). It is held against nobody, as anybody can send it in anybody's name. */
export interface NothingShown {
  readonly judgeable: false;
  /** `otherRealm`: credentials for others only (RFC 3261 §22.1, §22.3). `ambiguous`: two for our realm. */
  readonly reason: 'missing' | 'otherRealm' | 'malformed' | 'ambiguous' | 'unsupported';
}

/**
 * `stale`, `replayed`: the digest is right, and the nonce is too old or none of ours, or its count has been used: a new nonce, with stale=true
 * (RFC 7616 §3.3, §3.4), brings the request again without anybody being asked for a password.
 */
export type DigestVerdict = 'right' | 'stale' | 'replayed' | 'wrongUser' | 'wrongResponse';

export interface DigestServerOptions {
  readonly realm: string;
  readonly algorithms: readonly DigestAlgorithm[];
  /** How long a nonce may be answered, milliseconds. */
  readonly nonceLifetime: number;
  /** Milliseconds since any fixed moment. */
  readonly now: () => number;
}

/** What a nonce is bound to. `place`: where the challenge goes (`placeOf` its address; never the port, which NATs change), '' where that does not matter. */
export interface Bound { readonly callId: string; readonly place: string }

/** An old nonce of ours still proves that its reader is where it went to, for so many lifetimes; then the address may be another's. */
const provenLifetimes = 10;

/**
 * Challenges and checks the requests of a far end (RFC 3261 §22, RFC 8760).
 * A nonce carries its time, is signed, and is bound to the Call-ID and the place, so a stranger's or an old one is known without a table;
 * only nonces that were answered rightly are remembered, to refuse a replay.
 */
export class DigestServer {
  readonly #options: DigestServerOptions;
  readonly #key = randomBytes(32);
  /** Highest nonce count accepted for a nonce, and when the nonce lapses. */
  readonly #used = new Map<string, { count: number; lapses: number }>();

  constructor(options: DigestServerOptions) {
    this.#options = options;
  }

  /** One value for each algorithm, in order: each goes into a header line of its own (RFC 8760 §2.4). */
  challenge(bound: Bound, stale = false): string[] {
    const time = Math.floor(this.#options.now()).toString(36);
    const salt = randomBytes(9).toString('base64url');
    const nonce = `${time}.${salt}.${this.#sign(time, salt, bound)}`;
    return this.#options.algorithms.map((algorithm) =>
      `Digest realm="${this.#options.realm}", nonce="${nonce}", algorithm=${algorithm}, qop="auth"${stale ? ', stale=true' : ''}`);
  }

  /**
   * Picks what is for us among all that a request shows.
   * @param values every (Proxy-)Authorization value of the request (`credentialsOf`)
   */
  read(values: readonly string[], bound: Bound): Shown | NothingShown {
    const nothing = (reason: NothingShown['reason']): NothingShown => ({ judgeable: false, reason });
    if (values.length === 0) return nothing('missing');
    const all = values.map(parseAuthValues);
    const [only, ...others] = all.flat().filter((value) => this.#isOurs(value));
    if (only === undefined) return nothing(all.every((read) => read.length === 0) ? 'malformed' : 'otherRealm');
    // Which of two would be the sender is anybody's guess, and another reader's may differ (RFC 3261 §22.3: one for each realm).
    if (others.length > 0 || only.repeated) return nothing('ambiguous');
    const { params } = only;
    const [username, nonce, uri, response, qop, cnonce, nc] = ['username', 'nonce', 'uri', 'response', 'qop', 'cnonce', 'nc'].map((name) => params.get(name));
    if (username === undefined || nonce === undefined || uri === undefined || response === undefined) return nothing('malformed');
    // We always offer qop; an answer without it could be replayed (RFC 7616 §3.4).
    if (qop !== 'auth' || cnonce === undefined || nc === undefined || !/^[0-9a-fA-F]{8}$/.test(nc)) return nothing('malformed');
    const algorithm = algorithmOf(params);
    if (algorithm === null || !this.#options.algorithms.includes(algorithm)) return nothing('unsupported');
    const age = this.#age(nonce, bound);
    const proven = age !== null && age <= provenLifetimes * this.#options.nonceLifetime;
    return { judgeable: true, username, proven, algorithm, uri, response, nonce, age, cnonce, nc };
  }

  /**
   * @param passwordOf the password of a user name, null when it is none of ours
   * The digest's uri may differ from the Request-URI: Meta leaves out ;transport=tls there (META-SIP §5.2).
   */
  verify(shown: Shown, method: string, passwordOf: (username: string) => string | null): DigestVerdict {
    const { username, algorithm, uri, nonce, cnonce, nc, age } = shown;
    const password = passwordOf(username);
    // The comparison is made for unknown users too, so that time tells nothing.
    const expected = digestResponse({
      algorithm, username, realm: this.#options.realm, password: password ?? randomBytes(16).toString('hex'), method, uri, nonce, qop: { value: 'auth', cnonce, nc },
    });
    const given = shown.response.toLowerCase();
    const same = given.length === expected.length && timingSafeEqual(Buffer.from(given, 'latin1'), Buffer.from(expected, 'latin1'));
    if (password === null) return 'wrongUser';
    if (!same) return 'wrongResponse';
    if (age === null || age > this.#options.nonceLifetime) return 'stale';
    const count = Number.parseInt(nc, 16);
    if (count <= (this.#used.get(nonce)?.count ?? 0)) return 'replayed';
    this.#remember(nonce, count, age);
    return 'right';
  }

  #isOurs({ scheme, params }: AuthValue): boolean {
    return scheme.toLowerCase() === 'digest' && params.get('realm') === this.#options.realm;
  }

  #sign(time: string, salt: string, { callId, place }: Bound): string {
    return createHmac('sha256', this.#key).update(JSON.stringify([time, salt, place, callId])).digest('base64url').slice(0, 22);
  }

  #age(nonce: string, bound: Bound): number | null {
    const [time, salt, signature, ...rest] = nonce.split('.');
    if (time === undefined || salt === undefined || signature === undefined || rest.length > 0) return null;
    const expected = Buffer.from(this.#sign(time, salt, bound));
    const given = Buffer.from(signature);
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) return null;
    return this.#options.now() - Number.parseInt(time, 36);
  }

  #remember(nonce: string, count: number, age: number): void {
    const now = this.#options.now();
    // Insertion order is nearly order of age: dropping from the front keeps the table to one lifetime's calls.
    for (const [old, { lapses }] of this.#used) {
      if (lapses > now) break;
      this.#used.delete(old);
    }
    this.#used.set(nonce, { count, lapses: now - age + this.#options.nonceLifetime });
  }
}
