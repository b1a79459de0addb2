/** Requests of ours within a dialog. All of them go through here, and a challenge to any of them is answered here (RFC 3261 §22.2). */
import type { EventEmitter } from 'node:events';
import type { Authorization, AuthorizedRequest } from './authorization.js';
import type { SipDialog, SipHeaders, SipRequest, SipResponse, SipStack } from './drachtio.js';
import { refuseQueued, whileConnected } from './drachtio.js';

/** drachtio-srf's own connection to the SIP server. */
interface Agent {
  request(options: object, callback: (error: Error | null, request: SipRequest) => void): void;
}

/** What drachtio-srf keeps in a dialog and does not show, and what is kept there by us. */
interface Inner {
  /** The SIP server's name for it. */
  readonly id: string;
  readonly socket: unknown;
  readonly agent: Agent;
  readonly srf: EventEmitter & { removeDialog(dialog: unknown): void };
  connected: boolean;
  handle(request: SipRequest, response: SipResponse): void;
  /** Credentials for whoever challenges a request in it. */
  authorization?: Authorization;
  /** Request-URI of the last request that was challenged in it: what the next one has too, unless the far end has moved. */
  challengedAt?: string;
}

function insidesOf(dialog: SipDialog): Inner {
  return dialog as unknown as Inner;
}

/** From now on challenges to requests in this dialog are answered with these. */
export function authorize(dialog: SipDialog, authorization: Authorization): void {
  insidesOf(dialog).authorization = authorization;
}

/**
 * Sends a request within a dialog, again with credentials where it is challenged; resolves with its final response.
 * @throws Error of code ENODIALOG when the far end has hung up meanwhile; WabError SIP_UNAVAILABLE
 */
export async function requestInDialog(dialog: SipDialog, method: string, headers: SipHeaders, body = ''): Promise<SipResponse> {
  const inner = insidesOf(dialog);
  const known = inner.challengedAt ?? null;
  // RFC 3261 §22.3: the later requests of a dialog show what was asked for. A far end that challenged only the INVITE is shown nothing.
  const authorized = inner.authorization?.begin(method, known !== null);
  // drachtio-srf hands an UPDATE of the far end to any request of ours with the same Call-ID that is still open, where nobody would answer it.
  const onUpdate = (update: SipRequest, answer: SipResponse): void => inner.handle(update, answer);
  const { response, challengedAt } = await ask(dialog.srf, inner, { method, headers, body, authorized, at: known, onUpdate });
  if (challengedAt !== null) inner.challengedAt = challengedAt;
  return response;
}

/**
 * Sends BYE; resolves with its final response, whatever that is: the dialog is over then (RFC 3261 §15.1.1).
 * @throws Error when it could not be sent, or the SIP server went meanwhile
 */
export async function hangUp(dialog: SipDialog, headers: SipHeaders): Promise<SipResponse> {
  const inner = insidesOf(dialog);
  refuseQueued(dialog);
  try {
    return await requestInDialog(dialog, 'BYE', headers);
  } finally {
    inner.connected = false;
    inner.srf.removeDialog(dialog);
    dialog.removeAllListeners();
  }
}

/** What drachtio-srf keeps in a response. */
interface InnerResponse {
  readonly socket: unknown;
  /** The SIP server's name for the dialog that it belongs to. */
  readonly stackDialogId: string;
  readonly req: { get(name: string): string | undefined };
  agent: Agent & { sendAck(method: string, dialogId: string): void };
}

function insidesOfResponse(response: SipResponse): InnerResponse {
  return response as unknown as InnerResponse;
}

/**
 * Acknowledges a reliable provisional response (RFC 3262 §4) in the early dialog that it belongs to. drachtio-srf does so by itself, but
 * hears of no answer and does not say which fork it means: call this while it tells of the response, and it leaves it to us.
 */
export function acknowledgeReliable(stack: SipStack, response: SipResponse, authorization: Authorization, onUpdate: (request: SipRequest, response: SipResponse) => void): void {
  const inner = insidesOfResponse(response);
  const { agent, socket } = inner;
  const headers = { RAck: `${response.get('RSeq')} ${inner.req.get('CSeq')}`, To: response.get('To') ?? '' };
  inner.agent = Object.assign(Object.create(agent) as InnerResponse['agent'], {
    sendAck: (method: string, id: string) => {
      // Without an answer the far end gives its INVITE up by itself (RFC 3262 §3).
      ask(stack, { agent, socket, id }, { method, headers, body: '', authorized: authorization.begin(method), at: null, onUpdate }).catch(() => undefined);
    },
  });
}

interface InDialogRequest {
  readonly method: string;
  readonly headers: SipHeaders;
  readonly body: string;
  /** Answers a challenge; undefined: nobody can. */
  readonly authorized: AuthorizedRequest | undefined;
  /** Request-URI to show credentials for at once; null: none are. */
  readonly at: string | null;
  /** Takes an UPDATE of the far end that comes meanwhile. */
  readonly onUpdate: (request: SipRequest, response: SipResponse) => void;
}

/**
 * Sends a request within a dialog until it is not challenged any more.
 * @returns the final response, and the Request-URI of the last attempt that was challenged
 */
async function ask(
  connection: EventEmitter, { agent, socket, id }: Pick<Inner, 'agent' | 'socket' | 'id'>, { method, headers, body, authorized, at, onUpdate }: InDialogRequest,
): Promise<{ response: SipResponse; challengedAt: string | null }> {
  let uri = at;
  let challengedAt: string | null = null;
  for (;;) {
    const credentials = uri === null ? {} : authorized?.headers(uri);
    const { request, response } = await whileConnected(connection, new Promise<{ request: SipRequest; response: SipResponse }>((resolve, reject) => {
      agent.request({ method, stackDialogId: id, headers: { ...headers, ...credentials }, body, _socket: socket }, (error, request) => {
        if (error) {
          reject(error);
          return;
        }
        request.on('update', onUpdate);
        request.on('response', (response: SipResponse, acknowledge: () => void) => {
          if (response.status < 200) return;
          // RFC 3261 §13.2.2.4; other final responses the SIP server acknowledges.
          if (method === 'INVITE' && response.status < 300) acknowledge();
          resolve({ request, response });
        });
      });
    }));
    if (authorized?.challenged(response) !== true) return { response, challengedAt };
    // The SIP server has put in the URI that the dialog leads to; the digest is over that very text.
    challengedAt = uri = request.uri;
  }
}

/**
 * Sends BYE in the dialog that a 2xx of the far end has begun at the SIP server and drachtio-srf has not taken in.
 * @throws as hangUp
 */
export async function endUnborn(stack: SipStack, accepted: SipResponse, headers: SipHeaders, authorization: Authorization): Promise<void> {
  const { agent, socket, stackDialogId: id } = insidesOfResponse(accepted);
  await ask(stack, { agent, socket, id }, {
    method: 'BYE', headers, body: '', authorized: authorization.begin('BYE'), at: null, onUpdate: (_update, response) => response.send(481),
  });
}
