import { audioCodec, eventCodec, peerAnswer, peerOffer, readPeerAnswer, readPeerOffer, writeSdp, type AudioSection, type EnginePort, type OfferedTypes, type PeerMedia, type SdpCodec } from '../../sdp/index.js';
import { WabError } from '../../errors.js';
import type { Remote } from '../anchor/messages.js';
import { clockRate, type AnchorCodec } from '../anchor/rtp.js';
import { sameStream } from '../anchored/sameStream.js';
import type { PeerSide, PeerSideResult, SideEvents } from '../anchored/sides.js';
import type { EngineFigures } from '../anchored/stats.js';
import type { PeerMediaProfile } from '../types.js';
import { engineSdp, EngineCall, ONE_SUITE } from './engineCall.js';
import { engineFigures } from './figures.js';
import type { Instance } from './instance.js';
import { anchorSection, opaque } from './metaSide.js';
import type { NgCommand } from './ngClient.js';
import { INTERFACES } from './process.js';

const PEER = 'peer';
const ANCHOR = 'anchor';

/** Payload type of events on the anchor's side of a peer's engine call. */
const ANCHOR_EVENTS = 102;

/**
 * How the engine is to encode Opus for us: mono, as the peers' G.711 and G.722 are, and at the rate Meta asks for (META-SIP §6.1,
 * maxaveragebitrate). Stereo, its default, costs a fifth more CPU. The "/2" that RFC 7587 §7 wants stays in every SDP that leaves us.
 */
const ENGINE_OPUS = 'opus/48000/1/20000';

/** A codec line as the engine is told it. */
function forEngine(codec: SdpCodec): SdpCodec {
  return codec.name === 'opus' ? { ...codec, channels: 1 } : codec;
}

/**
 * One peer leg's engine call: anchor ⇄ engine ⇄ peer. `codec` is what the anchor speaks, that is, Meta's.
 * Transcoding, the engine wants events on the audio's clock and then scales their durations: the anchor speaks telephone-event/48000
 * beside Opus there. Passing Opus through, events are hidden from the engine (see opaque) and pass as they come.
 */
export class RtpenginePeerSide implements PeerSide {
  readonly #call: EngineCall;
  readonly #local: Remote;
  readonly #codec: AnchorCodec;
  readonly #profile: PeerMediaProfile;
  #port: EnginePort | null = null;
  #offered: OfferedTypes = { opus: 111, events: null };

  constructor(instance: Instance, id: string, local: Remote, codec: AnchorCodec, profile: PeerMediaProfile, events: SideEvents) {
    this.#call = new EngineCall(instance, id, ['generate-RTCP'], (reason) => events.lost(reason));
    this.#local = local;
    this.#codec = codec;
    this.#profile = profile;
  }

