import ipaddr from 'ipaddr.js';
import { isIP } from 'node:net';
import {
  DISCARD, isAudioCodec, KNOWN_SUITES, OFFERED_SUITES, payloadMap, peerAnswer, peerOffer, peerOfferCodecs, readPeerAnswer, readPeerOffer, writeSdp,
  type EnginePort, type PayloadMap, type PeerMedia, type PeerSdpProfile, type SdesKey, type SdpCodec,
} from '../../sdp/index.js';
import type { MediaInterface } from '../interfaces.js';
import type { Remote } from '../relay/messages.js';
import type { RelayCodec } from '../relay/rtp.js';
import type { SourceRule, WireSettings } from '../relay/wire/settings.js';
import { chosenCodecs, passedFormat } from '../session/formats.js';
import { reached } from '../session/latch.js';
import { keepAddress, sameStream } from '../session/sameStream.js';
import type { PeerSide, PeerSideResult, SidePlace } from '../session/sides.js';
import { newKeys } from '../srtp/index.js';
import type { PeerMediaProfile } from '../types.js';
import { OwnPort } from './side.js';
import { WebrtcEnd } from './webrtcEnd.js';
import type { Ports } from './ports.js';

/** Payload types of our offers. */
const TYPES = { opus: 111, events: 101, wideEvents: 110 } as const;

/** A peer's leg on a port of ours, in the peer's own codec. */
export class EmbeddedPeerSide implements PeerSide {
  readonly #place: SidePlace;
  readonly #port: OwnPort;
  readonly #interface: MediaInterface;
  /** Null: a peer without ICE and DTLS. */
  readonly #webrtc: WebrtcEnd | null;
  readonly #profile: PeerMediaProfile & Pick<PeerSdpProfile, 'suites'>;
  /** Our key of each suite: one that was told stands. */
  readonly #keys = new Map<string, string>();
  /** The lines of our last description, which its answer chooses from. */
  #told: readonly SdesKey[] = [];
  /** The codecs of our own description, as the peer knows them. */
  #named: readonly SdpCodec[] = [];
  #at: Remote | null = null;

  /** `fingerprint`: a=fingerprint of our certificate. */
  constructor(place: SidePlace, ports: Ports, at: MediaInterface, profile: PeerMediaProfile, fingerprint: string) {
    this.#place = place;
    this.#interface = at;
    this.#webrtc = profile.webrtc === true ? new WebrtcEnd(fingerprint) : null;
    this.#port = new OwnPort(place, ports, at);
    this.#profile = { ...profile, suites: KNOWN_SUITES };
  }

