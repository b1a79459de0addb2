import type { SipMessageView } from '../../sip/drachtio.js';
import { parseReason, type Reason } from '../../sip/headers.js';
import { splitHeaderValues } from '../../sip/uri.js';
import { ended, type Termination } from '../termination.js';

type PeerReason = Parameters<typeof ended.peerRefused>[0];

/** Statuses that a PBX sends for more than one thing, so that its Reason tells (RFC 3326): the others speak for themselves. */
const ambiguous: ReadonlySet<number> = new Set([480, 486, 600, 603]);

/**
 * What a peer's final refusal, or the SIP server's own (408, 503), means for the call. A status alone does not say whether a person has
 * answered: Asterisk ends a call that nobody took with `603 Decline` and `Reason: Q.850;cause=0`, FreeSWITCH with 480 and cause 19.
 * @param response null where the SIP server made the refusal itself
 */
export function peerRefusal(status: number, phrase: string, response: Pick<SipMessageView, 'get'> | null = null): Termination {
  const reasons = splitHeaderValues(response?.get('Reason') ?? '').flatMap((value) => parseReason(value) ?? []);
  const told = ambiguous.has(status) ? meaningOf(status, reasons) : null;
  return ended.peerRefused(told?.reason ?? ofStatus(status), status, `${status} ${phrase}`.trim() + (told === null ? '' : `, ${told.text}`));
}

function ofStatus(status: number): PeerReason {
  if (status === 486 || status === 600) return 'busy';
  if (status === 603 || status === 607) return 'declined';
  if (status === 408 || status === 480 || status === 487) return 'noAnswer';
  return status >= 500 && status < 600 ? 'unreachable' : 'refused';
}

function meaningOf(status: number, reasons: readonly Reason[]): { reason: PeerReason; text: string } | null {
  for (const { protocol, cause, text } of reasons) {
    if (cause === null) continue;
    const name = protocol.toUpperCase();
    // FreeSWITCH writes causes of its own as SIP's: 806 USER_NOT_REGISTERED.
    const reason = name === 'Q.850' ? ofCause(cause, text, status) : name === 'SIP' && cause >= 400 && cause < 700 && cause !== status ? ofStatus(cause) : null;
    if (reason !== null) return { reason, text: `${protocol} cause ${cause}` };
  }
  return null;
}

/** ITU-T Q.850 table 1; null where the cause says no more than the status. */
function ofCause(cause: number, text: string | null, status: number): PeerReason | null {
  if (cause === 17) return 'busy';
  if (cause === 21) return 'declined';
  // No user responding, no answer, subscriber absent, and a timer that ran out on the way.
  if (cause === 18 || cause === 19 || cause === 20 || cause === 102) return 'noAnswer';
  const busy = status === 486 || status === 600;
  // No cause at all, and "normal": whoever was busy is; nobody has declined, unless it says so in words of its own.
  if (cause === 0 || cause === 31) return busy ? null : 'noAnswer';
  if (cause === 16) return busy || (text !== null && text !== '' && !/^normal(.call)?.(clearing|release)$/i.test(text)) ? null : 'noAnswer';
  // Numbers that are not there, that have changed or are incomplete.
  if (cause <= 3 || cause === 22 || cause === 28) return 'refused';
  // What is left in the classes from 24 on: facilities, congestion, failures of the network.
  return cause >= 24 ? 'unreachable' : null;
}
