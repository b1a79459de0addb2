import type { PeerConfig } from '../../config/types.js';
import { verdictOf } from '../../errors.js';
import type { PeerLeg } from '../../media/types.js';
import type { RouteTarget } from '../../routing/types.js';
import { configuredCredentials } from '../../sip/digestClient.js';
import type { SipDialog, SipResponse } from '../../sip/drachtio.js';
import { formatReason } from '../../sip/headers.js';
import { hangUp } from '../../sip/inDialog.js';
import { OutboundInvite, type InviteOutcome } from '../../sip/invite.js';
import { foundNobody } from '../../sip/options.js';
import { withTimeout } from '../../util/withTimeout.js';
import type { Call } from '../call.js';
import type { Hunting } from '../context.js';
import { capabilities } from '../peer/capabilities.js';
import { EarlyDialogs } from '../peer/earlyDialogs.js';
import { ourContact, type Destination } from '../peer/locate.js';
import { peerRefusal } from '../peer/refusal.js';
import { askForTimer, SessionTimer } from '../peer/sessionTimer.js';
import { tellOf } from '../peer/tellOf.js';
import type { Place } from '../table.js';
import { ended } from '../termination.js';
import { watchMessage } from '../watch/leaks.js';
import { faceFor } from './face.js';
import { lost, maySeekFurther, type Attempt as AnyAttempt } from './attempt.js';
import { silenceOf } from './lastResort.js';
import type { HuntPlan, Won } from './plan.js';
import type { Try } from './tries.js';

export type Attempt = AnyAttempt<Won>;

/** Whom one INVITE is for. */
export interface Invited {
  readonly target: RouteTarget;
  readonly peer: PeerConfig;
  /** The policy rule that allows it. */
  readonly rule: string;
  readonly destination: Destination;
  /** INVITEs for the same target: a user with several devices. */
  readonly group: Set<OutboundInvite>;
  /** Why the peer is believed not to be there; null: it is believed to be. */
  readonly out: string | null;
}

/** What is under way and may not be wanted any more; `reason` is a Reason header value. */
export interface Cancellable {
  cancel(reason: string): void;
}

/** What a target says while it rings. */
export type Ringing = Pick<SipResponse, 'status' | 'reason'>;

/** The hunt that an INVITE belongs to. */
export interface HuntOfTarget {
  readonly call: Call;
  readonly context: Hunting;
  readonly plan: HuntPlan;
  /** INVITEs that have no final response, and sockets that are being opened. */
  readonly pending: Set<Cancellable>;
  /** Why nothing further is wanted, a Reason header value; null while it is. */
  readonly stopped: string | null;
  /** Who has the call; null while nobody has. */
  readonly winner: Won | null;
  ringing(target: RouteTarget, response: Ringing): void;
  /** An INVITE has gone out. */
  invited(target: RouteTarget, rule: string, callId: string): void;
  answered(won: Won): void;
  /** Somebody picked the call up while it rang. */
  takeOver(newcomer: Won): boolean;
  /** The targets that a 3xx names. */
  redirected(by: string, response: SipResponse | null): Promise<Attempt>;
}

type Answered = Extract<InviteOutcome, { kind: 'answered' }>;
type Refused = Extract<InviteOutcome, { kind: 'refused' }>;

export const completedElsewhere = formatReason('SIP', 200, 'Call completed elsewhere');
const noAnswer = formatReason('SIP', 408, 'No answer');

/** One INVITE to one target, with its media leg and its place: sent, waited for, and what its end means for the hunt. */
export class TargetInvite {
  readonly #hunt: HuntOfTarget;
  readonly #to: Invited;
  readonly #begun: Try;
  readonly #leg: PeerLeg;
  readonly #place: Place;
  readonly #early: EarlyDialogs;

  constructor(hunt: HuntOfTarget, to: Invited, begun: Try, leg: PeerLeg, place: Place) {
    this.#hunt = hunt;
    this.#to = to;
    this.#begun = begun;
    this.#leg = leg;
    this.#place = place;
    this.#early = new EarlyDialogs(hunt.call, hunt.context, to.target.peer, { leg, media: hunt.plan.early, giveTo: (newcomer) => hunt.takeOver(newcomer) });
  }

