import { audioCodec, peerAnswer, peerOffer, payloadMap, peerOfferCodecs, protocolInUse, readPeerAnswer, readPeerOffer, writeSdp, type AudioSection, type PeerMedia, type SdpCodec } from '../../sdp/index.js';
import { WabError } from '../../errors.js';
import type { SipHeaders } from '../../sip/drachtio.js';
import type { Remote } from '../relay/messages.js';
import { clockRate, type RelayCodec } from '../relay/rtp.js';
import { chosenCodecs } from '../session/formats.js';
import { reached } from '../session/latch.js';
import { keepAddress, sameStream } from '../session/sameStream.js';
import type { PeerSide, PeerSideResult, SideEvents } from '../session/sides.js';
import type { PeerMediaProfile } from '../types.js';
import { ChannelPair, NOWHERE, placeholder } from './pair.js';
import type { FreeswitchServer } from './server.js';

/** Another port that nobody listens at (RFC 1078 is TCP's): FreeSWITCH takes no notice of a description that says the same again. */
const NOWHERE_ELSE = 1;

const TYPES = { opus: 111, events: 101 };

/**
 * Relay ⇄ FreeSWITCH ⇄ peer. A peer that speaks Meta's codec is relayed, digits and all. Another is transcoded, and FreeSWITCH makes
 * digits in units of the wrong clock then (48 kHz where 8 kHz is announced): it reports the peer's, which the relay puts into
 * Meta's stream, and is told to send Meta's, each when it has ended.
 */
export class FreeswitchPeerSide implements PeerSide {
  readonly #server: FreeswitchServer;
  readonly #local: Remote;
  readonly #codec: RelayCodec;
  #profile: PeerMediaProfile;
  readonly #events: SideEvents;
  #pair: ChannelPair;
  #port: AudioSection | null = null;
  /** The codecs of our own description, as the peer knows them. */
  #named: readonly SdpCodec[] = [];
  #passes = false;
  #nowhere = NOWHERE_ELSE;
  /** What stands with the peer; null: nothing yet. */
  #taken: { readonly result: PeerSideResult; readonly towardsAnchor: AudioSection } | null = null;

  constructor(server: FreeswitchServer, local: Remote, codec: RelayCodec, profile: PeerMediaProfile, events: SideEvents) {
    this.#server = server;
    this.#local = local;
    this.#codec = codec;
    this.#profile = profile;
    this.#events = events;
    this.#pair = this.#newPair();
  }

