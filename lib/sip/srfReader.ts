/**
 * Reads SIP messages for drachtio-srf in place of its own reader, whose regular expressions take time that grows with the square or the cube of
 * what a stranger sends, and which throws on what it does not expect. This one stands on the SIP server's parser: linear, and it gives a message
 * for every text. What it could not read in it, `faultOf` tells.
 */
import { bytesOf, textOf } from '../util/bytes.js';
import { readSession } from './body.js';
import type { Fault as Unreadable, SipMessage } from '../sipserver/parser/index.js';
import { closeQuote, keyOf, parseCSeq, parseHead, parseNameAddr, parseParams, splitList, tagOf } from '../sipserver/parser/index.js';

/** A message as drachtio-srf wants it: a request has `method` and `uri`, a response `status` and `reason`. */
export interface SrfMessage {
  readonly method?: string;
  readonly uri?: string;
  readonly status?: number;
  readonly reason?: string;
  readonly version: string;
  /** Long names in lower case; lines of one name are joined by commas (RFC 3261 §7.3.1). */
  readonly headers: Record<string, string>;
  /** Of a message that negotiates a session: its session description, wherever in the body that stands. Of any other the body. */
  readonly body: string;
  /** The body as it came, in one piece. */
  readonly payload: readonly { readonly type: string | undefined; readonly content: string }[];
}

/** What must not be used, and with which status its sender is told so. */
export interface Fault {
  readonly status: 400 | 415;
  readonly reason: string;
}

/** Key of the fault among the headers; no header line can have it, and drachtio-srf copies it along. */
const fault = Symbol('what could not be read');

/** Key of what was inferred, likewise. */
const inference = Symbol('what was inferred');

/** Key that says whose names are all long and in lower case, likewise. */
const read = Symbol('read here');

/** What a message is taken to say that it does not quite say; null when nothing had to be inferred. */
export function inferredOf(message: { readonly headers: object }): string | null {
  return (message.headers as { [inference]?: string })[inference] ?? null;
}

/** Why a message must not be used; null when it can be. */
export function faultOf(message: { readonly headers: object }): Fault | null {
  return (message.headers as { [fault]?: Fault })[fault] ?? null;
}

/** The body of a message of drachtio-srf's as it came, with everything that stands beside the session description. */
export function wholeBody(message: { readonly body: string; readonly payload?: SrfMessage['payload'] }): string {
  return message.payload?.[0]?.content ?? message.body;
}

/** Methods whose requests and responses negotiate a session. */
const negotiating: ReadonlySet<string> = new Set(['INVITE', 'ACK', 'PRACK', 'UPDATE']);

/** The key under which a message of drachtio-srf's has a header; undefined when it has none. Of a message that was read here that takes no search. */
export function headerKey(headers: Readonly<Record<string, string>>, name: string): string | undefined {
  const key = keyOf(name);
  if (Object.hasOwn(headers, key)) return key;
  if ((headers as Read)[read] === true) return undefined;
  const lower = name.toLowerCase();
  return Object.keys(headers).find((one) => one.toLowerCase() === lower || one.toLowerCase() === key);
}

/** More than a SIP server hands on: it has limits of its own. */
const limits = { headers: 2000 };

/** Whether its headers were made here. */
export function isRead({ headers }: { readonly headers?: Readonly<Record<string, string>> | undefined }): boolean {
  return headers !== undefined && (headers as Read)[read] === true;
}

/** Headers to be changed, with what is known of them. The system's own ways of copying take ten times as long from an object that is a table. */
export function copyHeaders(headers: Readonly<Record<string, string>>): Record<string, string> {
  const from = headers as Read;
  const copy: Read = Object.create(null) as Read;
  for (const name in from) copy[name] = from[name] ?? '';
  if (from[read] !== undefined) copy[read] = from[read];
  if (from[fault] !== undefined) copy[fault] = from[fault];
  if (from[inference] !== undefined) copy[inference] = from[inference];
  return copy;
}

/** Reads a message as it comes from a SIP server: decoded from UTF-8, its body cut to Content-Length. Never throws; linear in time. */
export function readMessage(text: string): SrfMessage {
  // The parser's characters are bytes.
  const bytes = bytesOf(text);
  const { message, fault: why, end } = parseHead(bytes, limits);
  const body = end === undefined ? '' : bytes.slice(end);
  return compose({ message, why, body, unreadable: bytes }, bytes === text ? same : textOf);
}

/** The same of a message that the SIP server of this process has parsed; its characters are bytes. */
export function readParsed(message: SipMessage): SrfMessage {
  return compose({ message, why: undefined, body: message.body, unreadable: '' }, textOf);
}

const same = (value: string): string => value;

