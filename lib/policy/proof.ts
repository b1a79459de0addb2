import { reachable, type Destination, type Place } from '../config/destinations.js';
import type { RouteConfig } from '../config/types.js';
import { parseUri, uriParam } from '../sip/uri.js';
import type { TargetFacts, TargetOrigin } from './types.js';
import type { CompiledPeer, CompiledPolicy } from './compile.js';
import { uriOf } from './compile.js';
import { hostKey } from '../util/hostKey.js';
import { isEnumZone } from './reading.js';
import { emergency } from './pattern/telephone.js';
import { judgeTarget } from './target.js';
import { bracketed } from '../util/hostPort.js';

/** A way from WhatsApp to something that is not an on-net user, or back. */
export interface PolicyFault {
  /** Key path of what must be changed, e.g. `peers.pbx.users[1]`. */
  readonly path: string;
  readonly message: string;
  /** Step by step from the number to where it leads: "number +44…", "route support", "peer pbx" … */
  readonly steps: readonly string[];
}

/** Lines for people: where and what, and the path below it. */
export function formatPolicyFault({ path, message, steps }: PolicyFault): string {
  return `${path}: ${message}${steps.length === 0 ? '' : `\n    path: ${steps.join(' -> ')}`}`;
}

/** What `prove` looked at. No faults: no path of this configuration reaches anything but an on-net user of a `pstn: none` peer. */
export interface Proof {
  readonly faults: readonly PolicyFault[];
  /** Targets of routes, first ones and fail-over; those outside hours, of menus, of queues and where nobody answers too; and recorders. */
  readonly targets: number;
  /** Pairs of a peer that can send a call on (3xx, REFER, Replaces) and a peer it may send it to. */
  readonly transfers: number;
  /** Peers a call can get to. */
  readonly peers: number;
  /** On-net users that are telephone numbers, each written out by the operator. */
  readonly listedNumbers: number;
  /** Extensions that the operator stated to be on-net by the range. */
  readonly statedExtensions: number;
  /** Targets outside the configuration that were tried from every peer, and refused. */
  readonly probes: number;
}

type Ring = Extract<Destination, { kind: 'ring' }>;

/** Peers that a call can get to, each with the steps of the first way found. */
type Reached = Map<CompiledPeer, readonly string[]>;

/** How peers send a call on. */
// An order is judged as a redirection is.
const origins: readonly TargetOrigin[] = ['redirect', 'refer', 'replaces'];

/**
 * Explores every route, fail-over, redirection, transfer right and calling right of a configuration.
 *
 * A call gets to the targets of its routes, and from a peer to the users of that peer and of those in its `mayTransferTo`, and so on
 * until nothing new is reached. On each step `judgeTarget` itself is asked. That a reached peer's users hold no telephone number
 * is decided on the language of each pattern, not on samples (pattern/users.ts); that nothing else is reached, by the rules:
 * an allowed target is always built from a peer's own URI and one of these users. Pure.
 */
