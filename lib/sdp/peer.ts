import type { PeerCodec } from '../config/types.js';
import { audioCodec, isAudioCodec } from './codecs.js';
import { readSdp, unacceptable } from './read.js';
import { SDES_SUITE } from './security.js';
import type { EnginePort } from './meta.js';
import { flowOf, isNowhere, replies } from './direction.js';
import type { AudioSection, Flow, SdesKey, SdpCodec, Section, SessionDescription } from './types.js';

/** What a peer may speak: lib/media's PeerMediaProfile without the rest. */
export interface PeerSdpProfile {
  readonly codecs: readonly PeerCodec[];
  readonly srtp: 'none' | 'sdes';
  readonly dtmf: 'rfc4733' | 'info';
  /** Why no media is to be sent to this address and port, in words; null, or left out: nothing speaks against it. */
  readonly refuses?: (address: string, port: number) => string | null;
}

/** What a peer offered or answered, checked. */
export interface PeerMedia {
  readonly session: SessionDescription;
  readonly index: number;
  readonly audio: AudioSection;
  readonly codec: SdpCodec & { readonly name: PeerCodec };
  readonly events: SdpCodec | null;
  readonly flow: Flow;
  /** Direction of our own section in the answer. */
  readonly reply: AudioSection['direction'];
}

/** Payload types our offers to peers carry; the engine must agree on them. */
export interface OfferedTypes { readonly opus: number; readonly events: number | null }

/** Codec lines of an offer to a peer, in the order of its profile. */
export function peerOfferCodecs(profile: PeerSdpProfile, types: OfferedTypes): SdpCodec[] {
  const codecs: SdpCodec[] = profile.codecs.map((name) => (name === 'opus' ? audioCodec(name, types.opus, 'minptime=20;useinbandfec=1') : audioCodec(name)));
  // RFC 4733 §2.4: events 0-15 are the digits. PBXs use 8000 beside Opus too.
  if (types.events !== null && profile.dtmf === 'rfc4733') codecs.push({ payloadType: types.events, name: 'telephone-event', clockRate: 8000, channels: 1, fmtp: '0-15' });
  return codecs;
}

/** Our offer to a peer on the engine's port. */
export function peerOffer(port: EnginePort, profile: PeerSdpProfile, types: OfferedTypes, id: string, version: number): SessionDescription {
  return { id, version, bundle: false, sections: [{ audio: ownSection(port, profile, peerOfferCodecs(profile, types), 'sendrecv', null) }] };
}

/** Our answer to a peer's offer: one codec and its events on the engine's port, other m-lines refused (RFC 3264 §6). */
export function peerAnswer(media: PeerMedia, port: EnginePort, profile: PeerSdpProfile, id: string, version: number): SessionDescription {
  const codecs = media.events ? [media.codec, { ...media.events, fmtp: '0-15' }] : [media.codec];
  const audio = { ...ownSection(port, profile, codecs, media.reply, media.audio.mid), protocol: media.audio.protocol };
  const sections = media.session.sections.map((section, at): Section => {
    if (at === media.index) return { audio };
    if ('other' in section) return section;
    const refused = section.audio;
    return { other: { kind: 'audio', protocol: refused.protocol, formats: refused.codecs.map((codec) => codec.payloadType).join(' ') || '0', mid: refused.mid } };
  });
  return { id, version, bundle: false, sections };
}

function ownSection(port: EnginePort, profile: PeerSdpProfile, codecs: SdpCodec[], direction: AudioSection['direction'], mid: string | null): AudioSection {
  return {
    address: port.address,
    port: port.port,
    protocol: profile.srtp === 'sdes' ? 'RTP/SAVP' : 'RTP/AVP',
    direction,
    rtcpMux: false,
    mid,
    codecs,
    ptime: 20,
    maxptime: null,
    sdes: ownKeys(port, profile),
    ice: null,
    dtls: null,
  };
}

