import type { Keying } from '../../config/types.js';
import { metaAnswer, metaOffer, metaOfferCodecs, readMetaAnswer, underOurNumbers, writeSdp, type AudioSection, type DtlsSetup, type EnginePort, type IceCandidate, type MetaMedia, type OwnSource, type SdpCodec } from '../../sdp/index.js';
import { WabError } from '../../errors.js';
import type { Remote } from '../relay/messages.js';
import { chosenCodecs, metaFormat } from '../session/formats.js';
import type { MetaSide, MetaSideResult, SideEvents } from '../session/sides.js';
import { engineSdp, EngineCall, ONE_SUITE } from './engineCall.js';
import type { Instance } from './instance.js';
import { INTERFACES } from './process.js';

/** Tags of the two sides of Meta's engine call. */
const META = 'meta';
const RELAY = 'relay';

/**
 * Events under a name the engine does not know: taken as telephone-event/8000 beside Opus at 48000, rtpengine 10.5.3
 * drops every second event even when nothing is transcoded; an unknown payload type it passes on untouched.
 */
export function opaque(events: SdpCodec): SdpCodec {
  return { ...events, name: 'x-event', fmtp: null };
}

function engineCodecs(codec: SdpCodec, events: SdpCodec | null): SdpCodec[] {
  return events ? [codec, opaque(events)] : [codec];
}

/** The plain RTP section of the relay. */
export function relaySection(local: Remote, codecs: SdpCodec[]): AudioSection {
  return {
    address: local.address, port: local.port, protocol: 'RTP/AVP', direction: 'sendrecv', rtcpMux: true, mid: null, codecs,
    ptime: 20, maxptime: null, sdes: [], ice: null, dtls: null,
  };
}

/** Meta's side as one engine call. */
export class RtpengineMetaSide implements MetaSide {
  readonly #call: EngineCall;
  readonly #local: Remote;

  constructor(instance: Instance, id: string, local: Remote, events: SideEvents) {
    this.#call = new EngineCall(instance, id, [], (reason) => events.lost(reason));
    this.#local = local;
  }

