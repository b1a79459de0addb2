import type { Keying } from '../config/types.js';
import { audioCodec, eventCodec, isAudioCodec, META_OPUS_FMTP } from './codecs.js';
import { unacceptable } from './error.js';
import { readSdp } from './read.js';
import { SDES_SUITE } from './security.js';
import type { AudioSection, SdesKey, SdpCodec, Section, SessionDescription } from './types.js';

/** What Meta offered or answered, checked: the one audio section we use and what was chosen from it. */
export interface MetaMedia {
  readonly session: SessionDescription;
  /** Place of the audio section among the m-lines. */
  readonly index: number;
  readonly audio: AudioSection;
  readonly keying: Keying;
  readonly codec: SdpCodec;
  /** telephone-event/8000; null when Meta names none. */
  readonly events: SdpCodec | null;
}

/** Payload types in offers of ours; those Meta itself uses (META-SIP §6.1), so that nothing needs mapping. */
const OPUS = audioCodec('opus', 111, META_OPUS_FMTP);
const EVENTS = eventCodec(126, 8000, '0-16');

/**
 * Reads Meta's offer. Opus is chosen wherever it stands, as it is mandatory there and G.711 is transcoded by Meta (META-SIP §2.2).
 * The keying of the offer counts, the number's setting only decides where both are present: Meta is known to reset it (META-SIP §2.3).
 * @throws WabError 'SDP_UNACCEPTABLE'.
 */
export function readMetaOffer(text: string, preferred: Keying): MetaMedia {
  return pickMeta(readSdp(text), preferred);
}

/** Reads Meta's answer to `offered`. @throws WabError 'SDP_UNACCEPTABLE'; also when it carries another keying than offered. */
export function readMetaAnswer(text: string, offered: Keying): MetaMedia {
  const media = pickMeta(readSdp(text), offered);
  if (media.keying !== offered) throw unacceptable(`answer keyed with ${media.keying}, offer with ${offered}`);
  return media;
}

function pickMeta(session: SessionDescription, preferred: Keying): MetaMedia {
  const faults: string[] = [];
  for (const [index, section] of session.sections.entries()) {
    if (!('audio' in section)) continue;
    const picked = judge(section.audio, preferred);
    if (typeof picked !== 'string') return { session, index, ...picked };
    faults.push(picked);
  }
  throw unacceptable(faults[0] ?? 'no audio section');
}

function judge(audio: AudioSection, preferred: Keying): Omit<MetaMedia, 'session' | 'index'> | string {
  if (audio.port === 0) return 'audio refused with port 0';
  const codec = audio.codecs.find((one) => isAudioCodec(one, 'opus'))
    ?? audio.codecs.find((one) => isAudioCodec(one, 'PCMU') || isAudioCodec(one, 'PCMA'));
  if (!codec) return 'neither Opus nor G.711 in the audio section';
  // META-SIP §6.3: telephone-event/8000 only, whatever the audio's clock.
  const events = audio.codecs.find((one) => one.name === 'telephone-event' && one.clockRate === 8000) ?? null;
  const keying = keyingOf(audio, preferred);
  if (keying === null) return `no ${SDES_SUITE} key and no DTLS fingerprint with ICE in the audio section`;
  const sdes = keying === 'sdes' ? audio.sdes.filter((key) => usable(key)).slice(0, 1) : [];
  // RTCP goes where RTP goes: with it, or to the next port.
  return { audio: { ...audio, sdes, rtcp: undefined }, keying, codec, events };
}

/** What Meta and we speak: one suite, no master key identifier (META-SIP §6.1). */
function usable({ suite, mki }: SdesKey): boolean {
  return suite === SDES_SUITE && mki === undefined;
}

