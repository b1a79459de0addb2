import type { Challenge, Credentials } from './digestClient.js';
import { answerTo, readChallenges } from './digestClient.js';
import type { SipHeaders, SipMessageView } from './drachtio.js';

/** The headers of a challenge, and of what answers it (RFC 3261 §22.2, §22.3). */
const headers = [['WWW-Authenticate', 'Authorization'], ['Proxy-Authenticate', 'Proxy-Authorization']] as const;

/** A request is sent so often at most, whoever challenges it: a far end with ever new realms must not be asked for ever. */
const mostAttempts = 6;

/** A challenge that is answered: by which header, and how often its nonce has been used. */
interface Answered {
  readonly header: (typeof headers)[number][1];
  readonly challenge: Challenge;
  used: number;
}

/**
 * What the requests of one Call-ID show to the servers that challenge them: credentials for each header and realm (RFC 3261 §22.3), an
 * INVITE's as well as those of the requests in its dialog. A nonce is used again until its server asks anew.
 */
export class Authorization {
  readonly #credentials: Credentials | null;
  readonly #answered = new Map<string, Answered>();

  /** `credentials` null: a challenge is a refusal. */
  constructor(credentials: Credentials | null) {
    this.#credentials = credentials;
  }

  /** One request, which is sent as often as it is challenged. `again`: what was shown before in this dialog is shown at once. */
  begin(method: string, again = false): AuthorizedRequest {
    return new AuthorizedRequest(this.#credentials, this.#answered, method, again);
  }
}

/** One request of ours and the challenges that it meets. */
export class AuthorizedRequest {
  readonly #credentials: Credentials | null;
  readonly #answered: Map<string, Answered>;
  readonly #method: string;
  /** Challenges that are answered by what is sent next, and how often each was met by this request. */
  readonly #shown: Set<string>;
  readonly #met = new Map<string, { readonly nonce: string; readonly stale: boolean }>();
  #attempts = 1;

  constructor(credentials: Credentials | null, answered: Map<string, Answered>, method: string, again: boolean) {
    this.#credentials = credentials;
    this.#answered = answered;
    this.#method = method;
    this.#shown = new Set(again ? answered.keys() : []);
  }

  /** Whether credentials of ours are shown. */
  get shown(): boolean {
    return this.#shown.size > 0;
  }

  /** The credentials for the next attempt, with this Request-URI. */
  headers(uri: string): SipHeaders {
    const credentials = this.#credentials;
    if (credentials === null) return {};
    const values = new Map<string, string[]>();
    for (const key of this.#shown) {
      const answered = this.#answered.get(key);
      if (answered === undefined) continue;
      answered.used += 1;
      values.set(answered.header, [...values.get(answered.header) ?? [], answerTo(answered.challenge, credentials, { method: this.#method, uri }, answered.used)]);
    }
    // RFC 3261 §7.3.1: these are never joined by commas; drachtio-srf writes a value as it is, so the line break makes two.
    return Object.fromEntries([...values].map(([name, lines]) => [name, lines.join(`\r\n${name}: `)]));
  }

  /**
   * Takes a response. True: it is a challenge that can be answered, and the request is to be sent again. A realm that asks a second time is
   * answered once more only when it says that the nonce had gone stale (RFC 7616 §3.3); else the password is wrong. Another realm, or the
   * same of another header, is another server's question (RFC 3261 §22.3).
   */
  challenged(response: SipMessageView & { readonly status: number }): boolean {
    if (response.status !== 401 && response.status !== 407) return false;
    if (this.#credentials === null || this.#attempts >= mostAttempts) return false;
    let fresh = false;
    for (const [asks, header] of headers) {
      for (const challenge of readChallenges([response.get(asks) ?? ''])) {
        const key = `${header} ${challenge.realm}`;
        const before = this.#met.get(key);
        if (before !== undefined && (!challenge.stale || before.stale || before.nonce === challenge.nonce)) continue;
        this.#met.set(key, { nonce: challenge.nonce, stale: before !== undefined });
        const known = this.#answered.get(key);
        // The same nonce goes on counting (RFC 7616 §3.4).
        this.#answered.set(key, { header, challenge, used: known?.challenge.nonce === challenge.nonce ? known.used : 0 });
        this.#shown.add(key);
        fresh = true;
      }
    }
    if (fresh) this.#attempts += 1;
    return fresh;
  }
}
