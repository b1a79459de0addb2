/**
 * SIP messages as plain data; pure functions, no sockets, no clock.
 *
 * - `parseMessage(bytes)` → `{ message?, fault? }` (never throws); `message.toString()` / `.toBuffer()` writes it back.
 * - `SipMessage`: `method uri | status reason`, `headers` (raw, in order), `body`; `get/lines/list/add/prepend/set/remove/shift/clone`.
 *   `SipMessage.request(method, uri)` and `SipMessage.response(status, reason)` make empty ones. Compact names are understood everywhere.
 * - `checkRequest(m)` / `checkResponse(m)` → the first fault, or undefined: mandatory headers, URIs, numbers in range (RFC 3261 §8.1.1).
 * - `responseTo(request, status, reason?, toTag?)` copies Via, Record-Route, From, To, Call-ID and CSeq byte for byte (RFC 3261 §8.2.6).
 * - values: `parseUri/uriToString/uriParam/splitHostPort`, `parseNameAddr`, `tagOf`, `parseVia/branchOf`, `parseCSeq`,
 *   `parseParams/paramOf/withParam`, `splitList` (commas outside quotes and brackets), `unquote`. Each gives undefined for malformed text.
 *
 * All text is a binary string: one character per byte (latin1), so bytes nobody understands pass through unchanged.
 */
export { SipMessage } from './message.js';
export type { Header } from './message.js';
export { parseHead, parseMessage, TOO_MANY_HEADERS } from './parse.js';
export type { Fault, Parsed, ParseLimits } from './parse.js';
export { checkRequest, checkResponse } from './check.js';
export { responseTo } from './response.js';
export { parseUri, schemeOf, splitHostPort, uriParam, uriToString } from './uri.js';
export type { SipUri } from './uri.js';
export { branchOf, closeQuote, parseCSeq, parseNameAddr, parseVia, tagOf } from './values.js';
export type { CSeq, NameAddr, Via } from './values.js';
export { MIN_SE, parseMinSE, parseSessionExpires, toSeconds } from './seconds.js';
export type { SessionExpires } from './seconds.js';
export { paramOf, parseParams, withParam } from './params.js';
export type { Param } from './params.js';
export { hasEmptyPart, indexOfListEnd, isBalanced, isToken, splitList, toNumber, trimBlanks, unquote } from './text.js';
export { keyOf, longName } from './headers.js';
