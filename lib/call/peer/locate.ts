import type { PeerConfig } from '../../config/types.js';
import type { Binding } from '../../registrar/bindings.js';
import { addressOf } from '../../registrar/bindings.js';
import type { RouteTarget } from '../../routing/types.js';
import type { SipHeaders } from '../../sip/drachtio.js';
import { parseUri, uriParam } from '../../sip/uri.js';
import { unbracketed } from '../../util/hostPort.js';

/** One place that an INVITE for a target goes to. */
export interface Destination {
  /** Request-URI. */
  readonly uri: string;
  /** To, as a name-addr. */
  readonly to: string;
  /** Next hop; null: the URI says. */
  readonly proxy: string | null;
  readonly headers: SipHeaders;
  readonly transport: string;
  /** The registered device that is there; null for a peer's own address. */
  readonly device: Binding | null;
}

export type Located =
  /** `out`: why its peer is believed not to be there, as a sentence: it gets calls that nobody else takes. Null: it is believed to be there. */
  | { readonly reachable: true; readonly destinations: readonly Destination[]; readonly out: string | null }
  /** Nobody is there now; a sentence for people. */
  | { readonly reachable: false; readonly why: string };

export interface LocateSources {
  /** Why a peer is out; null when it is not. */
  readonly out: (peer: string) => string | null;
  readonly contacts: (peer: string, user: string) => readonly Binding[];
}

/** Where an allowed target is: at its peer, or at every device that its user has registered. Pure. */
export function locate(sources: LocateSources, target: RouteTarget, peer: PeerConfig, domain: string): Located {
  if (!peer.register) {
    const destination = { uri: target.uri, to: `<${target.uri}>`, proxy: null, headers: {}, transport: transportOf(target.uri), device: null };
    return { reachable: true, destinations: [destination], out: sources.out(target.peer) };
  }
  const destinations = sources.contacts(target.peer, target.user).map((binding) => ({ ...addressOf(binding), to: `<sip:${binding.user}@${domain}>`, transport: binding.source.protocol, device: binding }));
  return destinations.length > 0 ? { reachable: true, destinations, out: null } : { reachable: false, why: `user ${target.user} of peer ${target.peer} has no device registered` };
}

/** The address that an INVITE for it goes to, as far as it is known without DNS. */
export function addressAt({ device, uri }: Destination): string | null {
  return device?.source.address ?? (unbracketed(parseUri(uri)?.host ?? '') || null);
}

function transportOf(uri: string): string {
  return uriParam(parseUri(uri)?.params ?? [], 'transport')?.toLowerCase() ?? 'udp';
}

/**
 * Our Contact towards a peer, reached over the transport of the dialog (RFC 3261 §12.1.1, §19.1.1: without it, UDP).
 * The SIP server puts the address of the socket it sends from in place of "localhost".
 */
export function ourContact(user: string, transport: string): string {
  const protocol = transport.toLowerCase();
  // RFC 7118 §5.2.2: "ws" is both.
  const named = protocol === 'wss' ? 'ws' : protocol;
  return `<sip:${user}@localhost${['tcp', 'tls', 'ws'].includes(named) ? `;transport=${named}` : ''}>`;
}
