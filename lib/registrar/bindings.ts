import type { phoneTransports } from '../config/types.js';
import type { SipUri } from '../sip/uri.js';
import { parseNameAddr, uriParam } from '../sip/uri.js';
import { hostPort } from '../util/hostPort.js';
import { isSamePush, pushOf, type Push } from './push.js';

/** The socket a REGISTER came from: where its phone is reached, whatever it thinks its address is. */
export interface Socket {
  readonly protocol: (typeof phoneTransports)[number];
  readonly address: string;
  readonly port: number;
}

/** One device of a user. Plain data. */
export interface Binding {
  readonly user: string;
  /** The Contact as it was registered: the Request-URI of requests to this device. */
  readonly contact: string;
  readonly uri: SipUri;
  readonly source: Socket;
  /** URI by which the SIP server finds the very flow it came by (RFC 5626 §5); null: the source is the next hop. */
  readonly flow: string | null;
  /** Path values in the order received (RFC 3327 §5.3): the Route of requests to this device. */
  readonly path: readonly string[];
  readonly callId: string;
  readonly cseq: number;
  /** Milliseconds. */
  readonly registeredAt: number;
  /** Of the REGISTER that refreshed it last. */
  readonly refreshedAt: number;
  readonly expiresAt: number;
  /** +sip.instance and reg-id of a device that speaks RFC 5626, joined; null for others. */
  readonly device: string | null;
  readonly userAgent: string | null;
  /** The node that holds its flow; null: this one. */
  readonly node: string | null;
  /** Where that node takes requests for it, and the Route that names its flow there; null: it is reached from here. */
  readonly through: { readonly uri: string; readonly route: string } | null;
  /** How it is woken; null: it is not. */
  readonly push: Push | null;
  /** Its connection has closed: it is to be woken before it can be called. */
  readonly asleep: boolean;
}

/** What a REGISTER asks for. Plain data; header values as received. */
export interface RegisterFacts {
  readonly user: string;
  readonly callId: string;
  readonly cseq: number;
  /** When we made the nonce that it answers, milliseconds. */
  readonly asked: number;
  readonly expires: string | undefined;
  /** One Contact value each; empty: the request only asks what is registered. */
  readonly contacts: readonly string[];
  readonly path: readonly string[];
  /** The UA speaks RFC 5626 to us: option tag outbound, and no proxy in between that does not. */
  readonly outbound: boolean;
  readonly source: Socket;
  readonly flow: string | null;
  readonly userAgent: string | null;
}

export interface RegisterLimits {
  /** Seconds. */
  readonly minExpires: number;
  readonly maxExpires: number;
  readonly maxContacts: number;
  /** Providers by which apps are woken; []: nobody is, and what a Contact says of it is passed over. */
  readonly push: readonly string[];
  /** Why a Contact is not to be used, as a sentence; null when it may be. */
  readonly objects: (uri: SipUri) => string | null;
}

export type RegisterOutcome =
  | {
    readonly ok: true;
    /** All that is registered for the user now, oldest first. */
    readonly bindings: readonly Binding[];
    readonly added: readonly Binding[];
    readonly removed: readonly Binding[];
    /** Removed to make room. */
    readonly evicted: readonly Binding[];
  }
  | { readonly ok: false; readonly status: number; readonly reason: string; readonly minExpires?: number };

// RFC 3261 §20.10, §20.19: up to 2^32-1; a malformed value counts as 3600.
const malformedExpires = 3600;

/**
 * What a REGISTER does to a user's bindings (RFC 3261 §10.3). Pure: all or nothing, `now` in milliseconds.
 * @param current bindings of this user; those that have expired are left out
 */
