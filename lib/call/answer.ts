import { Authorization } from '../sip/authorization.js';
import type { Credentials } from '../sip/digestClient.js';
import type { SipDialog, SipHeaders, SipRequest, SipResponse, SipStack } from '../sip/drachtio.js';
import { isRefusal, whileConnected } from '../sip/drachtio.js';
import { authorize } from '../sip/inDialog.js';
import { ended, type Termination } from './termination.js';

/** An INVITE that came, what answers it, and the SIP server's connection that it came by. */
export interface Arrived {
  readonly req: SipRequest;
  readonly res: SipResponse;
  readonly stack: SipStack;
}

/** A 200 of ours. */
export interface Answer {
  readonly sdp: string;
  /** Contact value. */
  readonly contact: string;
  readonly headers?: SipHeaders;
  /** For when the far end challenges our requests in the dialog; null: a challenge is a refusal. */
  readonly credentials: Credentials | null;
}

/**
 * Answers an INVITE with 200; resolves with the dialog when the ACK has come.
 * @throws what drachtio-srf says of an INVITE that was cancelled or a far end that is gone; WabError SIP_UNAVAILABLE
 */
export async function answerInvite(stack: SipStack, req: SipRequest, res: SipResponse, { sdp, contact, headers = {}, credentials }: Answer): Promise<SipDialog> {
  const dialog = await whileConnected(stack, stack.createUAS(req, res, { localSdp: sdp, headers: { ...headers, Contact: contact, 'Content-Type': 'application/sdp' } }));
  authorize(dialog, new Authorization(credentials));
  return dialog;
}

/** How a call ends whose far end, as `whom` says, could not be answered. A CANCEL that crossed our 200 has ended it already. */
export function notAnswered(whom: string, error: unknown): Termination {
  return ended.notAnswered(isRefusal(error) ? error.status : null, `${whom} could not be answered: ${(error as Error).message}`);
}
