/** What we say of ourselves to peers, and what of theirs we cannot do. */
import type { SipHeaders, SipMessageView } from '../../sip/drachtio.js';

/** Methods that a peer may use towards us, for Allow (RFC 3261 §20.5). */
export const allowOfPeers = 'INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, PRACK, REFER, NOTIFY';

/** Extensions that we do: session timers (RFC 4028), pick-up and attended transfer (RFC 3891), reliable ringing (RFC 3262), a quiet REFER (RFC 4488). */
const extensions: readonly string[] = ['timer', 'replaces', '100rel', 'norefersub'];

/** Allow and Supported, which an INVITE and every 2xx of ours carries (RFC 3261 §13.2.1, §13.3.1.4, §11.2; RFC 3891 §6.2). */
export const capabilities: SipHeaders = { Allow: allowOfPeers, Supported: extensions.join(', ') };

/** Why a peer's request is not taken up, whatever it asks for. */
export interface Objection {
  readonly status: number;
  readonly headers: SipHeaders;
  /** For people. */
  readonly text: string;
}

/**
 * RFC 3261 §8.2.2.3: 420 with the extensions that a request demands and we do not do. The SIP server lets every registered one through, since
 * what is done is ours to say. Privacy (RFC 3323) is demanded of proxies, and given: nothing of a caller's identity goes on to Meta.
 * @param also what else is done for this method
 */
export function demandsTooMuch(request: SipMessageView, also: readonly string[] = []): Objection | null {
  const demanded = [...optionTags(request.get('Require')), ...optionTags(request.get('Proxy-Require')).filter((tag) => tag.toLowerCase() !== 'privacy')];
  const unsupported = [...new Set(demanded.filter((tag) => ![...extensions, ...also].includes(tag.toLowerCase())))];
  return unsupported.length === 0 ? null
    : { status: 420, headers: { Unsupported: unsupported.join(', ') }, text: `the request demands ${unsupported.join(', ')}` };
}

function optionTags(value: string | undefined): string[] {
  return (value ?? '').split(',').map((tag) => tag.trim()).filter((tag) => tag !== '');
}

/** RFC 3261 §20.22; a call across us is a hop (RFC 7332): null when the header is missing or cannot be read. */
function maxForwards(request: SipMessageView): number | null {
  const digits = /^\s*(\d{1,3})\s*$/.exec(request.get('Max-Forwards') ?? '');
  return digits === null ? null : Number(digits[1]);
}

/** RFC 3261 §16.3: 483 for a call that may not go any further. */
export function wentTooFar(invite: SipMessageView): Objection | null {
  return maxForwards(invite) === 0 ? { status: 483, headers: {}, text: 'its Max-Forwards is used up' } : null;
}

/** Max-Forwards of the INVITE that a call goes on as, so that a loop through us comes to an end; without one the SIP server begins anew. */
export function oneHopLess(invite: SipMessageView): SipHeaders {
  const left = maxForwards(invite);
  return left === null ? {} : { 'Max-Forwards': String(Math.min(left, 70) - 1) };
}
