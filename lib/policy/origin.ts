import type { SipUri, UriParam } from '../sip/uri.js';
import { parseNameAddr, splitHeaderValues } from '../sip/uri.js';
import type { CompiledPolicy } from './compile.js';
import { hostKey } from './compile.js';
import { readsAsNumber } from './pattern/telephone.js';
import { canonicalUser } from './pattern/users.js';
import { findParam, isEnumHost, originParams, splitUser } from './reading.js';
import type { HeaderFacts } from './types.js';

/** One identity or diversion in a header field: the header's name, the URI (null when it cannot be read) and the header's parameters. */
export interface Mention {
  readonly header: string;
  readonly text: string;
  readonly uri: SipUri | null;
  readonly params: readonly UriParam[];
}

/** Compact forms (RFC 3261 §7.3.3) of the headers read here. */
const compact: Readonly<Record<string, string>> = { from: 'f', contact: 'm', 'content-type': 'c' };

export function headerValues(headers: HeaderFacts, name: string): readonly string[] {
  return [...(headers[name] ?? []), ...(compact[name] === undefined ? [] : headers[compact[name]] ?? [])];
}

/** Everything that a header field mentions; From is one value and has no list. */
export function mentions(headers: HeaderFacts, name: string): Mention[] {
  const values = headerValues(headers, name).flatMap((value) => (name === 'from' ? [value] : splitHeaderValues(value)));
  return values.map((text) => {
    const parsed = parseNameAddr(text);
    return { header: name, text, uri: parsed?.uri ?? null, params: parsed?.params ?? [] };
  });
}

/**
 * Why a mention means the telephone network: tel:, a carrier's or ENUM host, or a telephone number, unless it is one of
 * `known` (numbers of the peer itself, or the call's own target). Null when it does not.
 */
export function pstnMention(policy: CompiledPolicy, { header, uri, text }: Mention, known: (user: string) => boolean): string | null {
  // What cannot be read cannot be shown to be internal.
  if (uri === null) return text === '*' ? null : `${header} cannot be read`;
  const { user } = splitUser(uri);
  const number = user === null ? '' : canonicalUser(user);
  const host = hostKey(uri.host);
  if (uri.scheme !== 'tel' && (policy.isCarrier(host) || (uri.hostKind === 'name' && isEnumHost(host)))) return `${header} names a carrier's host, ${host}`;
  if (number !== '' && known(number)) return null;
  if (uri.scheme === 'tel') return `${header} is a tel: URI`;
  return readsAsNumber(number) ? `${header} names the telephone number ${number}` : null;
}

/** A parameter of the telephone network in any part of a URI or behind it. */
export function originParam(uri: SipUri, headerParams: readonly UriParam[]): string | null {
  const named = (name: string): UriParam => ({ name, value: null });
  return findParam([...splitUser(uri).params.map(named), ...uri.params, ...headerParams], originParams);
}

/** RFC 3204: an ISUP or QSIG body, alone or as a part of a multipart one (RFC 2046). */
export function hasIsup(headers: HeaderFacts, body: string): boolean {
  if (headerValues(headers, 'content-type').some((type) => isupType.test(type))) return true;
  return body.split(/\r\n|\r|\n/).some((line) => /^(?:content-type|c)\s*:/i.test(line) && isupType.test(line.slice(line.indexOf(':') + 1)));
}

const isupType = /^\s*(?:application\/(?:isup|qsig)|application\/vnd\.[a-z0-9.]*isup[a-z0-9.]*)\s*(?:;|$)/i;

