import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { DigestAlgorithm } from '../config/types.js';
import type { AuthValue } from './digest.js';
import { algorithmOf, digestResponse, parseAuthValues } from './digest.js';

export type DigestVerdict =
  | { readonly ok: true; readonly username: string; readonly algorithm: DigestAlgorithm }
  /** Ask (again): nothing was presented, or the nonce is too old. */
  | { readonly ok: false; readonly challenge: true; readonly stale: boolean; readonly reason: 'missing' | 'stale' | 'foreignNonce' }
  /** Refuse: asking again would not help. */
  | { readonly ok: false; readonly challenge: false; readonly reason: 'malformed' | 'ambiguous' | 'wrongRealm' | 'wrongUser' | 'wrongResponse' | 'replayed' | 'unsupported' };

export interface DigestServerOptions {
  readonly realm: string;
  readonly algorithms: readonly DigestAlgorithm[];
  /** How long a nonce may be answered, milliseconds. */
  readonly nonceLifetime: number;
  /** Milliseconds since any fixed moment. */
  readonly now: () => number;
}

/**
 * Challenges and checks the requests of a far end (RFC 3261 §22, RFC 8760).
 * A nonce carries its time, is signed, and is bound to the Call-ID, so a stranger's or an old one is known without a table;
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
  challenge(callId: string, stale = false): string[] {
    const time = Math.floor(this.#options.now()).toString(36);
    const salt = randomBytes(9).toString('base64url');
    const nonce = `${time}.${salt}.${this.#sign(time, salt, callId)}`;
    return this.#options.algorithms.map((algorithm) =>
      `Digest realm="${this.#options.realm}", nonce="${nonce}", algorithm=${algorithm}, qop="auth"${stale ? ', stale=true' : ''}`);
  }

  /** The user name that the credentials for our realm claim: nothing is known of its owner until verify() gives it back. Null when there is no single one. */
  claimed(values: readonly string[]): string | null {
    const ours = this.#ours(values);
    return ours.length === 1 ? ours[0]?.params.get('username') ?? null : null;
  }

  /**
   * The user name of an accepted verdict is the only one to go by: a request may carry others, in credentials for other realms (RFC 3261 §22.3).
   * @param values every (Proxy-)Authorization value of the request (`credentialsOf`)
   * @param passwordOf the password of a user name, null when it is none of ours
   * The digest's uri may differ from the Request-URI: Meta leaves out ;transport=tls there (META-SIP §5.2).
   */
  verify(values: readonly string[], request: { method: string; callId: string }, passwordOf: (username: string) => string | null): DigestVerdict {
    if (values.length === 0) return { ok: false, challenge: true, stale: false, reason: 'missing' };
    const ours = this.#ours(values);
    const [only] = ours;
    if (only === undefined) return { ok: false, challenge: false, reason: values.every((value) => parseAuthValues(value).length === 0) ? 'malformed' : 'wrongRealm' };
    // Which of two would be the sender is anybody's guess, and another reader's may differ (RFC 3261 §22.3: one for each realm).
    if (ours.length > 1 || only.repeated) return { ok: false, challenge: false, reason: 'ambiguous' };
    const { params } = only;
    const [username, nonce, uri, response] = ['username', 'nonce', 'uri', 'response'].map((name) => params.get(name));
    if (username === undefined || nonce === undefined || uri === undefined || response === undefined) {
      return { ok: false, challenge: false, reason: 'malformed' };
    }
    const algorithm = algorithmOf(params);
    if (algorithm === null || !this.#options.algorithms.includes(algorithm)) return { ok: false, challenge: false, reason: 'unsupported' };

    const age = this.#age(nonce, request.callId);
    if (age === null) return { ok: false, challenge: true, stale: false, reason: 'foreignNonce' };
    if (age > this.#options.nonceLifetime) return { ok: false, challenge: true, stale: true, reason: 'stale' };

    const [qop, cnonce, nc] = ['qop', 'cnonce', 'nc'].map((name) => params.get(name));
    // We always offer qop; an answer without it could be replayed (RFC 7616 §3.4).
    if (qop !== 'auth' || cnonce === undefined || nc === undefined || !/^[0-9a-fA-F]{8}$/.test(nc)) {
      return { ok: false, challenge: false, reason: 'malformed' };
    }
    const password = passwordOf(username);
    // The comparison is made for unknown users too, so that time tells nothing.
    const expected = digestResponse({
      algorithm, username, realm: this.#options.realm, password: password ?? randomBytes(16).toString('hex'),
      method: request.method, uri, nonce, qop: { value: 'auth', cnonce, nc },
    });
    const given = response.toLowerCase();
    const same = given.length === expected.length && timingSafeEqual(Buffer.from(given, 'latin1'), Buffer.from(expected, 'latin1'));
    if (password === null) return { ok: false, challenge: false, reason: 'wrongUser' };
    if (!same) return { ok: false, challenge: false, reason: 'wrongResponse' };

    const count = Number.parseInt(nc, 16);
    if (count <= (this.#used.get(nonce)?.count ?? 0)) return { ok: false, challenge: false, reason: 'replayed' };
    this.#remember(nonce, count, age);
    return { ok: true, username, algorithm };
  }

  #ours(values: readonly string[]): readonly AuthValue[] {
    return values.flatMap(parseAuthValues).filter(({ scheme, params }) => scheme.toLowerCase() === 'digest' && params.get('realm') === this.#options.realm);
  }

  #sign(time: string, salt: string, callId: string): string {
    return createHmac('sha256', this.#key).update(`${time}.${salt}.${callId}`).digest('base64url').slice(0, 22);
  }

  /** Milliseconds since the nonce was made; null when we did not make it for this Call-ID. */
  #age(nonce: string, callId: string): number | null {
    const [time, salt, signature, ...rest] = nonce.split('.');
    if (time === undefined || salt === undefined || signature === undefined || rest.length > 0) return null;
    const expected = Buffer.from(this.#sign(time, salt, callId));
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