  async offer(id: string, version: number): Promise<string> {
    const codecs = this.#named = peerOfferCodecs(this.#profile, TYPES);
    // A channel that was made with a key does not go on without: an offer that leaves it to the peer is plain here.
    this.#profile = { ...this.#profile, srtp: this.#profile.srtp === 'sdes' ? 'sdes' : 'none' };
    const port = this.#port = await this.#pair.openOuter('peer', placeholder(this.#local, codecs, this.#profile.srtp === 'sdes', false), this.#sources(this.#profile.srtp === 'sdes'));
    return writeSdp(peerOffer(port, this.#profile, TYPES, id, version));
  }

  /** Also a second one: a 183 and the 200 both carry it, and so does an ACK when we repeat the offer for a peer that asks for one. */
  async takeAnswer(text: string): Promise<PeerSideResult> {
    const media = readPeerAnswer(text, this.#profile, this.#port);
    const before = this.#taken;
    if (before !== null && sameStream(before.result.media, media)) return { ...before.result, media: keepAddress(media, before.result.media), unlatched: false };
    const [ours] = payloadMap(this.#named, media).takes.audio;
    // 1.10.12 hangs up (Q.850 88); told by an offer of the peer's it sends under its number and takes nothing under ours, which it may use (RFC 3264 §6.1).
    if (ours !== undefined && ours !== media.codec.payloadType) {
      throw new WabError('SDP_UNACCEPTABLE', `the peer answers ${media.codec.name} under payload number ${media.codec.payloadType}, which was offered as ${ours}: FreeSWITCH does not take that, rtpengine does (media.engine)`);
    }
    const keepsInner = before !== null && sameCodecs(before.result.media, media);
    if (!keepsInner) {
      this.#passes = media.codec.name === this.#codec;
      await this.#pair.setOuter('pass_rfc2833', String(this.#passes));
    }
    const [, towardsAnchor] = await Promise.all([
      this.#pair.moveOuter(this.#section(media)), keepsInner ? before.towardsAnchor : this.#openInner(this.#pair, media),
    ]);
    if (!keepsInner) await this.#pair.join();
    const result = this.#result(media, towardsAnchor);
    this.#taken = { result, towardsAnchor };
    return result;
  }

  async answer(text: string, before: PeerSideResult | null, id: string, version: number): Promise<PeerSideResult & { readonly sdp: string }> {
    const media = readPeerOffer(text, this.#profile);
    if (before && this.#port && sameStream(before.media, media)) {
      return { ...before, media: keepAddress(media, before.media), unlatched: false, sdp: writeSdp(peerAnswer(media, this.#port, this.#profile, id, version)) };
    }
    // A new pair for a new stream: its port is new, which an answer may say (RFC 3264 §8.3.1); the old one stays where this fails.
    const pair = before === null && this.#port === null ? this.#pair : this.#newPair();
    try {
      const passes = media.codec.name === this.#codec;
      const [port, towardsAnchor] = await Promise.all([pair.openOuter(passes ? 'relay' : 'peer', this.#section(media), this.#sources(media.audio.sdes.length > 0)), this.#openInner(pair, media)]);
      await pair.join();
      if (pair !== this.#pair) void this.#pair.close();
      [this.#pair, this.#port, this.#passes, this.#named] = [pair, port, passes, chosenCodecs(media)];
      const result = this.#result(media, towardsAnchor);
      this.#taken = { result, towardsAnchor };
      return { ...result, sdp: writeSdp(peerAnswer(media, port, this.#profile, id, version)) };
    } catch (error) {
      if (pair !== this.#pair) void pair.close();
      throw error;
    }
  }

  /** What it relays keeps its packet length. */
  repacketise(): Promise<null> {
    return Promise.resolve(null);
  }

  sendDigit(digit: string, durationMs: number): void {
    if (!this.#passes) this.#pair.sendDigit(digit, durationMs);
  }

  /** RTP of any kind: RTCP of a peer's it does not listen to. */
  packets(): Promise<number | null> {
    return this.#pair.packetsOfOuter();
  }

  /** The relay sees the peer's packets as they come, or one for each. */
  figures(): Promise<null> {
    return Promise.resolve(null);
  }

  close(): Promise<void> {
    return this.#pair.close();
  }

  #latches(media: PeerMedia): boolean {
    return this.#profile.latch !== undefined && media.audio.sdes.length === 0;
  }

  /**
   * What FreeSWITCH is told of the peer: the one codec in use and its events. Of one that may come from elsewhere not the port: then it has to
   * adjust itself, and tells to whom; that a packet came from where it was to come from it keeps for itself.
   */
  #section(media: PeerMedia): AudioSection {
    const audio = reached(media.audio, this.#profile.latch);
    const port = this.#latches(media) ? this.#nowhere : audio.port;
    return { ...audio, port, protocol: protocolInUse(media.audio), codecs: media.events ? [media.codec, media.events] : [media.codec] };
  }

  /**
   * For the dialplan: FreeSWITCH adjusts itself to whoever sends ten packets, and drops what comes from elsewhere only where it is done with
   * that, or must not (1.10.12, rtp_common_read). SRTP protects itself.
   */
  #sources(secure: boolean): SipHeaders {
    if (secure) return {};
    return this.#profile.latch === undefined ? { 'X-WAB-No-Adjust': 'true' } : { 'X-WAB-Adjust-After': '1' };
  }

  source(): Promise<string | null> {
    return this.#pair.ofOuter('remote_audio_ip');
  }

  /** Told another port, it adjusts itself once more. */
  async relearn(): Promise<void> {
    if (this.#taken === null) return;
    await this.#pair.setOuter('remote_audio_ip', '');
    this.#nowhere = this.#nowhere === NOWHERE ? NOWHERE_ELSE : NOWHERE;
    await this.#pair.moveOuter(this.#section(this.#taken.result.media));
  }

  #newPair(): ChannelPair {
    const pair: ChannelPair = new ChannelPair(this.#server, this.#local, {
      lost: (reason) => { if (pair === this.#pair) this.#events.lost(reason); },
      digit: (digit, durationMs) => { if (pair === this.#pair) this.#events.digit(digit, durationMs); },
    });
    return pair;
  }

  #openInner(pair: ChannelPair, media: PeerMedia): Promise<AudioSection> {
    const passes = media.codec.name === this.#codec;
    const audio = this.#codec === 'opus' ? audioCodec('opus', passes ? media.codec.payloadType : TYPES.opus, 'maxaveragebitrate=20000;useinbandfec=1') : audioCodec(this.#codec);
    return pair.openInner(passes ? 'relay' : 'peer', passes && media.events ? [audio, media.events] : [audio]);
  }

  #result(media: PeerMedia, towardsAnchor: AudioSection): PeerSideResult {
    const passes = media.codec.name === this.#codec;
    return {
      media,
      path: { remote: { address: towardsAnchor.address, port: towardsAnchor.port } },
      format: {
        codec: this.#codec,
        audioType: towardsAnchor.codecs.find((codec) => codec.name === this.#codec)?.payloadType ?? TYPES.opus,
        eventType: passes ? media.events?.payloadType ?? null : null,
        eventUnit: media.events?.clockRate === 48_000 ? clockRate('opus') : 8000,
      },
      wire: { codec: media.codec.name, keying: media.audio.sdes.length > 0 ? 'sdes' : 'none', passes, ptime: 20 },
      unlatched: this.#latches(media),
    };
  }
}

function sameCodecs(a: PeerMedia, b: PeerMedia): boolean {
  return a.codec.name === b.codec.name && a.codec.payloadType === b.codec.payloadType && a.events?.payloadType === b.events?.payloadType;
}
