// A client's request outside a dialog, made complete.
import { randomUUID } from 'node:crypto';
import { parseCSeq, parseUri, SipMessage, uriToString } from '../parser/index.js';
import type { Presented } from '../locate/index.js';
import { takeBody, usable, withTag } from './headers.js';

/** Requests that carry our Contact if the client gives none. */
export const WITH_CONTACT: ReadonlySet<string> = new Set(['INVITE', 'SUBSCRIBE', 'REFER', 'UPDATE']);

/** Headers of a request outside a dialog that are written first, in this order, and only once. */
const LEADING: ReadonlySet<string> = new Set(['from', 'to', 'call-id', 'cseq', 'max-forwards']);

/** A request outside a dialog, from what the client gave (RFC 3261 §8.1.1): its From tag, Call-ID and CSeq stand if it has them. */
export function compose(given: SipMessage, presented: Presented, contact: string, tag: string): SipMessage | undefined {
  const { method } = given;
  const m = SipMessage.request(method, given.uri);
  const headers = usable(given, presented);
  const value = (key: string): string | undefined => headers.find((h) => h.key === key)?.value;
  const seq = parseCSeq(value('cseq') ?? '')?.seq ?? 1 + Math.floor(Math.random() * 0xffff);
  m.add('Max-Forwards', value('max-forwards') ?? '70');
  m.add('From', withTag(value('from') ?? contact.replace(/;transport=[a-z]+/, ''), tag));
  m.add('To', value('to') ?? `<${addressOf(given.uri)}>`);
  m.add('Call-ID', value('call-id') ?? randomUUID());
  m.add('CSeq', `${seq} ${method}`);
  for (const h of headers) if (!LEADING.has(h.key)) m.headers.push(h);
  // drachtio takes no Route from a client; a registrar needs it for the Path of a registration (RFC 3327 §5.3).
  for (const h of given.headers) if (h.key === 'route') m.headers.push(h);
  if (!m.has('contact') && WITH_CONTACT.has(method)) m.add('Contact', contact);
  return takeBody(given, m) ? m : undefined;
}

/** RFC 3261 §19.1.1, table 1: a To or From names the user, without port, transport and the like. */
function addressOf(uri: string): string {
  const parsed = parseUri(uri);
  return parsed === undefined ? uri : uriToString({ ...parsed, port: undefined, params: '', headers: '' });
}