/** A message whose characters are bytes; `unreadable`: all of it, where not even its first line could be read. */
interface Parsed { readonly message: SipMessage | undefined; readonly why: Unreadable | undefined; readonly body: string; readonly unreadable: string }

function compose({ message, why, body: bytes, unreadable }: Parsed, plain: (value: string) => string): SrfMessage {
  const content = plain(bytes);
  const headers = joined(message?.headers ?? [], plain);
  // A message that was never written out has none, or that of another body.
  if (unreadable === '') headers['content-length'] = String(bytes.length);
  const cseq = headers['cseq'] ?? '';
  const inferred = inferFrom(headers);
  if (inferred !== null) headers[inference] = inferred;
  const session = negotiating.has(parseCSeq(cseq)?.method ?? '') ? readSession({ get: (name) => headers[name] }, content) : null;
  if (why !== undefined) headers[fault] = { status: 400, reason: why.reason };
  else if (session?.ok === false) headers[fault] = session;
  const body = session?.ok === true ? session.sdp : content;
  const payload = [{ type: headers['content-type'], content }];
  if (message?.isRequest === true) return { version: '2.0', headers, body, payload, method: message.method, uri: plain(message.uri) };
  const { method, uri, status, reason } = statusOf(message, cseq, unreadable);
  return status === undefined ? { version: '2.0', headers, body, payload, method, uri } : { version: '2.0', headers, body, payload, status, reason };
}

/** Headers as they are read: no prototype, so that no name means anything but a header. */
type Read = Record<string, string> & { [read]?: true; [fault]?: Fault; [inference]?: string };

function joined(lines: readonly { readonly key: string; readonly value: string }[], plain: (value: string) => string): Read {
  const headers = Object.create(null) as Read;
  headers[read] = true;
  for (const { key, value } of lines) {
    const before = headers[key];
    headers[key] = before === undefined ? plain(value) : `${before},${plain(value)}`;
  }
  return headers;
}

/** RFC 4475 §3.1.2.6 lets the quote of a display name in From be inferred: puts it in and says so; null when there was no need. */
function inferFrom(headers: Record<string, string>): string | null {
  const { from } = headers;
  const closed = from === undefined ? undefined : closeQuote(from);
  if (closed === undefined) return null;
  headers['from'] = closed;
  return 'the display name in From has an opening quote alone and is taken to end before the address';
}

/** A start line that cannot be read is a response's if it looks so, else a request's; either way nobody takes it for a success. */
function statusOf(message: { readonly status: number; readonly reason: string } | undefined, cseq: string, bytes: string): Pick<SrfMessage, 'method' | 'uri' | 'status' | 'reason'> {
  if (message === undefined && !bytes.startsWith('SIP/')) return { method: 'UNREADABLE', uri: 'sip:unreadable.invalid' };
  const status = message?.status ?? 500;
  // RFC 3261 §8.1.3.2: a final response that is not known is the x00 of its class; drachtio-srf makes a dialog of 200 only.
  const accepted = status > 200 && status < 300 && parseCSeq(cseq)?.method === 'INVITE';
  return { status: accepted ? 200 : status, reason: message === undefined ? 'Unreadable Response' : textOf(message.reason) };
}

/** A From, To, Contact or route as drachtio-srf uses it. */
interface SrfAddress {
  readonly name?: string;
  readonly uri: string;
  readonly params: Readonly<Record<string, string | undefined>>;
}

function readAddress(value: string): SrfAddress {
  const address = parseNameAddr(value) ?? parseNameAddr(closeQuote(value) ?? '');
  const params: Record<string, string | undefined> = {};
  for (const param of parseParams(address?.params ?? '')) params[param.name.toLowerCase()] = param.value;
  const tag = tagOf(value);
  if (tag !== undefined) params['tag'] = tag;
  return { uri: address?.uri ?? '', params, ...(address === undefined || address.display === '' ? {} : { name: address.display }) };
}

/** Headers that name one address, and those that name a list of them. */
const single: ReadonlySet<string> = new Set(['to', 'from', 'refer-to', 'referred-by', 'p-asserted-identity', 'remote-party-id']);
const lists: ReadonlySet<string> = new Set(['contact', 'route', 'record-route', 'path']);

/** The reader of a header's value, as drachtio-srf's getParsedHeader() asks for it: of whatever is not an address or CSeq, the value itself. */
export function valueReader(name: string): (data: { readonly s: string }) => unknown {
  const key = name.toLowerCase();
  if (single.has(key)) return ({ s }) => readAddress(s);
  // Whoever asks for a list takes its first element, whether there is one or not.
  if (lists.has(key)) return ({ s }) => { const all = splitList(s); return (all.length === 0 ? [''] : all).map(readAddress); };
  if (key === 'cseq') return ({ s }) => parseCSeq(s) ?? { seq: 0, method: '' };
  return ({ s }) => s;
}
