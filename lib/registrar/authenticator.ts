import type { Logger } from '../observe/logger.js';
import { credentialsOf } from '../sip/credentials.js';
import type { Bound, DigestServer, DigestVerdict } from '../sip/digestServer.js';
import type { SipRequest, SipResponse } from '../sip/drachtio.js';
import { placeOf } from '../util/place.js';
import type { Guard } from './guard.js';

/** `user`: whose password was shown; `asked`: when we made the nonce that it was shown for, milliseconds. Else the request has been answered, or will be: with a challenge, or with a refusal. */
export type Authenticated = { readonly ok: true; readonly user: string; readonly asked: number } | { readonly ok: false };

/** What happened, for metrics. */
export type AuthResult = 'challenged' | 'wrongPassword' | 'banned';

export interface AuthenticatorOptions {
  readonly digest: DigestServer;
  readonly guard: Guard;
  readonly log: Logger;
  /** Milliseconds. */
  readonly now: () => number;
  /** Told of every request whose sender has shown a password of ours. */
  readonly authenticated?: (req: SipRequest) => void;
}

/** Credentials that are wrong. */
interface Wrong {
  /** Whose they would be; null when nobody is called so. */
  readonly user: string | null;
  readonly why: string;
  /** Of a peer's own address. */
  readonly spared: boolean;
  /** For a nonce that was ours and went there. */
  readonly proven: boolean;
  readonly bound: Bound;
}

/** Answers held back for those who guess; beyond, they are given at once. */
const maxHeldBack = 1000;

/**
 * Asks the far ends that are ours for their password (RFC 3261 §22), in one way whatever the request: REGISTER, INVITE, from a phone or a trunk.
 * A fault is held against somebody only when it is known where the request came from: a nonce of ours came back from there, or it came by a connection.
 * Everything else is asked again and counts for nothing.
 */
export class Authenticator {
  readonly #options: AuthenticatorOptions;
  readonly #heldBack = new Set<NodeJS.Timeout>();
  readonly #counts = new Map<AuthResult, number>();

  constructor(options: AuthenticatorOptions) {
    this.#options = options;
  }

  /**
   * @param passwordOf the password of a user who may be the sender, null for anybody else
   * @param spared an address of a peer's own, which is not banned for the operator's mistake
   */
  take(req: SipRequest, res: SipResponse, passwordOf: (user: string) => string | null, spared = false): Authenticated {
    const { digest, guard, now } = this.#options;
    const address = req.source_address;
    const bound: Bound = { callId: req.get('Call-ID') ?? '', place: placeOf(address) };
    const shown = digest.read(credentialsOf(req), bound);
    if (!shown.judgeable) return this.#ask(res, bound, false);
    const verify = (): DigestVerdict => digest.verify(shown, req.method, passwordOf);
    if (!shown.proven && !connected(req)) return this.#judgeUnproven(verify, res, bound);

    const user = passwordOf(shown.username) === null ? null : shown.username;
    const standing = spared ? 'judge' : guard.standing(address, user, now());
    if (standing === 'banned') return this.#refuse(res, 'banned');
    const verdict = verify();
    if (standing === 'closed' || verdict === 'wrongUser' || verdict === 'wrongResponse') {
      return this.#wrong(req, res, { user, why: standing === 'closed' ? 'closed' : verdict, spared, proven: shown.proven, bound });
    }
    if (verdict !== 'right') return this.#ask(res, bound, true);
    guard.success(address, shown.username);
    this.#options.authenticated?.(req);
    return { ok: true, user: shown.username, asked: now() - (shown.age ?? 0) };
  }

  /** Requests by what came of them, since the start. */
  counts(): Readonly<Record<AuthResult, number>> {
    const count = (result: AuthResult): number => this.#counts.get(result) ?? 0;
    return { challenged: count('challenged'), wrongPassword: count('wrongPassword'), banned: count('banned') };
  }

  close(): void {
    for (const timer of this.#heldBack) clearTimeout(timer);
    this.#heldBack.clear();
  }

  /** A datagram with a nonce that did not go there: anybody may have sent it. See Guard.tellsUnproven. */
  #judgeUnproven(verify: () => DigestVerdict, res: SipResponse, bound: Bound): Authenticated {
    const { guard, now } = this.#options;
    if (!guard.tellsUnproven(now())) return this.#ask(res, bound, true);
    const verdict = verify();
    const wrong = verdict === 'wrongUser' || verdict === 'wrongResponse';
    if (wrong) guard.unprovenFault();
    return this.#ask(res, bound, !wrong);
  }

  #ask(res: SipResponse, bound: Bound, stale: boolean): Authenticated {
    this.#count('challenged');
    this.#challenge(res, bound, stale);
    return { ok: false };
  }

  #challenge(res: SipResponse, bound: Bound, stale: boolean): void {
    // One header line an algorithm (RFC 8760 §2.4); drachtio-srf writes a value as it is, so the line break makes two.
    res.send(401, { headers: { 'WWW-Authenticate': this.#options.digest.challenge(bound, stale).join('\r\nWWW-Authenticate: ') } });
  }

  #refuse(res: SipResponse, result: AuthResult): Authenticated {
    this.#count(result);
    res.send(403);
    return { ok: false };
  }

  /** Answers the later the more of them came, and bans in the end. A nonce that is not ours gets a new one, as whoever showed it may not know the password to be wrong. */
  #wrong(req: SipRequest, res: SipResponse, { user, why, spared, proven, bound }: Wrong): Authenticated {
    const { guard, log, now } = this.#options;
    const { delay, ban, what } = spared ? { delay: 0, ban: null, what: '' } : guard.fault(req.source_address, user, now());
    log.warn({ method: req.method, source: req.source_address, user, why }, 'refused a request: unknown user or wrong password');
    if (ban !== null) log.error({ source: req.source_address, seconds: ban / 1000 }, `banned ${what} for ${ban / 1000} s: too many wrong passwords in a row`);
    this.#count('wrongPassword');
    const answer = (): void => (proven ? res.send(403) : this.#challenge(res, bound, false));
    if (delay === 0 || this.#heldBack.size >= maxHeldBack) {
      answer();
      return { ok: false };
    }
    const timer = setTimeout(() => {
      this.#heldBack.delete(timer);
      answer();
    }, delay);
    this.#heldBack.add(timer);
    return { ok: false };
  }

  #count(result: AuthResult): void {
    this.#counts.set(result, (this.#counts.get(result) ?? 0) + 1);
  }
}

/** The address of a connection is the sender's own: its handshake came back from there. */
function connected({ protocol }: SipRequest): boolean {
  return protocol.toLowerCase() !== 'udp';
}
