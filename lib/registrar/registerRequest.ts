// What a REGISTER says, and what its answer carries.
import { phoneTransports } from '../config/types.js';
import { parseCSeq } from '../sip/headers.js';
import type { SipHeaders, SipRequest } from '../sip/drachtio.js';
import { parseNameAddr, splitHeaderValues, type NameAddr } from '../sip/uri.js';
import type { Binding, RegisterFacts } from './bindings.js';

/** RFC 5626 §4.4.1: a phone that knows it keeps its connection alive at least as often, seconds. */
const flowTimer = '120';
const maxPath = 8;

/** The values of Path (RFC 3327) in their order; null when one of them cannot be read, or there are too many. */
function pathOf(req: SipRequest): { readonly value: string; readonly address: NameAddr }[] | null {
  const values = splitHeaderValues(req.get('Path') ?? '');
  const path = values.flatMap((value) => {
    const address = parseNameAddr(value);
    return address === null ? [] : [{ value, address }];
  });
  return path.length < values.length || path.length > maxPath ? null : path;
}

/** `asked`: when we made the nonce that it answers. Null when CSeq or Path cannot be read. */
export function factsOf(req: SipRequest, user: string, asked: number, flowTokens: boolean): RegisterFacts | null {
  const cseq = parseCSeq(req.get('CSeq') ?? '');
  const read = pathOf(req);
  if (cseq?.method !== 'REGISTER' || read === null) return null;
  const direct = splitHeaderValues(req.get('Via') ?? '').length === 1;
  const tags = splitHeaderValues(req.get('Supported') ?? '').map((tag) => tag.toLowerCase());
  // RFC 5626 §6: only where the first hop is us, or an edge proxy that says it speaks it.
  const speaks = direct || read.at(-1)?.address.uri.params.some(({ name }) => name === 'ob') === true;
  return {
    user, callId: req.get('Call-ID') ?? '', cseq: cseq.seq, asked, expires: req.get('Expires'), contacts: splitHeaderValues(req.get('Contact') ?? ''),
    path: direct ? [] : read.map(({ value }) => value), outbound: tags.includes('outbound') && speaks,
    source: { protocol: phoneTransports.find((known) => known === req.protocol.toLowerCase()) ?? 'udp', address: req.source_address, port: req.source_port },
    flow: direct && flowTokens ? read[0]?.address.uriText ?? null : null,
    userAgent: req.get('User-Agent')?.slice(0, 128) ?? null,
  };
}

/** RFC 3261 §10.3 step 8: every binding with the seconds it has left; RFC 3327 §5.3, RFC 5626 §6. */
export function answerHeaders(req: SipRequest, facts: RegisterFacts, bindings: readonly Binding[], now: number): SipHeaders {
  const contacts = bindings.map((b) => `<${b.contact}>;expires=${Math.max(1, Math.round((b.expiresAt - now) / 1000))}`);
  const speaksPath = /\bpath\b/i.test(req.get('Supported') ?? '');
  const byDevice = facts.outbound && bindings.some((b) => b.device !== null && b.callId === facts.callId);
  return {
    ...(contacts.length === 0 ? {} : { Contact: contacts.join(', ') }),
    Date: new Date(now).toUTCString(),
    ...(facts.path.length > 0 && speaksPath ? { Path: facts.path.join(', ') } : {}),
    ...(byDevice ? { Require: 'outbound', 'Flow-Timer': flowTimer } : {}),
    Supported: 'path, outbound',
  };
}
