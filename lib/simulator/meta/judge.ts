// Judging the business's SIP: responses to Meta's requests, and requests inside the dialog.
import { parseNameAddr, parseUri, SipMessage, tagOf, uriParam } from '../../sipserver/parser/index.js';
import type { Verdict } from '../verdict.js';
import { RECORD_ROUTES } from './layout.js';

/** A Via as sent, for comparing: what RFC 3261 §18.2.1 and RFC 3581 §4 let the receiver add to the top one is taken away. */
function topViaAsSent(value: string): string {
  return value.replace(/;received=[^;,\s]+/i, '').replace(/;rport=\d+/i, ';rport');
}

/** Compares a response with the request it answers. Gives false when Meta's Record-Routes did not come back whole: then nothing can be routed back. */
export function judgeResponse(request: SipMessage, response: SipMessage, verdict: Verdict): boolean {
  const sent = request.list('via');
  const got = response.list('via');
  if (got.length !== sent.length) verdict.breach('via-altered', `${got.length} Vias in the ${response.status}, ${sent.length} were sent`);
  for (const [i, via] of sent.entries()) {
    const back = got[i] ?? '';
    const same = i === 0 ? topViaAsSent(back) === topViaAsSent(via) : back === via;
    if (!same && back !== '') verdict.breach('via-altered', `Via ${i + 1} of the ${response.status} is ${back}`);
  }
  for (const name of ['Call-ID', 'CSeq', 'From']) {
    if (response.get(name) !== request.get(name)) verdict.breach('response', `${name} of the ${response.status} is ${response.get(name) ?? 'missing'}`);
  }
  const to = response.get('to') ?? '';
  if (!to.startsWith(request.get('to') ?? '')) verdict.breach('response', `To of the ${response.status} is ${to}`);
  // RFC 3261 §8.2.6.2: every response but 100 has a To tag.
  if (response.status > 100 && tagOf(to) === undefined) verdict.breach('response', `no To tag in the ${response.status}`);
  const echoes = request.has('record-route') && response.status > 100 && response.status < 300 && request.method === 'INVITE';
  return !echoes || judgeRecordRoutes(response, verdict);
}

// META-SIP §5.3: Meta's two Record-Routes are the last two, in order, byte for byte; the business may put its own above.
function judgeRecordRoutes(response: SipMessage, verdict: Verdict): boolean {
  const routes = response.list('record-route');
  const last = routes.slice(-RECORD_ROUTES.length);
  if (last.length === RECORD_ROUTES.length && RECORD_ROUTES.every((route, i) => last[i] === route)) return true;
  verdict.breach('record-route-altered', `Record-Routes of the ${response.status}: ${routes.join(', ') || 'none'}`);
  return false;
}

/** The business's own Record-Routes of a 2xx as a route set: in reverse order, Meta's left out (RFC 3261 §12.1.2). */
export function ownRoutes(response: SipMessage): string[] {
  return response.list('record-route').slice(0, -RECORD_ROUTES.length).reverse();
}

/** Contact of a 2xx: one SIP URI at the registered host, over TLS. Gives the URI. */
export function judgeContact(response: SipMessage, domain: string, verdict: Verdict): string | undefined {
  const contacts = response.list('contact');
  const uri = contacts[0] === undefined ? undefined : parseNameAddr(contacts[0])?.uri;
  const parsed = uri === undefined ? undefined : parseUri(uri);
  if (contacts.length !== 1 || parsed === undefined) {
    verdict.breach('contact', `${contacts.length} usable Contacts in the ${response.status}`);
    return undefined;
  }
  if (parsed.host !== domain.toLowerCase()) verdict.breach('contact', `Contact host ${parsed.host} is not ${domain}`);
  if (uriParam(parsed, 'transport')?.toLowerCase() !== 'tls') verdict.breach('contact', 'Contact without transport=tls');
  return uri;
}

/** Whether a request of the business's reaches the user: its Request-URI is Meta's Contact and its Routes are the dialog's (META-SIP §4.2). */
export function judgeRoute(request: SipMessage, contact: string, routes: readonly string[], verdict: Verdict): boolean {
  const got = request.list('route');
  if (request.uri !== contact) verdict.breach('route', `Request-URI of ${request.method} is ${request.uri}, not ${contact}`);
  const same = got.length === routes.length && routes.every((route, i) => got[i] === route);
  if (!same) verdict.breach('route', `Routes of ${request.method}: ${got.join(', ') || 'none'}`);
  return same && request.uri === contact;
}
