/** Header values that both legs write or read. Pure. */
import { indexOfListEnd, isToken, paramOf, parseCSeq, tagOf as readTag, toNumber, trimBlanks, unquote } from '../sipserver/parser/index.js';
export { MIN_SE, parseCSeq, parseMinSE, parseSessionExpires } from '../sipserver/parser/index.js';

/** Makes text safe inside a header value: control characters (so CR and LF) become spaces, length is capped (RFC 3261 §25.1). */
export function cleanHeaderValue(text: string, maxLength = 1024): string {
  return text.replace(/[\u0000-\u001f\u007f]+/g, ' ').trim().slice(0, maxLength);
}

/** A quoted-string (RFC 3261 §25.1). */
export function quotedString(text: string): string {
  return `"${cleanHeaderValue(text).replace(/[\\"]/g, '\\$&')}"`;
}

/** Whether the sender of a message understands an extension: it is named in Supported or Require (RFC 3261 §20.37, §20.32). */
export function supports(message: { get(name: string): string | undefined }, option: string): boolean {
  return lists(message.get('Supported'), option) || requires(message, option);
}

/** Whether the sender demands it. */
export function requires(message: { get(name: string): string | undefined }, option: string): boolean {
  return lists(message.get('Require'), option);
}

function lists(value: string | undefined, option: string): boolean {
  return (value ?? '').split(',').some((item) => item.trim().toLowerCase() === option);
}

/** The number of a CSeq value; -1 when it cannot be read. */
export function cseqNumber(message: { get(name: string): string | undefined }): number {
  return parseCSeq(message.get('CSeq') ?? '')?.seq ?? -1;
}

/** The tag of a From or To value (RFC 3261 §20.20); null when it has none. */
export function tagOf(value: string | undefined): string | null {
  return readTag(value ?? '') ?? null;
}

/** What a Reason header says (RFC 3326); null when there is none that can be read. */
export interface Reason {
  readonly protocol: string;
  readonly cause: number | null;
  readonly text: string | null;
}

/** The first value of a Reason header. */
export function parseReason(value: string | undefined): Reason | null {
  const first = (value ?? '').slice(0, indexOfListEnd(value ?? ''));
  const end = first.indexOf(';');
  const protocol = trimBlanks(end < 0 ? first : first.slice(0, end));
  if (!isToken(protocol)) return null;
  const params = end < 0 ? '' : first.slice(end);
  const text = paramOf(params, 'text');
  return { protocol, cause: toNumber(paramOf(params, 'cause'), 9999) ?? null, text: text === undefined ? null : cleanHeaderValue(unquote(text)) };
}

export function formatReason(protocol: 'SIP' | 'Q.850', cause: number, text: string): string {
  return `${protocol};cause=${cause};text=${quotedString(text)}`;
}

/** What Meta says of a call in its own headers (META-SIP §7). Absent ones are null. */
export interface MetaHeaders {
  readonly wacid: string | null;
  readonly ctaPayload: string | null;
  readonly deeplinkPayload: string | null;
  readonly userId: string | null;
  readonly parentUserId: string | null;
  readonly userName: string | null;
  readonly countryCode: string | null;
  readonly phoneNumberId: string | null;
  /** Seconds, on BYE. */
  readonly callDuration: number | null;
}

/** Spellings seen or documented, most usual first; '_' and '-' are the same (META-SIP §7). */
const metaNames = {
  wacid: spelled('wacid'),
  ctaPayload: spelled('cta-payload'),
  deeplinkPayload: spelled('deeplink-payload'),
  userId: spelled('user-id'),
  parentUserId: spelled('parent-user-id'),
  userName: spelled('user-name', 'username'),
  countryCode: spelled('user-country-code', 'country-code'),
  phoneNumberId: spelled('phone-number-id'),
  callDuration: spelled('call-duration'),
} as const;

function spelled(...suffixes: readonly string[]): readonly string[] {
  return suffixes.flatMap((suffix) => [`x-wa-meta-${suffix}`, `x-wa_meta-${suffix}`, `x_wa_meta_${suffix.replaceAll('-', '_')}`]);
}

export function readMetaHeaders(message: { get(name: string): string | undefined }): MetaHeaders {
  const read = (key: keyof typeof metaNames): string | null => {
    for (const name of metaNames[key]) {
      const value = message.get(name);
      if (value !== undefined && value !== '') return cleanHeaderValue(value);
    }
    return null;
  };
  const duration = Number(read('callDuration') ?? Number.NaN);
  return {
    wacid: read('wacid'), ctaPayload: read('ctaPayload'), deeplinkPayload: read('deeplinkPayload'),
    userId: read('userId'), parentUserId: read('parentUserId'), userName: read('userName'),
    countryCode: read('countryCode'), phoneNumberId: read('phoneNumberId'),
    callDuration: Number.isFinite(duration) && duration >= 0 ? duration : null,
  };
}

/** The same facts as headers of ours for a peer: X-WA-…; only what Meta said, nothing a caller could forge. */
export function peerHeaders(meta: MetaHeaders, number: string): Record<string, string> {
  const named: [string, string | null][] = [
    ['X-WA-Number', number], ['X-WA-Wacid', meta.wacid], ['X-WA-Cta-Payload', meta.ctaPayload],
    ['X-WA-Deeplink-Payload', meta.deeplinkPayload], ['X-WA-User-Id', meta.userId], ['X-WA-Parent-User-Id', meta.parentUserId],
    ['X-WA-User-Name', meta.userName], ['X-WA-Country-Code', meta.countryCode], ['X-WA-Phone-Number-Id', meta.phoneNumberId],
  ];
  return Object.fromEntries(named.flatMap(([name, value]) => (value === null ? [] : [[name, value]])));
}
