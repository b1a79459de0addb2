import type { Keying } from '../../config/types.js';
import { metaAnswer, metaOffer, metaOfferCodecs, readMetaAnswer, writeSdp, type AudioSection, type MetaMedia, type OwnSource, type SdpCodec } from '../../sdp/index.js';
import { WabError } from '../../errors.js';
import type { StreamFormat } from '../anchor/outStream.js';
import type { Remote } from '../anchor/messages.js';
import type { AnchorCodec } from '../anchor/rtp.js';
import type { EngineCall } from './engineCall.js';
import { INTERFACES } from './process.js';

/** Tags of the two sides of Meta's engine call. */
const META = 'meta';
const ANCHOR = 'anchor';

/** What the anchor must know of Meta's side once it is negotiated. */
export interface MetaSideResult {
  /** SDP for Meta; null when it was Meta who answered. */
  readonly sdp: string | null;
  readonly remote: Remote;
  readonly format: StreamFormat;
  readonly media: MetaMedia;
}

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

/** The plain RTP section of the anchor. */
export function anchorSection(local: Remote, codecs: SdpCodec[]): AudioSection {
  return {
    address: local.address, port: local.port, protocol: 'RTP/AVP', direction: 'sendrecv', rtcpMux: true, mid: null, codecs,
    ptime: 20, maxptime: null, sdes: [], ice: null, dtls: null,
  };
}

/** The format of Meta's stream: event durations in 8 kHz units whatever the audio's clock (META-SIP §6.3). */
function formatOf(media: MetaMedia): StreamFormat {
  return { codec: media.codec.name as AnchorCodec, audioType: media.codec.payloadType, eventType: media.events?.payloadType ?? null, eventUnit: 8000 };
}

/** Answers Meta's offer: Meta ⇄ engine ⇄ anchor. @throws WabError 'SDP_UNACCEPTABLE', 'MEDIA_UNAVAILABLE', 'MEDIA_REFUSED'. */
export async function answerMetaSide(call: EngineCall, local: Remote, media: MetaMedia, source: OwnSource): Promise<MetaSideResult> {
  const section = forEngine(media);
  const towardsAnchor = await call.offer(META, null, section, {
    'transport-protocol': 'RTP/AVP', ICE: 'remove', 'rtcp-mux': ['accept', 'offer'], direction: [INTERFACES.meta, INTERFACES.anchor],
  });
  const answer = anchorSdp(local, engineCodecs(media.codec, media.events));
  const port = await call.answer(META, ANCHOR, answer, {
    // META-SIP §6.2: full ICE, controlling, DTLS client. The engine is active towards an actpass offer.
    ICE: media.keying === 'dtls' ? 'force' : 'remove', 'rtcp-mux': media.audio.rtcpMux ? ['accept', 'require'] : ['reject'],
  });
  const sdp = writeSdp(metaAnswer(media, port, source));
  return { sdp, remote: { address: towardsAnchor.address, port: towardsAnchor.port }, format: formatOf(media), media };
}

/** The offer for Meta. @throws WabError 'MEDIA_UNAVAILABLE', 'MEDIA_REFUSED'. */
export async function offerMetaSide(call: EngineCall, local: Remote, keying: Keying, g711: boolean, source: OwnSource): Promise<string> {
  const codecs = metaOfferCodecs(g711).map((codec) => (codec.name === 'telephone-event' ? opaque(codec) : codec));
  const port = await call.offer(ANCHOR, null, anchorSdp(local, codecs), {
    'transport-protocol': keying === 'dtls' ? 'UDP/TLS/RTP/SAVPF' : 'RTP/SAVP', ...(keying === 'dtls' ? { SDES: ['off'] } : { DTLS: 'off' }),
    ICE: keying === 'dtls' ? 'force' : 'remove', 'rtcp-mux': ['require'], direction: [INTERFACES.anchor, INTERFACES.meta],
  });
  return writeSdp(metaOffer(port, keying, g711, source));
}

/** Takes Meta's answer to that offer. @throws WabError 'SDP_UNACCEPTABLE', 'MEDIA_UNAVAILABLE', 'MEDIA_REFUSED'. */
export async function acceptMetaSide(call: EngineCall, answer: string, keying: Keying): Promise<MetaSideResult> {
  const media = readMetaAnswer(answer, keying);
  const towardsAnchor = await call.answer(ANCHOR, META, forEngine(media), { ICE: 'remove', 'rtcp-mux': ['accept'] });
  return { sdp: null, remote: { address: towardsAnchor.address, port: towardsAnchor.port }, format: formatOf(media), media };
}

function forEngine(media: MetaMedia): string {
  if (media.keying === 'dtls' && !media.audio.ice?.candidates.length) throw new WabError('SDP_UNACCEPTABLE', 'no usable ICE candidate');
  return anchorless({ ...media.audio, direction: 'sendrecv', codecs: engineCodecs(media.codec, media.events), ...(media.keying === 'sdes' ? { ice: null, dtls: null } : {}) });
}

function anchorless(audio: AudioSection): string {
  return writeSdp({ id: '1', version: 1, bundle: false, sections: [{ audio: { ...audio, mid: null } }] });
}

function anchorSdp(local: Remote, codecs: SdpCodec[]): string {
  return anchorless(anchorSection(local, codecs));
}
