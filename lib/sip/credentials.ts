import type { SipMessageView } from './drachtio.js';

/**
 * Every Authorization and Proxy-Authorization value of a request: all header lines, in any case of the name. A request may carry several, for
 * several realms and by several schemes (RFC 3261 §22.3); which of them is for us is for DigestServer to say.
 */
export function credentialsOf({ headers }: Pick<SipMessageView, 'headers'>): readonly string[] {
  return Object.entries(headers).flatMap(([name, value]) => (/^(?:proxy-)?authorization$/i.test(name) ? [value] : []));
}
