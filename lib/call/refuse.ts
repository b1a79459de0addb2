import { WabError } from '../errors.js';
import type { SipHeaders, SipResponse } from '../sip/drachtio.js';
import { formatReason } from '../sip/headers.js';
import type { Call } from './call.js';
import type { Termination } from './termination.js';
import { reasonOf } from './termination.js';

/** Seconds after which a refused caller may try again; ours to choose (RFC 3261 §20.33). */
const retryAfter = '5';
/** The same when every peer is out: they are asked about that often unless told otherwise. */
const retryWhenBack = '30';

/**
 * A call that ends before its answer is refused on its incoming leg, with the status that the termination means there.
 * A cancelled INVITE has been answered 487 by the SIP server.
 */
export function refuseOnEnd(call: Call, res: SipResponse, statusFor: (termination: Termination) => number, more: (termination: Termination) => SipHeaders = () => ({})): void {
  call.own((termination) => {
    if (res.finalResponseSent || termination.reason === 'cancelled') return;
    const status = statusFor(termination);
    const { protocol, cause, text } = reasonOf(termination);
    res.send(status, { headers: { Reason: formatReason(protocol, cause, text), ...retry(status, termination), ...more(termination) } });
  });
}

function retry(status: number, { reason }: Termination): SipHeaders {
  if (reason === 'nobodyThere') return { 'Retry-After': retryWhenBack };
  return status === 503 ? { 'Retry-After': retryAfter } : {};
}

/** What a failure of the media engine means for the call it happened to. */
export function mediaFailure(error: unknown): Termination {
  const text = error instanceof Error ? error.message : String(error);
  if (!(error instanceof WabError)) return { by: 'us', reason: 'fault', status: 500, text };
  return { by: 'us', reason: error.code === 'SDP_UNACCEPTABLE' ? 'badSdp' : 'mediaUnavailable', status: error.status, text };
}
