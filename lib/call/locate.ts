import type { PeerConfig } from '../config/types.js';
import type { Binding } from '../registrar/bindings.js';
import { addressOf } from '../registrar/bindings.js';
import type { RouteTarget } from '../routing/types.js';
import type { SipHeaders } from '../sip/drachtio.js';

/** One place that an INVITE for a target goes to. */
export interface Destination {
  /** Request-URI. */
  readonly uri: string;
  /** To, as a name-addr. */
  readonly to: string;
  /** Next hop; null: the URI says. */
  readonly proxy: string | null;
  readonly headers: SipHeaders;
}

export type Located =
  | { readonly reachable: true; readonly destinations: readonly Destination[] }
  /** Nobody is there now; a sentence for people. */
  | { readonly reachable: false; readonly why: string };

export interface LocateSources {
  /** Why a peer gets no calls now; null when it does. */
  readonly out: (peer: string) => string | null;
  readonly contacts: (peer: string, user: string) => readonly Binding[];
}

/** Where an allowed target is: at its peer, or at every device that its user has registered. Pure. */
export function locate(sources: LocateSources, target: RouteTarget, peer: PeerConfig, domain: string): Located {
  if (!peer.register) {
    const why = sources.out(target.peer);
    return why === null ? { reachable: true, destinations: [{ uri: target.uri, to: `<${target.uri}>`, proxy: null, headers: {} }] } : { reachable: false, why };
  }
  const destinations = sources.contacts(target.peer, target.user).map((binding) => ({ ...addressOf(binding), to: `<sip:${binding.user}@${domain}>` }));
  return destinations.length > 0 ? { reachable: true, destinations } : { reachable: false, why: `user ${target.user} of peer ${target.peer} has no device registered` };
}
