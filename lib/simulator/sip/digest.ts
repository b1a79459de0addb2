// Digest authentication as the far ends do it (RFC 7616, RFC 8760): answering a challenge, and challenging.
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { splitList, unquote } from '../../sipserver/parser/index.js';

export type DigestAlgorithm = 'MD5' | 'SHA-256';

/** One challenge or one set of credentials: parameter names in lower case, quotes removed. */
export type DigestParams = Readonly<Record<string, string>>;

/** Reads the value of one (Proxy-)Authenticate or (Proxy-)Authorization header; undefined when the scheme is not Digest. */
export function parseDigest(value: string): DigestParams | undefined {
  const m = /^\s*Digest\s+([\s\S]*)$/i.exec(value);
  if (m === null) return undefined;
  const params: Record<string, string> = {};
  for (const part of splitList(m[1] ?? '')) {
    const eq = part.indexOf('=');
    if (eq > 0) params[part.slice(0, eq).trim().toLowerCase()] = unquote(part.slice(eq + 1).trim());
  }
  return params;
}

function hash(algorithm: string, text: string): string {
  return createHash(algorithm === 'SHA-256' ? 'sha256' : 'md5').update(text, 'latin1').digest('hex');
}

export function algorithmOf(params: DigestParams): DigestAlgorithm | undefined {
  const name = (params['algorithm'] ?? 'MD5').toUpperCase();
  return name === 'MD5' || name === 'SHA-256' ? name : undefined;
}

interface Inputs {
  algorithm: DigestAlgorithm; username: string; password: string; realm: string; nonce: string; method: string; uri: string;
  qop?: string | undefined; nc?: string | undefined; cnonce?: string | undefined;
}

function responseOf(i: Inputs): string {
  const ha1 = hash(i.algorithm, `${i.username}:${i.realm}:${i.password}`);
  const ha2 = hash(i.algorithm, `${i.method}:${i.uri}`);
  // RFC 7616 §3.4.1; without qop the form of RFC 2069.
  return hash(i.algorithm, i.qop === undefined ? `${ha1}:${i.nonce}:${ha2}` : `${ha1}:${i.nonce}:${i.nc}:${i.cnonce}:${i.qop}:${ha2}`);
}

export interface Credentials { username: string; password: string }

/**
 * Value of the (Proxy-)Authorization header that answers a challenge, in the parameter order of Meta's sample (META-SIP §4.2); undefined when the
 * challenge asks for an algorithm or qop we do not have.
 */
export function answerDigest(challenge: DigestParams, who: Credentials, method: string, uri: string, nonceCount = 1): string | undefined {
  const algorithm = algorithmOf(challenge);
  const { realm, nonce } = challenge;
  if (algorithm === undefined || realm === undefined || nonce === undefined) return undefined;
  const offered = challenge['qop']?.split(',').map((q) => q.trim().toLowerCase());
  if (offered !== undefined && !offered.includes('auth')) return undefined;
  const qop = offered === undefined ? undefined : 'auth';
  const nc = nonceCount.toString(16).padStart(8, '0');
  const cnonce = randomBytes(15).toString('hex');
  const response = responseOf({ algorithm, ...who, realm, nonce, method, uri, qop, nc, cnonce });
  const parts = [`username="${who.username}"`, `realm="${realm}"`, `nonce="${nonce}"`, `uri="${uri}"`, `response="${response}"`];
  // META-SIP §5.2: no algorithm comes back when the challenge named none.
  if (challenge['algorithm'] !== undefined) parts.push(`algorithm=${challenge['algorithm']}`);
  if (qop !== undefined) parts.push(`cnonce="${cnonce}"`);
  if (challenge['opaque'] !== undefined) parts.push(`opaque="${challenge['opaque']}"`);
  if (qop !== undefined) parts.push(`qop=${qop}`, `nc=${nc}`);
  return `Digest ${parts.join(', ')}`;
}

/** Whether credentials prove the password. Nonce, realm, uri and username are the caller's to compare. */
export function provesPassword(credentials: DigestParams, method: string, password: string): boolean {
  const algorithm = algorithmOf(credentials);
  const { username, realm, nonce, uri, response } = credentials;
  if (algorithm === undefined || username === undefined || realm === undefined || nonce === undefined || uri === undefined || response === undefined) return false;
  const expected = responseOf({ algorithm, username, password, realm, nonce, method, uri, qop: credentials['qop'], nc: credentials['nc'], cnonce: credentials['cnonce'] });
  return response.length === expected.length && timingSafeEqual(Buffer.from(response.toLowerCase(), 'latin1'), Buffer.from(expected, 'latin1'));
}
