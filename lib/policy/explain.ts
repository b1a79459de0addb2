import { reachable, type Destination, type Place } from '../config/destinations.js';
import type { RouteDecision, RouteRequest } from '../routing/types.js';
import { explainCaller, judgeCaller } from './caller.js';
import type { CompiledPolicy } from './compile.js';
import { uriOf } from './compile.js';
import { explainTarget, judgeTarget } from './target.js';
import type { CallerFacts, RuleAnswer, TargetFacts, Verdict } from './types.js';

/** One place where policy is asked: every rule and its answer, and the one that decided. */
export interface Explained {
  readonly facts: TargetFacts | CallerFacts;
  readonly answers: readonly RuleAnswer[];
  /** The first answer that denies, else the one that allows; null: no rule spoke, which denies (house rule 2). */
  readonly decided: RuleAnswer | null;
  readonly verdict: Verdict;
  /** Of a target of a route: the key path where it stands, and how a call gets there, in words. */
  readonly place: string | null;
  readonly steps: readonly string[];
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
  /** What the hours of the route say of the time of the call; null: it has none. */
  readonly hours: { readonly name: string; readonly open: boolean; readonly why: string } | null;
  /** What else than a target a call can get to from there: menus, queues, boxes, announcements, refusals. */
  readonly course: readonly { readonly place: string; readonly steps: readonly string[]; readonly text: string }[];
  /** One for each target that the call can get to at that time, in the order in which they are tried; one for a business-initiated call. */
  readonly verdicts: readonly Explained[];
}

/** A call of a WhatsApp user to `number`. `user`: E.164 with '+', or a BSUID. Pure. */
export function explainUserInitiated(policy: CompiledPolicy, selectRoute: (request: RouteRequest) => RouteDecision, request: RouteRequest): CallExplanation {
  const nowhere = { direction: 'user-initiated' as const, allow: false, routes: [], hours: null, course: [], verdicts: [] };
  if (!Object.hasOwn(policy.config.numbers, request.number)) return { ...nowhere, text: `${request.number} is none of the numbers of this configuration: 404` };
  const decision = selectRoute(request);
  const { considered: routes } = decision;
  if (!decision.found) return { ...nowhere, text: `no route takes a call to ${request.number}${request.payload === null ? ' without a payload' : ''}: 404`, routes };
  const { route, hours, destination } = decision;
  const places = reachable(policy.config, policy.config.routes.findIndex(({ name }) => name === route), hours?.open ?? null);
  const verdicts = places.flatMap((place) => explainRing(policy, request.number, route, place));
  const first = verdicts.slice(0, destination.kind === 'ring' ? destination.to.length : 0).filter(({ verdict }) => verdict.allow);
  const elsewhere = verdicts.some(({ verdict }) => verdict.allow) || places.some(({ destination: { kind } }) => kind === 'voicemail' || kind === 'play');
  const allow = destination.kind === 'ring' ? first.length > 0 : destination.kind !== 'refuse' && elsewhere;
  const course = places.flatMap(({ destination: to, path, steps }) => (to.kind === 'ring' ? [] : [{ place: path, steps, text: textOf(to) }]));
  return { direction: 'user-initiated', allow, text: `route ${route} ${hours?.open === false ? 'is closed and ' : ''}${does(destination, first)}`, routes, hours, course, verdicts };
}

/** What becomes of a call that gets there. */
function textOf(to: Exclude<Destination, { kind: 'ring' }>): string {
  switch (to.kind) {
    case 'menu': return `answers and plays menu ${to.name}`;
    case 'queue': return `answers and waits in queue ${to.name}`;
    case 'voicemail': return `answers and takes a message in voicemail ${to.name}`;
    case 'play': return `answers, plays ${to.file} and hangs up`;
    case 'refuse': return `refuses with ${to.status}`;
  }
}

function does(destination: Destination, going: readonly Explained[]): string {
  if (destination.kind !== 'ring') return textOf(destination);
  if (going.length === 0) return 'leads to no target that policy allows';
  const named = going.map(({ verdict }) => (verdict.allow && 'user' in verdict && 'peer' in verdict ? `${String(verdict.user)} at peer ${String(verdict.peer)}` : ''));
  return `rings ${named.join(destination.strategy === 'ring-all' ? ' and ' : ', then ')}, ${destination.ringTimeout} s each`;
}

function explainRing(policy: CompiledPolicy, number: string, route: string, { destination, path, steps }: Place): Explained[] {
  if (destination.kind !== 'ring') return [];
  return destination.to.flatMap(({ peer: name, user }, index) => {
    const peer = policy.peers.get(name);
    if (peer === undefined) return [];
    const origin = index === 0 || destination.strategy === 'ring-all' ? 'route' : 'failover';
    const facts: TargetFacts = { origin, number, route, peer: name, by: null, uri: uriOf(peer, user) };
    return [{ ...explained(facts, explainTarget(policy, facts), judgeTarget(policy, facts)), place: `${path}.to[${index}]`, steps }];
  });
}

/**
 * A call of a peer to a WhatsApp user. `number` is what the peer shows in From; `to` what it dials: a user, or a whole sip: or tel: URI.
 * Says nothing of permission and limits, which count calls. Pure.
 */
export function explainBusinessInitiated(policy: CompiledPolicy, { peer, number, to }: { readonly peer: string; readonly number: string; readonly to: string }): CallExplanation {
  const { meta } = policy.config;
  const facts = callerFactsOf(policy.config, { peer, number, to });
  const verdict = judgeCaller(policy, facts);
  const text = verdict.allow ? `${verdict.number} calls ${verdict.user} at ${meta.host}` : `refused with ${verdict.status}: ${verdict.text}`;
  return { direction: 'business-initiated', allow: verdict.allow, text, routes: [], hours: null, course: [], verdicts: [explained(facts, explainCaller(policy, facts), verdict)] };
}

/** A call of a peer to a WhatsApp user as if its INVITE had come, with `number` in From. */
export function callerFactsOf({ domain, peers }: Pick<CompiledPolicy['config'], 'domain' | 'peers'>, { peer, number, to }: { readonly peer: string; readonly number: string; readonly to: string }): CallerFacts {
  const uri = /^(?:sips?|tel):/i.test(to) ? to : `sip:${to}@${domain}`;
  return { peer, uri, headers: { from: [`<sip:${number}@${peers[peer]?.uri.replace(/^sip:/, '') ?? 'unknown.invalid'}>`] }, body: '' };
}

function explained(facts: TargetFacts | CallerFacts, answers: readonly RuleAnswer[], verdict: Verdict): Explained {
  const decided = answers.find(({ answer }) => answer === 'deny') ?? answers.find(({ answer }) => answer === 'allow') ?? null;
  return { facts, answers, decided, verdict, place: null, steps: [] };
}
