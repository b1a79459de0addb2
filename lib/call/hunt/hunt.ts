import type { MediaCall } from '../../media/types.js';
import type { TargetFacts, TargetVerdict } from '../../policy/types.js';
import type { RouteTarget } from '../../routing/types.js';
import type { SipResponse } from '../../sip/drachtio.js';
import type { OutboundInvite } from '../../sip/invite.js';
import { deferred } from '../../util/deferred.js';
import type { Call } from '../call.js';
import type { Hunting } from '../context.js';
import { addressAt } from '../peer/locate.js';
import { mediaProfile } from '../peer/mediaProfile.js';
import { sharePeer } from '../sharedPlaces.js';
import { ended, type Termination } from '../termination.js';
import { best, firstWon, lost, redirectedTo, type Lost } from './attempt.js';
import type { HuntPlan, Won } from './plan.js';
import { completedElsewhere, TargetInvite, type Attempt, type Cancellable, type HuntOfTarget, type Invited, type Ringing } from './target.js';
import { TargetSocket } from '../../voice/agents/target.js';
import { beginTry, type Try } from './tries.js';

/** Redirections followed in one hunt; more are a loop or a mistake. */
const maxRedirects = 3;

/**
 * Offers a call to peers until one answers: in order, or all at once (first 200 wins).
 * Policy judges every target just before it is invited, redirections too (house rule 2).
 */
export class Hunt {
  readonly #call: Call;
  readonly #context: Hunting;
  readonly #media: MediaCall;
  readonly #plan: HuntPlan;
  readonly #pending = new Set<Cancellable>();
  #redirects = 0;
  #stopped: string | null = null;
  #winner: Won | null = null;
  readonly #claim = deferred<{ won: Won }>();
  /** Resolves when nothing further is to be tried. */
  readonly #over = deferred<void>();
  readonly #asSeenByTargets: HuntOfTarget;

  constructor(call: Call, context: Hunting, media: MediaCall, plan: HuntPlan, onRinging: (target: RouteTarget, response: Ringing) => void) {
    this.#call = call;
    this.#context = context;
    this.#media = media;
    this.#plan = plan;
    const state = { stopped: () => this.#stopped, winner: () => this.#winner };
    this.#asSeenByTargets = {
      call, context, plan, pending: this.#pending,
      get stopped() { return state.stopped(); },
      get winner() { return state.winner(); },
      ringing: onRinging,
      invited: (target, rule, callId) => this.#tellCall(target, rule, callId),
      answered: (won) => { this.#winner = won; },
      takeOver: (newcomer) => this.giveTo(newcomer),
      redirected: (by, response) => this.#redirected(by, response),
    };
  }

  /** @throws what `plan.ready` throws, after everything begun is undone */
  async run(): Promise<{ won: Won } | { failed: Termination }> {
    const course = this.#plan.strategy === 'ring-all' ? this.#ringAll() : this.#inOrder();
    return Promise.race([course, this.#claim.promise]);
  }

  /** Somebody picked the call up elsewhere (RFC 3891 §3): they have it, and whatever rings is cancelled. False: too late. */
  giveTo(newcomer: Won): boolean {
    if (this.#winner !== null || this.#stopped !== null) return false;
    this.#winner = newcomer;
    this.#claim.resolve({ won: newcomer });
    this.stop(completedElsewhere);
    return true;
  }

  /** Cancels whatever is ringing; nothing further is tried. `reason` is a Reason header value. May be called twice. */
  stop(reason: string): void {
    this.#stopped ??= reason;
    this.#over.resolve();
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
    if (peer.register) {
      await this.#context.wake(this.#call, target, peer, this.#over.promise);
      if (this.#stopped !== null) return lost(ended.unwanted(), false);
    }
    const located = this.#context.locate(target, peer);
    if (!located.reachable) return untried(target, lost(ended.nobodyThere(located.why), true));
    const rests = lastResort ? null : this.#context.rests.of(target.peer, target.user);
    if (rests !== null) return untried(target, { ...lost(ended.nobodyThere(rests), true), passedOver: true });
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
    const own = this.#context.table.takePeer(target.peer, peer.maxConcurrentCalls);
    if (own === null) return lost(ended.peerFull(target.peer, peer.maxConcurrentCalls), true);
    const { shared } = this.#context;
    const place = shared === null ? own : await sharePeer(shared, own, target.peer, peer.maxConcurrentCalls);
    if ('reason' in place) return lost(place, true);
    if (shared !== null && this.#stopped !== null) {
      place.release();
      return lost(ended.unwanted(), false);
    }
    if (peer.websocket !== null) return new TargetSocket(this.#asSeenByTargets, to, begun, { media: this.#media, place, url: peer.websocket }).run();
    const leg = this.#media.addPeerLeg(mediaProfile(this.#context, peer, { from: addressAt(to.destination), transport: to.destination.transport, account: peer.register ? target.user : null }));
    let keep = false;
    try {
      const attempt = await new TargetInvite(this.#asSeenByTargets, to, begun, leg, place).run();
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
    if (this.#plan.origin === 'refer' || this.#plan.origin === 'replaces') return;
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