  async offer(id: string, version: number): Promise<string> {
    const wanted = this.#profile.codecs.filter((name) => name !== this.#codec);
    const codecs = [forEngine(this.#anchorAudio()), this.#anchorEvents()];
    const port = await this.#call.offer(ANCHOR, null, engineSdp(anchorSection(this.#local, codecs)), {
      ...this.#security(), ICE: 'remove', 'rtcp-mux': ['demux'], direction: [INTERFACES.anchor, INTERFACES.peers], ptime: 20,
      codec: { mask: this.#profile.codecs.includes(this.#codec) ? [] : [this.#codec], transcode: wanted, set: [ENGINE_OPUS] },
    });
    this.#port = port;
    const events = port.codecs.find((codec) => codec.name === 'telephone-event' && codec.clockRate === 8000);
    // With Opus alone there is nothing to transcode and no 8000 line from the engine; the type is then ours to name.
    this.#offered = { opus: port.codecs.find((codec) => codec.name === 'opus')?.payloadType ?? 111, events: events?.payloadType ?? 101 };
    return writeSdp(peerOffer(port, this.#profile, this.#offered, id, version));
  }

  async takeAnswer(text: string): Promise<PeerSideResult> {
    const media = readPeerAnswer(text, this.#profile);
    const remote = await this.#call.answer(ANCHOR, PEER, engineSdp(this.#forEngine(media)), { 'rtcp-mux': ['accept'], ICE: 'remove' });
    return this.#result(media, remote, ANCHOR_EVENTS);
  }

  /** Answers the peer's offer, a first or a later one; `before` is what stands, so that an unchanged stream is left alone. */
  async answer(text: string, before: PeerSideResult | null, id: string, version: number): Promise<PeerSideResult & { readonly sdp: string }> {
    const media = readPeerOffer(text, this.#profile);
    if (before && this.#port && sameStream(before.media, media)) {
      // A hold with c=0.0.0.0 leaves the address it had standing, for the resume.
      const kept = { ...media, audio: { ...media.audio, address: before.media.audio.address } };
      return { ...before, media: kept, sdp: writeSdp(peerAnswer(media, this.#port, this.#profile, id, version)) };
    }
    const section = this.#forEngine(media);
    const passes = media.codec.name === this.#codec;
    const towardsAnchor = await this.#call.offer(PEER, before ? ANCHOR : null, engineSdp(section), {
      'transport-protocol': 'RTP/AVP', ICE: 'remove', 'rtcp-mux': ['offer'], direction: [INTERFACES.peers, INTERFACES.anchor], ptime: 20,
      codec: passes ? undefined : { mask: [media.codec.name], transcode: [this.#codec === 'opus' ? ENGINE_OPUS : this.#codec] },
    });
    const audio = towardsAnchor.codecs.find((codec) => codec.name === this.#codec);
    if (!audio) throw new WabError('MEDIA_REFUSED', `the engine does not transcode ${media.codec.name} to ${this.#codec}`);
    const events = passes ? null : towardsAnchor.codecs.find((codec) => codec.name === 'telephone-event' && codec.clockRate === clockRate(this.#codec)) ?? null;
    const port = await this.#call.answer(PEER, ANCHOR, engineSdp(anchorSection(this.#local, events ? [audio, events] : [audio])), { 'rtcp-mux': ['demux'], ICE: 'remove' });
    this.#port = port;
    const sdp = writeSdp(peerAnswer(media, port, this.#profile, id, version));
    return { ...this.#result(media, { ...towardsAnchor, codecs: [audio] }, events?.payloadType ?? null), sdp };
  }

  /** The same stream once more, with packets of `ms` towards the peer: two lengths make the engine transcode (rtpengine README, "ptime"). */
  async repacketise(media: PeerMedia, ms: number): Promise<PeerSideResult> {
    await this.#call.offer(ANCHOR, PEER, engineSdp(anchorSection(this.#local, [forEngine(this.#anchorAudio())])), {
      ...this.#security(), ICE: 'remove', 'rtcp-mux': ['demux'], direction: [INTERFACES.anchor, INTERFACES.peers], ptime: ms, codec: { set: [ENGINE_OPUS] },
    });
    const remote = await this.#call.answer(ANCHOR, PEER, engineSdp(this.#forEngine(media)), { 'rtcp-mux': ['accept'], ICE: 'remove' });
    return this.#result(media, remote, ANCHOR_EVENTS, ms);
  }

  async figures(): Promise<EngineFigures | null> {
    return engineFigures(await this.#call.query(), PEER);
  }

  close(): Promise<void> {
    return this.#call.close();
  }

  #result(media: PeerMedia, towardsAnchor: AudioSection, transcodedEvents: number | null, repacketised: number | null = null): PeerSideResult {
    const passes = media.codec.name === this.#codec;
    const audioType = towardsAnchor.codecs.find((codec) => codec.name === this.#codec)?.payloadType ?? this.#anchorAudio().payloadType;
    return {
      media,
      remote: { address: towardsAnchor.address, port: towardsAnchor.port },
      format: {
        codec: this.#codec,
        audioType,
        eventType: media.events === null ? null : passes ? media.events.payloadType : transcodedEvents,
        eventUnit: passes ? (media.events?.clockRate === 48_000 ? 48_000 : 8000) : clockRate(this.#codec),
      },
      wire: { codec: media.codec.name, srtp: media.audio.sdes.length > 0, passes: passes && repacketised === null, ptime: repacketised ?? 20 },
    };
  }

  /** What the engine is told of the peer: the one codec in use, and events only where it is to convert them. */
  #forEngine(media: PeerMedia): AudioSection {
    const passes = media.codec.name === this.#codec;
    const events = media.events === null ? [] : [passes ? opaque(media.events) : media.events];
    return { ...media.audio, direction: 'sendrecv', codecs: [forEngine(media.codec), ...events] };
  }

  #anchorAudio(): SdpCodec {
    return this.#codec === 'opus' ? audioCodec('opus', 111, 'maxaveragebitrate=20000;minptime=20;useinbandfec=1') : audioCodec(this.#codec);
  }

  #anchorEvents(): SdpCodec {
    return eventCodec(ANCHOR_EVENTS, clockRate(this.#codec));
  }

  #security(): NgCommand {
    return this.#profile.srtp === 'sdes' ? { 'transport-protocol': 'RTP/SAVP', DTLS: 'off', SDES: ONE_SUITE } : { 'transport-protocol': 'RTP/AVP' };
  }
}
