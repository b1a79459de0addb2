import type { SipMessageView } from '../../sip/drachtio.js';
import { cleanHeaderValue } from '../../sip/headers.js';

/** Why Meta refused or ended a call; one for each row of META-SIP §4.3 that a PBX or an operator can act on. */
export type MetaRefusal =
  | 'noPermission' | 'dailyLimit' | 'declined' | 'unreachable' | 'duplicate' | 'notConfigured' | 'badCredentials' | 'payment'
  | 'uriMismatch' | 'notAvailable' | 'overload' | 'sdpRefused' | 'mediaTimeout' | 'notFound' | 'unavailable' | 'other';

export interface RefusalVerdict {
  readonly reason: MetaRefusal;
  /** The status a PBX gets: final ones where trying again, or another trunk, cannot help. */
  readonly statusForPeer: number;
  /** What the operator can do; null when there is nothing to do. */
  readonly advice: string | null;
}

interface Row extends RefusalVerdict {
  readonly status: number | null;
  /** Compared with the beginning of Meta's text, or looked for in it; Meta's wording changes, so never for equality (META-SIP §13). */
  readonly text: RegExp | null;
}

/** Credentials that are said to be wrong; "not authorized" and the like say something else. */
const wrongCredentials = /(?:invalid|wrong|bad|incorrect|mismatch|fail\w*).*(?:authentication|credential|digest|password)|(?:authentication|credential\w*|digest|password).*(?:invalid|wrong|incorrect|mismatch|fail|not match|not valid)/i;

// META-SIP §4.3, most particular first.
const rows: readonly Row[] = [
  { status: 403, text: /^no approved call permission/i, reason: 'noPermission', statusForPeer: 403, advice: 'the user has not permitted calls: ask for permission; do not try again before' },
  { status: 403, text: /^business initiated connected call per day/i, reason: 'dailyLimit', statusForPeer: 403, advice: 'Meta\'s daily limit of connected calls to this user is reached' },
  { status: 403, text: /^sip server .* does not match any/i, reason: 'notConfigured', statusForPeer: 403, advice: 'the host name set on the number at Meta is not `domain` (or below it)' },
  { status: 403, text: /^the app .* not authorized/i, reason: 'notConfigured', statusForPeer: 403, advice: 'the app lost whatsapp_business_messaging on this number: delete and add its SIP server again' },
  { status: 403, text: /sdp validation|fingerprint/i, reason: 'sdpRefused', statusForPeer: 488, advice: 'compare numbers[].keying with srtp_key_exchange_protocol at Meta' },
  { status: 403, text: /duplicate|already (?:has|in|on)/i, reason: 'duplicate', statusForPeer: 486, advice: null },
  { status: 403, text: /payment|billing|credit/i, reason: 'payment', statusForPeer: 403, advice: 'Meta asks for a payment method on the account' },
  // The digest was right: what it was made for is not what the INVITE says. Ahead of everything that looks for "auth".
  { status: 403, text: /\buri\b.*does not match|does not match.*\buri\b/i, reason: 'uriMismatch', statusForPeer: 403, advice: 'the password is not the cause: Meta compares the uri of Proxy-Authorization with the Request-URI and the To of our INVITE. Something between us and Meta changes one of them (a proxy, another SIP server): compare the three under /calls/ID/sip' },
  { status: 403, text: /not (?:available|enabled|supported)|disabled|restricted/i, reason: 'notAvailable', statusForPeer: 403, advice: 'Meta does not let this number place calls: look at its calling settings, its country and its quality at Meta' },
  { status: 403, text: /concurrent|too many|rate limit|call rate/i, reason: 'overload', statusForPeer: 503, advice: 'Meta\'s limit of calls at once, or a second, is reached: see numbers[].maxConcurrentCalls and callsPerSecond' },
  { status: 403, text: wrongCredentials, reason: 'badCredentials', statusForPeer: 403, advice: 'compare numbers[].password with sip_user_password at Meta; it changes whenever the server is added anew' },
  { status: 400, text: /asset not found|invalid business phone/i, reason: 'notConfigured', statusForPeer: 403, advice: 'this number is not registered for SIP calling at Meta' },
  { status: 401, text: null, reason: 'badCredentials', statusForPeer: 403, advice: 'compare numbers[].password with sip_user_password at Meta' },
  { status: 407, text: null, reason: 'badCredentials', statusForPeer: 403, advice: 'compare numbers[].password with sip_user_password at Meta' },
  { status: 404, text: null, reason: 'notFound', statusForPeer: 404, advice: null },
  { status: 408, text: /rtp/i, reason: 'mediaTimeout', statusForPeer: 480, advice: 'the user\'s client got no media: check that UDP from the media ports reaches Meta' },
  { status: 408, text: null, reason: 'unreachable', statusForPeer: 480, advice: null },
  { status: 480, text: null, reason: 'unreachable', statusForPeer: 480, advice: null },
  { status: 486, text: null, reason: 'declined', statusForPeer: 486, advice: null },
  { status: 603, text: null, reason: 'declined', statusForPeer: 603, advice: null },
  { status: 488, text: null, reason: 'sdpRefused', statusForPeer: 488, advice: null },
  { status: 500, text: null, reason: 'unavailable', statusForPeer: 503, advice: null },
  { status: 503, text: null, reason: 'unavailable', statusForPeer: 503, advice: null },
  { status: 403, text: null, reason: 'other', statusForPeer: 403, advice: 'Meta gives no reason of its list: it may be a call with this user already, the password, the payment method or the SDP' },
];

/** Reads Meta's refusal. `text` is its reason phrase or Warning text (META-SIP §4.2). */
export function judgeRefusal(status: number, text: string): RefusalVerdict {
  const row = rows.find((r) => r.status === status && (r.text === null || r.text.test(text)));
  return row ?? { reason: 'other', statusForPeer: status >= 500 ? 503 : 480, advice: null };
}

/** Meta's own words: the Warning text (RFC 3261 §20.43), else the reason phrase. */
export function refusalText(reason: string, response: SipMessageView | null): string {
  const warning = /^\s*\d{3}\s+\S+\s+"((?:[^"\\]|\\.)*)"/.exec(response?.get('Warning') ?? '');
  return cleanHeaderValue(warning?.[1] === undefined ? reason : warning[1].replace(/\\(.)/g, '$1'), 256);
}
