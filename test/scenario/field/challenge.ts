import type { SipMessage } from '../../../lib/sipserver/parser/index.js';
import { parseDigest, provesPassword } from '../../../lib/simulator/sip/digest.js';

export const auth = { username: 'wab', password: 'between us' };

export interface Demand { readonly status: 401 | 407; readonly realm?: string; readonly nonce?: string; readonly algorithm?: string; readonly stale?: boolean }

/** The header of a challenge, as an extra header of a response. */
export function challengeOf({ status, realm = 'pbx.example.net', nonce = 'n1', algorithm, stale = false }: Demand): [string, string] {
  const value = `Digest realm="${realm}", nonce="${nonce}", qop="auth"${algorithm === undefined ? '' : `, algorithm=${algorithm}`}${stale ? ', stale=true' : ''}`;
  return [status === 401 ? 'WWW-Authenticate' : 'Proxy-Authenticate', value];
}

/** Credentials in a request that prove the password for its own URI: realm, nonce and how often that was used, of each. */
export function proofsIn(request: SipMessage, status: 401 | 407): { realm: string; nonce: string; nc: string; algorithm: string }[] {
  const name = status === 401 ? 'authorization' : 'proxy-authorization';
  return request.headers.filter(({ key }) => key === name).flatMap(({ value }) => {
    const given = parseDigest(value);
    if (given === undefined || given['uri'] !== request.uri || given['username'] !== auth.username || !provesPassword(given, request.method, auth.password)) return [];
    return [{ realm: given['realm'] ?? '', nonce: given['nonce'] ?? '', nc: given['nc'] ?? '', algorithm: given['algorithm'] ?? '' }];
  });
}
