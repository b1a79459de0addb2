import type { MediaCall } from '../../media/types.js';
import type { TargetFacts } from '../../policy/types.js';
import { withUser } from '../../routing/index.js';
import { configuredCredentials } from '../../sip/digestClient.js';
import type { SipRequest, SipResponse, SipStack } from '../../sip/drachtio.js';
import { headerFacts, wholeBody } from '../../sip/drachtio.js';
import { formatReason } from '../../sip/headers.js';
import { hangUp } from '../../sip/inDialog.js';
import { parseNameAddr } from '../../sip/uri.js';
import { answerInvite, type Arrived } from '../answer.js';
import { capabilities, demandsTooMuch, wentTooFar } from '../peer/capabilities.js';
import type { PickingUp } from '../context.js';
import type { KnownDialog } from './dialogIndex.js';
import type { Won } from '../hunt/plan.js';
import { mediaProfile } from '../peer/mediaProfile.js';
import type { Caller } from '../peer/identify.js';
import { ourContact } from '../peer/locate.js';
import { warningOfError } from '../refuse.js';
import { parseReplaces, type Replaces } from './replaces.js';
import { SessionTimer } from '../peer/sessionTimer.js';
import { ended } from '../termination.js';
import { sharePeer } from '../sharedPlaces.js';
import type { Place } from '../table.js';

type Refusal = { readonly status: number; readonly why: string; readonly reason?: string };

/**
 * An INVITE with Replaces from a peer (RFC 3891): another of its users takes a WhatsApp user over, from a phone that rings (directed
 * pick-up) or from one that talks (the end of an attended transfer, call retrieve). Policy judges who picks up (house rule 2).
 */
export function takePickup(context: PickingUp, caller: Caller, req: SipRequest, res: SipResponse, stack: SipStack): void {
  const { name: peerName } = caller;
  const replaces = parseReplaces(req.get('Replaces') ?? '');
  // RFC 3891 §3: a malformed or second Replaces is a bad request; no such dialog is 481.
  const known = replaces === null ? null : context.dialogs.find(replaces);
  const refuse = ({ status, why, reason }: Refusal): void => {
    context.log.warn({ peer: peerName, status, why, reason }, 'a pick-up was refused');
    res.send(status, { headers: { Reason: formatReason('SIP', status, why), ...(status === 503 ? { 'Retry-After': '5' } : {}) } });
  };
  const objection = demandsTooMuch(req) ?? wentTooFar(req);
  if (objection !== null) {
    context.log.warn({ peer: peerName, status: objection.status, why: objection.text }, 'a pick-up was refused');
    return res.send(objection.status, { headers: objection.headers });
  }
  if (replaces === null) return refuse({ status: 400, why: 'Replaces cannot be read' });
  const media = known?.call.media ?? null;
  if (known === null || known.call.over || media === null) return refuse({ status: 481, why: 'no such dialog' });
  if (!known.call.mayBeSentOn()) return refuse({ status: 403, why: 'too many transfers and pick-ups in this call' });
  // RFC 3891 §3: 486 where only an early dialog is meant and it is answered already.
  if (replaces.earlyOnly && !known.early) return refuse({ status: 486, why: 'answered already' });
  const timer = new SessionTimer();
  const asked = timer.take(req);
  if (asked.tooSmall) return res.send(422, { headers: asked.headers });
  const admitted = admit(context, known, caller, req);
  if ('why' in admitted) return refuse(admitted);
  let cancelled = false;
  req.on('cancel', () => { cancelled = true; });
  known.call.track(answer(context, {
    known, media, replaces, caller, admitted, req, res, stack, timer, headers: { ...asked.headers, ...capabilities }, cancelled: () => cancelled,
  }));
}

interface Admitted { readonly user: string; readonly uri: string; readonly rule: string; readonly place: Place; readonly facts: TargetFacts }

