import type { SipUri } from '../sip/uri.js';
import { parseUri } from '../sip/uri.js';
import type { CompiledPeer, CompiledPolicy } from './compile.js';
import { countryOf, isBsuid, readDialled, sanctionedPlace } from './numbers.js';
import type { Dialled } from './numbers.js';
import { hasIsup, mentions, originParam, pstnMention } from './origin.js';
import { readsAsNumber } from './pattern/telephone.js';
import { canonicalUser } from './pattern/users.js';
import { splitUser } from './reading.js';
import type { CallerFacts, CallerVerdict, Denial, PolicyCode, RuleAnswer } from './types.js';

/** A business-initiated call with everything the rules look at worked out once. */
interface Asked {
  readonly policy: CompiledPolicy;
  readonly facts: CallerFacts;
  readonly peer: CompiledPeer | null;
  readonly uri: SipUri | null;
  readonly callee: Dialled;
  /** Business number, or the number that is none of the peer's. */
  readonly caller: { readonly number: string } | { readonly foreign: string } | null;
  /** Numbers that may be named without meaning the PSTN: the peer's own and the one it calls. */
  readonly known: (user: string) => boolean;
}

interface Rule {
  readonly code: PolicyCode;
  readonly status: number;
  readonly objects: (asked: Asked) => string | null;
}

/** Headers in which a call says where it has been or who is behind it. */
const diversions = ['diversion', 'history-info'];
const identities = ['p-asserted-identity', 'remote-party-id', 'p-preferred-identity'];

const rules: readonly Rule[] = [
  { code: 'caller.peer', status: 403, objects: ({ peer, facts }) => (peer === null ? `peer ${facts.peer} is not configured` : null) },
  { code: 'caller.pstn', status: 403, objects: ({ peer }) => (peer === null || peer.pstn === 'none' ? null : `nobody vouched for peer ${peer.name}: its pstn is not none but ${peer.pstn}`) },
  { code: 'caller.noNumber', status: 403, objects: ({ caller, peer }) => (caller === null ? `peer ${peer?.name} may use no business number (mayCall)` : null) },
  { code: 'caller.number', status: 403, objects: ({ caller, peer }) => (caller !== null && 'foreign' in caller ? `${caller.foreign} is not in mayCall of peer ${peer?.name}` : null) },
  { code: 'origin.isup', status: 403, objects: ({ facts }) => (hasIsup(facts.headers, facts.body) ? 'the INVITE carries ISUP: it came from the telephone network' : null) },
  { code: 'origin.params', status: 403, objects: originParams },
  ...diversions.map((header): Rule => ({ code: `origin.${header === 'diversion' ? 'diversion' : 'historyInfo'}`, status: 403, objects: (asked) => firstMention(asked, [header]) })),
  { code: 'origin.identity', status: 403, objects: (asked) => firstMention(asked, identities) },
  { code: 'origin.from', status: 403, objects: (asked) => firstMention(asked, ['from']) },
  // RFC 3261 §21.4.22: the address is incomplete, or no address at all.
  { code: 'callee.impossible', status: 484, objects: ({ callee }) => ('problem' in callee ? callee.problem : null) },
  // META-SIP.md §2.1: no business-initiated calling for business numbers of these countries.
  { code: 'caller.country', status: 403, objects: ({ policy, caller }) => {
    const country = caller !== null && 'number' in caller ? countryOf(caller.number) : null;
    return country !== null && policy.config.policy.businessInitiatedBlocked.includes(country) ? `Meta offers no business-initiated calls for business numbers of ${country}` : null;
  } },
  { code: 'callee.sanctioned', status: 403, objects: ({ callee }) => {
    const place = 'user' in callee ? sanctionedPlace(callee.user) : null;
    return place === null ? null : `users in ${place} may not be called`;
  } },
  { code: 'callee.whatsapp', status: 403, objects: ({ policy, callee }) => ('user' in callee && Object.hasOwn(policy.config.numbers, callee.user) ? `${callee.user} is a business number of ours: no WhatsApp to WhatsApp calls` : null) },
];

const allowCode: PolicyCode = 'caller.mayCall';

