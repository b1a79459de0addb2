import { WabError } from '../errors.js';
import type { SipHeaders, SipRequest, SipResponse } from '../sip/drachtio.js';
import { cleanHeaderValue, formatReason, quotedString } from '../sip/headers.js';
import { after } from '../util/after.js';
import type { Call } from './call.js';
import type { Termination } from './termination.js';
import { reasonOf } from './termination.js';

/** Seconds after which a refused caller may try again; ours to choose (RFC 3261 §20.33). */
const retryAfter = '5';
/** The same when every peer is out: they are asked about that often unless told otherwise. */
const retryWhenBack = '30';

/**
 * A call that ends before its answer is refused on its incoming leg, with the status that the termination means there.
 * A cancelled INVITE has been answered 487 by the SIP server. `more`: further headers, and a reason phrase of ours.
 */
export function refuseOnEnd(
  call: Call, res: SipResponse, statusFor: (termination: Termination) => number,
  more: (termination: Termination) => { readonly phrase?: string; readonly headers?: SipHeaders } = () => ({}),
): void {
  call.own((termination) => {
    if (res.finalResponseSent || termination.reason === 'cancelled') return;
    const status = statusFor(termination);
    const { protocol, cause, text } = reasonOf(termination);
    const { phrase, headers = {} } = more(termination);
    const all = { headers: { Reason: formatReason(protocol, cause, text), ...retry(status, termination), ...headers } };
    if (phrase === undefined) res.send(status, all);
    else res.send(status, phrase, all);
  });
}

function retry(status: number, { reason }: Termination): SipHeaders {
  if (reason === 'nobodyThere') return { 'Retry-After': retryWhenBack };
  return status === 503 ? { 'Retry-After': retryAfter } : {};
}

/**
 * An INVITE with Expires stands for so many seconds: if it has no final response by then, the call ends so (RFC 3261 §13.3.1, §20.19).
 */
export function expireOn(call: Call, req: SipRequest, res: SipResponse, termination: Termination): void {
  const seconds = /^\s*(\d{1,10})\s*$/.exec(req.get('Expires') ?? '')?.[1];
  if (seconds === undefined) return;
  const timer = after(Number(seconds) * 1000, () => { if (!res.finalResponseSent) call.end(termination); });
  call.own(() => clearTimeout(timer));
}

/** A Warning for who is refused by this error or termination; none where nothing more is to be said. */
export function warningOf({ warning, text }: { readonly warning?: number | null; readonly text: string }): SipHeaders {
  return warning === undefined || warning === null ? {} : { Warning: `${warning} wa-b2bua ${quotedString(cleanHeaderValue(text))}` };
}

/** The same for an error in words of its own. */
export function warningOfError(error: unknown): SipHeaders {
  return error instanceof WabError ? warningOf({ warning: error.warning, text: error.message }) : {};
}
