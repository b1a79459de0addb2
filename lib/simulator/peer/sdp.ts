// Offer and answer of a PBX user (RFC 3264), with or without SDES.
import { CODECS } from '../media/codec.js';
import type { CodecName } from '../media/codec.js';
import type { MediaSession } from '../media/endpoint.js';
import type { MediaAddress } from '../media/socket.js';
import { parseCrypto, SUITE, writeCrypto } from '../media/srtp.js';
import type { MasterKey } from '../media/srtp.js';
import { attribute, attributes, directionOf, parseSdp, rtpMaps } from '../sip/sdp.js';
import type { Direction, SdpMedia } from '../sip/sdp.js';

/** Answers that give codec and events numbers of their own, and under whose numbers the peer sends then: those of the offer, as RFC 3264 §6.1 has it, or its own. */
export type Renumbering = 'offered' | 'own';

const OTHER_AUDIO = 115;
const OTHER_EVENTS = 117;

export type PeerSrtp = 'none' | 'sdes' | 'optional';

/** What the peer can do and where it is. */
export interface PeerMedia {
  local: MediaAddress;
  codecs: CodecName[];
  srtp: PeerSrtp;
  /** Payload type of telephone-event when the peer offers; undefined leaves it out. */
  dtmf: number | undefined;
  /** Null: answers repeat the offer's numbers. */
  renumber: Renumbering | null;
  master: MasterKey;
  sessionId: number;
  ptime: number;
}

/** What both sides agreed on. `theirs` is the direction the far end stated. */
export interface Agreed { session: MediaSession; remoteMaster: MasterKey | undefined; theirs: Direction; mux: boolean; cryptoTag: number }

interface Description {
  readonly version: number;
  readonly secure: boolean;
  /** Payload types. */
  readonly formats: readonly number[];
  /** Without "a=". */
  readonly attributes: readonly string[];
  /** Of the c= line, where that is not the peer's own. */
  readonly address?: string | undefined;
}

function write(media: PeerMedia, { version, secure, formats, attributes, address = media.local.address }: Description): string {
  const family = address.includes(':') ? 'IP6' : 'IP4';
  return [
    'v=0', `o=pbx ${media.sessionId} ${version} IN ${family} ${media.local.address}`, 's=-', `c=IN ${family} ${address}`, 't=0 0',
    `m=audio ${media.local.port} ${secure ? 'RTP/SAVP' : 'RTP/AVP'} ${formats.join(' ')}`, ...attributes.map((l) => `a=${l}`), '',
  ].join('\r\n');
}

/** An offer of the peer's; `hold` writes the old form of hold, an address of zeroes (RFC 3264 §8.4). */
export function peerOffer(media: PeerMedia, version: number, direction: Direction, zeroAddress = false): string {
  const secure = media.srtp === 'sdes';
  const dtmf = media.dtmf === undefined ? [] : [media.dtmf];
  const formats = [...media.codecs.map((name) => CODECS[name].payloadType), ...dtmf];
  return write(media, { version, secure, formats, address: zeroAddress ? '0.0.0.0' : undefined, attributes: [
    ...media.codecs.map((name) => `rtpmap:${CODECS[name].payloadType} ${CODECS[name].rtpmap}`),
    ...dtmf.flatMap((type) => [`rtpmap:${type} telephone-event/8000`, `fmtp:${type} 0-15`]),
    ...(secure ? [`crypto:${writeCrypto(1, media.master)}`] : []), `ptime:${media.ptime}`, direction,
  ] });
}

/** The peer's answer to an offer: the agreed codec and telephone-event only. */
export function peerAnswer(media: PeerMedia, version: number, agreed: Agreed, direction: Direction): string {
  const { codec, payloadType, dtmf } = agreed.session;
  const secure = agreed.remoteMaster !== undefined;
  return write(media, { version, secure, formats: [payloadType, ...(dtmf ? [dtmf.payloadType] : [])], attributes: [
    `rtpmap:${payloadType} ${CODECS[codec].rtpmap}`,
    ...(dtmf ? [`rtpmap:${dtmf.payloadType} telephone-event/${dtmf.clockRate}`, `fmtp:${dtmf.payloadType} 0-15`] : []),
    ...(secure ? [`crypto:${writeCrypto(agreed.cryptoTag, media.master)}`] : []), ...(agreed.mux ? ['rtcp-mux'] : []), `ptime:${media.ptime}`, direction,
  ] });
}

