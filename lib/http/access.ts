import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { isAddress } from '../config/checks.js';
import { unbracketed } from '../util/hostPort.js';
import { matchingCookie } from './cookie.js';

/** Who may read the pages; asked for each request, so that a reload takes effect. */
export interface HttpAccess {
  /** Host names by which they are reached, besides localhost and addresses. */
  readonly hosts: readonly string[];
  /** Tokens: true where it may read. Null: none is asked for. */
  readonly tokens: readonly { readonly token: string; readonly mayRead: boolean }[] | null;
}

export interface Refusal {
  readonly status: number;
  readonly error: string;
  readonly headers: Readonly<Record<string, string>>;
}

const longestTarget = 2048;

/** What a page wants of a request; left out: a GET of somebody with a token. */
export interface PageRules {
  /** Needs no token: probes, and what the live page is made of. */
  readonly open?: boolean;
  /** A short body is taken, and given to the page, with these methods. */
  readonly methods?: readonly string[];
}

/** Why a request is not served; null when it is. */
export function judgeRequest(request: IncomingMessage, { hosts, tokens }: HttpAccess, { open = false, methods }: PageRules): Refusal | null {
  if ((request.url ?? '').length > longestTarget) return refuse(414, 'the URL is too long');
  // A body is for nobody else here, and is not waited for.
  if (methods === undefined && (request.headers['transfer-encoding'] !== undefined || (request.headers['content-length'] ?? '0') !== '0')) return refuse(413, 'no body is taken', { Connection: 'close' });
  if (!hostIsOurs(request, hosts)) return refuse(421, 'this Host is not served: use an address or localhost, or list it in http.hosts');
  const allowed = methods ?? ['GET', 'HEAD'];
  if (!allowed.includes(request.method ?? '')) return refuse(405, `only ${allowed.join(', ')}`, { Allow: allowed.join(', ') });
  if (isOfAnotherSite(request)) return refuse(403, 'another site may not ask');
  return tokens === null || open ? null : judgeShown(request, tokens);
}

/** The token itself, as programs show it (RFC 6750 §2.1, §3), or the cookie of a browser that has shown it. */
function judgeShown({ headers }: IncomingMessage, tokens: NonNullable<HttpAccess['tokens']>): Refusal | null {
  const shown = shownToken(headers.authorization);
  if (shown === null && headers.cookie === undefined) return refuse(401, 'a token of api.tokens is needed: Authorization: Bearer TOKEN', { 'WWW-Authenticate': 'Bearer realm="wa-b2bua"' });
  const known = shown === null ? matchingCookie(tokens, headers.cookie ?? '') : matching(tokens, shown);
  if (known.length === 0) return refuse(401, 'this token is not in api.tokens', { 'WWW-Authenticate': 'Bearer realm="wa-b2bua", error="invalid_token"' });
  if (!known.some(({ mayRead }) => mayRead)) return refuse(403, 'this token has no scope read', { 'WWW-Authenticate': 'Bearer realm="wa-b2bua", error="insufficient_scope", scope="read"' });
  return null;
}

/** Browsers say for whom they ask (Fetch Metadata). A link that somebody followed is theirs. */
function isOfAnotherSite({ headers }: IncomingMessage): boolean {
  const site = headers['sec-fetch-site'];
  return site !== undefined && site !== 'same-origin' && site !== 'none' && headers['sec-fetch-mode'] !== 'navigate';
}

function refuse(status: number, error: string, headers: Readonly<Record<string, string>> = {}): Refusal {
  return { status, error, headers };
}

/** The bearer token of an Authorization header (RFC 6750 §2.1); null: there is none. */
export function shownToken(authorization: string | undefined): string | null {
  return /^bearer +([A-Za-z0-9\-._~+/]{1,512}=*) *$/i.exec(authorization ?? '')?.[1] ?? null;
}

/** Those with this token. All are compared, each in constant time. */
export function matching<T extends { readonly token: string }>(tokens: readonly T[], shown: string): readonly T[] {
  return tokens.filter(({ token }) => timingSafeEqual(digest(token), digest(shown)));
}

/**
 * A browser beside us that was led to a name of an attacker's which resolves to our address (DNS rebinding) sends that name. An address cannot
 * be rebound. RFC 9112 §3.2: one Host exactly; a request of HTTP/1.0, which no browser sends, may have none.
 */
function hostIsOurs(request: IncomingMessage, hosts: readonly string[]): boolean {
  const given = request.headersDistinct['host'] ?? [];
  if (given.length === 0) return request.httpVersion === '1.0';
  const match = given.length > 1 ? null : /^(\[[0-9A-Fa-f:.]+\]|[^:[\]]{1,253})(?::\d{1,5})?$/.exec(given[0] ?? '');
  const name = match?.[1]?.toLowerCase() ?? '';
  return name === 'localhost' || isAddress(unbracketed(name)) || hosts.some((host) => host.toLowerCase() === name);
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
