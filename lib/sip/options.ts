import { indexOfListEnd, paramOf, parseVia } from '../sipserver/parser/index.js';
import { randomBytes } from '../util/randomBytes.js';
import type { SipHeaders, SipRequest, SipResponse, SipStack } from './drachtio.js';

export interface OptionsRequest {
  readonly uri: string;
  /** Next hop as a SIP URI; null: the URI says. */
  readonly proxy: string | null;
  /** From as a URI. */
  readonly from: string;
  /** Milliseconds to wait; RFC 3261's own time-out of 32 s is longer than anybody wants to know. */
  readonly timeout: number;
  readonly headers?: SipHeaders;
}

/** What came of an OPTIONS. `reason` is for people. */
export type OptionsOutcome =
  | { readonly answered: true; readonly status: number; readonly ms: number }
  /** Nobody there answered: no answer in time, or no way to send. */
  | { readonly answered: false; readonly reason: string };

/** One OPTIONS outside a dialog (RFC 3261 §11). Never rejects. */
export function sendOptions(stack: SipStack, { uri, proxy, from, timeout, headers }: OptionsRequest): Promise<OptionsOutcome> {
  const begun = performance.now();
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve({ answered: false, reason: `no answer within ${timeout / 1000} s` }), timeout);
    const settle = (outcome: OptionsOutcome): void => {
      clearTimeout(timer);
      resolve(outcome);
    };
    try {
      stack.request(uri, {
        method: 'OPTIONS', ...(proxy === null ? {} : { proxy }),
        headers: {
          From: `<${from}>;tag=${randomBytes(8).toString('hex')}`, To: `<${uri}>`, 'Call-ID': `${randomBytes(16).toString('hex')}@wa-b2bua`,
          Contact: '<sip:wa-b2bua@localhost>', Accept: 'application/sdp', ...headers,
        },
      }, (error: unknown, request: SipRequest | undefined) => {
        if (error || request === undefined) {
          settle({ answered: false, reason: error instanceof Error ? error.message : String(error) });
          return;
        }
        request.on('response', (response: SipResponse) => {
          if (response.status < 200) return;
          settle(foundNobody(response, 'OPTIONS') ? { answered: false, reason: `${response.status} ${response.reason}` }
            : { answered: true, status: response.status, ms: performance.now() - begun });
        });
      });
    } catch (error) {
      settle({ answered: false, reason: error instanceof Error ? error.message : String(error) });
    }
  });
}

/**
 * Whether a final response says that nobody there can serve: a 503 (RFC 3261 §21.5.4), to an INVITE without a cause of ISDN's, which is a dialplan's
 * answer about one user (Asterisk's for a phone that is not registered), and the 408 that the SIP server makes when nobody answered. That one
 * is a copy of our own request's Via, where a far end has filled in the port it saw (RFC 3581 §4).
 */
export function foundNobody(response: SipResponse, to: 'INVITE' | 'OPTIONS'): boolean {
  return (response.status === 503 && (to === 'OPTIONS' || !/\bQ\.850\s*;/i.test(response.get('Reason') ?? ''))) || (response.status === 408 && !wasSeen(response.get('Via') ?? ''));
}

/** Whether somebody has filled in where he saw a request come from (RFC 3261 §18.2.1, RFC 3581 §4). */
function wasSeen(via: string): boolean {
  const params = parseVia(via.slice(0, indexOfListEnd(via)))?.params ?? '';
  return paramOf(params, 'received') !== undefined || (paramOf(params, 'rport') ?? '') !== '';
}
