import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { isAddress } from '../config/checks.js';
import { unbracketed } from '../util/hostPort.js';

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

/** Why a request is not served; null when it is. `open`: a page that needs no token. */
export function judgeRequest(request: IncomingMessage, { hosts, tokens }: HttpAccess, open: boolean): Refusal | null {
  const refuse = (status: number, error: string, headers: Record<string, string> = {}): Refusal => ({ status, error, headers });
  if ((request.url ?? '').length > longestTarget) return refuse(414, 'the URL is too long');
  // A body is for nobody here, and is not waited for.
  if (request.headers['transfer-encoding'] !== undefined || (request.headers['content-length'] ?? '0') !== '0') return refuse(413, 'no body is taken', { Connection: 'close' });
  if (!hostIsOurs(request, hosts)) return refuse(421, 'this Host is not served: use an address or localhost, or list it in http.hosts');
  if (request.method !== 'GET' && request.method !== 'HEAD') return refuse(405, 'only GET', { Allow: 'GET, HEAD' });
  if (tokens === null || open) return null;
  // RFC 6750 §2.1, §3.
  const shown = /^bearer +([A-Za-z0-9\-._~+/]{1,512}=*) *$/i.exec(request.headers.authorization ?? '')?.[1];
  if (shown === undefined) return refuse(401, 'a token of api.tokens is needed: Authorization: Bearer TOKEN', { 'WWW-Authenticate': 'Bearer realm="wa-b2bua"' });
  // All are compared, each in constant time.
  const known = tokens.filter(({ token }) => timingSafeEqual(digest(token), digest(shown)));
  if (known.length === 0) return refuse(401, 'this token is not in api.tokens', { 'WWW-Authenticate': 'Bearer realm="wa-b2bua", error="invalid_token"' });
  if (!known.some(({ mayRead }) => mayRead)) return refuse(403, 'this token has no scope read', { 'WWW-Authenticate': 'Bearer realm="wa-b2bua", error="insufficient_scope", scope="read"' });
  return null;
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
