import type { DigestAlgorithm } from '../config/types.js';
import { randomBytes } from '../util/randomBytes.js';
import { algorithmOf, digestResponse, parseAuthValues, type AuthValue } from './digest.js';

export interface Credentials {
  readonly username: string;
  readonly password: string;
}

/** A pair of configured values, where both are set. */
export function configuredCredentials({ username, password }: { readonly username: string | null; readonly password: string | null }): Credentials | null {
  return username === null || password === null ? null : { username, password };
}

export type ChallengeAnswer =
  | { readonly ok: true; readonly value: string; readonly nonce: string; readonly stale: boolean }
  | { readonly ok: false; readonly reason: 'unreadable' | 'noneSupported' };

/** A challenge that we can answer. */
export interface Challenge {
  readonly algorithm: DigestAlgorithm;
  readonly realm: string;
  readonly nonce: string;
  readonly opaque: string | null;
  /** qop "auth" is offered; without it the response is that of RFC 2617 §3.2.2.1. */
  readonly qop: boolean;
  /** The credentials were refused for their nonce only (RFC 7616 §3.3). */
  readonly stale: boolean;
}

const quote = (text: string): string => `"${text.replace(/[\\"]/g, '\\$&')}"`;
/** Stronger first (RFC 8760 §2.4 lets the client choose among what it supports). */
const preference: readonly DigestAlgorithm[] = ['SHA-256', 'MD5'];

/**
 * The challenges of a 401 or 407 that we can answer: of each realm the strongest (RFC 3261 §22.3: one response may ask for several realms).
 * @param values WWW-Authenticate or Proxy-Authenticate; several challenges may stand in one value, joined by commas
 */
export function readChallenges(values: readonly string[]): Challenge[] {
  const usable = digestsIn(values).flatMap(({ params }): Challenge[] => {
    const [algorithm, realm, nonce] = [algorithmOf(params), params.get('realm'), params.get('nonce')];
    const offered = params.get('qop')?.split(',').map((q) => q.trim().toLowerCase());
    const speaks = offered === undefined || offered.includes('auth');
    // What we repeat must not break out of our header line.
    const clean = [...params.values()].every((value) => !/[\u0000-\u001f\u007f]/.test(value));
    if (algorithm === null || !speaks || !clean || realm === undefined || nonce === undefined) return [];
    return [{ algorithm, realm, nonce, opaque: params.get('opaque') ?? null, qop: offered !== undefined, stale: params.get('stale')?.toLowerCase() === 'true' }];
  });
  const strongest = preference.flatMap((algorithm) => usable.filter((challenge) => challenge.algorithm === algorithm));
  return strongest.filter(({ realm }, index) => strongest.findIndex((other) => other.realm === realm) === index);
}

/**
 * The value of Authorization or Proxy-Authorization.
 * @param request `uri`: the Request-URI exactly as the request carries it (META-SIP §4.2)
 * @param count how many requests have used this nonce, this one included (nc, RFC 7616 §3.4)
 */
export function answerTo(challenge: Challenge, { username, password }: Credentials, request: { method: string; uri: string }, count: number): string {
  const { algorithm, realm, nonce, opaque } = challenge;
  const qop = challenge.qop ? { value: 'auth' as const, cnonce: randomBytes(16).toString('hex'), nc: count.toString(16).padStart(8, '0') } : null;
  const response = digestResponse({ algorithm, username, password, realm, method: request.method, uri: request.uri, nonce, qop });
  const parts = [
    `username=${quote(username)}`, `realm=${quote(realm)}`, `nonce=${quote(nonce)}`, `uri=${quote(request.uri)}`,
    `response="${response}"`, `algorithm=${algorithm}`,
    ...(qop === null ? [] : [`cnonce="${qop.cnonce}"`, 'qop=auth', `nc=${qop.nc}`]),
    ...(opaque === null ? [] : [`opaque=${quote(opaque)}`]),
  ];
  return `Digest ${parts.join(', ')}`;
}

/** Answers the strongest challenge of a 401 or 407, whatever its realm, by a first use of its nonce. */
export function answerChallenge(values: readonly string[], credentials: Credentials, request: { method: string; uri: string }): ChallengeAnswer {
  const [best] = readChallenges(values);
  if (best === undefined) return { ok: false, reason: digestsIn(values).length === 0 ? 'unreadable' : 'noneSupported' };
  return { ok: true, value: answerTo(best, credentials, request, 1), nonce: best.nonce, stale: best.stale };
}

function digestsIn(values: readonly string[]): AuthValue[] {
  return values.flatMap(parseAuthValues).filter(({ scheme }) => scheme.toLowerCase() === 'digest');
}
