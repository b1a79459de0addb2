import {
  audioCodec, eventCodec, KNOWN_SUITES, numberedAlike, payloadMap, peerAnswer, peerOffer, peerOfferCodecs, protocolInUse, readPeerAnswer, readPeerOffer, underOurNumbers, writeSdp,
  type AudioSection, type EnginePort, type PayloadMap, type PeerMedia, type PeerSdpProfile, type SdpCodec,
} from '../../sdp/index.js';
import { WabError } from '../../errors.js';
import type { Remote } from '../relay/messages.js';
import type { EventUnit, StreamFormat } from '../relay/outStream.js';
import { clockRate, type RelayCodec } from '../relay/rtp.js';
import { chosenCodecs, passedFormat } from '../session/formats.js';
import { reached } from '../session/latch.js';
import { keepAddress, sameStream } from '../session/sameStream.js';
import type { PeerSide, PeerSideResult, SideEvents } from '../session/sides.js';
import type { EngineFigures } from '../session/stats.js';
import type { PeerMediaProfile } from '../types.js';
import { engineSdp, EngineCall, PEER_SUITES } from './engineCall.js';
import { engineFigures, enginePackets, engineSource } from './figures.js';
import type { Instance } from './instance.js';
import { relaySection, opaque } from './metaSide.js';
import type { NgCommand } from './ngClient.js';
import { INTERFACES } from './process.js';

/** Flags of every exchange. */
const GENERATE = ['generate-RTCP'];
/**
 * Beside them where a description of the peer's is given. rtpengine takes what comes from anywhere and, in the first three seconds and for
 * as long as nothing came, sends to where it came from; strict-source alone drops nothing before it has learnt (10.5.3,
 * media_packet_address_check). SRTP protects itself.
 */
const AS_DESCRIBED = [...GENERATE, 'strict-source', 'endpoint-learning-off'];
/** The first packet after each exchange decides, and those from elsewhere are dropped. */
const FIRST_COMES = [...GENERATE, 'strict-source', 'endpoint-learning-immediate'];

const PEER = 'peer';
const RELAY = 'relay';

/** Payload type of events on the relay's side of a peer's engine call. */
const RELAY_EVENTS = 102;

/**
 * How the engine is to encode Opus for us: mono, as the peers' G.711 and G.722 are, and at the rate Meta asks for (META-SIP §6.1,
 * maxaveragebitrate). Stereo, its default, costs a fifth more CPU. The "/2" that RFC 7587 §7 wants stays in every SDP that leaves us.
 */
const ENGINE_OPUS = 'opus/48000/1/20000';

/** A codec line as the engine is told it. */
function forEngine(codec: SdpCodec): SdpCodec {
  return codec.name === 'opus' ? { ...codec, channels: 1 } : codec;
}

/** The same codec under further payload types. */
function also(codec: SdpCodec, types: readonly number[]): SdpCodec[] {
  return types.filter((type) => type !== codec.payloadType).map((payloadType) => ({ ...codec, payloadType }));
}

/**
 * One peer leg's engine call: relay ⇄ engine ⇄ peer. `codec` is what the relay speaks, that is, Meta's.
 * Transcoding, the engine wants events on the audio's clock and then scales their durations: the relay speaks telephone-event/48000
 * beside Opus there. Passing Opus through, events are hidden from the engine (see opaque) and pass as they come.
 *
 * Payload numbers: the engine knows one map for both directions of the peer's side. What it passes through it does not translate: it is told
 * our numbers and the relay uses the peer's. What it transcodes it has to send under the peer's own, which it does (10.5.3) for a side that
 * offers: an answer with other numbers than our offer had is turned into an offer of the peer's.
 */
export class RtpenginePeerSide implements PeerSide {
  readonly #call: EngineCall;
  readonly #local: Remote;
  readonly #codec: RelayCodec;
  readonly #profile: PeerMediaProfile & Pick<PeerSdpProfile, 'suites'>;
  #port: EnginePort | null = null;
  /** The codecs of our own description, as the peer knows them. */
  #named: readonly SdpCodec[] = [];
  /** The engine has the peer as the one who offered. */
  #turned = false;
  /** The exchange that gave the engine what stands, once more. */
  #again: () => Promise<unknown> = () => Promise.resolve();

