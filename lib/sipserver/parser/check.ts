// What a request must hold before anything is done with it (RFC 3261 §8.1.1, §8.2, §16.3), and a response likewise.
import type { Fault } from './parse.js';
import type { SipMessage } from './message.js';
import { hasEmptyPart, isBalanced, toNumber } from './text.js';
import { parseUri, schemeOf } from './uri.js';
import { closeQuote, parseCSeq, parseNameAddr, parseVia, tagOf } from './values.js';

/** Headers that may stand only once (RFC 3261 §7.3.1; RFC 4475 §3.3.8, §3.3.9). */
const SINGLE = ['call-id', 'cseq', 'from', 'to', 'max-forwards', 'content-length', 'content-type'] as const;

/** Headers whose elements are addresses that we route by. Others are the application's to judge. */
const ADDRESSES = ['contact', 'route', 'record-route'] as const;

/**
 * `callid` of RFC 3261 §25.1: word [ "@" word ]. Besides that "=", which Meta's Call-IDs end in (base64). No "|" and no ";": these part the names of
 * dialogs from what stands beside them, in the client protocol and in Replaces (RFC 3891 §6.1).
 */
const CALL_ID = /^[\w.!%*+`'~()<>:\\"/[\]?{}=-]+(?:@[\w.!%*+`'~()<>:\\"/[\]?{}=-]+)?$/;

/** A tag is a token (§25.1); besides, what base64 has, as some make theirs so. */
const TAG = /^[\w.!%*+`'~=/:@-]+$/;

/** The first fault of a request, with the status it is answered with; undefined when there is none. */
export function checkRequest(m: SipMessage): Fault | undefined {
  return checkCommon(m) ?? checkMethod(m) ?? checkParties(m) ?? checkRequestUri(m) ?? checkAddresses(m) ?? checkNumbers(m);
}

function checkMethod(m: SipMessage): Fault | undefined {
  const cseq = parseCSeq(m.get('cseq') ?? '');
  if (cseq === undefined) return bad('CSeq');
  // RFC 4475 §3.1.2.17-18: start line and CSeq name different methods.
  return cseq.method === m.method ? undefined : { status: 400, reason: 'CSeq Method Does Not Match' };
}

/** From and To name somebody. */
function checkParties(m: SipMessage): Fault | undefined {
  const fromText = m.get('from') ?? '';
  const from = parseNameAddr(fromText) ?? parseNameAddr(closeQuote(fromText) ?? '');
  const to = parseNameAddr(m.get('to') ?? '');
  if (from === undefined || schemeOf(from.uri) === undefined) return bad('From');
  return to === undefined || schemeOf(to.uri) === undefined ? bad('To') : undefined;
}

function checkRequestUri(m: SipMessage): Fault | undefined {
  const scheme = schemeOf(m.uri);
  // RFC 3261 §25.1: a URI is of ASCII; everything else is escaped.
  if (scheme === undefined || /[\x80-\xff]/.test(m.uri)) return bad('Request-URI');
  // RFC 3261 §8.2.2.1: a scheme that is not understood is 416; tel is handed to the application, which may route it.
  if (scheme === 'sip' || scheme === 'sips') {
    // RFC 3261 §19.1.1, RFC 4475 §3.1.2.11: headers are not allowed in a Request-URI.
    const uri = parseUri(m.uri);
    return uri === undefined || uri.headers !== '' ? bad('Request-URI') : undefined;
  }
  return scheme === 'tel' ? undefined : { status: 416, reason: 'Unsupported URI Scheme' };
}

/** Every element of a header that we route by can be read. */
function checkAddresses(m: SipMessage): Fault | undefined {
  for (const key of ADDRESSES) {
    if (!m.has(key)) continue;
    for (const line of m.lines(key)) if (hasEmptyPart(line)) return bad(key);
    for (const element of m.list(key)) {
      if (element === '*' && key === 'contact' && m.method === 'REGISTER') continue;
      const address = parseNameAddr(element);
      if (address === undefined || schemeOf(address.uri) === undefined) return bad(key);
    }
  }
  return undefined;
}

/** Counts and times are within their ranges. */
function checkNumbers(m: SipMessage): Fault | undefined {
  const hops = m.get('max-forwards');
  // RFC 3261 §20.22, RFC 4475 §3.1.2.4: 0 to 255.
  if (hops !== undefined && toNumber(hops, 255) === undefined) return bad('Max-Forwards');
  const expires = m.get('expires');
  // RFC 4475 §3.1.2.4: larger than 2**32-1 is no delta-seconds.
  return expires !== undefined && toNumber(expires, 4294967295) === undefined ? bad('Expires') : undefined;
}

/** The first fault of a response (which is then dropped); undefined when there is none. */
export function checkResponse(m: SipMessage): Fault | undefined {
  return checkCommon(m) ?? (parseCSeq(m.get('cseq') ?? '') === undefined ? bad('CSeq') : undefined);
}

function checkCommon(m: SipMessage): Fault | undefined {
  for (const key of SINGLE) {
    const n = m.count(key);
    if (n > 1) return { status: 400, reason: `Several ${key} Headers` };
    if (n === 0 && (key === 'call-id' || key === 'cseq' || key === 'from' || key === 'to')) return { status: 400, reason: `Missing ${key}` };
  }
  if (!CALL_ID.test(m.get('call-id') ?? '')) return bad('Call-ID');
  for (const key of ['from', 'to'] as const) {
    const tag = tagOf(m.get(key) ?? '');
    if (tag !== undefined && !TAG.test(tag)) return bad(`${key === 'from' ? 'From' : 'To'} tag`);
  }
  const via = m.first('via');
  if (via === undefined) return { status: 400, reason: 'Missing Via' };
  for (const line of m.lines('via')) if (hasEmptyPart(line)) return bad('Via');
  if (!isBalanced(via) || parseVia(via) === undefined) return bad('Via');
  return undefined;
}

function bad(what: string): Fault {
  return { status: 400, reason: `Bad ${what}` };
}
