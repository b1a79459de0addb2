import type { Keying } from '../../config/types.js';
import { mediaInterface, type MediaInterface } from '../interfaces.js';
import type { RelayPool } from '../relay/relayPool.js';
import type { RelayCodec } from '../relay/rtp.js';
import type { ForkPlaces } from '../session/fork.js';
import type { EngineNode, MetaSide, PeerSide, SideEvents, SidePlace } from '../session/sides.js';
import type { PeerMediaProfile } from '../types.js';
import { EmbeddedMetaSide } from './metaSide.js';
import { EmbeddedPeerSide } from './peerSide.js';
import { PortPool } from './ports.js';

export interface EmbeddedPlaces {
  /** "local" or "local!public" of each side. */
  readonly interface: { readonly meta: string; readonly peers: string };
  /** First and last UDP port, inclusive. */
  readonly ports: { readonly first: number; readonly last: number };
}

/** The relay as an engine: it has the ports, the keys and the codecs itself, and is there as long as we are. */
export class EmbeddedNode implements EngineNode {
  readonly address = 'embedded';
  readonly transcodes = false;
  calls = 0;
  readonly #relays: RelayPool;
  readonly forksAt: ForkPlaces;
  readonly #ports: PortPool;
  readonly #meta: MediaInterface;
  readonly #peers: MediaInterface;

  constructor(relays: RelayPool, places: EmbeddedPlaces) {
    this.#relays = relays;
    this.#ports = new PortPool(places.ports);
    this.#meta = mediaInterface(places.interface.meta);
    this.#peers = mediaInterface(places.interface.peers);
    this.forksAt = { ports: this.#ports.spare, at: this.#peers };
  }

  /** Some thread is in time, and a call's two legs have ports. */
  get healthy(): boolean {
    return this.#relays.healthy && this.#ports.free >= 2;
  }

  responsive(): Promise<boolean> {
    return Promise.resolve(true);
  }

  metaSide(place: SidePlace, _events: SideEvents, _keying: Keying): MetaSide {
    return new EmbeddedMetaSide(place, this.#ports, this.#meta, this.#relays.fingerprint);
  }

  peerSide(place: SidePlace, _codec: RelayCodec, profile: PeerMediaProfile, _events: SideEvents): PeerSide {
    return new EmbeddedPeerSide(place, this.#ports, this.#peers, profile, this.#relays.fingerprint);
  }
}
