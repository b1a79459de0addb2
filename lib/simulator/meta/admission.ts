// Which INVITEs Meta lets in, and which it refuses at once (META-SIP §4.1, §4.3).
import { parseNameAddr, parseUri, SipMessage, tagOf, uriParam } from '../../sipserver/parser/index.js';
import type { CodecName } from '../media/codec.js';
import type { Verdict } from '../verdict.js';
import { META_HOST } from './layout.js';
import { REFUSALS } from './refusals.js';
import type { Refusal } from './refusals.js';
import type { Keying } from './sdp.js';
import { isAddress } from './side.js';

/** A business number as it is set up at Meta. */
export interface MetaNumber {
  /** With '+'. */
  number: string;
  password: string;
  /** Host name registered for it; From may name it or its parent domain. */
  hostname: string;
  keying?: Keying | undefined;
  /** `audio.additional_codecs`: G.711 may be used too. */
  g711?: boolean | undefined;
}

export interface Admitted { number: MetaNumber; user: string; codecs: CodecName[] }

const HEADERS_OF_OURS = new Set(['via', 'record-route', 'route', 'max-forwards', 'from', 'to', 'call-id', 'cseq', 'contact', 'allow', 'content-type',
  'content-length', 'user-agent', 'supported', 'proxy-authorization', 'date', 'server']);

/** The host or its parent domain (META-SIP §4.1). */
function belongs(hostname: string, fromHost: string): boolean {
  return hostname === fromHost || (fromHost.includes('.') && hostname.endsWith(`.${fromHost}`));
}

/** Looks at an INVITE before any challenge. Gives whom it concerns, or the refusal. */
export function admit(invite: SipMessage, numbers: readonly MetaNumber[], verdict: Verdict): Admitted | Refusal {
  const uri = parseUri(invite.uri);
  const from = parseUri(parseNameAddr(invite.get('from') ?? '')?.uri ?? '');
  // META-SIP §3: sips: and addresses in the Request-URI are not found.
  if (uri === undefined || uri.scheme === 'sips' || isAddress(uri.host) || uri.host !== META_HOST) return REFUSALS.notFound();
  const user = uri.user ?? '';
  // META-SIP §4.1: without '+' a telephone number is not reached; a BSUID has none.
  if (/^\d+$/.test(user)) {
    verdict.breach('response', `Request-URI user ${user} without '+'`);
    return REFUSALS.error();
  }
  const fromHost = from?.host ?? '';
  const number = numbers.find((n) => n.number === from?.user);
  if (number === undefined) return REFUSALS.unknownNumber();
  if (!belongs(number.hostname, fromHost)) return REFUSALS.serverMismatch(fromHost);
  judgeForm(invite, number, verdict);
  return { number, user, codecs: number.g711 === true ? ['opus', 'PCMA', 'PCMU'] : ['opus'] };
}

// What Meta may let pass and a business should still not send.
function judgeForm(invite: SipMessage, number: MetaNumber, verdict: Verdict): void {
  const uri = parseUri(invite.uri);
  if (uri !== undefined && uriParam(uri, 'transport')?.toLowerCase() !== 'tls') verdict.breach('form', 'Request-URI without transport=tls');
  const to = invite.get('to') ?? '';
  if (tagOf(to) !== undefined) verdict.breach('form', 'To of a new INVITE has a tag');
  judgeContact(invite.list('contact'), number, verdict);
  // META-SIP §13: no session timer, no 100rel, nothing of the peer's headers.
  for (const header of invite.headers) if (!HEADERS_OF_OURS.has(header.key)) verdict.breach('form', `header ${header.name} in the INVITE`);
  for (const option of invite.list('supported')) if (option === 'timer' || option === '100rel') verdict.breach('form', `Supported: ${option}`);
  if (!/^application\/sdp\b/i.test(invite.get('content-type') ?? '') || invite.body === '') verdict.breach('sdp', 'INVITE without SDP');
}

function judgeContact(contacts: readonly string[], { hostname }: MetaNumber, verdict: Verdict): void {
  const contact = contacts[0] === undefined ? undefined : parseUri(parseNameAddr(contacts[0])?.uri ?? '');
  if (contacts.length !== 1 || contact === undefined) {
    verdict.breach('contact', `${contacts.length} usable Contacts`);
    return;
  }
  if (contact.host !== hostname) verdict.breach('contact', `Contact host ${contact.host} is not ${hostname}`);
  if (uriParam(contact, 'transport')?.toLowerCase() !== 'tls') verdict.breach('contact', 'Contact without transport=tls');
}