function admit(context: PickingUp, known: KnownDialog, { name: peerName, config: peer, account }: Caller, req: SipRequest): Admitted | Refusal {
  const { judgeTarget, judgeNewcomer } = context.rules();
  const { call } = known;
  const user = account ?? parseNameAddr(req.get('From') ?? '')?.uri.user ?? '';
  const facts: TargetFacts = {
    origin: 'replaces', number: call.facts.number ?? '', route: call.facts.route, peer: peerName, by: known.peer,
    uri: user === '' ? peer.uri : withUser(peer.uri, user),
  };
  const asNewcomer = { peer: peerName, uri: req.uri, headers: headerFacts(req), body: wholeBody(req) };
  const newcomer = judgeNewcomer(asNewcomer);
  const verdict = newcomer ?? judgeTarget(facts);
  context.onVerdict(call, newcomer === null ? facts : asNewcomer, verdict);
  if (!verdict.allow) {
    call.sentOn({ kind: 'pickup', by: peerName, to: null, status: verdict.status });
    return { status: verdict.status, why: verdict.text };
  }
  const place = context.table.takePeer(peerName, peer.maxConcurrentCalls);
  if (place === null) {
    const full = ended.peerFull(peerName, peer.maxConcurrentCalls);
    call.sentOn({ kind: 'pickup', by: peerName, to: null, status: full.status });
    return { status: full.status, why: full.text, reason: full.reason };
  }
  return { user: verdict.user, uri: verdict.uri, rule: verdict.rule, place, facts };
}

/** A pick-up that may be carried out. */
interface Pickup extends Arrived {
  readonly known: KnownDialog;
  readonly media: MediaCall;
  readonly replaces: Replaces;
  readonly caller: Caller;
  readonly admitted: Admitted;
  readonly timer: SessionTimer;
  /** Of the 200. */
  readonly headers: Record<string, string>;
  readonly cancelled: () => boolean;
}

async function answer(context: PickingUp, { known, media, replaces, caller, admitted, req, res, stack, timer, headers, cancelled }: Pickup): Promise<void> {
  const { call } = known;
  const { name: peerName, config } = caller;
  const { user, uri, rule, facts } = admitted;
  const place = context.shared === null ? admitted.place : await sharePeer(context.shared, admitted.place, peerName, config.maxConcurrentCalls);
  if ('reason' in place) {
    call.sentOn({ kind: 'pickup', by: peerName, to: null, status: place.status });
    if (!res.finalResponseSent) res.send(place.status, { headers: { Reason: formatReason('SIP', place.status, place.text), 'Retry-After': '5' } });
    return;
  }
  const leg = media.addPeerLeg(mediaProfile(context, config, { from: req.source_address, transport: req.protocol, account: caller.account }));
  const giveUp = async (): Promise<void> => {
    place.release();
    await leg.close().catch(() => undefined);
  };
  try {
    const body = req.body === '' ? await leg.offer() : await leg.answer(req.body);
    if (cancelled() || call.over) {
      if (!res.finalResponseSent && !cancelled()) res.send(481);
      return await giveUp();
    }
    const dialog = await answerInvite(stack, req, res, { sdp: body, contact: ourContact('wa-b2bua', req.protocol), headers, credentials: configuredCredentials(config.auth) });
    const won: Won = { target: { peer: peerName, user, uri }, rule, config, dialog, leg, place, timer, offeredIn: req.body === '' ? req : null };
    // Who rang when the INVITE came may have answered meanwhile.
    const now = context.dialogs.find(replaces) ?? known;
    if ((now.early || !replaces.earlyOnly) && now.giveTo(won)) {
      call.standing.set(won.target, facts);
      call.sentOn({ kind: 'pickup', by: peerName, to: `${user}@${peerName}`, status: 200 });
      call.log.info({ peer: peerName, user, early: now.early }, 'picked up');
      return;
    }
    await Promise.allSettled([hangUp(dialog, { Reason: formatReason('SIP', 481, 'The call was gone') }), giveUp()]);
  } catch (error) {
    const { status, text } = ended.byError(error);
    call.log.warn({ peer: peerName, why: text }, 'a pick-up failed');
    if (!res.finalResponseSent) res.send(status, { headers: warningOfError(error) });
    await giveUp();
  }
}