/** The same with numbers of the peer's own. */
export function renumbered(agreed: Agreed, how: Renumbering): Agreed {
  const { payloadType, dtmf } = agreed.session;
  // One more, where the offer has that number itself.
  const other = (wanted: number, taken: number | undefined): number => (wanted === taken ? wanted + 1 : wanted);
  const own = { payloadType: other(OTHER_AUDIO, payloadType), dtmf: dtmf && { ...dtmf, payloadType: other(OTHER_EVENTS, dtmf.payloadType) } };
  return { ...agreed, session: { ...agreed.session, ...own, sends: how === 'own' ? undefined : { payloadType, dtmf: dtmf?.payloadType ?? 0 } } };
}

/** SDP that no one can use: an unknown codec only, at no address. */
export function badAnswer(media: PeerMedia): string {
  return `v=0\r\no=pbx ${media.sessionId} 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=audio 0 RTP/AVP 77\r\na=rtpmap:77 unheard-of/1\r\n`;
}

/** The direction that answers `theirs` when we would like `wanted` (RFC 3264 §6.1). */
export function answerDirection(theirs: Direction, wanted: Direction): Direction {
  const weSend = theirs !== 'sendonly' && theirs !== 'inactive' && (wanted === 'sendrecv' || wanted === 'sendonly');
  const weHear = theirs !== 'recvonly' && theirs !== 'inactive' && (wanted === 'sendrecv' || wanted === 'recvonly');
  return weSend ? (weHear ? 'sendrecv' : 'sendonly') : weHear ? 'recvonly' : 'inactive';
}

/** Reads the far end's offer or answer. Throws an Error with the reason when nothing can be agreed on. */
export function agree(text: string, media: PeerMedia): Agreed {
  const sdp = parseSdp(text);
  const audio = sdp.media.find((m) => m.kind === 'audio' && m.port !== 0);
  if (audio === undefined) throw new Error('no audio m-line with a port');
  if (audio.address === undefined) throw new Error('no c= line');
  const secured = isSecured(audio.protocol, media.srtp);
  const maps = rtpMaps(audio);
  const find = (name: CodecName): number | undefined =>
    maps.find((m) => m.name.toLowerCase() === name.toLowerCase() && m.clockRate === CODECS[name].clockRate)?.payloadType;
  const codec = media.codecs.find((name) => find(name) !== undefined);
  const payloadType = codec === undefined ? undefined : find(codec);
  if (codec === undefined || payloadType === undefined) throw new Error(`no common codec in ${audio.formats.join(' ')}`);
  const events = maps.filter((m) => m.name.toLowerCase() === 'telephone-event');
  // RFC 4733 §2.1: events share the audio's clock; else the 8 kHz one is taken.
  const event = events.find((m) => m.clockRate === CODECS[codec].clockRate) ?? events.find((m) => m.clockRate === 8000);
  const crypto = secured ? readCrypto(audio) : undefined;
  const mux = attribute(audio, 'rtcp-mux') !== undefined;
  const remote = { address: audio.address, port: audio.port };
  const session: MediaSession = {
    codec, payloadType, dtmf: event && { payloadType: event.payloadType, clockRate: event.clockRate }, remote,
    rtcp: mux ? remote : rtcpAddress(audio, remote), secured,
  };
  return { session, remoteMaster: crypto?.master, theirs: directionOf(sdp, audio), mux, cryptoTag: crypto?.tag ?? 1 };
}

/** Whether a stream of this protocol is SRTP. Throws an Error when the peer takes none such. */
function isSecured(protocol: string, srtp: PeerSrtp): boolean {
  const secured = protocol === 'RTP/SAVP' || protocol === 'RTP/SAVPF';
  if (!secured && protocol !== 'RTP/AVP' && protocol !== 'RTP/AVPF') throw new Error(`protocol ${protocol}`);
  if (secured && srtp === 'none') throw new Error('SRTP offered to a peer without it');
  if (!secured && srtp === 'sdes') throw new Error('plain RTP to a peer that asks for SRTP');
  return secured;
}

function readCrypto(audio: SdpMedia): { tag: number; master: MasterKey } {
  for (const line of attributes(audio, 'crypto').map(parseCrypto)) {
    if (line?.suite === SUITE && line.master !== undefined) return { tag: line.tag, master: line.master };
  }
  throw new Error(`no a=crypto with ${SUITE}`);
}

// RFC 3605: a=rtcp:PORT [IN IP4 ADDRESS]; else the next port.
function rtcpAddress(audio: SdpMedia, rtp: MediaAddress): MediaAddress {
  const m = /^(\d+)(?: IN IP[46] (\S+))?$/.exec(attribute(audio, 'rtcp') ?? '');
  return m === null ? { address: rtp.address, port: rtp.port + 1 } : { address: m[2] ?? rtp.address, port: Number(m[1]) };
}