/** Who may call whom on WhatsApp. Pure; the limits that need counters come after it. */
export function judgeCaller(policy: CompiledPolicy, facts: CallerFacts): CallerVerdict {
  const asked = ask(policy, facts);
  for (const { code, status, objects } of rules) {
    const text = objects(asked);
    if (text !== null) return deny(code, status, text);
  }
  return allowed(asked);
}

/** Every rule and its answer, in the order they are asked; the first that denies decides. */
export function explainCaller(policy: CompiledPolicy, facts: CallerFacts): readonly RuleAnswer[] {
  const asked = ask(policy, facts);
  const answers = rules.map(({ code, objects }): RuleAnswer => {
    const text = objects(asked);
    return { code, rule: code, answer: text === null ? 'pass' : 'deny', text: text ?? '' };
  });
  const verdict = allowed(asked);
  return [...answers, { code: allowCode, rule: verdict.rule, answer: verdict.allow ? 'allow' : 'skip', text: verdict.text }];
}

function ask(policy: CompiledPolicy, facts: CallerFacts): Asked {
  const peer = policy.peers.get(facts.peer) ?? null;
  const uri = parseUri(facts.uri);
  const callee = readCallee(uri, peer);
  const own = new Set([...(peer?.mayCall ?? []), ...('user' in callee ? [callee.user] : [])]);
  const known = (user: string): boolean => {
    if (own.has(user) || own.has(`+${user}`)) return true;
    const read = readDialled(user, peer?.country ?? null);
    return 'user' in read && own.has(read.user);
  };
  return { policy, facts, peer, uri, callee, caller: peer === null ? null : chooseNumber(facts, peer), known };
}

/** tel: and ;user=phone are read here, and never sent on: what leaves is built from `user` alone. */
function readCallee(uri: SipUri | null, peer: CompiledPeer | null): Dialled {
  if (uri === null || uri.user === null) return { problem: 'the Request-URI names no user that can be read' };
  const { user } = splitUser(uri);
  return user === null || user === '' ? { problem: 'the Request-URI names no user' } : readDialled(user, peer?.country ?? null);
}

/**
 * The business number is P-Asserted-Identity's, else From's, when that is a telephone number; an extension or a name there
 * means the first number of `mayCall` (issue "Business-initiated calls").
 */
function chooseNumber({ headers }: CallerFacts, peer: CompiledPeer): Asked['caller'] {
  for (const header of ['p-asserted-identity', 'from']) {
    const users = mentions(headers, header).flatMap(({ uri }) => (uri === null ? [] : [canonicalUser(splitUser(uri).user ?? '')]));
    const written = users.find((user) => readsAsNumber(user));
    if (written === undefined) continue;
    const read = readDialled(written, peer.country);
    const number = 'user' in read && !isBsuid(read.user) ? read.user : written;
    return peer.mayCall.includes(number) ? { number } : { foreign: number };
  }
  const [first] = peer.mayCall;
  return first === undefined ? null : { number: first };
}

function originParams({ facts, uri }: Asked): string | null {
  const inUri = uri === null ? null : originParam(uri, []);
  if (inUri !== null) return `the Request-URI carries ;${inUri}: it came from the telephone network`;
  for (const header of ['from', 'p-asserted-identity', 'contact', ...diversions]) {
    for (const mention of mentions(facts.headers, header)) {
      const name = mention.uri === null ? null : originParam(mention.uri, mention.params);
      if (name !== null) return `${header} carries ;${name}: it came from the telephone network`;
    }
  }
  return null;
}

function firstMention({ policy, facts, known }: Asked, headers: readonly string[]): string | null {
  for (const header of headers) {
    for (const mention of mentions(facts.headers, header)) {
      const text = pstnMention(policy, mention, known);
      if (text !== null) return text;
    }
  }
  return null;
}

function allowed({ peer, caller, callee }: Asked): CallerVerdict {
  if (peer === null || caller === null || !('number' in caller) || !('user' in callee)) return deny('default', 403, 'no rule allows it');
  const rule = `peers.${peer.name}.mayCall[${peer.mayCall.indexOf(caller.number)}]`;
  return { allow: true, code: allowCode, rule, text: `peer ${peer.name} may call as ${caller.number}`, number: caller.number, user: callee.user };
}

function deny(code: PolicyCode, status: number, text: string): Denial {
  return { allow: false, code, rule: code, status, text };
}
