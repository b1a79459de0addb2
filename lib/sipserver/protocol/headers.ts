// What becomes of the headers and the body that a client gives us.
import { parseNameAddr, parseUri, tagOf, uriToString } from '../parser/index.js';
import type { Header, SipMessage } from '../parser/index.js';
import type { Presented } from '../locate/index.js';
import { transportParam } from '../transport/index.js';
import type { Protocol } from '../transport/index.js';

/** Never taken from a client (drachtio's immutable headers). */
const IMMUTABLE: ReadonlySet<string> = new Set(['via', 'route', 'rseq', 'record-route', 'content-length']);

/** Where `@localhost` stands for our own address. */
const LOCALHOST: ReadonlySet<string> = new Set(['from', 'contact', 'to', 'p-asserted-identity']);

/** The client's headers that may go out, with `@localhost` replaced by the address we present. */
export function usable(message: SipMessage, presented: Presented, except: ReadonlySet<string> = NONE): Header[] {
  const out: Header[] = [];
  for (const h of message.headers) {
    if (IMMUTABLE.has(h.key) || except.has(h.key)) continue;
    const value = LOCALHOST.has(h.key) && h.value.includes('@localhost') ? onOurHost(h.value, presented) : h.value;
    out.push({ name: h.name, key: h.key, value });
  }
  return out;
}

const NONE: ReadonlySet<string> = new Set();

/** Host and port of the address in a header value replaced by ours; unreadable values stay. */
function onOurHost(value: string, presented: Presented): string {
  const address = parseNameAddr(value);
  const uri = address === undefined ? undefined : parseUri(address.uri);
  if (address === undefined || uri === undefined) return value;
  uri.host = presented.host;
  uri.port = presented.port;
  return `${address.display === '' ? '' : `${address.display} `}<${uriToString(uri)}>${address.params}`;
}

/** A Contact of ours. */
export function contactOf(presented: Presented, protocol: Protocol): string {
  return `<sip:${presented.host}:${presented.port}${transportParam(protocol)}>`;
}

/** Copies the client's body, naming its type where the client has not: SDP is known by its first line. False for an unnamed type. */
export function takeBody(from: SipMessage, to: SipMessage): boolean {
  if (from.body === '') return true;
  to.body = from.body;
  if (to.has('content-type')) return true;
  if (!from.body.startsWith('v=0')) return false;
  to.add('Content-Type', 'application/sdp');
  return true;
}

/** A From or To value with the tag, unless it has one. Brackets are put around a bare URI, whose parameters would else be the header's. */
export function withTag(value: string, tag: string): string {
  if (tagOf(value) !== undefined) return value;
  const address = parseNameAddr(value);
  if (address !== undefined && !value.includes('<')) return `<${address.uri}>${address.params};tag=${tag}`;
  return `${value};tag=${tag}`;
}
