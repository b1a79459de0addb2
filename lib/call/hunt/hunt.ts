import type { PeerConfig, StopOn } from '../../config/types.js';
import { verdictOf } from '../../errors.js';
import type { MediaCall, PeerLeg } from '../../media/types.js';
import type { TargetFacts, TargetVerdict } from '../../policy/types.js';
import type { RouteTarget } from '../../routing/types.js';
import { configuredCredentials } from '../../sip/digestClient.js';
import type { SipDialog, SipHeaders, SipRequest, SipResponse } from '../../sip/drachtio.js';
import { formatReason } from '../../sip/headers.js';
import { hangUp } from '../../sip/inDialog.js';
import { OutboundInvite } from '../../sip/invite.js';
import { foundNobody } from '../../sip/options.js';
import { best, firstWon, lost, maySeekFurther, redirectedTo, type Attempt as AnyAttempt, type Lost } from './attempt.js';
import type { Call } from '../call.js';
import { capabilities } from '../peer/capabilities.js';
import type { Hunting } from '../context.js';
import { EarlyDialogs } from '../peer/earlyDialogs.js';
import { silenceOf } from './lastResort.js';
import { watchMessage } from '../watch/leaks.js';
import { addressAt, ourContact, type Destination } from '../peer/locate.js';
import { mediaProfile } from '../peer/mediaProfile.js';
import { askForTimer, SessionTimer } from '../peer/sessionTimer.js';
import type { Place } from '../table.js';
import { ended, type Termination } from '../termination.js';
import { peerRefusal } from '../peer/refusal.js';
import { tellOf } from '../peer/tellOf.js';
import { beginTry, type Try } from './tries.js';
import { withTimeout } from '../../util/withTimeout.js';

export interface HuntPlan {
  readonly targets: readonly RouteTarget[];
  readonly strategy: 'failover' | 'ring-all';
  /** Answers after which no further target is tried. */
  readonly stopOn: readonly StopOn[];
  /** Seconds each target may ring. */
  readonly ringTimeout: number;
  readonly route: string | null;
  readonly origin: TargetFacts['origin'];
  /** Peer that asked for these targets by REFER; null for a route's. */
  readonly by: string | null;
  /** From as the peers see it (name-addr without tag), and the headers they get. */
  readonly from: string;
  readonly headers: SipHeaders;
  /** Nothing is sent before this resolves: Meta's offer must be usable before anyone rings. */
  readonly ready: Promise<unknown>;
  /** Told of early media that the user is to hear; null: none is heard before the answer. */
  readonly early: EarlyMedia | null;
}

export interface EarlyMedia {
  /** A target that rings has media of its own: an announcement. */
  begun(leg: PeerLeg): void;
  /** The same target will not answer. */
  lost(leg: PeerLeg): void;
}

/** An answered dialog with a peer that nobody has taken in yet. */
export interface Won {
  readonly target: RouteTarget;
  readonly rule: string;
  /** The peer's configuration when it answered. */
  readonly config: PeerConfig;
  readonly dialog: SipDialog;
  readonly leg: PeerLeg;
  /** The peer's place, given back when the dialog ends. */
  readonly place: Place;
  readonly timer: SessionTimer;
  /** The peer's INVITE when our 200 to it carried an offer, so that its ACK brings the answer; else null. */
  readonly offeredIn: SipRequest | null;
}

type Attempt = AnyAttempt<Won>;

/** Whom one INVITE is for. */
interface Invited {
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

/** Redirections followed in one hunt; more are a loop or a mistake. */
const maxRedirects = 3;
const completedElsewhere = formatReason('SIP', 200, 'Call completed elsewhere');

/**
 * Offers a call to peers until one answers: in order, or all at once (first 200 wins).
 * Policy judges every target just before it is invited, redirections too (house rule 2).
 */
export class Hunt {
  readonly #call: Call;
  readonly #context: Hunting;
  readonly #media: MediaCall;
  readonly #plan: HuntPlan;
  readonly #onRinging: (target: RouteTarget, response: SipResponse) => void;
  readonly #pending = new Set<OutboundInvite>();
  #redirects = 0;
  #stopped: string | null = null;
  #winner: Won | null = null;
  #claimed!: (won: Won) => void;
  readonly #claim = new Promise<{ won: Won }>((resolve) => { this.#claimed = (won) => resolve({ won }); });

  constructor(call: Call, context: Hunting, media: MediaCall, plan: HuntPlan, onRinging: (target: RouteTarget, response: SipResponse) => void) {
    this.#call = call;
    this.#context = context;
    this.#media = media;
    this.#plan = plan;
    this.#onRinging = onRinging;
  }

