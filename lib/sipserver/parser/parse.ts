// Bytes → message. Lenient where RFC 4475 wants a message accepted; faults carry the status with which a request is refused.
import { keyOf } from './headers.js';
import { SipMessage } from './message.js';
import type { Header } from './message.js';
import { isBlank, isDigits, isToken, toNumber, trimBlanks } from './text.js';

/** Why a message cannot be taken as it is, and what a UAS would answer (RFC 3261 §8.2, §16.3). */
export interface Fault { status: number; reason: string }

/**
 * Outcome of parsing. `message` without `fault`: well formed. Both: a message whose headers can still be used to answer it.
 * `fault` alone: nothing that could be answered.
 */
export interface Parsed { message?: SipMessage; fault?: Fault }

export interface ParseLimits { headers: number }

export const TOO_MANY_HEADERS = 'Too Many Headers';

const DEFAULT_LIMITS: ParseLimits = { headers: 256 };

/**
 * Parses one whole message, as bytes or as a binary string. For a datagram the text behind Content-Length is cut off (RFC 3261 §18.3);
 * on a stream the framer has cut it already.
 */
export function parseMessage(input: Buffer | string, limits: ParseLimits = DEFAULT_LIMITS): Parsed {
  const text = typeof input === 'string' ? input : input.toString('latin1');
  const { message, fault: inHead, end } = parseHead(text, limits);
  let fault = inHead;
  if (message === undefined || end === undefined) return { ...(message === undefined ? {} : { message }), ...(fault === undefined ? {} : { fault }) };
  const declared = message.get('content-length');
  const rest = text.length - end;
  if (declared === undefined) message.body = text.slice(end);
  else {
    const length = toNumber(declared, 0x7fffffff);
    if (length === undefined) fault ??= { status: 400, reason: 'Bad Content-Length' };
    // RFC 3261 §18.3: a datagram that ends before the body does is answered 400 if a request, dropped if a response.
    else if (length > rest) fault ??= { status: 400, reason: 'Message Shorter Than Content-Length' };
    else message.body = length === rest ? text.slice(end) : text.slice(end, end + length);
  }
  return fault === undefined ? { message } : { message, fault };
}

/** Start line and headers of a message in a binary string; `end` is where its body begins, undefined when the headers do not end. */
export function parseHead(text: string, limits: ParseLimits = DEFAULT_LIMITS): Parsed & { end?: number } {
  // RFC 3261 §7.5: empty lines before the start line are ignored.
  let pos = 0;
  while (text.charCodeAt(pos) === 13 && text.charCodeAt(pos + 1) === 10) pos += 2;

  const lineEnd = text.indexOf('\r\n', pos);
  if (lineEnd < 0) return { fault: { status: 400, reason: 'No Start Line' } };
  const message = new SipMessage();
  let fault = readStartLine(text.slice(pos, lineEnd), message);
  if (fault !== undefined && message.method === '') return { fault };

  const headEnd = readHeaders(text, lineEnd + 2, message.headers, limits.headers);
  if (typeof headEnd !== 'number') {
    fault ??= headEnd;
    return { message, fault };
  }

  return fault === undefined ? { message, end: headEnd } : { message, fault, end: headEnd };
}

/** Fills in the start line; gives a fault for one that is malformed. A message with no method and no status is not SIP at all. */
function readStartLine(line: string, message: SipMessage): Fault | undefined {
  if (line.startsWith('SIP/')) return readStatusLine(line, message);
  const first = line.indexOf(' ');
  const method = line.slice(0, first);
  if (first <= 0 || !isToken(method)) return { status: 400, reason: 'Bad Request Line' };
  const last = line.lastIndexOf(' SIP/');
  if (last < first) {
    return { status: 400, reason: 'Bad Request Line' };
  }
  message.method = method;
  message.uri = last > first ? line.slice(first + 1, last) : '';
  const version = line.slice(last + 5);
  if (message.uri === '') return { status: 400, reason: 'Bad Request Line' };
  // RFC 4475 §3.1.2.16: an unknown version is refused with 505; trailing white space is a malformed line.
  if (version !== '2.0') {
    return /^\d+\.\d+$/.test(version) ? { status: 505, reason: 'Version Not Supported' } : { status: 400, reason: 'Bad Request Line' };
  }
  // RFC 3261 §7.1, §25.1: exactly one space between the parts, none in the URI, no brackets around it.
  if (/[\s<>\x00]/.test(message.uri)) return { status: 400, reason: 'Bad Request-URI' };
  return undefined;
}

function readStatusLine(line: string, message: SipMessage): Fault | undefined {
  const space = line.indexOf(' ');
  const code = line.slice(space + 1, space + 4);
  message.method = '';
  if (space < 0 || !isDigits(code) || (line.length > space + 4 && line[space + 4] !== ' ')) return { status: 400, reason: 'Bad Status Line' };
  const status = Number(code);
  if (line.slice(0, space).toUpperCase() !== 'SIP/2.0' || code.length !== 3 || status < 100 || status > 699) {
    return { status: 400, reason: 'Bad Status Line' };
  }
  message.status = status;
  message.reason = line.slice(space + 5);
  return undefined;
}

/** Reads header lines from `pos`; gives the offset of the body, or a fault (headers read so far are kept). */
function readHeaders(text: string, pos: number, headers: Header[], max: number): number | Fault {
  for (;;) {
    let end = text.indexOf('\r\n', pos);
    if (end < 0) return { status: 400, reason: 'Headers Do Not End' };
    if (end === pos) return end + 2;
    const line = text.slice(pos, end);
    const folded: string[] = [];
    // RFC 3261 §7.3.1: a line that begins with white space continues the one before.
    let next = text.charCodeAt(end + 2);
    while (next === 32 || next === 9) {
      const from = end + 2;
      end = text.indexOf('\r\n', from);
      if (end < 0) return { status: 400, reason: 'Headers Do Not End' };
      folded.push(trimBlanks(text.slice(from, end)));
      next = text.charCodeAt(end + 2);
    }
    const colon = line.indexOf(':');
    // Only the first header line can begin with white space, which continues nothing.
    const name = colon <= 0 || isBlank(line.charCodeAt(0)) ? '' : trimBlanks(line.slice(0, colon));
    if (!isToken(name)) return { status: 400, reason: 'Bad Header Line' };
    const own = trimBlanks(line.slice(colon + 1));
    const value = folded.length === 0 ? own : trimBlanks([own, ...folded].join(' '));
    if (value.indexOf('\r') >= 0 || value.indexOf('\n') >= 0) return { status: 400, reason: 'Bad Header Line' };
    if (headers.length >= max) return { status: 400, reason: TOO_MANY_HEADERS };
    headers.push({ name, key: keyOf(name), value });
    pos = end + 2;
  }
}
