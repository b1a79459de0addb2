import { randomBytes } from 'node:crypto';
import { isIPv6 } from 'node:net';
import type { Keying } from '../../config/types.js';
import { WabError } from '../../errors.js';
import { audioCodec, eventCodec, metaAnswer, metaOffer, readMetaAnswer, writeSdp, type AudioSection, type EnginePort, type IceCandidate, type MetaMedia, type OwnSource, type SdpCodec } from '../../sdp/index.js';
import type { Remote } from '../relay/messages.js';
import type { RelayCodec } from '../relay/rtp.js';
import type { MetaSide, MetaSideResult, SideEvents } from '../session/sides.js';
import { codecsOf, ssrcHeader } from './metaSide.js';
import type { Nudger } from './nudger.js';
import { ChannelPair, placeholder } from './pair.js';
import type { FreeswitchServer } from './server.js';

/**
 * Meta ⇄ FreeSWITCH ⇄ relay on a number keyed with DTLS (media.webrtc: nudge). FreeSWITCH gets Meta's candidates only when the stream
 * may begin: it checks at once, and what makes it say the DTLS hello does harm 20 s after its first check.
 */
export class FreeswitchWebrtcSide implements MetaSide {
  readonly #server: FreeswitchServer;
  readonly #pair: ChannelPair;
  readonly #local: Remote;
  readonly #nudger: Nudger;
  readonly #events: SideEvents;
  #port: AudioSection | null = null;
  #towardsAnchor: AudioSection | null = null;
  #stop: () => void = () => undefined;
  #closed = false;

  constructor(server: FreeswitchServer, local: Remote, nudger: Nudger, events: SideEvents) {
    this.#server = server;
    this.#pair = new ChannelPair(server, local, events);
    this.#local = local;
    this.#nudger = nudger;
    this.#events = events;
  }

  async answer(media: MetaMedia, source: OwnSource): Promise<MetaSideResult> {
    const port = await this.#make(codecsOf(media), source);
    // META-SIP §6.2: towards an actpass offer we are the DTLS client; a role that Meta fixed itself is honoured.
    const own: EnginePort = { ...port, dtls: port.dtls && { ...port.dtls, setup: media.audio.dtls?.setup === 'active' ? 'passive' : 'active' } };
    return { ...this.#result(media), sdp: writeSdp(metaAnswer(media, own, source)) };
  }

  async offer(keying: Keying, g711: boolean, source: OwnSource): Promise<string> {
    const port = await this.#make([audioCodec('opus', 111), eventCodec(126)], source);
    return writeSdp(metaOffer({ ...port, dtls: port.dtls && { ...port.dtls, setup: 'actpass' } }, keying, g711, source));
  }

  async accept(answer: string, keying: Keying): Promise<MetaSideResult> {
    const media = readMetaAnswer(answer, keying);
    if (media.codec.name !== 'opus') throw new WabError('SDP_UNACCEPTABLE', 'Meta answered without Opus');
    return { ...this.#result(media), sdp: null };
  }

  /** Both channels, joined, the outer one towards the nudger, which answers nothing. Gives what Meta is to know of it. */
  async #make(codecs: SdpCodec[], source: OwnSource): Promise<EnginePort> {
    const nobody: AudioSection = {
      ...placeholder(this.#nudger.address, codecs, false, true), ...this.#nudger.address, protocol: 'UDP/TLS/RTP/SAVPF',
      ice: { ufrag: randomBytes(6).toString('base64url'), pwd: randomBytes(18).toString('base64url'), lite: false, candidates: [{ ...this.#nudger.candidate, type: 'host' }] },
      dtls: { setup: 'passive', fingerprints: [{ hash: 'sha-256', value: (randomBytes(32).toString('hex').toUpperCase().match(/../g) ?? []).join(':') }] },
    };
    const [outer, inner] = await Promise.all([this.#pair.openOuter('webrtc', nobody, ssrcHeader(source)), this.#pair.openInner('relay', codecs)]);
    await this.#pair.join();
    this.#port = outer;
    this.#towardsAnchor = inner;
    if (outer.ice === null || outer.dtls === null) throw new WabError('MEDIA_REFUSED', 'FreeSWITCH answers an offer of DTLS without ICE or a fingerprint');
    return { ...this.#server.outside({ ...outer, ice: { ...outer.ice, candidates: outer.ice.candidates.filter((one) => usable(one, outer.address)) } }), rtcpMux: true };
  }

  /** Meta's candidates, at last; then ICE, then DTLS. */
  async #reach(media: MetaMedia): Promise<void> {
    const [ice, dtls, own, inner] = [media.audio.ice, media.audio.dtls, this.#port, this.#towardsAnchor];
    if (ice === null || dtls === null || own?.ice === undefined || own.ice === null || inner === null) return;
    try {
      const candidates = [...ice.candidates.filter((one) => usable(one, own.address)), this.#nudger.candidate];
      // FreeSWITCH is the DTLS client unless Meta is: then it is told so.
      const setup = dtls.setup === 'active' ? 'active' : 'passive';
      await this.#pair.offerOuter({ ...media.audio, codecs: codecsOf(media), sdes: [], ice: { ...ice, lite: false, candidates }, dtls: { ...dtls, setup } });
      if (this.#closed) return;
      this.#stop = this.#nudger.nudge({ at: { address: inner.address, port: own.port }, ufrag: own.ice.ufrag, pwd: own.ice.pwd, remoteUfrag: ice.ufrag, server: setup === 'active' });
    } catch (error) {
      this.#events.lost(error instanceof Error ? error.message : String(error));
    }
  }

  close(): Promise<void> {
    this.#closed = true;
    this.#stop();
    return this.#pair.close();
  }

  #result(media: MetaMedia): Omit<MetaSideResult, 'sdp'> {
    if (this.#towardsAnchor === null || this.#port === null) throw new WabError('MEDIA_REFUSED', 'no description of ours is open');
    const { address, port } = this.#towardsAnchor;
    const { address: own } = this.#port;
    // With the nudger's alone FreeSWITCH would take that for Meta.
    if (!media.audio.ice?.candidates.some((one) => usable(one, own))) throw new WabError('SDP_UNACCEPTABLE', 'no usable ICE candidate');
    return {
      media, secure: () => this.#reach(media), path: { remote: { address, port } },
      format: { codec: media.codec.name as RelayCodec, audioType: media.codec.payloadType, eventType: media.events?.payloadType ?? null, eventUnit: 8000 },
    };
  }
}

/** FreeSWITCH has one address, and Meta multiplexes RTCP. */
function usable({ component, transport, address }: IceCandidate, own: string): boolean {
  return component === 1 && transport.toLowerCase() === 'udp' && isIPv6(address) === isIPv6(own);
}