  answer(media: MetaMedia, source: OwnSource): Promise<MetaSideResult> {
    return answerMetaSide(this.#call, this.#local, media, source);
  }

  offer(keying: Keying, g711: boolean, source: OwnSource): Promise<string> {
    return offerMetaSide(this.#call, this.#local, keying, g711, source);
  }

  accept(answer: string, keying: Keying, g711: boolean): Promise<MetaSideResult> {
    return acceptMetaSide(this.#call, this.#local, answer, keying, g711);
  }

  close(): Promise<void> {
    return this.#call.close();
  }
}

/** Answers Meta's offer: Meta ⇄ engine ⇄ relay. @throws WabError 'SDP_UNACCEPTABLE', 'MEDIA_UNAVAILABLE', 'MEDIA_REFUSED'. */
async function answerMetaSide(call: EngineCall, local: Remote, media: MetaMedia, source: OwnSource): Promise<MetaSideResult> {
  const dtls = media.keying === 'dtls';
  const answer = relaySdp(local, engineCodecs(media.codec, media.events));
  const exchange = async (section: string, again: boolean): Promise<{ towardsAnchor: AudioSection; port: EnginePort }> => {
    const towardsAnchor = await call.offer(META, again ? RELAY : null, section, {
      'transport-protocol': 'RTP/AVP', ICE: 'remove', 'rtcp-mux': ['accept', 'offer'], direction: [INTERFACES.meta, INTERFACES.relay],
    });
    const port = await call.answer(META, RELAY, answer, { ICE: dtls ? 'force' : 'remove', 'rtcp-mux': media.audio.rtcpMux ? ['accept', 'require'] : ['reject'] });
    return { towardsAnchor, port };
  };
  const { towardsAnchor, port } = await exchange(dtls ? waiting(media) : forEngine(media), false);
  // META-SIP §6.2: towards an actpass offer we are the DTLS client; a role that Meta fixed itself is honoured.
  const own: EnginePort = dtls && port.dtls ? { ...port, dtls: { ...port.dtls, setup: client(media) ? 'active' : 'passive' } } : port;
  const secure = !dtls ? null : () => beginDtls(call, media, async (section) => { await exchange(section, true); });
  return {
    sdp: writeSdp(metaAnswer(media, own, source)), path: { remote: { address: towardsAnchor.address, port: towardsAnchor.port } },
    format: metaFormat(media, chosenCodecs(media)), media, secure,
  };
}

/** Whether we are the DTLS client against this description of Meta's. */
function client(media: MetaMedia): boolean {
  return media.audio.dtls?.setup !== 'active';
}

/** Meta's description before its time: nobody to check, and a DTLS client on its side. */
function waiting(media: MetaMedia): string {
  if (!media.audio.ice?.candidates.length) throw new WabError('SDP_UNACCEPTABLE', 'no usable ICE candidate');
  return described(media, [], 'active');
}

/**
 * ICE, then DTLS. The engine checks as soon as it has candidates, and gives up after 25 s: it gets them only now, as a call may ring
 * for longer. It would also say hello on the first pair that answers, 100 ms before it nominates one, and Meta wants ICE finished
 * first (META-SIP §6.2); a hello that is dropped costs a second. So Meta's side plays the client until a pair is nominated.
 */
async function beginDtls(call: EngineCall, media: MetaMedia, exchange: (section: string) => Promise<void>): Promise<void> {
  const candidates = media.audio.ice?.candidates ?? [];
  const nominated = call.instance.iceCompleted(call.id);
  await exchange(described(media, candidates, 'active'));
  if (!client(media)) return;
  await nominated;
  await exchange(described(media, candidates, 'passive'));
}

function described(media: MetaMedia, candidates: readonly IceCandidate[], setup: DtlsSetup): string {
  const { ice, dtls } = media.audio;
  return engineSdp({
    ...media.audio, direction: 'sendrecv', codecs: engineCodecs(media.codec, media.events), sdes: [],
    ice: ice && { ...ice, candidates }, dtls: dtls && { ...dtls, setup },
  });
}

/** The offer for Meta. @throws WabError 'MEDIA_UNAVAILABLE', 'MEDIA_REFUSED'. */
async function offerMetaSide(call: EngineCall, local: Remote, keying: Keying, g711: boolean, source: OwnSource): Promise<string> {
  return writeSdp(metaOffer(await offerToMeta(call, local, keying, g711, false), keying, g711, source));
}

function offerToMeta(call: EngineCall, local: Remote, keying: Keying, g711: boolean, again: boolean): Promise<EnginePort> {
  const codecs = metaOfferCodecs(g711).map((codec) => (codec.name === 'telephone-event' ? opaque(codec) : codec));
  return call.offer(RELAY, again ? META : null, relaySdp(local, codecs), {
    'transport-protocol': keying === 'dtls' ? 'UDP/TLS/RTP/SAVPF' : 'RTP/SAVP', ...(keying === 'dtls' ? { SDES: ['off'] } : { DTLS: 'off', SDES: ONE_SUITE }),
    ICE: keying === 'dtls' ? 'force' : 'remove', 'rtcp-mux': ['require'], direction: [INTERFACES.relay, INTERFACES.meta],
  });
}

/** Takes Meta's answer to that offer. @throws WabError 'SDP_UNACCEPTABLE', 'MEDIA_UNAVAILABLE', 'MEDIA_REFUSED'. */
async function acceptMetaSide(call: EngineCall, local: Remote, answer: string, keying: Keying, g711: boolean): Promise<MetaSideResult> {
  const media = readMetaAnswer(answer, keying);
  const named = metaOfferCodecs(g711);
  // The engine translates no numbers where it transcodes nothing: it keeps to ours, and the relay sends under Meta's.
  const forEngines = underOurNumbers(named, media);
  const dtls = media.keying === 'dtls';
  const accept = (section: string): Promise<AudioSection> => call.answer(RELAY, META, section, { ICE: 'remove', 'rtcp-mux': ['accept'] });
  const towardsAnchor = await accept(dtls ? waiting(forEngines) : forEngine(forEngines));
  const secure = !dtls ? null : () => beginDtls(call, forEngines, async (section) => {
    await offerToMeta(call, local, keying, g711, true);
    await accept(section);
  });
  return { sdp: null, path: { remote: { address: towardsAnchor.address, port: towardsAnchor.port } }, format: metaFormat(media, named), media, secure };
}

function forEngine(media: MetaMedia): string {
  return engineSdp({ ...media.audio, direction: 'sendrecv', codecs: engineCodecs(media.codec, media.events), ice: null, dtls: null });
}

function relaySdp(local: Remote, codecs: SdpCodec[]): string {
  return engineSdp(relaySection(local, codecs));
}
