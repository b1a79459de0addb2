import type { Keying } from '../../config/types.js';
import { WabError } from '../../errors.js';
import { audioCodec, eventCodec, metaAnswer, metaOffer, readMetaAnswer, writeSdp, type AudioSection, type MetaMedia, type OwnSource, type SdpCodec } from '../../sdp/index.js';
import type { Remote } from '../relay/messages.js';
import type { RelayCodec } from '../relay/rtp.js';
import type { MetaSide, MetaSideResult, SideEvents } from '../session/sides.js';
import { ChannelPair, placeholder, unreachable } from './pair.js';
import type { FreeswitchServer } from './server.js';

/**
 * Meta ⇄ FreeSWITCH ⇄ relay on a number keyed with SDES: one codec on both channels, so that packets, events among them, pass with
 * their timestamps; the outgoing stream has the SSRC we announce.
 */
export class FreeswitchMetaSide implements MetaSide {
  readonly #server: FreeswitchServer;
  readonly #pair: ChannelPair;
  readonly #local: Remote;
  readonly #events: SideEvents;
  #towardsAnchor: AudioSection | null = null;

  constructor(server: FreeswitchServer, local: Remote, events: SideEvents) {
    this.#server = server;
    this.#pair = new ChannelPair(server, local, events);
    this.#local = local;
    this.#events = events;
  }

  async answer(media: MetaMedia, source: OwnSource): Promise<MetaSideResult> {
    const codecs = codecsOf(media);
    const [port, towardsAnchor] = await this.#make(unreachable(this.#local, { ...media.audio, codecs, ice: null, dtls: null }), codecs, source);
    return { ...this.#result(media, towardsAnchor), sdp: writeSdp(metaAnswer(media, port, source)) };
  }

  async offer(keying: Keying, g711: boolean, source: OwnSource): Promise<string> {
    const codecs = [audioCodec('opus', 111), eventCodec(126)];
    const [port, towardsAnchor] = await this.#make(placeholder(this.#local, codecs, true, true), codecs, source);
    this.#towardsAnchor = towardsAnchor;
    return writeSdp(metaOffer(port, keying, g711, source));
  }

  async accept(answer: string, keying: Keying): Promise<MetaSideResult> {
    const media = readMetaAnswer(answer, keying);
    if (media.codec.name !== 'opus' || this.#towardsAnchor === null) throw new WabError('SDP_UNACCEPTABLE', 'Meta answered without Opus');
    return { ...this.#result(media, this.#towardsAnchor), sdp: null };
  }

  /**
   * Both channels, joined, with nowhere to send yet: FreeSWITCH sends two packets of its own when it joins channels, and none may reach
   * Meta before the 200.
   */
  async #make(outer: AudioSection, codecs: SdpCodec[], source: OwnSource): Promise<[AudioSection, AudioSection]> {
    const [own, inner] = await Promise.all([this.#pair.openOuter('meta', outer, ssrcHeader(source)), this.#pair.openInner('relay', codecs)]);
    await this.#pair.join();
    return [this.#server.outside(own), inner];
  }

  close(): Promise<void> {
    return this.#pair.close();
  }

  /** Meta's address, at last. */
  async #reach(media: MetaMedia): Promise<void> {
    try {
      await this.#pair.moveOuter({ ...media.audio, codecs: codecsOf(media), ice: null, dtls: null });
    } catch (error) {
      this.#events.lost(error instanceof Error ? error.message : String(error));
    }
  }

  #result(media: MetaMedia, towardsAnchor: AudioSection): Omit<MetaSideResult, 'sdp'> {
    return {
      media, secure: () => this.#reach(media),
      path: { remote: { address: towardsAnchor.address, port: towardsAnchor.port } },
      format: { codec: media.codec.name as RelayCodec, audioType: media.codec.payloadType, eventType: media.events?.payloadType ?? null, eventUnit: 8000 },
    };
  }
}

/** Of Meta's codecs the chosen one and its events. */
export function codecsOf(media: MetaMedia): SdpCodec[] {
  return media.events ? [media.codec, media.events] : [media.codec];
}

/** The SSRC that FreeSWITCH is to send under, for the dialplan. */
export function ssrcHeader(source: OwnSource): Record<string, string> {
  return { 'X-WAB-SSRC': String(source.id) };
}
