// Peers that cannot be reached at the Contact they give.
import { isIP } from 'node:net';
import { parseNameAddr, parseUri } from '../parser/index.js';
import type { SipMessage } from '../parser/index.js';
import { isLoopback } from '../locate/index.js';
import type { Hop } from '../locate/index.js';
import type { Flow } from '../transport/index.js';
import { unbracketed } from '../../util/hostPort.js';

/**
 * Where requests to a caller behind NAT go over UDP: back to where its own came from. That is so when no proxy stands between, and its Contact
 * is an address other than the one it sends from, or no address at all. Callers over TCP and TLS have their connection.
 */
export function behindNat(request: SipMessage, flow: Flow): Hop | undefined {
  if (flow.protocol !== 'udp' || request.has('record-route')) return undefined;
  const host = contactHost(request);
  const { address } = flow.remote;
  const elsewhere = isIP(host) !== 0 ? host !== address && !(isLoopback(host) && isLoopback(address)) : host.endsWith('.invalid');
  return elsewhere ? hopOf(flow) : undefined;
}

/** The same for a callee. Only a private address that answers from a public one is behind NAT: others name another server of theirs in good faith. */
export function calleeBehindNat(response: SipMessage, flow: Flow): Hop | undefined {
  if (flow.protocol !== 'udp' || response.has('record-route')) return undefined;
  const host = contactHost(response);
  return isPrivate(host) && !isPrivate(flow.remote.address) ? hopOf(flow) : undefined;
}

function contactHost(m: SipMessage): string {
  return unbracketed(parseUri(parseNameAddr(m.list('contact')[0] ?? '')?.uri ?? '')?.host ?? '');
}

/** The far end of a flow as a hop: a connection that is up, or over UDP the address, from the same socket. */
export function hopOf(flow: Flow): Hop {
  const { protocol, remote } = flow;
  const there = { protocol, address: remote.address, port: remote.port, host: remote.address, explicit: true };
  return protocol === 'udp' ? { ...there, from: flow.local } : { ...there, connection: flow };
}

/** RFC 1918, RFC 6598 and loopback addresses. */
function isPrivate(address: string): boolean {
  const m = /^(\d+)\.(\d+)\./.exec(address);
  if (m === null) return false;
  const [a, b] = [Number(m[1]), Number(m[2])];
  return a === 10 || a === 127 || (a === 172 && b >= 16 && b < 32) || (a === 192 && b === 168) || (a === 100 && b >= 64 && b < 128);
}