export function prove(policy: CompiledPolicy): Proof {
  const steps = proveInSteps(policy);
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

/** The same in steps of some milliseconds, for one who must not be kept from other work: 200 peers take a third of a second in all. */
export function* proveInSteps(policy: CompiledPolicy): Generator<undefined, Proof> {
  const faults: PolicyFault[] = [];
  const reached: Reached = new Map();
  const targets = proveRoutes(policy, faults, reached) + proveRecorders(policy, faults, reached);
  proveCallers(policy, faults, reached);
  const outside = outsideTargets(policy);
  let transfers = 0;
  let probes = 0;
  // A Map visits what is added while it is walked: this is the closure over transfers.
  for (const [peer, steps] of reached) {
    provePeer(policy, peer, steps, faults);
    for (const other of new Set([peer.name, ...peer.mayTransferTo])) {
      const to = policy.peers.get(other);
      if (to === undefined) continue;
      const through = to === peer ? steps : [...steps, `transfer or redirection to peer ${other}`];
      proveTransfer(policy, peer, to, through, faults);
      transfers += 1;
      if (to.pstn === 'none' && !reached.has(to)) reached.set(to, through);
    }
    probes += proveProbes(policy, peer, outside, steps, faults);
    yield undefined;
  }
  proveUnreached(policy, reached, faults);
  const listed = [...reached.keys()].flatMap(({ users }) => [...users.literals.values()]).filter(({ number }) => number);
  const stated = [...reached.keys()].flatMap(({ users }) => users.extensions).reduce((sum, { from, to }) => sum + to - from + 1, 0);
  return { faults: unique(faults), targets, transfers, peers: reached.size, listedNumbers: listed.length, statedExtensions: stated, probes };
}

function proveRoutes(policy: CompiledPolicy, faults: PolicyFault[], reached: Reached): number {
  let count = 0;
  policy.config.routes.forEach((route, index) => {
    for (const place of reachable(policy.config, index)) {
      if (place.destination.kind === 'ring') count += proveRing(policy, route, { ...place, destination: place.destination }, faults, reached);
    }
  });
  return count;
}

/** Everybody who is rung there, whatever way a call gets there: at once, outside the hours, unanswered, by a key, from a queue. */
function proveRing(policy: CompiledPolicy, route: RouteConfig, { destination, path, steps: way }: Place & { readonly destination: Ring }, faults: PolicyFault[], reached: Reached): number {
  destination.to.forEach(({ peer: name, user }, i) => {
    const steps = [`number ${route.number}`, `route ${route.name}`, ...way, ...(i === 0 || destination.strategy === 'ring-all' ? [] : ['fail-over'])];
    const peer = policy.peers.get(name);
    // The loader refuses names that are not there.
    if (peer === undefined) return;
    const verdict = judgeTarget(policy, { origin: i === 0 ? 'route' : 'failover', number: route.number, route: route.name, peer: name, by: null, uri: uriOf(peer, user) });
    const at = `${path}.to[${i}]`;
    if (!verdict.allow) faults.push({ path: at, message: `${verdict.code}: ${verdict.text}${verdict.code === 'target.gateway' ? howToVouch(peer) : ''}`, steps: [...steps, `${user} at peer ${name}`] });
    if (peer.pstn === 'none' && !reached.has(peer)) reached.set(peer, [...steps, `peer ${name}`]);
  });
  return destination.to.length;
}

/** Who gets a copy of calls by SIPREC. */
function proveRecorders(policy: CompiledPolicy, faults: PolicyFault[], reached: Reached): number {
  const { siprec, numbers } = policy.config;
  const [number = ''] = Object.keys(numbers);
  let count = 0;
  for (const [recorder, { to }] of Object.entries(siprec)) {
    to.forEach(({ peer: name, user }, i) => {
      const peer = policy.peers.get(name);
      // The loader refuses names that are not there.
      if (peer === undefined) return;
      count += 1;
      const steps = [`siprec ${recorder}`];
      const verdict = judgeTarget(policy, { origin: 'siprec', number, route: null, peer: name, by: null, uri: uriOf(peer, user) });
      if (!verdict.allow) faults.push({ path: `siprec.${recorder}.to[${i}]`, message: `${verdict.code}: ${verdict.text}${verdict.code === 'target.gateway' ? howToVouch(peer) : ''}`, steps: [...steps, `${user} at peer ${name}`] });
      if (peer.pstn === 'none' && !reached.has(peer)) reached.set(peer, [...steps, `peer ${name}`]);
    });
  }
  return count;
}

/** The peer itself: what it is, where it is, and the languages of its users. */
function provePeer(policy: CompiledPolicy, peer: CompiledPeer, steps: readonly string[], faults: PolicyFault[]): void {
  const at = `peers.${peer.name}`;
  const fault = (path: string, message: string, more: readonly string[] = []): void => void faults.push({ path, message, steps: [...steps, ...more] });
  for (const { index, message, counterExample } of peer.userFaults) {
    fault(`${at}.users[${index}]`, message, counterExample === null ? [] : [`telephone number ${counterExample}`]);
  }
  if (policy.isCarrier(peer.host)) fault(`${at}.uri`, `${peer.host} is a carrier's by policy.carriers`);
  if (policy.isMeta(peer.host)) fault(`${at}.uri`, `${peer.host} is Meta's: a call would go from WhatsApp to WhatsApp`);
  if (isEnumZone(peer.host)) fault(`${at}.uri`, `${peer.host} stands for a telephone number`);
  for (const host of peer.hosts) {
    if (host === peer.host) continue;
    const what = policy.isCarrier(host) ? "a carrier's by policy.carriers" : policy.isMeta(host) ? "Meta's" : policy.own.hosts.has(host) ? 'our own' : null;
    if (what !== null) fault(`${at}.hosts`, `${host} is ${what}`);
  }
  if (isOurselves(policy, peer)) fault(`${at}.uri`, `${peer.host}:${peer.port} is this service: a call would come back as one to WhatsApp`);
  const gateway = peer.pstn === 'none' ? policy.gatewayAt(peer.host, peer.port) : null;
  if (gateway !== null) fault(`${at}.uri`, `peer ${gateway.name}, whose pstn is not none but ${gateway.pstn}, is at the same address and port${howToVouch(gateway)}`);
}

/** A right of `peer` to send calls to `to`: asked for one user of each entry, in each way. */
function proveTransfer(policy: CompiledPolicy, peer: CompiledPeer, to: CompiledPeer, steps: readonly string[], faults: PolicyFault[]): void {
  if (to.pstn !== 'none') {
    if (to === peer) return;
    const path = `peers.${peer.name}.mayTransferTo[${[...peer.mayTransferTo].indexOf(to.name)}]`;
    faults.push({ path, message: `peer ${peer.name} may send calls to peer ${to.name}, whose pstn is not none but ${to.pstn}${howToVouch(to)}`, steps });
    return;
  }
  for (const { user, entry } of samples(to)) {
    for (const origin of origins) {
      const verdict = judgeTarget(policy, transferFacts(policy, peer, origin, uriOf(to, user)));
      const expected = verdict.allow && (verdict.peer === peer.name || peer.mayTransferTo.has(verdict.peer));
      if (!expected) faults.push({ path: `peers.${to.name}.${entry}`, message: `${verdict.code}: ${verdict.text}`, steps: [...steps, `${user} at peer ${to.name}`] });
    }
  }
}

/** What must never be allowed, tried from this peer: a probe that passes is a leak of the rules themselves. */
function proveProbes(policy: CompiledPolicy, peer: CompiledPeer, outside: readonly string[], steps: readonly string[], faults: PolicyFault[]): number {
  const targets = ['tel:+12025550123', `${uriOf(peer, '100')};user=phone`, `sip:100@${policy.config.meta.host}`, `sip:100@${policy.config.domain}.invalid`];
  // The rules on hosts do not ask how a target came about: one way each is enough for those.
  const asked = [...targets.flatMap((uri) => origins.map((origin) => ({ uri, origin }))), ...outside.map((uri) => ({ uri, origin: 'refer' as const }))];
  for (const { uri, origin } of asked) {
    const verdict = judgeTarget(policy, transferFacts(policy, peer, origin, uri));
    if (verdict.allow) faults.push({ path: `peers.${peer.name}`, message: `${uri} is allowed by ${verdict.rule}`, steps: [...steps, uri] });
  }
  return asked.length;
}

/** A target at every gateway and at every carrier that has a host. */
function outsideTargets(policy: CompiledPolicy): string[] {
  const gateways = [...policy.peers.values()].filter(({ pstn }) => pstn !== 'none').map((gateway) => uriOf(gateway, '100'));
  const carriers = policy.config.policy.carriers.filter((carrier) => !carrier.includes('/')).map((carrier) => `sip:100@${carrier.includes(':') ? bracketed(hostKey(carrier)) : carrier}`);
  return [...gateways, ...carriers];
}

function transferFacts(policy: CompiledPolicy, by: CompiledPeer, origin: TargetOrigin, uri: string): TargetFacts {
  const [number] = policy.countries.keys();
  return { origin, number: number ?? '', route: null, peer: null, by: by.name, uri };
}

/** The other direction: nobody who may have a call from the telephone network may bring one to WhatsApp; and a caller may transfer its call. */
function proveCallers(policy: CompiledPolicy, faults: PolicyFault[], reached: Reached): void {
  for (const peer of policy.peers.values()) {
    const [number] = peer.mayCall;
    if (number === undefined) continue;
    if (peer.pstn === 'none') {
      if (!reached.has(peer)) reached.set(peer, [`number ${number}`, `call of peer ${peer.name}`]);
      continue;
    }
    faults.push({
      path: `peers.${peer.name}.mayCall`, message: `peer ${peer.name} may call WhatsApp users, and its pstn is not none but ${peer.pstn}${howToVouch(peer)}`,
      steps: ['telephone network', `peer ${peer.name}`, `number ${number}`, 'WhatsApp user'],
    });
  }
}

/** Entries of `users` nobody can get to yet are judged too: the next route would make them a leak. */
function proveUnreached(policy: CompiledPolicy, reached: ReadonlyMap<CompiledPeer, readonly string[]>, faults: PolicyFault[]): void {
  for (const peer of policy.peers.values()) {
    if (reached.has(peer)) continue;
    for (const { index, message, counterExample } of peer.userFaults) {
      faults.push({ path: `peers.${peer.name}.users[${index}]`, message, steps: [`peer ${peer.name}`, ...(counterExample === null ? [] : [`telephone number ${counterExample}`])] });
    }
  }
}

/** What to write where nobody has said anything of a peer yet. */
function howToVouch({ name, pstn }: CompiledPeer): string {
  return pstn === 'unknown' ? `: write peers.${name}.pstn: none if it has no way to the telephone network` : '';
}

/** One user of each good entry. */
function samples(peer: CompiledPeer): { readonly user: string; readonly entry: string }[] {
  return [
    ...[...peer.users.literals.values()].map(({ written, index }) => ({ user: written, entry: `users[${index}]` })),
    ...peer.users.patterns.map(({ sample, index }) => ({ user: sample, entry: `users[${index}]` })),
    ...peer.users.extensions.flatMap(({ from, to, index }) => [from, to].map((user) => ({ user: String(user), entry: `extensions[${index}]` }))),
  ].filter(({ user }) => !emergency.has(user));
}

function isOurselves({ config, own }: CompiledPolicy, peer: CompiledPeer): boolean {
  const transport = uriParam(parseUri(peer.uri)?.params ?? [], 'transport')?.toLowerCase() ?? (peer.tls ? 'tls' : 'udp');
  if (own.sockets.has(`${transport}:${peer.host}:${peer.port}`)) return true;
  // By a name of ours, which leads to one of the sockets.
  const named = own.hosts.has(peer.host) && ![...own.sockets].some((socket) => socket.includes(`:${peer.host}:`));
  return named && config.sip.listen.some((socket) => socket.endsWith(`:${peer.port}`));
}

/** One fault a place and sentence: the first path to it is enough. */
function unique(faults: readonly PolicyFault[]): PolicyFault[] {
  const seen = new Map<string, PolicyFault>();
  for (const fault of faults) {
    const key = `${fault.path}\n${fault.message}`;
    if (!seen.has(key)) seen.set(key, fault);
  }
  return [...seen.values()];
}
