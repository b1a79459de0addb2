import type { SipUri } from '../sip/uri.js';
import { parseUri } from '../sip/uri.js';
import type { CompiledPeer, CompiledPolicy } from './compile.js';
import { isBsuid, readDialled, sanctionedPlace } from './numbers.js';
import type { Dialled } from './numbers.js';
import type { Mention } from './origin.js';
import { hasIsup, mediaHosts, mentions, originParam, pstnMention, readMention } from './origin.js';
import { readsAsFullNumber } from './pattern/telephone.js';
import { findUser } from './pattern/users.js';
import { isEnumZone, isNumberHost, splitUser } from './reading.js';
import type { CallerFacts, CallerVerdict, Denial, PolicyCode, RuleAnswer } from './types.js';

/** A business-initiated call with everything the rules look at worked out once. */
interface Asked {
  readonly policy: CompiledPolicy;
  readonly facts: CallerFacts;
  readonly peer: CompiledPeer | null;
  readonly uri: SipUri | null;
  readonly callee: Dialled;
  /** What a header mentions; read once, as several rules ask. */
  readonly mentioned: (header: string) => readonly Mention[];
  /** The business number the call is to come from; null when the peer has none. */
  readonly number: string | null;
  /** A telephone number that it says to come from and that is not the peer's to use. */
  readonly foreign: { readonly header: string; readonly number: string } | null;
}

interface Rule {
  readonly code: PolicyCode;
  readonly status: number;
  readonly objects: (asked: Asked) => string | null;
}

/** Headers in which a call says who is behind it, in the order in which they are believed (RFC 3325 §9.1), and where it has been. */
const identities = ['p-asserted-identity', 'remote-party-id', 'p-preferred-identity'];
const callers = [...identities, 'from'];
const diversions = ['diversion', 'history-info'];

