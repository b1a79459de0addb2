import type { SipDialog, SipRequest, SipResponse } from '../../sip/drachtio.js';
import { deliver } from '../../sip/drachtio.js';
import { formatReason, parseReason, readMetaHeaders, type Reason } from '../../sip/headers.js';
import { hangUp } from '../../sip/inDialog.js';
import type { Call } from '../call.js';
import { ended, reasonOf, type Termination } from '../termination.js';

/**
 * Ties Meta's dialog to the call, either direction: its BYE ends the call, the call's end sends it a BYE, and nothing else
 * is ever sent there (house rule 1).
 */
export function attachMetaDialog(call: Call, dialog: SipDialog): void {
  call.reliesOn(dialog.srf);
  dialog.on('destroy', (request: SipRequest & { source?: string }, text?: string) => {
    if (request.source === 'application') {
      call.end(ended.noAck('Meta', text));
      return;
    }
    const headers = readMetaHeaders(request);
    call.facts.metaDuration = headers.callDuration;
    // A business-initiated call learns its WACID only here (META-SIP §7).
    call.facts.wacid = headers.wacid ?? call.facts.wacid;
    call.end(metaHangup(parseReason(request.get('Reason'))));
  });
  dialog.on('refer', (_request: SipRequest, response: SipResponse) => response.send(603));
  call.own(async (termination) => {
    const { protocol, cause, text } = reasonOf(termination);
    if (dialog.connected) await hangUp(dialog, { Reason: formatReason(protocol, cause, text) });
  });
  // A BYE may have come with the answer to our 200 already.
  deliver(dialog);
}

/** META-SIP §4.3: Meta ends a call for lack of media with Reason SIP;cause=500 and a text of its own. */
function metaHangup(reason: Reason | null): Termination {
  if (reason?.protocol.toUpperCase() === 'SIP' && reason.cause !== null && reason.cause >= 400) {
    const media = /media|rtp/i.test(reason.text ?? '');
    return ended.byMeta(media ? 'mediaTimeout' : 'other', reason.cause, reason.text ?? 'Meta ended the call');
  }
  return ended.userHungUp(reason?.text ?? null);
}