function keyingOf(audio: AudioSection, preferred: Keying): Keying | null {
  const sdes = audio.sdes.some((key) => usable(key)) && audio.protocol.startsWith('RTP/SAVP');
  // [RINGQ] in META-SIP §12 saw a crypto line under UDP/TLS/RTP/SAVPF: take it where nothing else is there.
  const dtls = audio.dtls !== null && audio.ice !== null;
  if (sdes && dtls) return preferred;
  if (dtls) return 'dtls';
  return sdes || audio.sdes.some((key) => usable(key)) ? 'sdes' : null;
}

/** The codecs of our side of the Meta leg, under Meta's payload types. */
function ownCodecs(media: MetaMedia): SdpCodec[] {
  const codec = media.codec.name === 'opus' ? { ...media.codec, fmtp: META_OPUS_FMTP } : { ...media.codec, fmtp: null };
  return media.events ? [codec, { ...media.events, fmtp: '0-16' }] : [codec];
}

/** Transport facts of the engine's port that Meta shall see. */
export interface EnginePort {
  readonly address: string;
  readonly port: number;
  readonly rtcpMux: boolean;
  readonly sdes: readonly SdesKey[];
  readonly ice: AudioSection['ice'];
  readonly dtls: AudioSection['dtls'];
}

/** Our SSRC on the Meta leg, announced (RFC 5576 §4.1). */
export interface OwnSource { readonly id: number; readonly cname: string }

/** Our answer to Meta's offer: every other m-line refused, audio in its place on the engine's port. */
export function metaAnswer(media: MetaMedia, port: EnginePort, source: OwnSource): SessionDescription {
  const audio: AudioSection = {
    ...ownTransport(port, media.keying),
    protocol: media.audio.protocol,
    mid: media.audio.mid,
    rtcpMux: media.audio.rtcpMux && port.rtcpMux,
    codecs: ownCodecs(media),
    ssrc: source,
  };
  const sections: Section[] = media.session.sections.map((section, at): Section => {
    if (at === media.index) return { audio };
    if ('other' in section) return section;
    // RFC 3264 §6: a second audio stream is refused; its formats are repeated from the offer.
    const { protocol, codecs, mid } = section.audio;
    return { other: { kind: 'audio', protocol, formats: codecs.map((codec) => codec.payloadType).join(' ') || '0', mid } };
  });
  return { id: String(source.id), version: 1, bundle: media.session.bundle, sections };
}

/** Our offer to Meta. `g711`: the number has PCMU and PCMA enabled at Meta. */
export function metaOffer(port: EnginePort, keying: Keying, g711: boolean, source: OwnSource): SessionDescription {
  const audio: AudioSection = {
    ...ownTransport(port, keying),
    // META-SIP §6.1: RTP/SAVP with one crypto, or UDP/TLS/RTP/SAVPF with ICE and a fingerprint.
    protocol: keying === 'sdes' ? 'RTP/SAVP' : 'UDP/TLS/RTP/SAVPF',
    mid: 'audio',
    rtcpMux: port.rtcpMux,
    codecs: metaOfferCodecs(g711),
    ssrc: source,
  };
  return { id: String(source.id), version: 1, bundle: keying === 'dtls', sections: [{ audio }] };
}

/** Codecs of our offer: Opus first, telephone-event at 8000 only (META-SIP §6.3). */
export function metaOfferCodecs(g711: boolean): SdpCodec[] {
  return [OPUS, ...(g711 ? [audioCodec('PCMU'), audioCodec('PCMA')] : []), EVENTS];
}

function ownTransport(port: EnginePort, keying: Keying): Pick<AudioSection, 'address' | 'port' | 'direction' | 'ptime' | 'maxptime' | 'sdes' | 'ice' | 'dtls'> {
  return {
    address: port.address,
    port: port.port,
    direction: 'sendrecv',
    ptime: 20,
    maxptime: 20,
    sdes: keying === 'sdes' ? port.sdes.filter((key) => usable(key)).slice(0, 1) : [],
    ice: keying === 'dtls' ? port.ice : null,
    dtls: keying === 'dtls' ? port.dtls : null,
  };
}
