import type { SipUri } from '../sip/uri.js';
import { parseUri, uriParam, portOf } from '../sip/uri.js';
import type { CompiledPeer, CompiledPolicy } from './compile.js';
import { targetKey, uriOf } from './compile.js';
import { hostKey } from '../util/hostKey.js';
import { readsAsNumber } from './pattern/telephone.js';
import { findUser } from './pattern/users.js';
import { isBsuid } from './numbers.js';
import { isEnumZone, isNumberHost, splitUser, telephoneParam } from './reading.js';
import type { Denial, PolicyCode, RuleAnswer, TargetFacts, TargetVerdict } from './types.js';

/** A target with everything the rules look at worked out once. */
interface Asked {
  readonly policy: CompiledPolicy;
  readonly facts: TargetFacts;
  /** Null when the URI cannot be read: only the first rule can be asked then. */
  readonly uri: SipUri | null;
  readonly user: string;
  readonly userParams: readonly string[];
  readonly host: string;
  /** The host is ourselves: the target is a user of the peer that asked. */
  readonly own: boolean;
  /** The peer the target belongs to. */
  readonly peer: CompiledPeer | null;
  readonly onNet: ReturnType<typeof findUser>;
}

interface Rule {
  readonly code: PolicyCode;
  readonly status: number;
  /** What is wrong with the target, for the operator; null when nothing is. */
  readonly objects: (asked: Asked & { readonly uri: SipUri }) => string | null;
}

