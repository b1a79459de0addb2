// The top Via of a request: what the receiver writes into it, and where the response goes.
import type { Flow } from '../transport/index.js';
import { indexOfListEnd, paramOf, parseVia } from '../parser/index.js';
import type { SipMessage } from '../parser/index.js';

/**
 * Notes in the top Via where the request came from: `received` when the sent-by is another host, or rport was asked for; `rport` with its value
 * (RFC 3261 §18.2.1, RFC 3581 §4). The rest of the value, and all other Vias, stay byte for byte as they are.
 */
export function stampVia(request: SipMessage, flow: Flow): void {
  const header = request.headers.find((h) => h.key === 'via');
  if (header === undefined) return;
  const end = indexOfListEnd(header.value);
  let top = header.value.slice(0, end);
  const via = parseVia(top);
  if (via === undefined) return;
  const { address, port } = flow.remote;
  const asked = paramOf(via.params, 'rport') === '';
  if (asked) top = top.replace(/;\s*rport\s*(?:=\s*)?(?=;|$)/i, `;rport=${port}`);
  const host = via.host.startsWith('[') ? via.host.slice(1, -1) : via.host;
  // A sender has no business to fill these in: what stands there already is overruled (RFC 3581 §4).
  if (asked || host !== address) {
    top = paramOf(via.params, 'received') === undefined ? `${top};received=${address}`
      : top.replace(/;\s*received\s*=\s*[^;\s]*/i, `;received=${address}`);
  }
  header.value = top + header.value.slice(end);
}

/**
 * RFC 3261 §18.2.2: a response goes back on the connection its request came by; over UDP to the source address, at the port of `rport` if that
 * was asked for (RFC 3581 §4), else of the sent-by. `maddr` is not followed: it would let anyone aim our responses at a third party.
 */
export function replyFlow(request: SipMessage, flow: Flow, udp: (address: string, port: number) => Flow | undefined): Flow | undefined {
  if (flow.protocol !== 'udp') return flow;
  const via = parseVia(request.first('via') ?? '');
  if (via === undefined || paramOf(via.params, 'rport') !== undefined) return flow;
  const port = via.port ?? 5060;
  return port === flow.remote.port ? flow : udp(flow.remote.address, port);
}
