import type { RouteDecision, RouteRequest } from '../routing/types.js';
import { explainCaller, judgeCaller } from './caller.js';
import type { CompiledPolicy } from './compile.js';
import { explainTarget, judgeTarget } from './target.js';
import type { CallerFacts, RuleAnswer, TargetFacts, Verdict } from './types.js';

/** One place where policy is asked: every rule and its answer, and the one that decided. */
export interface Explained {
  readonly facts: TargetFacts | CallerFacts;
  readonly answers: readonly RuleAnswer[];
  /** The first answer that denies, else the one that allows; null: no rule spoke, which denies (house rule 2). */
  readonly decided: RuleAnswer | null;
  readonly verdict: Verdict;
}

/** What would happen to a call, without placing it. */
export interface CallExplanation {
  readonly direction: 'user-initiated' | 'business-initiated';
  /** Whether policy lets the call go anywhere. */
  readonly allow: boolean;
  /** One sentence: where it goes, or what stops it. */
  readonly text: string;
  /** Routes looked at, in order; empty for a business-initiated call. */
  readonly routes: readonly { readonly route: string; readonly matched: boolean; readonly why: string }[];
  /** One for each target of the route, in the order in which they are tried; one for a business-initiated call. */
  readonly verdicts: readonly Explained[];
}

/** A call of a WhatsApp user to `number`. `user`: E.164 with '+', or a BSUID. Pure. */
export function explainUserInitiated(policy: CompiledPolicy, selectRoute: (request: RouteRequest) => RouteDecision, request: RouteRequest): CallExplanation {
  const direction = 'user-initiated';
  if (!Object.hasOwn(policy.config.numbers, request.number)) {
    return { direction, allow: false, text: `${request.number} is none of the numbers of this configuration: 404`, routes: [], verdicts: [] };
  }
  const decision = selectRoute(request);
  const routes = decision.considered;
  if (!decision.found) return { direction, allow: false, text: `no route takes a call to ${request.number}${request.payload === null ? ' without a payload' : ''}: 404`, routes, verdicts: [] };
  const verdicts = decision.targets.map(({ peer, uri }, index) => {
    const origin = index === 0 || decision.strategy === 'ring-all' ? 'route' : 'failover';
    const facts: TargetFacts = { origin, number: request.number, route: decision.route, peer, by: null, uri };
    return explained(facts, explainTarget(policy, facts), judgeTarget(policy, facts));
  });
  const going = decision.targets.filter((_target, index) => verdicts[index]?.verdict.allow === true).map(({ peer, user }) => `${user} at peer ${peer}`);
  const how = decision.strategy === 'ring-all' ? ' and ' : ', then ';
  const text = going.length > 0 ? `route ${decision.route} rings ${going.join(how)}, ${decision.ringTimeout} s each` : `route ${decision.route} leads to no target that policy allows`;
  return { direction, allow: going.length > 0, text, routes, verdicts };
}

/**
 * A call of a peer to a WhatsApp user. `number` is what the peer shows in From; `to` what it dials: a user, or a whole sip: or tel: URI.
 * Says nothing of permission and limits, which count calls. Pure.
 */
export function explainBusinessInitiated(policy: CompiledPolicy, { peer, number, to }: { readonly peer: string; readonly number: string; readonly to: string }): CallExplanation {
  const { domain, meta } = policy.config;
  const uri = /^(?:sips?|tel):/i.test(to) ? to : `sip:${to}@${domain}`;
  const facts: CallerFacts = { peer, uri, headers: { from: [`<sip:${number}@${policy.config.peers[peer]?.uri.replace(/^sip:/, '') ?? 'unknown.invalid'}>`] }, body: '' };
  const verdict = judgeCaller(policy, facts);
  const text = verdict.allow ? `${verdict.number} calls ${verdict.user} at ${meta.host}` : `refused with ${verdict.status}: ${verdict.text}`;
  return { direction: 'business-initiated', allow: verdict.allow, text, routes: [], verdicts: [explained(facts, explainCaller(policy, facts), verdict)] };
}

function explained(facts: TargetFacts | CallerFacts, answers: readonly RuleAnswer[], verdict: Verdict): Explained {
  const decided = answers.find(({ answer }) => answer === 'deny') ?? answers.find(({ answer }) => answer === 'allow') ?? null;
  return { facts, answers, decided, verdict };
}
