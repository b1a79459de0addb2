import type { SipUri, UriParam } from '../sip/uri.js';
import { parseNameAddr, splitHeaderValues } from '../sip/uri.js';
import type { CompiledPolicy } from './compile.js';
import { hostKey } from '../util/hostKey.js';
import { readsAsFullNumber } from './pattern/telephone.js';
import { canonicalUser } from './pattern/users.js';
import { findParam, isEnumZone, isNumberHost, originParams, splitUser } from './reading.js';
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

/** More values than any call has been through; each is judged by several rules. */
const mostMentions = 64;

/** Everything that a header field mentions; From is one value and has no list. What comes behind so many values counts as a number that cannot be read. */
export function mentions(headers: HeaderFacts, name: string): Mention[] {
  const values = headerValues(headers, name).flatMap((value) => (name === 'from' ? [value] : splitHeaderValues(value)));
  const read = values.slice(0, mostMentions).map((text): Mention => {
    const parsed = parseNameAddr(text);
    return { header: name, text, uri: parsed?.uri ?? null, params: parsed?.params ?? [] };
  });
  return values.length > mostMentions ? [...read, { header: name, text: `tel: in one of ${values.length} values`, uri: null, params: [] }] : read;
}

/** A mention as rules ask it: its number in one spelling ('' when there is no user), and its host. */
export interface ReadMention {
  readonly user: string;
  readonly host: string;
  readonly tel: boolean;
  /** A telephone number, not an extension. */
  readonly number: boolean;
}

/** Null for what is no sip:, sips: or tel: URI. */
export function readMention({ uri }: Mention): ReadMention | null {
  if (uri === null) return null;
  const user = canonicalUser(splitUser(uri).user ?? '');
  const host = uri.hostKind === 'name' && isNumberHost(uri.host) ? uri.host.split('.')[0] ?? '' : '';
  return { user, host: hostKey(uri.host), tel: uri.scheme === 'tel', number: readsAsFullNumber(user) || host !== '' };
}

/**
 * Why a mention of where a call has been, or has gone, means the telephone network: a tel: URI, a carrier's or ENUM host or a
 * telephone number that is not one of `known`. Null when it does not.
 */
export function pstnMention(policy: CompiledPolicy, mention: Mention, known: (user: string) => boolean): string | null {
  const { header, text } = mention;
  const read = readMention(mention);
  // Other schemes and damaged values: a number in them counts all the same.
  if (read === null) return /tel:|\+?[0-9]{7,}/i.test(text) ? `${header} names a number in a form that cannot be read` : null;
  if (read.user !== '' && known(read.user)) return null;
  if (read.tel) return `${header} is a tel: URI`;
  if (policy.isCarrier(read.host) || isEnumZone(read.host)) return `${header} names a carrier's host, ${read.host}`;
  return read.number ? `${header} names the telephone number ${read.user === '' ? read.host : read.user}` : null;
}

/** A parameter of the telephone network in any part of a URI or behind it. */
export function originParam(uri: SipUri, headerParams: readonly UriParam[]): string | null {
  const named = (name: string): UriParam => ({ name, value: null });
  return findParam([...splitUser(uri).params.map(named), ...uri.params, ...headerParams], originParams);
}

/** RFC 3204: an ISUP or QSIG body, alone or as a part of a multipart one (RFC 2046). */
export function hasIsup(headers: HeaderFacts, body: string): boolean {
  if (headerValues(headers, 'content-type').some(isIsup)) return true;
  if (!/isup|qsig/i.test(body)) return false;
  // A folded header line of a part is one line (RFC 2046 §5.1, RFC 822 §3.1.1).
  return body.replace(/(?:\r\n|\r|\n)[ \t]+/g, ' ').split(/\r\n|\r|\n/).some((line) => /^(?:content-type|c)\s{0,9}:/i.test(line) && isIsup(line.slice(line.indexOf(':') + 1)));
}

/** Whether a Content-Type is one of the telephone network; its parameters do not matter. */
function isIsup(value: string): boolean {
  const type = (value.split(';')[0] ?? '').trim().toLowerCase();
  return type === 'application/isup' || type === 'application/qsig' || (type.startsWith('application/vnd.') && type.includes('isup'));
}

/** Hosts in c= lines (RFC 8866 §5.7) and ICE candidates (RFC 8839 §5.1) of an SDP body, also inside a multipart one. */
export function mediaHosts(body: string): string[] {
  const found = [...body.matchAll(/^(?:c=IN IP[46] ([^\s/]+)|a=candidate:\S+ \S+ \S+ \S+ (\S+))/gim)];
  return found.map((match) => hostKey(match[1] ?? match[2] ?? ''));
}
