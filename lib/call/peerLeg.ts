import type { MediaCall, PeerLeg } from '../media/types.js';
import type { SipDialog, SipRequest, SipResponse } from '../sip/drachtio.js';
import { hangUp } from '../sip/drachtio.js';
import { formatReason, parseReason } from '../sip/headers.js';
import type { Call } from './call.js';
import { readInfoDigit } from './dtmfInfo.js';
import { reasonOf } from './termination.js';

/**
 * Ties an answered peer dialog to the call: its BYE ends the call, what it renegotiates is absorbed here and never
 * reaches Meta (house rule 1), and the call's end sends it a BYE.
 */
export function attachPeerDialog(call: Call, dialog: SipDialog, leg: PeerLeg, media: MediaCall): void {
  call.reliesOn(dialog.srf);
  dialog.on('destroy', (request: SipRequest & { source?: string }, text?: string) => {
    if (request.source === 'application') {
      call.end({ by: 'us', reason: 'noAck', status: 408, text: `the peer's dialog was given up: ${text ?? 'no answer'}` });
      return;
    }
    const reason = parseReason(request.get('Reason'));
    call.end({ by: 'peer', reason: 'hangup', status: 200, text: reason?.text ?? 'the peer hung up' });
  });
  const renegotiate = (request: SipRequest, response: SipResponse): void => {
    void absorbOffer(call, dialog, leg, request, response);
  };
  dialog.on('modify', renegotiate);
  dialog.on('update', renegotiate);
  dialog.on('info', (request: SipRequest, response: SipResponse) => {
    const digit = readInfoDigit(request.get('Content-Type') ?? '', request.body);
    if (digit !== null) media.sendDtmf(digit.digit, digit.duration);
    // RFC 6086 §4.2.2: an INFO outside a package that we do not understand is still answered 200.
    response.send(200);
  });
  dialog.on('refer', (_request: SipRequest, response: SipResponse) => response.send(603, 'Transfer not available'));
  call.own(async (termination) => {
    const { protocol, cause, text } = reasonOf(termination);
    if (dialog.connected) await hangUp(dialog, { Reason: formatReason(protocol, cause, text) });
  });
  // A BYE read together with the 200 came before there was anyone to hear it.
  if (!dialog.connected) call.end({ by: 'peer', reason: 'hangup', status: 200, text: 'the peer hung up at once' });
}

/** RFC 3264 §8: a new offer within the dialog changes this leg only; without an offer the answer is what stands. */
async function absorbOffer(call: Call, dialog: SipDialog, leg: PeerLeg, request: SipRequest, response: SipResponse): Promise<void> {
  const headers = { 'Content-Type': 'application/sdp' };
  try {
    if (request.body === '') {
      // An UPDATE without an offer is a refresh and is answered without one (RFC 3311 §5.1, RFC 4028 §7.4).
      if (request.method === 'UPDATE') response.send(200);
      else response.send(200, { headers, body: dialog.local.sdp });
      return;
    }
    const answer = await leg.answer(request.body);
    dialog.local.sdp = answer;
    response.send(200, { headers, body: answer });
  } catch (error) {
    call.log.warn({ err: (error as Error).message }, 'a new offer of the peer was refused; the call goes on as it was');
    response.send(488);
  }
}
