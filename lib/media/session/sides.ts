import type { Keying } from '../../config/types.js';
import type { MetaMedia, OwnSource, PeerMedia } from '../../sdp/index.js';
import type { RelayHandle } from '../relay/handle.js';
import type { Remote, SideId, SidePath } from '../relay/messages.js';
import type { StreamFormat } from '../relay/outStream.js';
import type { RelayCodec } from '../relay/rtp.js';
import type { PeerMediaProfile } from '../types.js';
import type { EngineFigures, PeerWire } from './stats.js';

/** One engine of a pool, as a call sees it: it makes sides, each between the relay and somebody outside. */
export interface EngineNode {
  readonly address: string;
  /** Whether it can take new calls: it is there and answers in time. */
  readonly healthy: boolean;
  /** Asks it whether it is there just now: of one that is not, a silence says nothing. Never rejects. */
  responsive(): Promise<boolean>;
  /** Calls held there now; kept by those who open and close them. */
  calls: number;
  /** Peers are given Meta's codec by the engine; else each side speaks its own, and the relay transcodes. */
  readonly transcodes: boolean;
  metaSide(place: SidePlace, events: SideEvents, keying: Keying): MetaSide;
  peerSide(place: SidePlace, codec: RelayCodec, profile: PeerMediaProfile, events: SideEvents): PeerSide;
}

/** Where a side is made. */
export interface SidePlace {
  /** Unique to the side. */
  readonly id: string;
  /** The relay's address as an engine reaches it. */
  readonly local: Remote;
  /** The call's packet path, and which side of it this is. */
  readonly relay: RelayHandle;
  readonly side: SideId;
}

/** What an engine tells of a side by itself. */
export interface SideEvents {
  /** The engine gave the side up, for a reason of its own. */
  lost(reason: string): void;
  /** A digit of the peer's, where the engine takes them out of the stream; duration in milliseconds. */
  digit(digit: string, durationMs: number): void;
}

/** What the relay must know of Meta's side once it is negotiated. */
export interface MetaSideResult {
  /** SDP for Meta; null when it was Meta who answered. */
  readonly sdp: string | null;
  readonly path: SidePath;
  readonly format: StreamFormat;
  readonly media: MetaMedia;
  /** Lets ICE and then DTLS begin, or gives the engine Meta's address; null: there is nothing to do. Call it when Meta has, or is about to have, our description. */
  readonly secure: (() => Promise<void>) | null;
}

/** Meta ⇄ engine ⇄ relay. All @throws WabError 'SDP_UNACCEPTABLE', 'MEDIA_UNAVAILABLE', 'MEDIA_REFUSED'. */
export interface MetaSide {
  /** Answers Meta's offer. */
  answer(media: MetaMedia, source: OwnSource): Promise<MetaSideResult>;
  /** The offer for Meta. */
  offer(keying: Keying, g711: boolean, source: OwnSource): Promise<string>;
  /** Takes Meta's answer to that offer. */
  accept(answer: string, keying: Keying, g711: boolean): Promise<MetaSideResult>;
  /** Frees what the engine holds; may be called twice. */
  close(): Promise<void>;
}

/** What the relay must know of a peer leg once it is negotiated. */
export interface PeerSideResult {
  readonly path: SidePath;
  readonly format: StreamFormat;
  readonly media: PeerMedia;
  /** For statistics. */
  readonly wire: PeerWire;
  /** The engine has learnt nothing yet: what comes counts only when it is known to come from this peer (see `latch`). */
  readonly unlatched: boolean;
}

/** Relay ⇄ engine ⇄ peer, the relay speaking Meta's codec. Errors as above. */
export interface PeerSide {
  /** Our offer to the peer; `id` and `version` are those of its o= line. */
  offer(id: string, version: number): Promise<string>;
  /** The peer's answer to it, or to our last answer offered again (an ACK's). `before` is what stands. Nothing that the peer was told may change. */
  takeAnswer(text: string, before: PeerSideResult | null): Promise<PeerSideResult>;
  /** Answers the peer's offer, a first or a later one; `before` is what stands, so that an unchanged stream is left alone. */
  answer(text: string, before: PeerSideResult | null, id: string, version: number): Promise<PeerSideResult & { readonly sdp: string }>;
  /** The same stream once more, with packets of `ms` towards the peer and of 20 ms towards the relay; null where the engine cannot. */
  repacketise(media: PeerMedia, ms: number): Promise<PeerSideResult | null>;
  /** A digit towards the peer, where the engine takes them out of the stream. */
  sendDigit?(digit: string, durationMs: number): void;
  /** The address that the peer's packets come from, as the engine has it; null: not known. */
  source(): Promise<string | null>;
  /** Forgets it: whoever sends next decides. */
  relearn(): Promise<void>;
  /** How many packets of the peer's the engine has taken so far, of any kind that it counts, RTCP where it hears that; null when it does not say. */
  packets(): Promise<number | null>;
  /** What the engine counted of the peer's packets; null when it does not say. */
  figures(): Promise<EngineFigures | null>;
  close(): Promise<void>;
}
