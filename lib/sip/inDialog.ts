/** Requests of ours within a dialog. All of them go through here, and a challenge to any of them is answered here (RFC 3261 §22.2). */
import type { EventEmitter } from 'node:events';
import type { Authorization } from './authorization.js';
import type { SipDialog, SipHeaders, SipRequest, SipResponse } from './drachtio.js';
import { refuseQueued, whileConnected } from './drachtio.js';

/** What drachtio-srf keeps in a dialog and does not show, and what is kept there by us. */
interface Inner {
  readonly id: string;
  readonly socket: unknown;
  readonly agent: { request(options: object, callback: (error: Error | null, request: SipRequest) => void): void };
  readonly srf: EventEmitter & { removeDialog(dialog: unknown): void };
  connected: boolean;
  handle(request: SipRequest, response: SipResponse): void;
  /** Credentials for whoever challenges a request in it. */
  authorization?: Authorization;
  /** Request-URI of the last request that was challenged in it: what the next one has too, unless the far end has moved. */
  challengedAt?: string;
}

/** From now on challenges to requests in this dialog are answered with these. */
export function authorize(dialog: SipDialog, authorization: Authorization): void {
  (dialog as unknown as Inner).authorization = authorization;
}

/**
 * Sends a request within a dialog, again with credentials where it is challenged; resolves with its final response.
 * @throws Error of code ENODIALOG when the far end has hung up meanwhile; WabError SIP_UNAVAILABLE
 */
export async function requestInDialog(dialog: SipDialog, method: string, headers: SipHeaders, body = ''): Promise<SipResponse> {
  const inner = dialog as unknown as Inner;
  const known = inner.challengedAt ?? null;
  // RFC 3261 §22.3: the later requests of a dialog show what was asked for. A far end that challenged only the INVITE is shown nothing.
  const authorized = inner.authorization?.begin(method, known !== null);
  let uri = known;
  for (;;) {
    const { request, response } = await send(dialog, method, { ...headers, ...(uri === null ? {} : authorized?.headers(uri)) }, body);
    if (authorized?.challenged(response) !== true) return response;
    // The SIP server has put in the URI that the dialog leads to; the digest is over that very text.
    inner.challengedAt = uri = request.uri;
  }
}

/**
 * Sends BYE; resolves with its final response, whatever that is: the dialog is over then (RFC 3261 §15.1.1).
 * @throws Error when it could not be sent, or the SIP server went meanwhile
 */
export async function hangUp(dialog: SipDialog, headers: SipHeaders): Promise<SipResponse> {
  const inner = dialog as unknown as Inner;
  refuseQueued(dialog);
  try {
    return await requestInDialog(dialog, 'BYE', headers);
  } finally {
    inner.connected = false;
    inner.srf.removeDialog(dialog);
    dialog.removeAllListeners();
  }
}

/**
 * drachtio-srf hands an UPDATE of the far end to any request of ours with the same Call-ID that is still open, where nobody would answer
 * it: it is given to its dialog here.
 */
function send(dialog: SipDialog, method: string, headers: SipHeaders, body: string): Promise<{ request: SipRequest; response: SipResponse }> {
  const inner = dialog as unknown as Inner;
  return whileConnected(dialog.srf, new Promise((resolve, reject) => {
    inner.agent.request({ method, stackDialogId: inner.id, headers, body, _socket: inner.socket }, (error, request) => {
      if (error) {
        reject(error);
        return;
      }
      request.on('update', (update: SipRequest, response: SipResponse) => inner.handle(update, response));
      request.on('response', (response: SipResponse) => {
        if (response.status >= 200) resolve({ request, response });
      });
    });
  }));
}