const rules: readonly Rule[] = [
  { code: 'caller.peer', status: 403, objects: ({ peer, facts }) => (peer === null ? `peer ${facts.peer} is not configured` : null) },
  { code: 'caller.pstn', status: 403, objects: ({ peer }) => (peer === null || peer.pstn === 'none' ? null : `nobody vouched for peer ${peer.name}: its pstn is not none but ${peer.pstn}`) },
  { code: 'caller.noNumber', status: 403, objects: ({ number, peer }) => (number === null ? `peer ${peer?.name} may use no business number (mayCall)` : null) },
  { code: 'origin.isup', status: 403, objects: ({ facts }) => (hasIsup(facts.headers, facts.body) ? 'the INVITE carries ISUP: it came from the telephone network' : null) },
  { code: 'origin.params', status: 403, objects: originParams },
  { code: 'origin.diversion', status: 403, objects: (asked) => diverted(asked, 'diversion') },
  { code: 'origin.historyInfo', status: 403, objects: (asked) => diverted(asked, 'history-info') },
  { code: 'origin.whatsapp', status: 403, objects: fromWhatsApp },
  { code: 'origin.identity', status: 403, objects: (asked) => networkIdentity(asked, identities) },
  { code: 'origin.from', status: 403, objects: (asked) => networkIdentity(asked, ['from']) },
  { code: 'origin.media', status: 403, objects: ({ policy, facts }) => {
    const host = mediaHosts(facts.body).find(policy.isCarrier);
    return host === undefined ? null : `media is at a carrier's address, ${host}: the call came from the telephone network`;
  } },
  { code: 'caller.number', status: 403, objects: ({ foreign, peer }) => (foreign === null ? null : `${foreign.header} names ${foreign.number}, which is in neither mayCall nor callerIds of peer ${peer?.name}`) },
  // RFC 3261 §21.4.22: the address is incomplete, or no address at all.
  { code: 'callee.impossible', status: 484, objects: ({ callee }) => ('problem' in callee ? callee.problem : null) },
  // META-SIP.md §2.1: no business-initiated calling for business numbers of these countries.
  { code: 'caller.country', status: 403, objects: ({ policy, number }) => {
    const country = number === null ? null : policy.countries.get(number) ?? null;
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

/**
 * A pick-up (RFC 3891): the INVITE of a peer that joins a call of a WhatsApp user which is up already. Nobody is called, but who joins must
 * not come from the telephone network either. Null: nothing speaks against it. Pure.
 */
export function judgeNewcomer(policy: CompiledPolicy, facts: CallerFacts): Denial | null {
  const asked = ask(policy, facts);
  for (const { code, status, objects } of rules) {
    const text = newcomerRules.test(code) ? objects(asked) : null;
    if (text !== null) return deny(code, status, text);
  }
  return null;
}

// That the call is WhatsApp's is no fault of a pick-up, nor that the peer may place none.
const newcomerRules = /^(caller\.(peer|pstn|number)|origin\.(?!whatsapp))/;

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
  const read = new Map<string, readonly Mention[]>();
  const mentioned = (header: string): readonly Mention[] => {
    const found = read.get(header) ?? mentions(facts.headers, header);
    read.set(header, found);
    return found;
  };
  return { policy, facts, peer, uri, mentioned, callee: readCallee(uri, peer), ...chooseNumber(mentioned, peer) };
}

/** tel: and ;user=phone are read here, and never sent on: what leaves is built from `user` alone. */
function readCallee(uri: SipUri | null, peer: CompiledPeer | null): Dialled {
  if (uri === null || uri.user === null) return { problem: 'the Request-URI names no user that can be read' };
  const { user, params } = splitUser(uri);
  if (user === null || user === '') return { problem: 'the Request-URI names no user' };
  // RFC 3966 §5.1.5: the context of a local number is no prefix; guessing one would ring somebody else.
  const local = !user.startsWith('+') && [...params, ...uri.params.map(({ name }) => name)].includes('phone-context');
  return local ? { problem: `${user} is a local number of a ;phone-context; dial its international form` } : readDialled(user, peer?.country ?? null);
}

/**
 * The business number is P-Asserted-Identity's, else From's, when that is a telephone number; an extension or a name there
 * means the first number of `mayCall`, and so does a telephone number of `callerIds`.
 */
function chooseNumber(mentioned: Asked['mentioned'], peer: CompiledPeer | null): Pick<Asked, 'number' | 'foreign'> {
  if (peer === null) return { number: null, foreign: null };
  let chosen: string | null = null;
  for (const header of callers) {
    for (const mention of mentioned(header)) {
      const read = readMention(mention);
      if (read === null || !readsAsFullNumber(read.user)) continue;
      const own = ownNumber(peer, read.user);
      if (own !== null) chosen ??= own;
      // A number that is an on-net user of the peer is an extension there; one of its caller ids is what it shows to everybody.
      else if (findUser(peer.users, read.user) === null && listed(peer.callerIds, peer, read.user) === null) return { number: peer.mayCall[0] ?? null, foreign: { header, number: read.user } };
    }
  }
  return { number: chosen ?? peer.mayCall[0] ?? null, foreign: null };
}

/** The number of `mayCall` that is meant, in whatever form it is written; null: none. */
function ownNumber(peer: CompiledPeer, user: string): string | null {
  return listed(peer.mayCall, peer, user);
}

/** The number of this list that is meant; null: none. */
function listed(numbers: readonly string[], peer: CompiledPeer, user: string): string | null {
  if (numbers.includes(user)) return user;
  const read = readDialled(user, peer.country);
  const meant = 'user' in read ? read.user : user;
  return numbers.includes(meant) ? meant : null;
}

function originParams({ mentioned, uri }: Asked): string | null {
  const inUri = uri === null ? null : originParam(uri, []);
  if (inUri !== null) return `the Request-URI carries ;${inUri}: it came from the telephone network`;
  for (const header of [...callers, 'contact', ...diversions]) {
    for (const mention of mentioned(header)) {
      const name = mention.uri === null ? null : originParam(mention.uri, mention.params);
      if (name !== null) return `${header} carries ;${name}: it came from the telephone network`;
    }
  }
  return null;
}

/** Where the call has been before: the peer's own numbers and users, and the callee (RFC 7044 §6.1), do not mean the telephone network. */
function diverted({ policy, facts, mentioned, peer, callee }: Asked, header: string): string | null {
  const known = (user: string): boolean => peer !== null && (ownNumber(peer, user) !== null || findUser(peer.users, user) !== null || isCallee(peer, callee, user) || user === facts.alias);
  return firstOf(mentioned(header), (mention) => pstnMention(policy, mention, known));
}

function isCallee(peer: CompiledPeer, callee: Dialled, user: string): boolean {
  const read = readDialled(user, peer.country);
  return 'user' in callee && 'user' in read && read.user === callee.user;
}

/** A tel: URI or a carrier's host is the telephone network's, but for the peer's own numbers. What cannot be read is not shown to be internal. */
function networkIdentity({ policy, mentioned, peer }: Asked, headers: readonly string[]): string | null {
  return firstOf(headers.flatMap(mentioned), (mention) => {
    const read = readMention(mention);
    if (read === null) return `${mention.header} cannot be read`;
    if (peer !== null && read.user !== '' && ownNumber(peer, read.user) !== null) return null;
    if (read.tel) return `${mention.header} is a tel: URI`;
    return policy.isCarrier(read.host) || isEnumZone(read.host) || isNumberHost(read.host) ? `${mention.header} names a carrier's host, ${read.host}` : null;
  });
}

/** A call of a WhatsApp user that the peer sends back out: META-SIP.md §7 names, as we hand them on (X-WA-…), or a BSUID as the caller. */
function fromWhatsApp({ policy, facts, mentioned }: Asked): string | null {
  const header = Object.keys(facts.headers).find((name) => /^x-wa[-_](wacid|meta|number|user-id)/.test(name));
  if (header !== undefined) return `${header} says that this is the call of a WhatsApp user: no WhatsApp to WhatsApp calls`;
  return firstOf([...callers, ...diversions].flatMap(mentioned), (mention) => {
    const read = readMention(mention);
    // A BSUID is told from a name such as JD.Smith by its digits.
    const user = read !== null && isBsuid(read.user) && /[0-9]{8,}/.test(read.user);
    if (read === null || !(user || policy.isMeta(read.host))) return null;
    return `${mention.header} names a WhatsApp user: no WhatsApp to WhatsApp calls`;
  });
}

function firstOf(all: readonly Mention[], objection: (mention: Mention) => string | null): string | null {
  for (const mention of all) {
    const text = objection(mention);
    if (text !== null) return text;
  }
  return null;
}

function allowed({ peer, number, foreign, callee }: Asked): CallerVerdict {
  // The rules have seen to all of it; that nothing was found must never read as "allowed".
  if (peer === null || peer.pstn !== 'none' || number === null || foreign !== null || !('user' in callee)) return deny('default', 403, 'no rule allows it');
  const rule = `peers.${peer.name}.mayCall[${peer.mayCall.indexOf(number)}]`;
  return { allow: true, code: allowCode, rule, text: `peer ${peer.name} may call as ${number}`, number, user: callee.user };
}

function deny(code: PolicyCode, status: number, text: string): Denial {
  return { allow: false, code, rule: code, status, text };
}