// 403: RFC 3261 §21.4.4, the request is understood and refused; 404: §21.4.5, the number is not here.
const rules: readonly Rule[] = [
  { code: 'number.unknown', status: 404, objects: ({ policy, facts }) => (Object.hasOwn(policy.config.numbers, facts.number) ? null : `business number ${facts.number} is not configured`) },
  { code: 'target.tel', status: 403, objects: ({ uri }) => (uri.scheme === 'tel' ? 'a tel: URI is a telephone number' : null) },
  // RFC 3261 §19.1.1 knows phone and ip; RFC 4967 adds dialstring: what a gateway would dial.
  { code: 'target.userPhone', status: 403, objects: ({ uri }) => {
    const kind = uriParam(uri.params, 'user');
    return kind === undefined || kind?.toLowerCase() === 'ip' ? null : `;user=${kind} says that the user is to be dialled`;
  } },
  { code: 'target.phoneParams', status: 403, objects: ({ uri, userParams }) => {
    const name = telephoneParam(uri, userParams);
    return name === null ? null : `;${name} belongs to the telephone network`;
  } },
  { code: 'target.userParams', status: 403, objects: ({ userParams }) => (userParams.length === 0 ? null : `the user part carries ;${userParams[0]}, which no on-net user has`) },
  { code: 'target.enum', status: 403, objects: ({ uri, host, peer }) => (uri.hostKind === 'name' && (isEnumZone(host) || (peer === null && isNumberHost(host))) ? `host ${host} stands for a telephone number` : null) },
  { code: 'target.carrier', status: 403, objects: ({ policy, host }) => (policy.isCarrier(host) ? `host ${host} is a carrier's` : null) },
  { code: 'target.whatsapp', status: 403, objects: ({ policy, host, own, user }) => {
    if (policy.isMeta(host)) return `host ${host} is Meta's: no WhatsApp to WhatsApp calls`;
    return own && (Object.hasOwn(policy.config.numbers, user) || readsAsNumber(user) || isBsuid(user)) ? 'a number at our own host would be a WhatsApp to WhatsApp call' : null;
  } },
  { code: 'target.gateway', status: 403, objects: ({ policy, uri, host, peer }) => {
    const gateway = peer !== null && peer.pstn !== 'none' ? peer : policy.gatewayAt(host, portOf(uri));
    return gateway === null ? null : `${host} is where peer ${gateway.name} is, whose pstn is not none but ${gateway.pstn}`;
  } },
  { code: 'target.maddr', status: 403, objects: ({ uri }) => (uriParam(uri.params, 'maddr') === undefined ? null : ';maddr would send the call somewhere else') },
  { code: 'target.method', status: 403, objects: ({ uri }) => ((uriParam(uri.params, 'method')?.toUpperCase() ?? 'INVITE') === 'INVITE' ? null : ';method is not INVITE') },
  // RFC 3261 §19.1.5: headers in a URI that change where or how a request goes must not be honoured.
  { code: 'target.headers', status: 403, objects: ({ uri, facts }) => {
    const allowed = facts.origin === 'refer' || facts.origin === 'replaces' ? ['replaces', 'require', 'supported'] : [];
    const header = uri.headers.find(({ name }) => !allowed.includes(name));
    return header === undefined ? null : `the URI carries a ${header.name} header`;
  } },
  { code: 'target.foreign', status: 403, objects: ({ peer, own, uri, host }) => (peer !== null ? null : own ? 'a user of our own host, asked for by no peer' : `${host}:${portOf(uri)} is no peer of ours`) },
  // RFC 3261 §26.2.2: sips asks for TLS on every hop; the call would leave by the peer's configured URI.
  { code: 'target.sips', status: 416, objects: ({ uri, peer }) => (uri.scheme !== 'sips' || peer === null || peer.tls ? null : `a sips: URI, and peer ${peer.name} is not reached over TLS`) },
  { code: 'target.otherPeer', status: 403, objects: ({ peer, facts }) => (facts.peer === null || facts.peer === peer?.name ? null : `the URI leads to peer ${peer?.name}, not to ${facts.peer}`) },
  { code: 'target.number', status: 403, objects: ({ user, peer, onNet }) => (readsAsNumber(user) && onNet === null ? `user ${user} of peer ${peer?.name} reads as a telephone number and is not listed as an on-net user` : null) },
  { code: 'target.user', status: 403, objects: ({ user, peer, onNet }) => (onNet !== null ? null : user === '' ? 'the URI names no user' : `user ${user} is not in users of peer ${peer?.name}`) },
  { code: 'route.target', status: 403, objects: ({ policy, facts, peer, onNet }) => {
    if (facts.origin === 'siprec') return peer !== null && onNet !== null && policy.recorders.has(targetKey(peer.name, onNet.written)) ? null : 'no entry of siprec lists this target';
    if (facts.origin !== 'route' && facts.origin !== 'failover') return null;
    const route = facts.route === null ? undefined : policy.routes.get(facts.route);
    if (route === undefined) return 'no route leads here';
    if (route.number !== facts.number) return `route ${facts.route} is for ${route.number}`;
    return peer !== null && onNet !== null && route.targets.has(targetKey(peer.name, onNet.written)) ? null : `route ${facts.route} does not list this target`;
  } },
  { code: 'transfer.right', status: 403, objects: ({ policy, facts, peer }) => {
    if (facts.origin === 'route' || facts.origin === 'failover' || facts.origin === 'siprec') return null;
    const by = facts.by === null ? undefined : policy.peers.get(facts.by);
    if (by === undefined) return 'nobody known asked for it';
    if (by.pstn !== 'none') return `peer ${by.name} asked for it, whose pstn is not none but ${by.pstn}`;
    return by.name === peer?.name || (peer !== null && by.mayTransferTo.has(peer.name)) ? null : `peer ${by.name} has no right to send calls to peer ${peer?.name} (mayTransferTo)`;
  } },
];

const malformed: PolicyCode = 'target.malformed';
const onNetRule: PolicyCode = 'target.onNet';

/**
 * The verdict on one target: allowed only when no rule objects and an on-net user of a vouched-for peer is found
 * (house rule 2). Pure; the same facts give the same verdict, however the URI is spelt.
 */
export function judgeTarget(policy: CompiledPolicy, facts: TargetFacts): TargetVerdict {
  const asked = ask(policy, facts);
  if (asked.uri === null) return deny(malformed, 400, unreadable);
  for (const rule of rules) {
    const text = rule.objects(asked as Asked & { uri: SipUri });
    if (text !== null) return deny(rule.code, rule.status, text);
  }
  return allowed(asked);
}