  async offer(id: string, version: number): Promise<string> {
    const at = await this.#open();
    this.#named = peerOfferCodecs(this.#profile, TYPES);
    this.#told = this.#profile.srtp === 'none' ? [] : OFFERED_SUITES.map((suite, index) => this.#key(index + 1, suite));
    return writeSdp(peerOffer({ ...this.#described(at, this.#told), ...this.#webrtc?.offered(this.#places(at)) }, this.#profile, TYPES, id, version));
  }

  async takeAnswer(text: string, before: PeerSideResult | null): Promise<PeerSideResult> {
    const media = readPeerAnswer(text, this.#profile, { sdes: this.#told });
    this.#webrtc?.take(media, false);
    if (before && sameStream(before.media, media)) return { ...before, media: keepAddress(media, before.media) };
    return this.#result(media, payloadMap(this.#named, media), this.#others(media));
  }

  /** What it named beside the codec that was chosen: an answer may name several, and its sender change among them (RFC 3264 §6.1). */
  #others({ audio, codec }: PeerMedia): { readonly type: number; readonly codec: RelayCodec }[] {
    return this.#profile.codecs.filter((name) => name !== codec.name).flatMap((name) => {
      const named = audio.codecs.find((one) => isAudioCodec(one, name));
      return named === undefined ? [] : payloadMap(this.#named, { codec: named, events: null }).takes.audio.map((type) => ({ type, codec: name }));
    });
  }

  async answer(text: string, before: PeerSideResult | null, id: string, version: number): Promise<PeerSideResult & { readonly sdp: string }> {
    const media = readPeerOffer(text, this.#profile);
    const at = await this.#open();
    const [theirs] = media.audio.sdes;
    this.#webrtc?.take(media, true);
    const own = { ...this.#described(at, theirs === undefined ? [] : [this.#key(theirs.tag, theirs.suite)]), ...this.#webrtc?.answered(this.#places(at)) };
    const sdp = writeSdp(peerAnswer(media, own, this.#profile, id, version));
    // Repeated as an offer, it is what an answer chooses from.
    this.#told = own.sdes;
    if (before && sameStream(before.media, media)) return { ...before, media: keepAddress(media, before.media), sdp };
    const map = payloadMap([...chosenCodecs(media), ...this.#named], media);
    this.#named = chosenCodecs(media);
    return { ...this.#result(media, map), sdp };
  }

  async #open(): Promise<Remote> {
    return this.#at ??= await this.#port.open(this.#webrtc === null);
  }

  /** Behind NAT a browser beside us may reach the local address only. */
  #places(at: Remote): readonly Remote[] {
    const { local, advertised } = this.#interface;
    return local === advertised ? [at] : [at, { ...at, address: local }];
  }

  #described(at: Remote, sdes: readonly SdesKey[]): EnginePort {
    return { address: at.address, port: at.port, rtcpMux: this.#webrtc !== null, sdes, ice: null, dtls: null };
  }

  #key(tag: number, suite: string): SdesKey {
    const key = this.#keys.get(suite) ?? newKeys(suite).inline;
    this.#keys.set(suite, key);
    return { tag, suite, key };
  }

  #result(media: PeerMedia, map: PayloadMap, others: readonly { readonly type: number; readonly codec: RelayCodec }[] = []): PeerSideResult {
    const unit = media.events?.clockRate === 48_000 ? 48_000 : 8000;
    const ptime = wantedPtime(media);
    return {
      media, path: { wire: this.#wire(media) }, format: { ...passedFormat(media.codec.name, map, unit, others), ptime },
      wire: { codec: media.codec.name, keying: this.#webrtc !== null ? 'dtls' : media.audio.sdes.length > 0 ? 'sdes' : 'none', passes: true, ptime }, unlatched: false,
    };
  }

  #wire({ audio }: PeerMedia): WireSettings {
    const { latch } = this.#profile;
    if (this.#webrtc !== null) {
      const remote = { address: plain(audio.address), port: audio.port };
      // Where it is, and who it is, ICE and DTLS say.
      return { remote, rtcpMux: true, sources: { kind: 'described', ...remote }, sdes: null, dtls: this.#webrtc.settings(this.#at ?? remote) };
    }
    const { address, port, rtcp } = reached(audio, latch);
    const remote = { address: plain(address), port };
    const [theirs] = audio.sdes;
    const reports = rtcp === undefined ? {} : { rtcp: rtcp.port === DISCARD ? null : { address: remote.address, port: rtcp.port } };
    const common = { remote, rtcpMux: false, ...reports, sources: this.#sources(audio.address, remote), dtls: null };
    if (theirs === undefined) return { ...common, sdes: null };
    const ours = this.#key(theirs.tag, theirs.suite);
    return {
      ...common,
      sdes: {
        ours: { suite: ours.suite, inline: ours.key },
        theirs: { suite: theirs.suite, inline: theirs.key, ...(theirs.mki === undefined ? {} : { mki: theirs.mki }) },
      },
    };
  }

  #sources(described: string, { address, port }: Remote): SourceRule {
    const { latch } = this.#profile;
    if (latch === undefined) return { kind: 'described', address, port };
    const addresses = [described, latch.from ?? described].filter((one) => isIP(one) !== 0).map(plain);
    return { kind: 'latch', addresses: [...new Set(addresses)] };
  }

  /** The relay transcodes what has another length than 20 ms. */
  repacketise(): Promise<null> {
    return Promise.resolve(null);
  }

  /** The relay takes nobody else's packets. */
  source(): Promise<null> {
    return Promise.resolve(null);
  }

  relearn(): Promise<void> {
    return Promise.resolve();
  }

  async packets(): Promise<number | null> {
    const { relay, side } = this.#place;
    const { peers } = await relay.stats();
    return peers[side as number]?.taken ?? null;
  }

  /** The relay counts all there is to count. */
  figures(): Promise<null> {
    return Promise.resolve(null);
  }

  async close(): Promise<void> {
    this.#port.close();
  }
}

/** Milliseconds of audio in the packets that a peer wants: what it says, within what can be (RFC 8866 §6.4), else 20. */
function wantedPtime({ audio: { ptime, maxptime }, codec }: PeerMedia): number {
  const wanted = Math.min(ptime ?? 20, maxptime ?? 120);
  // RFC 6716 §2.1.4 has 10, 20, 40 and 60 in a frame; G.711 and G.722 take any whole ten.
  const lengths = codec.name === 'opus' ? [10, 20, 40, 60] : [10, 20, 30, 40, 50, 60];
  return lengths.filter((ms) => ms <= Math.max(10, wanted)).at(-1) ?? 20;
}

/** An address literal as sockets spell it. */
function plain(address: string): string {
  return ipaddr.isValid(address) ? ipaddr.process(address).toString() : address;
}