  /** @throws what `plan.ready` throws, after everything begun is undone */
  async run(): Promise<{ won: Won } | { failed: Termination }> {
    const course = this.#plan.strategy === 'ring-all' ? this.#ringAll() : this.#inOrder();
    return Promise.race([course, this.#claim]);
  }

  /** Somebody picked the call up elsewhere (RFC 3891 §3): they have it, and whatever rings is cancelled. False: too late. */
  giveTo(newcomer: Won): boolean {
    if (this.#winner !== null || this.#stopped !== null) return false;
    this.#winner = newcomer;
    this.#claimed(newcomer);
    this.stop(completedElsewhere);
    return true;
  }

  /** Cancels whatever is ringing; nothing further is tried. `reason` is a Reason header value. May be called twice. */
  stop(reason: string): void {
    this.#stopped ??= reason;
    for (const invite of this.#pending) invite.cancel(reason);
  }

  async #inOrder(): Promise<{ won: Won } | { failed: Termination }> {
    const failures: Termination[] = [];
    const queue = this.#plan.targets.map((target, index) => ({ target, origin: index === 0 ? this.#plan.origin : 'failover' as const, lastResort: false }));
    for (const { target, origin, lastResort } of queue) {
      const attempt = await this.#attempt({ ...target, origin, by: this.#plan.by }, lastResort);
      if (attempt.won) return { won: attempt.result };
      failures.unshift(attempt.termination);
      this.#call.log.info({ peer: target.peer, user: target.user, ended: attempt.termination }, 'a target did not take the call');
      if (!attempt.goOn || this.#stopped !== null) break;
      // It gets what nobody else takes.
      if (attempt.passedOver === true) queue.push({ target, origin, lastResort: true });
    }
    // The most telling; of two that tell as much, the later.
    return { failed: best(failures) ?? ended.noTarget() };
  }

  async #ringAll(): Promise<{ won: Won } | { failed: Termination }> {
    const first = await this.#ringTogether(this.#plan.targets, false);
    const passedOver = first.filter(({ lost: { passedOver } }) => passedOver === true).map(({ target }) => target);
    const tryThem = passedOver.length > 0 && this.#winner === null && this.#stopped === null && first.every(({ lost: { goOn } }) => goOn);
    const failures = [...first, ...(tryThem ? await this.#ringTogether(passedOver, true) : [])];
    if (this.#winner !== null) return { won: this.#winner };
    return { failed: best(failures.map(({ lost: { termination } }) => termination)) ?? ended.noTarget() };
  }

  /** Those that did not take the call; when one does, only those that were done by then. */
  async #ringTogether(targets: readonly RouteTarget[], lastResort: boolean): Promise<{ target: RouteTarget; lost: Lost }[]> {
    const failures: { target: RouteTarget; lost: Lost }[] = [];
    const attempts = targets.map(async (target) => {
      const attempt = await this.#attempt({ ...target, origin: this.#plan.origin, by: this.#plan.by }, lastResort);
      if (!attempt.won) failures.push({ target, lost: attempt });
      else this.stop(completedElsewhere);
    });
    // Not waiting for the losers: their CANCEL, or the BYE to a late 200, goes on by itself.
    await Promise.race([Promise.all(attempts), this.#firstWon(attempts)]);
    return failures;
  }

  async #firstWon(attempts: readonly Promise<void>[]): Promise<void> {
    return new Promise((resolve) => {
      for (const attempt of attempts) attempt.then(() => { if (this.#winner !== null) resolve(); }, () => undefined);
    });
  }

  /** `lastResort`: nobody else is left, so that a peer that is out is tried too. */
  async #attempt(asked: Pick<TargetFacts, 'origin' | 'peer' | 'by' | 'uri'> & { readonly user?: string }, lastResort: boolean): Promise<Attempt> {
    const verdict = this.#judge(asked);
    const untried = (who: { readonly peer: string | null; readonly user: string | null }, why: Lost): Attempt => {
      beginTry(this.#call.facts.tries, who).ended(why);
      return why;
    };
    if (!verdict.allow) {
      return untried({ peer: asked.peer, user: asked.user ?? null }, lost(ended.byPolicy(verdict), true));
    }
    // What policy allowed is sent in policy's spelling, so that what was judged and what is dialled cannot differ.
    const target: RouteTarget = { peer: verdict.peer, user: verdict.user, uri: verdict.uri };
    const peer = this.#context.rules().config.peers[target.peer];
    if (peer === undefined) return lost(ended.fault(`peer ${target.peer} is not configured`), true);
    const located = this.#context.locate(target, peer);
    if (!located.reachable) return untried(target, lost(ended.nobodyThere(located.why), true));
    if (located.out !== null && !lastResort) return untried(target, { ...lost(ended.nobodyThere(located.out), true), passedOver: true });
    const group = new Set<OutboundInvite>();
    this.#call.standing.set(target, this.#facts(asked));
    const attempt = await firstWon(located.destinations.map((destination) => this.#offer({ target, peer, rule: verdict.rule, destination, group, out: located.out })));
    // What it was redirected to stands by itself.
    if (!attempt.won || attempt.result.target !== target) this.#call.standing.delete(target);
    return attempt;
  }

  /** One INVITE with its media leg and its place. */
  async #offer(to: Invited): Promise<Attempt> {
    const { target } = to;
    const begun = beginTry(this.#call.facts.tries, target);
    const attempt = await this.#placed(to, begun);
    begun.ended(attempt);
    return attempt;
  }

  async #placed(to: Invited, begun: Try): Promise<Attempt> {
    const { target, peer } = to;
    const place = this.#context.table.takePeer(target.peer, peer.maxConcurrentCalls);
    if (place === null) return lost(ended.peerFull(target.peer, peer.maxConcurrentCalls), true);
    const leg = this.#media.addPeerLeg(mediaProfile(this.#context, peer, addressAt(to.destination)));
    let keep = false;
    try {
      const attempt = await this.#invite(to, begun, leg, place);
      // A redirection may have been won by a leg of its own.
      keep = attempt.won && attempt.result.leg === leg;
      return attempt;
    } finally {
      if (!keep) {
        place.release();
        await leg.close().catch(() => undefined);
      }
    }
  }

  async #invite({ target, peer, rule, destination, group, out }: Invited, begun: Try, leg: PeerLeg, place: Place): Promise<Attempt> {
    const [offer] = await Promise.all([leg.offer(), this.#plan.ready]);
    if (this.#stopped !== null) return lost(ended.unwanted(), false);
    const early = new EarlyDialogs(this.#call, this.#context, target.peer, leg, this.#plan.early, (newcomer) => this.giveTo(newcomer));
    const invite: OutboundInvite = new OutboundInvite(this.#context.pickStack(), {
      uri: destination.uri, from: this.#plan.from, to: destination.to, ...(destination.proxy === null ? {} : { proxy: destination.proxy }),
      contact: ourContact(encodeURIComponent(this.#call.facts.number ?? 'wa').replace('%2B', '+'), destination.transport),
      headers: {
        ...this.#plan.headers, ...destination.headers, ...capabilities, ...askForTimer(peer.sessionExpires, configuredCredentials(peer.auth) !== null),
      },
      sdp: offer,
      credentials: configuredCredentials(peer.auth),
      onProvisional: (response) => {
        if (watchMessage(this.#context, this.#call, target.peer, response, response.status)) return;
        early.provisional(invite.callId, invite.tag, response);
        begun.rang();
        this.#onRinging(target, response);
      },
      onUpdate: (request, response) => {
        watchMessage(this.#context, this.#call, target.peer, request, null);
        this.#call.track(early.update(request, response).catch((error: Error) => this.#call.log.error({ err: error }, 'an early UPDATE of a peer could not be answered')));
      },
    });
    this.#pending.add(invite);
    group.add(invite);
    this.#call.placed(invite.callId);
    begun.placed(invite.callId);
    this.#tellCall(target, rule, invite.callId);
    const silence = out === null ? null : silenceOf(this.#context.askAgain(target.peer), () => begun.hasRung);
    const settled = silence === null ? invite.outcome : Promise.race([invite.outcome, silence.lasts]);
    const outcome = await withTimeout(settled, this.#plan.ringTimeout * 1000, () => 'rangOut' as const);
    silence?.close();
    this.#pending.delete(invite);
    // Where somebody has the call already, the end of another's ringing changes nothing that is heard.
    if (outcome === 'rangOut' || outcome === 'silent' || outcome.kind !== 'answered') early.close(this.#winner !== null);

    if (outcome === 'rangOut') {
      // Not waiting for the peer's word on the CANCEL: one that has gone gives none for 32 s. A 200 that still comes is ended.
      invite.cancel(formatReason('SIP', 408, 'No answer'));
      return lost(ended.noAnswer(this.#plan.ringTimeout), true);
    }
    if (outcome === 'silent') {
      invite.cancel(formatReason('SIP', 408, 'No answer'));
      return lost(ended.nobodyThere(`${out}; it did not answer this call either`), true);
    }
    // RFC 3261 §9.1: the 487 to our CANCEL is no word of the peer's.
    if (this.#stopped !== null && outcome.kind === 'refused' && outcome.status === 487) return lost(ended.unwanted(), false);
    if (outcome.kind === 'failed') return lost(ended.unreachable(outcome.error.message), true);
    tellOf(this.#context, target.peer, destination, outcome);
    if (out !== null && outcome.kind === 'refused' && outcome.response !== null && foundNobody(outcome.response, 'INVITE')) {
      return lost(ended.nobodyThere(`${out}; this call too: ${outcome.status} ${outcome.reason}`), true);
    }
    if (outcome.kind === 'answered') {
      watchMessage(this.#context, this.#call, target.peer, outcome.dialog.res, outcome.dialog.res.status);
      for (const other of group) if (other !== invite) other.cancel(completedElsewhere);
      const sdp = await early.answerOf(outcome.dialog.sip.remoteTag, outcome.sdp);
      // An answer that gave a leak away, or that crossed our CANCEL, is only ended.
      const refused = sdp === null || this.#stopped !== null ? null : await this.#takeAnswer(leg, outcome.dialog, sdp);
      early.close(refused === null || this.#winner !== null);
      if (refused !== null) return refused;
      if (this.#winner !== null || this.#stopped !== null) {
        this.#end(outcome.dialog, this.#stopped ?? completedElsewhere);
        return lost(ended.unwanted('answered too late'), false);
      }
      const timer = new SessionTimer();
      timer.agreed(outcome.dialog.res);
      this.#winner = { target, rule, config: peer, dialog: outcome.dialog, leg, place, timer, offeredIn: null };
      return { won: true, result: this.#winner };
    }
    if (outcome.response !== null && watchMessage(this.#context, this.#call, target.peer, outcome.response, outcome.status)) return lost(peerRefusal(outcome.status, outcome.reason, outcome.response), false);
    if (outcome.status >= 300 && outcome.status < 400) {
      begun.redirected(outcome.status, outcome.reason);
      // It does not ring any more; where it sent us may be a place of its own.
      place.release();
      return this.#redirected(target.peer, outcome.response);
    }
    if (outcome.status === 401 || outcome.status === 407 || (outcome.status === 403 && outcome.authenticated)) {
      this.#call.log.error({ peer: target.peer }, `peer ${target.peer} refused our credentials: set or correct peers.${target.peer}.auth`);
    }
    const refusal = peerRefusal(outcome.status, outcome.reason, outcome.response);
    // RFC 3261 §16.7 step 5: a 6xx is the user's answer on all devices, where it is an answer of theirs.
    const everywhere = outcome.status >= 600 && (refusal.reason === 'declined' || refusal.reason === 'busy');
    if (everywhere) for (const other of group) other.cancel(formatReason('SIP', outcome.status, outcome.reason));
    return lost(refusal, maySeekFurther(refusal, this.#plan.stopOn));
  }

  async #takeAnswer(leg: PeerLeg, dialog: SipDialog, sdp: string): Promise<Attempt | null> {
    try {
      await leg.takeAnswer(sdp);
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
    this.#call.track(hangUp(dialog, { Reason: reason }).then(() => undefined, () => undefined));
  }

  /** RFC 3261 §8.1.3.4: each Contact of a redirection is a new target, judged like any other. */
  async #redirected(by: string, response: SipResponse | null): Promise<Attempt> {
    let last: Attempt = lost(ended.badRedirect('redirected to nowhere that can be read'), true);
    for (const uri of redirectedTo(response?.get('Contact') ?? '')) {
      if (this.#stopped !== null) break;
      if (++this.#redirects > maxRedirects) return lost(ended.badRedirect(`redirected more than ${maxRedirects} times`), true);
      last = await this.#attempt({ origin: 'redirect', peer: null, by, uri }, true);
      if (last.won || !last.goOn) break;
    }
    return last;
  }

  /** A call that fails has been somewhere too. Its record names the target that it went to last; that of a transfer names who has the call. */
  #tellCall({ peer, user }: RouteTarget, rule: string, callId: string): void {
    if (this.#plan.origin !== 'route') return;
    Object.assign(this.#call.facts, { peer, target: user, rule, peerCallId: callId });
    this.#call.news();
  }

  #judge(asked: Pick<TargetFacts, 'origin' | 'peer' | 'by' | 'uri'>): TargetVerdict {
    const facts = this.#facts(asked);
    const verdict = this.#context.rules().judgeTarget(facts);
    this.#context.onVerdict(this.#call, facts, verdict);
    return verdict;
  }

  #facts({ origin, peer, by, uri }: Pick<TargetFacts, 'origin' | 'peer' | 'by' | 'uri'>): TargetFacts {
    return { origin, peer, by, uri, number: this.#call.facts.number ?? '', route: this.#plan.route };
  }
}