/** Every rule and its answer, in the order they are asked; the first that denies decides. */
export function explainTarget(policy: CompiledPolicy, facts: TargetFacts): readonly RuleAnswer[] {
  const asked = ask(policy, facts);
  const answers: RuleAnswer[] = [{ code: malformed, rule: malformed, ...(asked.uri === null ? { answer: 'deny', text: unreadable } : { answer: 'pass', text: '' }) }];
  for (const { code, objects } of rules) {
    if (asked.uri === null) {
      answers.push({ code, rule: code, answer: 'skip', text: 'the URI cannot be read' });
      continue;
    }
    const text = objects(asked as Asked & { uri: SipUri });
    answers.push({ code, rule: code, answer: text === null ? 'pass' : 'deny', text: text ?? '' });
  }
  if (asked.peer === null || asked.onNet === null || asked.uri === null) answers.push({ code: onNetRule, rule: onNetRule, answer: 'skip', text: 'no on-net user' });
  else {
    const rule = userRule(asked.peer, asked.onNet);
    answers.push({ code: onNetRule, rule, answer: 'allow', text: onNetText(asked.peer, asked.onNet, policy) });
  }
  return answers;
}

const unreadable = 'the target is not a sip:, sips: or tel: URI that can be read';

function ask(policy: CompiledPolicy, facts: TargetFacts): Asked {
  const uri = parseUri(facts.uri);
  if (uri === null) return { policy, facts, uri, user: '', userParams: [], host: '', own: false, peer: null, onNet: null };
  const { user, params } = splitUser(uri);
  const host = hostKey(uri.host);
  const own = uri.scheme !== 'tel' && policy.isOwn(uri) && !policy.peersAt.has(`${host}:${portOf(uri)}`);
  const peer = uri.scheme === 'tel' ? null : own ? ownPeer(policy, facts, user ?? '') : peerAt(policy, facts, `${host}:${portOf(uri)}`, user ?? '');
  return { policy, facts, uri, user: user ?? '', userParams: params, host, own, peer, onNet: peer === null || !user ? null : findUser(peer.users, user) };
}

/** At our own host live the users of whoever asked, and those who register with us. */
function ownPeer(policy: CompiledPolicy, facts: TargetFacts, user: string): CompiledPeer | null {
  const by = facts.by === null ? null : policy.peers.get(facts.by) ?? null;
  if (by === null || findUser(by.users, user) !== null) return by;
  return [...policy.peers.values()].find((peer) => peer.register && findUser(peer.users, user) !== null) ?? by;
}

/** The peer at a socket, "host:port"; where several are, the one that was meant, or that has this user. */
function peerAt(policy: CompiledPolicy, facts: TargetFacts, socket: string, user: string): CompiledPeer | null {
  const here = policy.peersAt.get(socket) ?? [];
  if (here.length === 1 && here[0] !== undefined) return here[0];
  const asked = here.find(({ name }) => name === (facts.peer ?? facts.by)) ?? null;
  if (facts.peer !== null || (asked !== null && findUser(asked.users, user) !== null)) return asked;
  return here.find(({ users }) => findUser(users, user) !== null) ?? asked;
}

type OnNet = NonNullable<Asked['onNet']>;

function userRule(peer: CompiledPeer, { list, index }: OnNet): string {
  return `peers.${peer.name}.${list}[${index}]`;
}

function onNetText(peer: CompiledPeer, { list, index, written }: OnNet, policy: CompiledPolicy): string {
  const entry = JSON.stringify(policy.config.peers[peer.name]?.[list][index]);
  return `${written} is on-net at peer ${peer.name} (pstn: none) by ${list === 'users' ? entry : `the statement extensions: ${entry}`}`;
}

function allowed({ policy, peer, onNet }: Asked): TargetVerdict {
  // The rules have seen to both; that nothing was found must never read as "allowed".
  if (peer === null || onNet === null || peer.pstn !== 'none') return deny('default', 403, 'no rule allows it');
  return {
    allow: true, code: onNetRule, rule: userRule(peer, onNet), text: onNetText(peer, onNet, policy),
    peer: peer.name, user: onNet.written, uri: uriOf(peer, onNet.written),
  };
}

function deny(code: PolicyCode, status: number, text: string): Denial {
  return { allow: false, code, rule: code, status, text };
}
