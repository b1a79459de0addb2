import type { SipRequest } from '../../sip/drachtio.js';
import { readMetaHeaders, type MetaHeaders } from '../../sip/headers.js';
import { parseNameAddr, parseUri } from '../../sip/uri.js';

/** A user-initiated INVITE as plain data (DESIGN "The life of a user-initiated call", step 2). */
export interface MetaRequest {
  readonly callId: string;
  /** The number in the Request-URI, parameters in the user part left out; null when it is none. */
  readonly number: string | null;
  /** E.164 with '+', or a BSUID (META-SIP §7). */
  readonly user: string;
  readonly displayName: string | null;
  readonly headers: MetaHeaders;
  readonly payload: string | null;
  readonly offer: string;
}

export function readMetaRequest(req: SipRequest): MetaRequest {
  const headers = readMetaHeaders(req);
  const uri = parseUri(req.uri);
  const text = req.get('From') ?? '';
  // A profile name is whatever its owner typed; one that breaks the quoting must not hide who calls.
  const from = parseNameAddr(text) ?? parseNameAddr(text.slice(Math.max(0, text.lastIndexOf('<'))));
  return {
    callId: req.get('Call-ID') ?? '',
    // RFC 4904 parameters stand in the user part; Meta renders request_uri_user_params there (META-SIP §2.2).
    number: e164(uri?.user ?? null),
    user: from?.uri.user ?? '',
    displayName: from?.displayName || null,
    headers,
    payload: headers.ctaPayload ?? headers.deeplinkPayload,
    offer: req.body,
  };
}

/** "+447700900001" out of the user part of a Request-URI; liberal about a missing '+'. */
export function e164(user: string | null): string | null {
  const digits = /^\+?([1-9]\d{6,14})$/.exec(user ?? '');
  return digits === null ? null : `+${digits[1]}`;
}