export function applyRegister(current: readonly Binding[], facts: RegisterFacts, limits: RegisterLimits, now: number): RegisterOutcome {
  const live = current.filter(({ expiresAt }) => expiresAt > now);
  const unchanged = { ok: true, bindings: live, added: [], removed: [], evicted: [] } as const;
  if (facts.contacts.length === 0) return unchanged;
  if (facts.contacts.some((value) => value.trim() === '*')) return removeAll(live, facts);
  if (facts.contacts.length > limits.maxContacts) return refuse(403, `more than ${limits.maxContacts} Contacts`);

  let bindings: readonly Binding[] = live;
  const added: Binding[] = [];
  const removed: Binding[] = [];
  for (const value of facts.contacts) {
    const parsed = parseNameAddr(value);
    if (parsed === null || (parsed.uri.scheme !== 'sip' && parsed.uri.scheme !== 'sips')) return refuse(400, 'Contact cannot be read');
    const objection = limits.objects(parsed.uri);
    if (objection !== null) return refuse(403, objection);
    const seconds = secondsOf(uriParam(parsed.params, 'expires') ?? facts.expires, limits.maxExpires);
    // §10.3 step 7.
    if (seconds > 0 && seconds < limits.minExpires) return { ok: false, status: 423, reason: 'Interval Too Brief', minExpires: limits.minExpires };
    const push = pushOf(parsed.uri, limits.push);
    if (push === 'unserved') return refuse(555, 'Push Notification Service Not Supported');
    const device = facts.outbound ? deviceOf(parsed.params) : null;
    // An app at a new address takes back its old one, in the same request or after it: that must not be the new one, which has the same token.
    const isPlace = (b: Binding): boolean => (device === null || b.device === null ? sameUri(b.uri, parsed.uri) && b.path.join() === facts.path.join() : b.device === device);
    const olds = bindings.filter((b) => isPlace(b) || (seconds > 0 && isSamePush(b.push, push)));
    if (olds.some((old) => isLate(facts, old) && !added.includes(old))) return refuse(500, 'an older REGISTER than the last');
    bindings = bindings.filter((b) => !olds.includes(b));
    if (seconds === 0) {
      removed.push(...olds);
      continue;
    }
    const binding: Binding = {
      user: facts.user, contact: parsed.uriText, uri: parsed.uri, source: facts.source, flow: facts.flow, path: facts.path, callId: facts.callId, cseq: facts.cseq,
      registeredAt: olds[0]?.registeredAt ?? now, refreshedAt: now, expiresAt: now + Math.min(seconds, limits.maxExpires) * 1000, device, userAgent: facts.userAgent,
      node: null, through: null, push, asleep: false,
    };
    bindings = [...bindings, binding];
    if (olds.length === 0) added.push(binding);
  }
  // A device that has lost its memory registers anew and leaves its old bindings behind: the one refreshed longest ago goes.
  const evicted = bindings.slice(0, Math.max(0, bindings.length - limits.maxContacts));
  return { ok: true, bindings: bindings.slice(evicted.length), added, removed, evicted };
}

/** §10.3 step 6: a Contact of "*" stands alone and goes with Expires: 0. */
function removeAll(live: readonly Binding[], facts: RegisterFacts): RegisterOutcome {
  const { contacts, expires } = facts;
  if (contacts.length !== 1 || expires?.trim() !== '0') return refuse(400, 'Contact: * goes with Expires: 0 and no other Contact');
  if (live.some((b) => isLate(facts, b))) return refuse(500, 'an older REGISTER than the last');
  return { ok: true, bindings: [], added: [], removed: live, evicted: [] };
}

/**
 * An old request that comes late must not undo a newer one (§10.3 step 7: it fails). A phone that was switched off
 * counts from the beginning again, often in the Call-ID it had: what tells it from an old request is that it answers a nonce
 * which we made after the last refresh, and which no older request can know.
 */
function isLate({ callId, cseq, asked }: RegisterFacts, binding: Binding): boolean {
  return callId === binding.callId && cseq <= binding.cseq && asked <= binding.refreshedAt;
}

function refuse(status: number, reason: string): RegisterOutcome {
  return { ok: false, status, reason };
}

function secondsOf(text: string | null | undefined, standard: number): number {
  if (text === null || text === undefined || text.trim() === '') return standard;
  return /^[0-9]+$/.test(text.trim()) ? Math.min(Number(text), 0xffff_ffff) : malformedExpires;
}

/** RFC 5626 §6: with both parameters the binding is the device's, whatever its Contact says. */
function deviceOf(params: Parameters<typeof uriParam>[0]): string | null {
  const instance = uriParam(params, '+sip.instance');
  const id = uriParam(params, 'reg-id');
  return typeof instance === 'string' && typeof id === 'string' && /^[1-9][0-9]{0,9}$/.test(id) ? `${instance} ${id}` : null;
}

/** Parameters that make two URIs differ when only one of them has them (RFC 3261 §19.1.4). */
const telling: ReadonlySet<string> = new Set(['user', 'ttl', 'method', 'maddr', 'transport']);

/** Whether two URIs mean the same (RFC 3261 §19.1.4). */
export function sameUri(a: SipUri, b: SipUri): boolean {
  if (a.scheme !== b.scheme || a.user !== b.user || a.password !== b.password || a.host !== b.host || a.port !== b.port) return false;
  const agrees = (from: SipUri, to: SipUri): boolean => from.params.every(({ name, value }) => {
    const other = uriParam(to.params, name);
    return other === undefined ? !telling.has(name) : (other ?? '').toLowerCase() === (value ?? '').toLowerCase();
  });
  return agrees(a, b) && agrees(b, a) && a.headers.length === 0 && b.headers.length === 0;
}

/** Where requests to a device go: its Contact as Request-URI, its Path as Route (RFC 3327 §5.3), always to where it registered from, or by the node that is in touch with it. */
export function addressOf({ contact, source: { protocol, address, port }, flow, path, through }: Binding): { readonly uri: string; readonly proxy: string; readonly headers: Record<string, string> } {
  const routes = through === null ? path : [through.route];
  return {
    uri: contact,
    proxy: through?.uri ?? flow ?? `sip:${hostPort(address, port)};transport=${protocol}`,
    headers: routes.length === 0 ? {} : { Route: routes.join(', ') },
  };
}