  /** @throws what `plan.ready` throws, or the media engine */
  async run(): Promise<Attempt> {
    const hunt = this.#hunt;
    const { target, out } = this.#to;
    const [offer] = await Promise.all([this.#leg.offer(), hunt.plan.ready]);
    if (hunt.stopped !== null) return lost(ended.unwanted(), false);
    const invite = this.#send(offer);
    const outcome = await this.#outcome(invite);
    // Where somebody has the call already, the end of another's ringing changes nothing that is heard.
    if (outcome === 'rangOut' || outcome === 'silent' || outcome.kind !== 'answered') this.#early.close(hunt.winner !== null);
    if (outcome === 'rangOut' || outcome === 'silent') {
      // Not waiting for the peer's word on the CANCEL: one that has gone gives none for 32 s. A 200 that still comes is ended.
      invite.cancel(noAnswer);
      return lost(outcome === 'rangOut' ? ended.noAnswer(hunt.plan.ringTimeout) : ended.nobodyThere(`${out}; it did not answer this call either`), true);
    }
    // RFC 3261 §9.1: the 487 to our CANCEL is no word of the peer's.
    if (hunt.stopped !== null && outcome.kind === 'refused' && outcome.status === 487) return lost(ended.unwanted(), false);
    if (outcome.kind === 'failed') return lost(ended.unreachable(outcome.error.message), true);
    tellOf(hunt.context, target.peer, this.#to.destination, outcome);
    return outcome.kind === 'answered' ? this.#answered(invite, outcome) : this.#refused(outcome);
  }

  #send(offer: string): OutboundInvite {
    const { call, context, plan, pending } = this.#hunt;
    const { target, peer, rule, destination, group } = this.#to;
    const credentials = configuredCredentials(peer.auth);
    const { from, headers } = faceFor(plan, target, { call, config: context.rules().config, aliases: context.aliases });
    const invite: OutboundInvite = new OutboundInvite(context.pickStack(), {
      uri: destination.uri, from, to: destination.to, ...(destination.proxy === null ? {} : { proxy: destination.proxy }),
      contact: ourContact(encodeURIComponent(call.facts.number ?? 'wa').replace('%2B', '+'), destination.transport),
      headers: { ...headers, ...destination.headers, ...capabilities, ...askForTimer(peer.sessionExpires, credentials !== null) },
      sdp: offer,
      credentials,
      onProvisional: (response) => {
        if (watchMessage(context, call, target.peer, response, { status: response.status })) return;
        this.#early.provisional(invite.callId, invite.tag, response);
        if (!this.#begun.hasRung) call.tell({ type: 'ringing', leg: 'peer', peer: target.peer, peerUser: target.user });
        this.#begun.rang();
        this.#hunt.ringing(target, response);
      },
      onUpdate: (request, response) => {
        watchMessage(context, call, target.peer, request, { status: null });
        call.track(this.#early.update(request, response).catch((error: Error) => call.log.error({ err: error }, 'an early UPDATE of a peer could not be answered')));
      },
    });
    pending.add(invite);
    group.add(invite);
    call.placed(invite.callId, 'peer');
    this.#begun.placed(invite.callId);
    this.#hunt.invited(target, rule, invite.callId);
    return invite;
  }

  /** Its end: at the latest when it has rung long enough, earlier where a peer that is out shows no sign of life. */
  async #outcome(invite: OutboundInvite): Promise<InviteOutcome | 'rangOut' | 'silent'> {
    const { context, plan, pending } = this.#hunt;
    const { target, out } = this.#to;
    const silence = out === null ? null : silenceOf(context.askAgain(target.peer), () => this.#begun.hasRung);
    const settled = silence === null ? invite.outcome : Promise.race([invite.outcome, silence.lasts]);
    const outcome = await withTimeout(settled, plan.ringTimeout * 1000, () => 'rangOut' as const);
    silence?.close();
    pending.delete(invite);
    return outcome;
  }

  async #answered(invite: OutboundInvite, { dialog, sdp: inAnswer }: Answered): Promise<Attempt> {
    const hunt = this.#hunt;
    const { target, rule, peer, group } = this.#to;
    watchMessage(hunt.context, hunt.call, target.peer, dialog.res, { status: dialog.res.status });
    for (const other of group) if (other !== invite) other.cancel(completedElsewhere);
    const sdp = await this.#early.answerOf(dialog.sip.remoteTag, inAnswer);
    // An answer that gave a leak away, or that crossed our CANCEL, is only ended.
    const refused = sdp === null || hunt.stopped !== null ? null : await this.#takeAnswer(dialog, sdp);
    this.#early.close(refused === null || hunt.winner !== null);
    if (refused !== null) return refused;
    if (hunt.winner !== null || hunt.stopped !== null) {
      this.#end(dialog, hunt.stopped ?? completedElsewhere);
      return lost(ended.unwanted('answered too late'), false);
    }
    const timer = new SessionTimer();
    timer.agreed(dialog.res);
    const result: Won = { target, rule, config: peer, dialog, leg: this.#leg, place: this.#place, timer, offeredIn: null };
    hunt.context.rests.back(target.peer, target.user);
    hunt.answered(result);
    return { won: true, result };
  }

  async #takeAnswer(dialog: SipDialog, sdp: string): Promise<Attempt | null> {
    try {
      await this.#leg.takeAnswer(sdp);
      return null;
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      const { theirs, mayFailOver } = verdictOf(error);
      this.#end(dialog, formatReason('SIP', theirs ? 488 : 500, text));
      return lost(theirs ? ended.peerBadSdp(text) : ended.mediaUnavailable(text), mayFailOver);
    }
  }

  /** Ends a dialog that nobody takes in. The call waits for no answer to the BYE: the next target, or the refusal, comes at once. */
  #end(dialog: SipDialog, reason: string): void {
    this.#hunt.call.track(hangUp(dialog, { Reason: reason }).then(() => undefined, () => undefined));
  }

  async #refused({ status, reason, response, authenticated }: Refused): Promise<Attempt> {
    const { call, context, plan } = this.#hunt;
    const { target, group, out } = this.#to;
    if (out !== null && response !== null && foundNobody(response, 'INVITE')) return lost(ended.nobodyThere(`${out}; this call too: ${status} ${reason}`), true);
    if (response !== null && watchMessage(context, call, target.peer, response, { status })) return lost(peerRefusal(status, reason, response), false);
    if (status >= 300 && status < 400) {
      this.#begun.redirected(status, reason);
      // It does not ring any more; where it sent us may be a place of its own.
      this.#place.release();
      return this.#hunt.redirected(target.peer, response);
    }
    if (status === 401 || status === 407 || (status === 403 && authenticated)) {
      call.log.error({ peer: target.peer }, `peer ${target.peer} refused our credentials: set or correct peers.${target.peer}.auth`);
    }
    context.rests.heard(target.peer, target.user, status, response);
    const refusal = peerRefusal(status, reason, response);
    // RFC 3261 §16.7 step 5: a 6xx is the user's answer on all devices, where it is an answer of theirs.
    const everywhere = status >= 600 && (refusal.reason === 'declined' || refusal.reason === 'busy');
    if (everywhere) for (const other of group) other.cancel(formatReason('SIP', status, reason));
    return lost(refusal, maySeekFurther(refusal, plan.stopOn));
  }
}