  constructor(instance: Instance, id: string, local: Remote, codec: RelayCodec, profile: PeerMediaProfile, events: SideEvents) {
    this.#call = new EngineCall(instance, id, GENERATE, (reason) => events.lost(reason));
    this.#local = local;
    this.#codec = codec;
    this.#profile = { ...profile, suites: KNOWN_SUITES };
  }

  async offer(id: string, version: number): Promise<string> {
    const wanted = this.#profile.codecs.filter((name) => name !== this.#codec);
    const codecs = [forEngine(this.#relayAudio()), this.#relayEvents()];
    const port = await this.#call.offer(RELAY, null, engineSdp(relaySection(this.#local, codecs)), {
      ...security(this.#profile.srtp !== 'none'), ICE: 'remove', 'rtcp-mux': ['demux'], direction: [INTERFACES.relay, INTERFACES.peers], ptime: 20,
      codec: { mask: this.#profile.codecs.includes(this.#codec) ? [] : [this.#codec], transcode: wanted, set: [ENGINE_OPUS] },
    });
    this.#port = port;
    const events = port.codecs.find((codec) => codec.name === 'telephone-event' && codec.clockRate === 8000);
    // With Opus alone there is nothing to transcode and no 8000 line from the engine; the type is then ours to name.
    const types = { opus: port.codecs.find((codec) => codec.name === 'opus')?.payloadType ?? 111, events: events?.payloadType ?? 101 };
    this.#named = peerOfferCodecs(this.#profile, types);
    return writeSdp(peerOffer(port, this.#profile, types, id, version));
  }

  async takeAnswer(text: string, before: PeerSideResult | null): Promise<PeerSideResult> {
    const media = readPeerAnswer(text, this.#profile, this.#port);
    if (before && sameStream(before.media, media)) return { ...before, media: keepAddress(media, before.media), unlatched: false };
    const map = payloadMap(this.#named, media);
    if (!this.#turned) {
      const remote = await this.#answers(media);
      if (this.#passes(media) || numberedAlike(this.#named, media)) return this.#result(media, map, remote, [RELAY_EVENTS]);
    }
    const known = this.#port;
    const { port, towardsAnchor, events } = await this.#turn(media, map, true);
    const sameKey = port.sdes.every(({ tag, key }) => known?.sdes.some((one) => one.tag === tag && one.key === key));
    if (port.port !== known?.port || !sameKey) throw new WabError('MEDIA_REFUSED', 'the engine changed its port or its key in the middle of a negotiation');
    return this.#result(media, map, towardsAnchor, events);
  }

  /** Answers the peer's offer, a first or a later one; `before` is what stands, so that an unchanged stream is left alone. */
  async answer(text: string, before: PeerSideResult | null, id: string, version: number): Promise<PeerSideResult & { readonly sdp: string }> {
    const media = readPeerOffer(text, this.#profile);
    if (before && this.#port && sameStream(before.media, media)) {
      return { ...before, media: keepAddress(media, before.media), unlatched: false, sdp: writeSdp(peerAnswer(media, this.#port, this.#profile, id, version)) };
    }
    const map = payloadMap([...chosenCodecs(media), ...this.#named], media);
    this.#named = chosenCodecs(media);
    const { port, towardsAnchor, events } = await this.#turn(media, map, before !== null);
    this.#port = port;
    return { ...this.#result(media, map, towardsAnchor, events), sdp: writeSdp(peerAnswer(media, port, this.#profile, id, version)) };
  }

  /** The peer's description as an offer to the engine, answered by the relay. Gives the engine's port for the peer, and what the relay is to know. */
  async #turn(media: PeerMedia, { takes }: PayloadMap, again: boolean): Promise<{ port: EnginePort; towardsAnchor: AudioSection; events: readonly number[] }> {
    const passes = this.#passes(media);
    const section = this.#forEngine(media);
    // Further numbers of the same codec and of the events; those that mean something else already are left out.
    const further = passes ? [] : [...also(forEngine(media.codec), takes.audio), ...(media.events ? also(media.events, takes.events) : [])];
    const codecs = [...section.codecs, ...further.filter(({ payloadType }) => section.codecs.every((codec) => codec.payloadType !== payloadType))];
    const describe = (to: string | null): Promise<AudioSection & EnginePort> => this.#call.offer(PEER, to, engineSdp({ ...section, codecs }), {
      'transport-protocol': 'RTP/AVP', ICE: 'remove', 'rtcp-mux': ['offer'], direction: [INTERFACES.peers, INTERFACES.relay], ptime: 20, flags: this.#sources(media),
      codec: passes ? undefined : { mask: [media.codec.name], transcode: [this.#codec === 'opus' ? ENGINE_OPUS : this.#codec] },
    });
    const towardsAnchor = await describe(again ? RELAY : null);
    const audio = towardsAnchor.codecs.find((codec) => codec.name === this.#codec);
    if (!audio) throw new WabError('MEDIA_REFUSED', `the engine does not transcode ${media.codec.name} to ${this.#codec}`);
    const events = passes ? null : towardsAnchor.codecs.find((codec) => codec.name === 'telephone-event' && codec.clockRate === clockRate(this.#codec)) ?? null;
    const [own = audio, ownEvents = null] = passes ? [audio] : this.#steady(audio, events);
    const answer = (): Promise<AudioSection & EnginePort> => this.#call.answer(PEER, RELAY, engineSdp(relaySection(this.#local, chosenCodecs({ codec: own, events: ownEvents }))), { 'rtcp-mux': ['demux'], ICE: 'remove' });
    const port = await answer();
    this.#again = () => describe(RELAY).then(answer);
    this.#turned = true;
    return { port, towardsAnchor: { ...towardsAnchor, codecs: [own, audio] }, events: [ownEvents, events].flatMap((one) => one?.payloadType ?? []) };
  }

  /** The same stream once more, with packets of `ms` towards the peer: two lengths make the engine transcode (rtpengine README, "ptime"). */
  async repacketise(media: PeerMedia, ms: number): Promise<PeerSideResult> {
    await this.#call.offer(RELAY, PEER, engineSdp(relaySection(this.#local, [forEngine(this.#relayAudio())])), {
      ...security(media.audio.sdes.length > 0), ICE: 'remove', 'rtcp-mux': ['demux'], direction: [INTERFACES.relay, INTERFACES.peers], ptime: ms, codec: { set: [ENGINE_OPUS] },
    });
    const remote = await this.#answers(media);
    return this.#result(media, payloadMap(this.#named, media), remote, [RELAY_EVENTS], ms);
  }

  /** The peer's description as the answer to an offer of the relay's. */
  #answers(media: PeerMedia): Promise<AudioSection> {
    const answer = (): Promise<AudioSection> => this.#call.answer(RELAY, PEER, engineSdp(this.#forEngine(media)), { 'rtcp-mux': ['accept'], ICE: 'remove', flags: this.#sources(media) });
    this.#again = answer;
    return answer();
  }

  async source(): Promise<string | null> {
    return engineSource(await this.#call.query(), PEER);
  }

  async relearn(): Promise<void> {
    await this.#again();
  }

  async packets(): Promise<number | null> {
    return enginePackets(await this.#call.query(), PEER);
  }

  async figures(): Promise<EngineFigures | null> {
    return engineFigures(await this.#call.query(), PEER);
  }

  close(): Promise<void> {
    return this.#call.close();
  }

  #result(media: PeerMedia, map: PayloadMap, towardsAnchor: AudioSection, transcodedEvents: readonly number[], repacketised: number | null = null): PeerSideResult {
    const passes = this.#passes(media);
    const unit = media.events?.clockRate === 48_000 ? 48_000 : 8000;
    return {
      media,
      path: { remote: { address: towardsAnchor.address, port: towardsAnchor.port } },
      format: passes ? this.#passedFormat(map, unit) : this.#transcodedFormat(map, towardsAnchor, transcodedEvents, unit),
      wire: { codec: media.codec.name, keying: media.audio.sdes.length > 0 ? 'sdes' : 'none', passes: passes && repacketised === null, ptime: repacketised ?? 20 },
      unlatched: this.#profile.latch !== undefined && media.audio.sdes.length === 0,
    };
  }

  /**
   * The relay's answer to numbers that the engine chose. Each time it chooses others, and what it knew before goes on under those of then: with
   * numbers of ours that never change, nothing comes under one that means something else by now. An answer of which some are the engine's it does not take.
   */
  #steady(audio: SdpCodec, events: SdpCodec | null): SdpCodec[] {
    const ours = chosenCodecs({ codec: { ...audio, payloadType: this.#relayAudio().payloadType }, events: events && { ...events, payloadType: RELAY_EVENTS } });
    const chosen = chosenCodecs({ codec: audio, events });
    return chosen.some(({ payloadType }) => ours.some((one) => one.payloadType === payloadType)) ? chosen : ours;
  }

  /** rtpengine 12.5 converts what it once offered to convert, events under our number, though an answer has hidden them since. */
  #passedFormat(map: PayloadMap, unit: EventUnit): StreamFormat {
    const format = passedFormat(this.#codec, map, unit);
    const { audio = [], events = [] } = format.takes ?? {};
    if (map.sends.events === null || audio.includes(RELAY_EVENTS) || events.some(({ type }) => type === RELAY_EVENTS)) return format;
    return { ...format, takes: { audio, events: [...events, { type: RELAY_EVENTS, unit: clockRate(this.#codec) }] } };
  }

  /** `engineEvents`: what the engine and the relay call events between them, the one to send first. An event that the engine does not know it passes on as it came. */
  #transcodedFormat({ sends, takes }: PayloadMap, towardsAnchor: AudioSection, engineEvents: readonly number[], wireUnit: EventUnit): StreamFormat {
    const first = this.#relayAudio().payloadType;
    const numbers = towardsAnchor.codecs.filter((codec) => codec.name === this.#codec).map(({ payloadType }) => payloadType);
    const [audioType = first] = numbers;
    const [eventType = null] = sends.events === null ? [] : engineEvents;
    const unit = clockRate(this.#codec);
    // What the first answer agreed on stays in use beside what came later.
    const events = new Map<number, EventUnit>();
    for (const type of takes.events) events.set(type, wireUnit);
    for (const type of eventType === null ? [] : [RELAY_EVENTS, ...engineEvents]) events.set(type, unit);
    const audio = [...new Set([audioType, first, ...numbers])].filter((type) => type === audioType || !events.has(type));
    events.delete(audioType);
    return { codec: this.#codec, audioType, eventType, eventUnit: unit, takes: { audio, events: [...events].map(([type, one]) => ({ type, unit: one })) } };
  }

  /** Whose packets the engine is to take, as ng flags. */
  #sources(media: PeerMedia): string[] {
    if (media.audio.sdes.length > 0) return GENERATE;
    return this.#profile.latch === undefined ? AS_DESCRIBED : FIRST_COMES;
  }

  /** The peer speaks what the relay speaks. */
  #passes(media: PeerMedia): boolean {
    return media.codec.name === this.#codec;
  }

  /** What the engine is told of the peer: the one codec in use, and events only where it is to convert them. */
  #forEngine(media: PeerMedia): AudioSection {
    const { codec, events } = this.#passes(media) ? underOurNumbers(this.#named, media) : media;
    const hidden = events && (this.#passes(media) ? opaque(events) : events);
    return { ...reached(media.audio, this.#profile.latch), protocol: protocolInUse(media.audio), direction: 'sendrecv', codecs: chosenCodecs({ codec: forEngine(codec), events: hidden }) };
  }

  #relayAudio(): SdpCodec {
    return this.#codec === 'opus' ? audioCodec('opus', 111, 'maxaveragebitrate=20000;minptime=20;useinbandfec=1') : audioCodec(this.#codec);
  }

  #relayEvents(): SdpCodec {
    return eventCodec(RELAY_EVENTS, clockRate(this.#codec));
  }
}

function security(secure: boolean): NgCommand {
  return secure ? { 'transport-protocol': 'RTP/SAVP', DTLS: 'off', SDES: PEER_SUITES } : { 'transport-protocol': 'RTP/AVP' };
}
