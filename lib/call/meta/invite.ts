import { domainOf } from '../../config/domains.js';
import type { NumberConfig } from '../../config/types.js';
import { verdictOf } from '../../errors.js';
import type { MediaCall } from '../../media/types.js';
import type { SipDialog, SipResponse } from '../../sip/drachtio.js';
import { cleanHeaderValue, formatReason, readMetaHeaders } from '../../sip/headers.js';
import { OutboundInvite } from '../../sip/invite.js';
import { after } from '../../util/after.js';
import type { Call } from '../call.js';
import type { BusinessInitiated } from '../context.js';
import type { Places } from '../limits.js';
import { ended, reasonOf, type Termination } from '../termination.js';
import { attachMetaDialog } from './dialog.js';
import { judgeRefusal, refusalText } from './refusal.js';

/** A business-initiated call that policy, limits and engines let on. */
export interface Admitted { readonly number: string; readonly user: string; readonly numberConfig: NumberConfig; readonly places: Extract<Places, { refused: null }> }

/** And whose INVITE may leave. */
interface Ready extends Admitted { readonly offer: string; readonly ring?: () => void }

/** Takes of all nodes what this one has allowed. False: the call has ended. */
export async function shareWithAll(call: Call, share: NonNullable<Admitted['places']['share']>): Promise<boolean> {
  const refused = await share();
  if (refused !== null) call.end(refused);
  return !call.over;
}

/** Resolves when the call would count whatever becomes of this process: before it leaves, as a process that is killed does not see it end. */
export async function storeCall({ permissions }: Pick<BusinessInitiated, 'permissions'>, { number, user, numberConfig, places }: Admitted): Promise<void> {
  await (numberConfig.permission === 'off' ? places.store() : Promise.all([places.store(), permissions.ledger.callBegins(number, user)]));
}

/** Rings the user at Meta; `ring` is told when they ring, once. Null: the call has ended. */
export async function inviteMeta(context: BusinessInitiated, call: Call, { number, user, numberConfig, places, offer, ring }: Ready): Promise<SipDialog | null> {
  const { config } = context.rules();
  const { host } = config.meta;
  let rang = false;
  // META-SIP §4.1: '+' in the Request-URI and From of a telephone number, none in the digest user name; a BSUID stands as it is.
  const stack = context.pickStack();
  const invite = new OutboundInvite(stack, {
    uri: `sip:${user}@${host};transport=tls`,
    from: `<sip:${number}@${domainOf(config, number)}>`,
    to: `<sip:${user}@${host}>`,
    contact: `<sip:${number}@${context.metaContactHost(stack, number)};transport=tls>`,
    headers: {}, sdp: offer, proxy: context.metaProxy() ?? undefined,
    credentials: { username: number.slice(1), password: numberConfig.password },
    onProvisional: () => {
      if (rang || call.over) return;
      rang = call.rings = true;
      call.state = 'ringing';
      call.tell({ type: 'ringing', leg: 'meta' });
      ring?.();
    },
    onAnswered: () => {
      places.connected();
      call.rings = false;
      context.permissions.ledger.callConnected(number, user, Date.now(), true);
    },
  });
  call.facts.metaCallId = invite.callId;
  call.placed(invite.callId, 'meta');
  call.own((termination) => {
    const { protocol, cause, text } = reasonOf(termination);
    invite.cancel(formatReason(protocol, cause, text));
  });
  const timer = after(config.meta.ringTimeout * 1000, () => call.end(ended.ringTimeout(config.meta.ringTimeout)));
  const outcome = await invite.outcome;
  clearTimeout(timer);
  if (outcome.kind === 'answered') {
    // META-SIP §7: the 200 says which ids the user has.
    const { userId, parentUserId } = readMetaHeaders(outcome.dialog.res);
    context.userNames.learn(user, userId, parentUserId);
    return outcome.dialog;
  }
  if (outcome.kind === 'failed') {
    const { message } = outcome.error;
    call.end(ended.metaUnreachable(`Meta could not be reached: ${message}${message.includes('request to myself') ? `: this service listens at ${config.meta.address ?? host}:${config.meta.port} itself (meta.port)` : ''}`));
  } else call.end(refusal(call, { number, user, host }, outcome));
  return null;
}

interface Sent { readonly number: string; readonly user: string; readonly host: string }

function refusal(call: Call, { number, user, host }: Sent, { status, reason, response }: { readonly status: number; readonly reason: string; readonly response: SipResponse | null }): Termination {
  // The SIP server answers for Meta when there is no Meta: no connection, a certificate that is not Meta's, no answer.
  // All that Meta sends but its 407 names its domain (META-SIP §7).
  if (response === null || response.source_address === '' || ((status === 408 || status === 503) && !response.has('X-FB-External-Domain'))) {
    return ended.metaUnreachable(cleanHeaderValue(`${status} ${reason}`));
  }
  const text = refusalText(reason, response);
  const verdict = judgeRefusal(status, text);
  // What our INVITE names the user by: where the digest is made for the first, and Meta compares it with the second.
  const sent = verdict.reason === 'uriMismatch' ? { requestUri: `sip:${user}@${host};transport=tls`, to: `sip:${user}@${host}` } : {};
  if (verdict.advice !== null) call.log.warn({ number, status, metaSaid: text, ...sent }, `Meta refused the call: ${verdict.advice}`);
  return ended.byMeta(verdict.reason, status, text);
}

/** The user has answered: Meta's dialog is the call's, and its media stands. False: the call has ended. */
export async function takeMeta(call: Call, media: MediaCall, dialog: SipDialog): Promise<boolean> {
  attachMetaDialog(call, dialog);
  if (call.over) return false;
  call.tell({ type: 'answered', leg: 'meta' });
  try {
    await media.takeMetaAnswer(dialog.remote.sdp);
  } catch (error) {
    call.end(error instanceof Error && verdictOf(error).theirs ? ended.metaBadSdp(error.message) : ended.byError(error));
  }
  return !call.over;
}
