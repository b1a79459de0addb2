import type { PeerCodec, PeerSrtp } from '../config/types.js';
import { audioCodec, eventCodec, isAudioCodec } from './codecs.js';
import { unacceptable, type WarnCode } from './error.js';
import { readSdp } from './read.js';
import { OFFERED_SUITES, SDES_SUITE } from './security.js';
import type { EnginePort } from './meta.js';
import { flowOf, isNowhere, replies } from './direction.js';
import { DISCARD } from './place.js';
import type { AudioSection, Flow, SdesKey, SdpCodec, Section, SessionDescription } from './types.js';

/** What a peer may speak: lib/media's PeerMediaProfile without the rest. */
export interface PeerSdpProfile {
  readonly codecs: readonly PeerCodec[];
  readonly srtp: PeerSrtp;
  /** SRTP suites that the engine has; left out: AES_CM_128_HMAC_SHA1_80. */
  readonly suites?: readonly string[];
  readonly dtmf: 'rfc4733' | 'info';
  /** ICE and DTLS-SRTP, nothing else (RFC 8827); left out: none of it. */
  readonly webrtc?: boolean;
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

/** Payload types our offers to peers carry; the engine must agree on them. `wideEvents`: telephone events with the clock of Opus, for peers with WebRTC. */
export interface OfferedTypes { readonly opus: number; readonly events: number | null; readonly wideEvents?: number }

/** Codec lines of an offer to a peer, in the order of its profile. */
export function peerOfferCodecs(profile: PeerSdpProfile, types: OfferedTypes): SdpCodec[] {
  const codecs: SdpCodec[] = profile.codecs.map((name) => (name === 'opus' ? audioCodec(name, types.opus, 'minptime=20;useinbandfec=1') : audioCodec(name)));
  // RFC 4733 §2.4: events 0-15 are the digits. PBXs use 8000 beside Opus too.
  if (types.events !== null && profile.dtmf === 'rfc4733') codecs.push({ payloadType: types.events, name: 'telephone-event', clockRate: 8000, channels: 1, fmtp: '0-15' });
  // RFC 4733 §2.1 wants the clock of the audio, and browsers keep to it.
  const wide = profile.webrtc === true && profile.dtmf === 'rfc4733' && profile.codecs.includes('opus') ? types.wideEvents : undefined;
  if (wide !== undefined) codecs.push(eventCodec(wide, 48_000));
  return codecs;
}

/** Our offer to a peer on the engine's port. */
export function peerOffer(port: EnginePort, profile: PeerSdpProfile, types: OfferedTypes, id: string, version: number): SessionDescription {
  const webrtc = profile.webrtc === true;
  // RFC 9143 §7.2, RFC 8829 §5.2.1: browsers bundle even one section, by its mid.
  const section = ownSection(port, peerOfferCodecs(profile, types), 'sendrecv', webrtc ? '0' : null);
  const protocol = webrtc ? 'UDP/TLS/RTP/SAVPF' : profile.srtp === 'sdes' ? 'RTP/SAVP' : 'RTP/AVP';
  return { id, version, bundle: webrtc, sections: [{ audio: { ...section, protocol, sdes: ownKeys(port, profile) } }] };
}

/**
 * Our answer to a peer's offer: one codec and its events on the engine's port, other m-lines refused (RFC 3264 §6), the key of the line that was
 * chosen (RFC 4568 §5.1.2). @throws WabError 'SDP_UNACCEPTABLE' when the engine has none of that suite
 */
export function peerAnswer(media: PeerMedia, port: EnginePort, profile: PeerSdpProfile, id: string, version: number): SessionDescription {
  const codecs = media.events ? [media.codec, { ...media.events, fmtp: '0-15' }] : [media.codec];
  const audio = { ...ownSection(port, codecs, media.reply, media.audio.mid), protocol: media.audio.protocol, sdes: answeringKey(media, port) };
  const sections = media.session.sections.map((section, at): Section => {
    if (at === media.index) return { audio };
    if ('other' in section) return section;
    const refused = section.audio;
    return { other: { kind: 'audio', protocol: refused.protocol, formats: refused.codecs.map((codec) => codec.payloadType).join(' ') || '0', mid: refused.mid } };
  });
  return { id, version, bundle: profile.webrtc === true && media.session.bundle, sections };
}

function answeringKey({ audio }: PeerMedia, port: EnginePort): readonly SdesKey[] {
  const [theirs] = audio.sdes;
  if (theirs === undefined) return [];
  const ours = port.sdes.find(({ tag, suite }) => tag === theirs.tag && suite === theirs.suite);
  if (ours === undefined) throw unacceptable(`the media engine has no key for a=crypto:${theirs.tag} ${theirs.suite}`, undefined, 305);
  return [ours];
}

function ownSection(port: EnginePort, codecs: SdpCodec[], direction: AudioSection['direction'], mid: string | null): Omit<AudioSection, 'protocol' | 'sdes'> {
  return {
    address: port.address,
    port: port.port,
    direction,
    rtcpMux: port.rtcpMux && port.dtls !== null,
    mid,
    codecs,
    ptime: 20,
    maxptime: null,
    ice: port.ice,
    dtls: port.dtls,
    // RFC 8830: without it some browsers give a page a track of no stream.
    ...(port.dtls === null ? {} : { msid: 'wa-b2bua' }),
  };
}

function suitesOf({ suites }: PeerSdpProfile): readonly string[] {
  return suites ?? [SDES_SUITE];
}

/** The keys that an offer of ours names; none without SRTP. */
function ownKeys(port: Pick<EnginePort, 'sdes'>, profile: PeerSdpProfile): readonly SdesKey[] {
  return profile.srtp === 'none' ? [] : port.sdes.filter((key) => suitesOf(profile).includes(key.suite) && OFFERED_SUITES.includes(key.suite));
}

/**
 * Reads a peer's answer to an offer of ours with one audio section. `port`: the engine's, whose keys the offer named; null: not known.
 * @throws WabError 'SDP_UNACCEPTABLE' when refused with port 0, in clear where SRTP was offered, with a codec we did not offer, or with a key
 * line that answers none of ours: its tag and suite are those of the line that was chosen (RFC 4568 §5.1.2, §5.1.3)
 */
export function readPeerAnswer(text: string, profile: PeerSdpProfile, port: Pick<EnginePort, 'sdes'> | null): PeerMedia {
  const media = pickPeer(text, profile, 'answer');
  const [theirs] = media.audio.sdes;
  const ours = port?.sdes ?? [];
  if (theirs !== undefined && ours.length > 0 && !ours.some(({ tag, suite }) => tag === theirs.tag && suite === theirs.suite)) {
    throw unacceptable(`answer: a=crypto:${theirs.tag} ${theirs.suite} answers none of our lines (${ours.map(({ tag, suite }) => `${tag} ${suite}`).join(', ')})`);
  }
  return media;
}

/** Reads a peer's offer; its own order of codecs counts among those of the profile (RFC 3264 §6.1). @throws WabError 'SDP_UNACCEPTABLE'. */
export function readPeerOffer(text: string, profile: PeerSdpProfile): PeerMedia {
  return pickPeer(text, profile, 'offer');
}

interface Fault { readonly why: string; readonly warning: WarnCode }
const fault = (warning: WarnCode, why: string): Fault => ({ why, warning });

function pickPeer(text: string, profile: PeerSdpProfile, kind: 'offer' | 'answer'): PeerMedia {
  const session = readSdp(text);
  const faults: Fault[] = [];
  for (const [index, section] of session.sections.entries()) {
    if (!('audio' in section)) continue;
    const picked = judge(section.audio, suitesNamed(text, index), profile, kind);
    if (!('why' in picked)) return { session, index, ...picked };
    faults.push(picked);
    // An answer has the sections of our offer, and that was one (RFC 3264 §6).
    if (kind === 'answer') break;
  }
  const { why, warning } = faults[0] ?? fault(304, 'no audio section');
  throw unacceptable(`${kind}: ${why}`, undefined, warning);
}

/** The suites that the a=crypto lines of a section name, usable or not. */
function suitesNamed(text: string, index: number): string[] {
  const section = text.split(/^m=/m)[index + 1] ?? '';
  return section.split(/\r?\n/).flatMap((line) => /^a=crypto:\d+ (\S+)/.exec(line)?.[1] ?? []);
}

function judge(audio: AudioSection, named: readonly string[], profile: PeerSdpProfile, kind: 'offer' | 'answer'): Omit<PeerMedia, 'session' | 'index'> | Fault {
  if (audio.port === 0) return fault(304, 'audio refused with port 0');
  if (profile.webrtc === true) return judgeWebrtc(audio, profile);
  const objection = isNowhere(audio.address) ? null : profile.refuses?.(audio.address, audio.port) ?? null;
  if (objection !== null) return fault(/multicast/.test(objection) ? 330 : 399, `no media is sent there: ${objection}`);
  if (audio.protocol.startsWith('UDP/TLS')) return fault(304, 'the peer wants DTLS-SRTP, which is spoken with peers that have webrtc: true');
  const sdes = chooseKey(audio, named, profile, kind);
  if ('why' in sdes) return sdes;
  const codec = chooseCodec(audio, profile);
  if (!codec) return fault(305, 'none of the configured codecs');
  const events = profile.dtmf === 'rfc4733' ? pickEvents(audio, codec) : null;
  return { audio: { ...audio, sdes, ice: null, dtls: null, rtcp: reportsTo(audio, profile) }, codec, events, flow: flowOf(audio), reply: replies[audio.direction] };
}

/** RFC 8827, RFC 8834 §4.5: ICE, a fingerprint and RTCP on one port. Where media goes ICE says, so only candidates are judged, and no c= line: a browser may know none yet. */
function judgeWebrtc(audio: AudioSection, profile: PeerSdpProfile): Omit<PeerMedia, 'session' | 'index'> | Fault {
  const { ice, dtls, protocol, rtcpMux } = audio;
  if (ice === null || dtls === null) return fault(304, `no ICE or no DTLS fingerprint where webrtc: true is configured (${protocol})`);
  if (!rtcpMux) return fault(399, 'no a=rtcp-mux where webrtc: true is configured');
  const codec = chooseCodec(audio, profile);
  if (codec === undefined) return fault(305, 'none of the configured codecs');
  const candidates = ice.candidates.filter(({ address, port }) => (profile.refuses?.(address, port) ?? null) === null);
  const all = audio.codecs.filter((one) => one.name === 'telephone-event');
  const events = profile.dtmf !== 'rfc4733' ? null : all.find((one) => one.clockRate === codec.clockRate) ?? all.find((one) => one.clockRate === 8000) ?? null;
  const { direction } = audio;
  return {
    audio: { ...audio, sdes: [], ice: { ...ice, candidates }, rtcp: undefined }, codec, events, reply: replies[direction],
    flow: { listens: direction === 'sendrecv' || direction === 'recvonly', sends: direction === 'sendrecv' || direction === 'sendonly' },
  };
}

function chooseCodec(audio: AudioSection, { codecs }: PeerSdpProfile): PeerMedia['codec'] | undefined {
  return audio.codecs.find((one): one is PeerMedia['codec'] => codecs.some((name) => isAudioCodec(one, name)));
}

/**
 * Where RTCP goes; undefined: to the port after RTP's. Both are judged like that of RTP, and another address than RTP's is not believed (RFC 3605 §4
 * names that attack): what may not be sent goes to the discard port.
 */
function reportsTo({ address, port, rtcp }: AudioSection, { refuses }: PeerSdpProfile): AudioSection['rtcp'] {
  const said = rtcp !== undefined && rtcp.address === address && rtcp.port !== port + 1 ? rtcp : undefined;
  const to = said ?? { address, port: port + 1 };
  if (isNowhere(address)) return undefined;
  return to.port <= 65_535 && (refuses?.(to.address, to.port) ?? null) === null ? said : { address, port: DISCARD };
}

/** The key that is used, the first that the engine can (RFC 4568 §5.1.2); none: plain RTP. */
function chooseKey({ protocol, sdes }: AudioSection, named: readonly string[], profile: PeerSdpProfile, kind: 'offer' | 'answer'): readonly SdesKey[] | Fault {
  const suites = suitesOf(profile);
  const secure = protocol.startsWith('RTP/SAVP');
  if (profile.srtp === 'none') return secure ? fault(304, `the peer wants SRTP where srtp: none is configured (${protocol})`) : [];
  if (profile.srtp === 'sdes' && !secure) {
    return fault(304, named.length === 0 ? `the peer wants plain RTP where srtp: sdes is configured (${protocol})`
      : `the peer leaves SRTP to us (${protocol} with a=crypto, RFC 8643) where srtp: sdes wants RTP/SAVP: srtp: optional takes both`);
  }
  const keys = sdes.filter(({ suite }) => suites.includes(suite)).slice(0, 1);
  // RFC 8643 §3.1: what is left to us is plain RTP where no line can be used; an answer with a key means it.
  if (keys.length > 0 || (!secure && (kind === 'offer' || named.length === 0))) return keys;
  return fault(305, `no usable a=crypto line: ${named.length === 0 ? 'there is none' : `it names ${named.join(', ')}`}, we take ${suites.join(', ')}`);
}

/** RFC 4733 §2.1 wants the audio's clock; beside Opus most PBXs send 8000 all the same. */
function pickEvents(audio: AudioSection, codec: SdpCodec): SdpCodec | null {
  const events = audio.codecs.filter((one) => one.name === 'telephone-event');
  return events.find((one) => one.clockRate === 8000) ?? events.find((one) => one.clockRate === codec.clockRate) ?? null;
}
