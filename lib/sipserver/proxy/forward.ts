// What a proxy does to a message it forwards (RFC 3261 §16.6).
import { createHmac } from 'node:crypto';
import { paramOf, parseNameAddr, parseUri, toNumber } from '../parser/index.js';
import type { Header, SipMessage } from '../parser/index.js';
import type { Presented } from '../locate/index.js';
import { transportParam } from '../transport/index.js';
import type { Protocol } from '../transport/index.js';

/**
 * Record-Routes of ours, told from others' by a keyed digest of the Call-ID: a request within a dialog that we proxied may pass, and nobody can
 * make us relay anything else by naming us in a Route.
 */
export class RouteMark {
  constructor(private readonly key: Buffer) {}

  /** `<sip:host:port;transport=…;lr;px=…>`. */
  recordRoute(presented: Presented, protocol: Protocol, callId: string): string {
    return `<sip:${presented.host}:${presented.port}${transportParam(protocol)};lr;px=${this.digest(callId)}>`;
  }

  /** True when the topmost Route of the request is ours. */
  owns(request: SipMessage): boolean {
    const uri = parseUri(parseNameAddr(request.list('route')[0] ?? '')?.uri ?? '');
    return uri !== undefined && paramOf(uri.params, 'px') === this.digest(request.get('call-id') ?? '');
  }

  private digest(callId: string): string {
    return createHmac('sha256', this.key).update(callId, 'latin1').digest('hex').slice(0, 24);
  }
}

/** Max-Forwards of the request, one less; undefined when it may not be forwarded any more (§16.3 item 3). */
export function nextHops(request: SipMessage): number | undefined {
  const hops = toNumber(request.get('max-forwards') ?? '70', 255) ?? 70;
  return hops === 0 ? undefined : hops - 1;
}

/** A copy to send on: Max-Forwards lowered, our Record-Route (Path for REGISTER, RFC 3327) on top, the application's headers added. */
export function forwarded(request: SipMessage, hops: number, recordRoute: string | undefined, headers: readonly Header[]): SipMessage {
  const m = request.clone();
  m.set('Max-Forwards', String(hops));
  if (recordRoute !== undefined) {
    if (request.method === 'REGISTER') m.prepend('Path', recordRoute).add('Require', 'path');
    else m.prepend('Record-Route', recordRoute);
  }
  for (const h of headers) m.add(h.name, h.value);
  return m;
}

/** §16.7 step 6: which of two refusals is the better one to pass on: 6xx, then the lowest class, and in 4xx those that tell the caller what to do. */
export function better(a: SipMessage | undefined, b: SipMessage): SipMessage {
  return a === undefined || rank(b.status) < rank(a.status) ? b : a;
}

function rank(status: number): number {
  if (status >= 600) return 0;
  if (status === 401 || status === 407 || status === 415 || status === 420 || status === 484) return 350;
  // A time-out says less than any answer.
  if (status === 408) return 499;
  return Math.floor(status / 100) * 100;
}
