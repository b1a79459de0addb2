import type { SipUri } from '../sip/uri.js';
import { parseUri, uriParam, portOf } from '../sip/uri.js';
import type { CompiledPolicy } from './compile.js';
import { hostKey } from '../util/hostKey.js';
import { readsAsNumber } from './pattern/telephone.js';
import { canonicalUser } from './pattern/users.js';
import { splitUser, telephoneParam } from './reading.js';

/**
 * Why the Contact that a registered user gives is not the user's own device, as a sentence; null when nothing speaks against it. Requests go to
 * the socket the REGISTER came from, never to the host of the Contact; what stands in it must still lead nowhere else. Pure.
 */
export function objectsToContact(policy: CompiledPolicy, uri: SipUri, account: string): string | null {
  return objectsToUser(uri, account) ?? objectsToHost(policy, uri);
}

/** What speaks against who the Contact names: it is to be dialled. */
function objectsToUser(uri: SipUri, account: string): string | null {
  const { user, params } = splitUser(uri);
  const number = canonicalUser(user ?? '');
  const self = user !== null && isAccount(number, account);
  const kind = uriParam(uri.params, 'user');
  // Whatever kind of user a phone says that the account is, the account is who is called (Cisco 79xx: user=phone, RFC 3261 §19.1.1).
  if (!self && kind !== undefined && kind?.toLowerCase() !== 'ip') return `the Contact says ;user=${kind}: it is to be dialled`;
  const name = telephoneParam(uri, params);
  if (name !== null) return `;${name} in the Contact belongs to the telephone network`;
  // A gateway registers so: whatever it is sent, it dials.
  if (!self && !isPointer(number, account) && readsAsNumber(number)) return `the Contact names ${number}, which reads as a telephone number and is not ${account}`;
  return null;
}

/** What speaks against where it leads. */
function objectsToHost(policy: CompiledPolicy, uri: SipUri): string | null {
  const host = hostKey(uri.host);
  if (policy.isCarrier(host)) return `the Contact is at a carrier's host, ${host}`;
  // RFC 3261 §19.1.5, §16.6: each would send the request somewhere else, or make it another.
  if (uri.headers.length > 0) return 'the Contact carries headers';
  for (const param of ['maddr', 'method']) if (uriParam(uri.params, param) !== undefined) return `the Contact carries ;${param}`;
  // A SIP server that knows connections by Contact must not be told that Meta, or another peer, is behind this one.
  if (host === hostKey(policy.config.meta.host) || host.endsWith('.meta.vc') || host.endsWith('.fbinfra.net')) return `the Contact is at Meta's host, ${host}`;
  for (const peer of policy.peers.values()) {
    const at = parseUri(peer.uri);
    if (at !== null && peer.hosts.has(host) && (uri.hostKind === 'name' || portOf(uri) === peer.port)) return `the Contact is at the address of peer ${peer.name}`;
  }
  return null;
}

/** baresip's Contact: the account and a pointer in hexadecimal, which in one of fifty has decimal digits alone, as an extension behind an x would. */
function isPointer(user: string, account: string): boolean {
  return user.startsWith(`${account}-0x`) && /^[0-9a-f]{8,16}$/.test(user.slice(account.length + 3));
}

/** The account itself, as phones spell it: in another case, or a number with 00 or nothing in place of its +. */
function isAccount(user: string, account: string): boolean {
  const digits = (text: string): string | null => /^(?:\+|00)?([0-9]{7,})$/.exec(text)?.[1] ?? null;
  const own = canonicalUser(account);
  return user.toLowerCase() === own.toLowerCase() || (digits(own) !== null && digits(user) === digits(own));
}
