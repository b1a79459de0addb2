import type { Keying } from '../../config/types.js';
import { WabError } from '../../errors.js';
import {
  metaAnswer, metaOffer, metaOfferCodecs, readMetaAnswer, SDES_SUITE, writeSdp,
  type DtlsSetup, type EnginePort, type MetaMedia, type OwnSource, type SdpCodec,
} from '../../sdp/index.js';
import { hostCandidate, newIceCredentials } from '../ice/index.js';
import type { MediaInterface } from '../interfaces.js';
import type { Remote } from '../relay/messages.js';
import type { WireSettings } from '../relay/wire/settings.js';
import { chosenCodecs, metaFormat } from '../session/formats.js';
import type { MetaSide, MetaSideResult, SidePlace } from '../session/sides.js';
import { newKeys } from '../srtp/index.js';
import { OwnPort } from './side.js';
import type { PortPool } from './ports.js';

/** Meta's side on a port of ours: SDES, or ICE and DTLS. */
export class EmbeddedMetaSide implements MetaSide {
  readonly #place: SidePlace;
  readonly #port: OwnPort;
  readonly #fingerprint: string;
  readonly #key = newKeys(SDES_SUITE).inline;
  readonly #ice = newIceCredentials();
  /** It is our offer that Meta answers. */
  #offered = false;
  /** Where Meta is to send to, and whether RTCP comes there too. */
  #own: { readonly at: Remote; readonly rtcpMux: boolean } | null = null;

  /** `fingerprint`: a=fingerprint of our certificate, "sha-256 AB:CD…". */
  constructor(place: SidePlace, ports: PortPool, at: MediaInterface, fingerprint: string) {
    this.#place = place;
    this.#port = new OwnPort(place, ports, at);
    this.#fingerprint = fingerprint;
  }

  async answer(media: MetaMedia, source: OwnSource): Promise<MetaSideResult> {
    checkCandidates(media);
    const own = await this.#open(media.audio.rtcpMux);
    // META-SIP §6.2: towards an actpass offer we are the DTLS client; a role that Meta fixed itself is honoured.
    const setup: DtlsSetup = media.audio.dtls?.setup === 'active' ? 'passive' : 'active';
    const [theirs] = media.audio.sdes;
    const sdp = writeSdp(metaAnswer(media, this.#described(own, theirs?.tag ?? 1, setup), source));
    return { sdp, ...this.#negotiated(media, chosenCodecs(media), setup) };
  }

  async offer(keying: Keying, g711: boolean, source: OwnSource): Promise<string> {
    this.#offered = true;
    return writeSdp(metaOffer(this.#described(await this.#open(true), 1, 'actpass'), keying, g711, source));
  }

  async accept(answer: string, keying: Keying, g711: boolean): Promise<MetaSideResult> {
    const media = readMetaAnswer(answer, keying);
    checkCandidates(media);
    // RFC 5763 §5: the answer says which role it takes.
    const setup: DtlsSetup = media.audio.dtls?.setup === 'active' ? 'passive' : 'active';
    return { sdp: null, ...this.#negotiated(media, metaOfferCodecs(g711), setup) };
  }

  async #open(rtcpMux: boolean): Promise<Remote> {
    const at = await this.#port.open(!rtcpMux);
    this.#own ??= { at, rtcpMux };
    return at;
  }

  #described(at: Remote, tag: number, setup: DtlsSetup): EnginePort {
    const [hash = '', value = ''] = this.#fingerprint.split(' ');
    return {
      address: at.address, port: at.port, rtcpMux: true,
      sdes: [{ tag, suite: SDES_SUITE, key: this.#key }],
      ice: { ...this.#ice, lite: false, candidates: [hostCandidate(at)] },
      dtls: { setup, fingerprints: [{ hash, value }] },
    };
  }

  #negotiated(media: MetaMedia, named: readonly SdpCodec[], setup: DtlsSetup): Omit<MetaSideResult, 'sdp'> {
    const { relay, side } = this.#place;
    const secure = media.keying === 'dtls' ? async () => relay.post({ op: 'secure', side }) : null;
    return { path: { wire: this.#wire(media, setup) }, format: metaFormat(media, named), media, secure };
  }

  #wire({ audio, keying }: MetaMedia, setup: DtlsSetup): WireSettings {
    const { address, port, ice, dtls, rtcpMux } = audio;
    const own = this.#own;
    if (own === null) throw new WabError('MEDIA_REFUSED', 'the port towards Meta is not open');
    const [theirs] = audio.sdes;
    const common = { remote: { address, port }, rtcpMux: own.rtcpMux && rtcpMux, sources: { kind: 'described', address, port } as const };
    if (keying === 'sdes') {
      if (theirs === undefined) throw new WabError('SDP_UNACCEPTABLE', 'no key');
      return { ...common, sdes: { ours: { suite: SDES_SUITE, inline: this.#key }, theirs: { suite: theirs.suite, inline: theirs.key } }, dtls: null };
    }
    if (ice === null || dtls === null) throw new WabError('SDP_UNACCEPTABLE', 'no ICE or no fingerprint');
    return {
      ...common, sdes: null,
      // META-SIP §6.2: Meta is ICE-lite, and we control; a full agent that offers controls itself (RFC 8445 §6.1.1).
      dtls: {
        controlling: ice.lite || this.#offered, own: { ...this.#ice, local: own.at }, remote: ice,
        role: setup === 'active' ? 'client' : 'server', fingerprints: dtls.fingerprints,
      },
    };
  }

  async close(): Promise<void> {
    this.#port.close();
  }
}

/** RFC 8445 §5.2: a lite agent without a candidate cannot be reached, and never comes by itself. */
function checkCandidates({ keying, audio }: MetaMedia): void {
  if (keying === 'dtls' && (audio.ice?.candidates.length ?? 0) === 0) throw new WabError('SDP_UNACCEPTABLE', 'no usable ICE candidate');
}