/** The keys that our own description names; none without SRTP. */
function ownKeys(port: Pick<EnginePort, 'sdes'>, profile: PeerSdpProfile): readonly SdesKey[] {
  return profile.srtp === 'sdes' ? port.sdes.filter((key) => key.suite === SDES_SUITE).slice(0, 1) : [];
}

/**
 * Reads a peer's answer to an offer of ours with one audio section. `port`: the engine's, whose keys the offer named; null: not known.
 * @throws WabError 'SDP_UNACCEPTABLE' when refused with port 0, in clear where SRTP was offered, with a codec we did not offer, or with a key
 * line that answers none of ours: its tag and suite are those of the line that was chosen (RFC 4568 §5.1.2, §5.1.3)
 */
export function readPeerAnswer(text: string, profile: PeerSdpProfile, port: Pick<EnginePort, 'sdes'> | null): PeerMedia {
  const media = pickPeer(readSdp(text), profile, 'answer');
  const [theirs] = media.audio.sdes;
  const ours = port === null ? [] : ownKeys(port, profile);
  if (theirs !== undefined && ours.length > 0 && !ours.some(({ tag, suite }) => tag === theirs.tag && suite === theirs.suite)) {
    throw unacceptable(`answer: a=crypto:${theirs.tag} ${theirs.suite} answers none of our lines (${ours.map(({ tag, suite }) => `${tag} ${suite}`).join(', ')})`);
  }
  return media;
}

/** Reads a peer's offer; its own order of codecs counts among those of the profile (RFC 3264 §6.1). @throws WabError 'SDP_UNACCEPTABLE'. */
export function readPeerOffer(text: string, profile: PeerSdpProfile): PeerMedia {
  return pickPeer(readSdp(text), profile, 'offer');
}

function pickPeer(session: SessionDescription, profile: PeerSdpProfile, kind: 'offer' | 'answer'): PeerMedia {
  const faults: string[] = [];
  for (const [index, section] of session.sections.entries()) {
    if (!('audio' in section)) continue;
    const picked = judge(section.audio, profile);
    if (typeof picked !== 'string') return { session, index, ...picked };
    faults.push(picked);
    // An answer has the sections of our offer, and that was one (RFC 3264 §6).
    if (kind === 'answer') break;
  }
  throw unacceptable(`${kind}: ${faults[0] ?? 'no audio section'}`);
}

function judge(audio: AudioSection, profile: PeerSdpProfile): Omit<PeerMedia, 'session' | 'index'> | string {
  if (audio.port === 0) return 'audio refused with port 0';
  const objection = isNowhere(audio.address) ? null : profile.refuses?.(audio.address, audio.port) ?? null;
  if (objection !== null) return `no media is sent there: ${objection}`;
  const secure = audio.protocol.startsWith('RTP/SAVP');
  if (audio.protocol.startsWith('UDP/TLS')) return 'DTLS-SRTP is not spoken with peers';
  if (profile.srtp === 'sdes' && !secure) return 'the peer wants plain RTP where srtp: sdes is configured';
  if (profile.srtp === 'none' && secure) return 'the peer wants SRTP where srtp: none is configured';
  const sdes = secure ? audio.sdes.filter((key) => key.suite === SDES_SUITE).slice(0, 1) : [];
  if (secure && sdes.length === 0) return `no usable ${SDES_SUITE} key`;
  const codec = audio.codecs.find((one): one is SdpCodec & { name: PeerCodec } => profile.codecs.some((name) => isAudioCodec(one, name)));
  if (!codec) return 'none of the configured codecs';
  const events = profile.dtmf === 'rfc4733' ? pickEvents(audio, codec) : null;
  return { audio: { ...audio, sdes, ice: null, dtls: null }, codec, events, flow: flowOf(audio), reply: replies[audio.direction] };
}

/** RFC 4733 §2.1 wants the audio's clock; beside Opus most PBXs send 8000 all the same. */
function pickEvents(audio: AudioSection, codec: SdpCodec): SdpCodec | null {
  const events = audio.codecs.filter((one) => one.name === 'telephone-event');
  return events.find((one) => one.clockRate === 8000) ?? events.find((one) => one.clockRate === codec.clockRate) ?? null;
}
