/**
 * Finds the session description of a message by its Content-Type: the body itself, or a part of a multipart one (RFC 3261 §7.4, RFC 2046 §5.1,
 * RFC 5621). Pure, linear in time, never throws.
 */
import { keyOf, paramOf, trimBlanks, unquote } from '../sipserver/parser/index.js';

export type Session =
  /** The description; '' where the body carries none. */
  | { readonly ok: true; readonly sdp: string }
  /** Why the body cannot be taken: 400 malformed, 415 something in it must be understood and is not. */
  | { readonly ok: false; readonly status: 400 | 415; readonly reason: string };

/** How deep multiparts may stand in each other, and how many parts one may have. */
const deepest = 4;
const mostParts = 32;

interface Part {
  readonly headers: { get(name: string): string | undefined };
  readonly body: string;
}

/** What rides along with a session: it may be left out of account unless it says itself that it may not. Policy judges the telephone network's. */
const rides = /^(?:application\/(?:isup|qsig|pidf\+xml|resource-lists\+xml|rs-metadata(?:\+xml|-request)|(?:x-)?pkcs7-signature|broadsoft|vnd\.[^;]+|x-[^;]+)|text\/plain|message\/sipfrag)$/;
/** Refused by policy, in its own words, whether it must be understood or not. */
const judged = /^application\/(?:isup|qsig)$/;

const none: Session = { ok: true, sdp: '' };

/** The session description in a body. `headers`: Content-Type, Content-Disposition and the like, by lower-case name. */
export function readSession(headers: Part['headers'], body: string): Session {
  if (body === '') return none;
  return read({ headers, body }, deepest);
}

function read(part: Part, depth: number): Session {
  const value = part.headers.get('content-type');
  // A body without a type is a description if it reads as one; so many devices send it.
  const type = value === undefined ? (part.body.startsWith('v=0') ? 'application/sdp' : '') : typeOf(value);
  const disposition = part.headers.get('content-disposition') ?? '';
  const handling = parameter(disposition, 'handling').toLowerCase();
  // RFC 3261 §20.11: what need not be understood is left out.
  const left = (): Session => (handling === 'optional' || judged.test(type) || (rides.test(type) && handling !== 'required') ? none
    : { ok: false, status: 415, reason: 'Unsupported Media Type' });
  if (type.startsWith('multipart/')) {
    const whole = depth === 0 ? left() : readMultipart(type, value ?? '', part.body, depth);
    return !whole.ok && handling === 'optional' ? none : whole;
  }
  if (type !== 'application/sdp') return left();
  // RFC 3959 §4: an early session is another one, which we do not take part in.
  if (typeOf(disposition) === 'early-session') return handling === 'required' ? { ok: false, status: 415, reason: 'Early Session Not Supported' } : none;
  // RFC 2045 §6.1: what is encoded would have to be decoded before policy reads it; nobody needs to encode text for SIP, which is 8-bit clean.
  const encoding = (part.headers.get('content-transfer-encoding') ?? 'binary').toLowerCase();
  const coding = (part.headers.get('content-encoding') ?? 'identity').toLowerCase();
  if (!['7bit', '8bit', 'binary'].includes(encoding) || coding !== 'identity') return { ok: false, status: 415, reason: 'Unsupported Encoding' };
  return { ok: true, sdp: part.body };
}

function readMultipart(type: string, value: string, body: string, depth: number): Session {
  const parts = split(body, parameter(value, 'boundary'));
  if (parts === null) return { ok: false, status: 400, reason: 'Malformed Multipart Body' };
  const sessions = parts.map((part) => read(part, depth - 1));
  const found = sessions.flatMap((one) => (one.ok && one.sdp !== '' ? [one.sdp] : []));
  // RFC 2046 §5.1.4: of alternatives the last that is understood; the others need not be.
  const last = found.at(-1);
  if (type === 'multipart/alternative' && last !== undefined) return { ok: true, sdp: last };
  const refused = sessions.find((one) => !one.ok);
  if (refused !== undefined) return refused;
  if (found.some((one) => one !== last)) return { ok: false, status: 415, reason: 'Several Session Descriptions' };
  return { ok: true, sdp: last ?? '' };
}

/** The parts between the delimiters (RFC 2046 §5.1.1), whatever the line ends; a missing last delimiter is forgiven. Null when there is none at all. */
function split(body: string, boundary: string): Part[] | null {
  // RFC 2046 §5.1.1: 1 to 70 characters, the last no space.
  if (!/^[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]$/.test(boundary)) return null;
  const delimiter = `--${boundary}`;
  const parts: Part[] = [];
  let begun = -1;
  for (let at = body.indexOf(delimiter); at >= 0; at = body.indexOf(delimiter, at + delimiter.length)) {
    if (at > 0 && body[at - 1] !== '\n') continue;
    const closes = body.startsWith('--', at + delimiter.length);
    let end = at + delimiter.length + (closes ? 2 : 0);
    // Padding that a transport may have added.
    while (body[end] === ' ' || body[end] === '\t') end++;
    if (body.startsWith('\r\n', end)) end += 2;
    else if (body[end] === '\n') end += 1;
    else if (!closes || end < body.length) continue;
    // The line end before a delimiter belongs to it.
    if (begun >= 0) parts.push(readPart(body.slice(begun, Math.max(begun, at - (body[at - 2] === '\r' ? 2 : 1)))));
    if (parts.length > mostParts) return null;
    begun = end;
    if (closes) return parts;
    at = end - delimiter.length;
  }
  if (begun < 0) return null;
  parts.push(readPart(body.slice(begun)));
  return parts;
}

/** Headers and body of a part. One without a type is text (RFC 2046 §5.1). */
function readPart(text: string): Part {
  const headers = new Map<string, string>();
  let name = '';
  let pos = 0;
  while (pos < text.length) {
    const end = text.indexOf('\n', pos);
    const line = text.slice(pos, end < 0 ? text.length : end).replace(/\r$/, '');
    pos = end < 0 ? text.length : end + 1;
    if (line === '') break;
    const colon = line.indexOf(':');
    if (line.startsWith(' ') || line.startsWith('\t')) headers.set(name, `${headers.get(name) ?? ''} ${trimBlanks(line)}`);
    else if (colon > 0) headers.set(name = keyOf(trimBlanks(line.slice(0, colon))), trimBlanks(line.slice(colon + 1)));
  }
  if (!headers.has('content-type')) headers.set('content-type', 'text/plain');
  return { headers, body: text.slice(pos) };
}

function typeOf(value: string): string {
  return trimBlanks(value.split(';', 1)[0] ?? '').toLowerCase();
}

function parameter(value: string, name: string): string {
  const semicolon = value.indexOf(';');
  return semicolon < 0 ? '' : unquote(paramOf(value.slice(semicolon), name) ?? '');
}
