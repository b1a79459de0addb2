import { randomBytes } from 'node:crypto';
import type { DigestAlgorithm } from '../config/types.js';
import { algorithmOf, digestResponse, parseAuthValues } from './digest.js';

export interface Credentials {
  readonly username: string;
  readonly password: string;
}

export type ChallengeAnswer =
  | { readonly ok: true; readonly value: string; readonly nonce: string; readonly stale: boolean }
  | { readonly ok: false; readonly reason: 'unreadable' | 'noneSupported' };

const quote = (text: string): string => `"${text.replace(/[\\"]/g, '\\$&')}"`;
/** Stronger first (RFC 8760 §2.4 lets the client choose among what it supports). */
const preference: readonly DigestAlgorithm[] = ['SHA-256', 'MD5'];

/**
 * Answers the challenges of a 401 or 407: the strongest that we speak, qop "auth" wherever it is offered.
 * @param challenges the WWW-Authenticate or Proxy-Authenticate value(s); several may stand in one, joined by commas
 * @param uri the Request-URI exactly as the retried request carries it (META-SIP §4.2)
 */
export function answerChallenge(challenges: readonly string[], credentials: Credentials, request: { method: string; uri: string }): ChallengeAnswer {
  const read = challenges.flatMap(parseAuthValues).filter((v) => v.scheme.toLowerCase() === 'digest');
  if (read.length === 0) return { ok: false, reason: 'unreadable' };
  const usable = read.flatMap(({ params }) => {
    const algorithm = algorithmOf(params);
    const offered = params.get('qop')?.split(',').map((q) => q.trim().toLowerCase());
    const speaks = offered === undefined || offered.includes('auth');
    // What we repeat must not break out of our header line.
    const clean = [...params.values()].every((value) => !/[\u0000-\u001f\u007f]/.test(value));
    return algorithm !== null && speaks && clean && params.has('nonce') && params.has('realm') ? [{ algorithm, params, withQop: offered !== undefined }] : [];
  });
  const best = preference.flatMap((a) => usable.find((u) => u.algorithm === a) ?? [])[0];
  if (best === undefined) return { ok: false, reason: 'noneSupported' };

  const { algorithm, params } = best;
  const realm = params.get('realm')!;
  const nonce = params.get('nonce')!;
  const qop = best.withQop ? { value: 'auth' as const, cnonce: randomBytes(16).toString('hex'), nc: '00000001' } : null;
  const response = digestResponse({ algorithm, ...credentials, realm, method: request.method, uri: request.uri, nonce, qop });
  const opaque = params.get('opaque');
  const parts = [
    `username=${quote(credentials.username)}`, `realm=${quote(realm)}`, `nonce=${quote(nonce)}`, `uri=${quote(request.uri)}`,
    `response="${response}"`, `algorithm=${algorithm}`,
    ...(qop === null ? [] : [`cnonce="${qop.cnonce}"`, 'qop=auth', `nc=${qop.nc}`]),
    ...(opaque === undefined ? [] : [`opaque=${quote(opaque)}`]),
  ];
  return { ok: true, value: `Digest ${parts.join(', ')}`, nonce, stale: params.get('stale')?.toLowerCase() === 'true' };
}
