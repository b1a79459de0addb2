// Meta's session descriptions (META-SIP §6.1), and the judgement of the business's.
import { randomInt, randomUUID } from 'node:crypto';
import { CODECS } from '../media/codec.js';
import type { CodecName } from '../media/codec.js';
import type { MediaAddress } from '../media/socket.js';
import { parseCrypto, SUITE } from '../media/srtp.js';
import type { MasterKey } from '../media/srtp.js';
import { attribute, attributes, directionOf, parseSdp, rtpMaps } from '../sip/sdp.js';
import type { Sdp, SdpMedia } from '../sip/sdp.js';
import type { Rule } from '../verdict.js';

export type Keying = 'sdes' | 'dtls';

/** ICE and DTLS of one side, as SDP shows them. */
export interface IceDtls { ufrag: string; pwd: string; fingerprint: string; setup: string; candidates: string[] }

export interface MetaSdpInput {
  local: MediaAddress;
  /** With their payload types, in order of preference. */
  codecs: { name: CodecName; payloadType: number }[];
  /** Payload type of telephone-event/8000; undefined leaves it out. */
  dtmf: number | undefined;
  ssrc: number;
  /** `a=mid`; Meta's own is `audio`. */
  mid?: string | undefined;
  /** `a=crypto` value, with keying sdes. */
  crypto?: string | undefined;
  dtls?: IceDtls | undefined;
}

const OPUS_FMTP = 'maxaveragebitrate=20000;maxplaybackrate=16000;minptime=20;sprop-maxcapturerate=16000;useinbandfec=1';

/** An offer or answer of Meta's. */
export function metaSdp(input: MetaSdpInput): string {
  const { local, dtls, mid = 'audio' } = input;
  const stream = randomUUID();
  const formats = [...input.codecs.map((c) => c.payloadType), ...(input.dtmf === undefined ? [] : [input.dtmf])];
  const family = local.address.includes(':') ? 'IP6' : 'IP4';
  return [
    'v=0', `o=- ${Date.now()} 2 IN IP4 127.0.0.1`, 's=-', 't=0 0', `a=group:BUNDLE ${mid}`, `a=msid-semantic: WMS ${stream}`,
    ...(dtls ? ['a=ice-lite'] : []),
    `m=audio ${local.port} ${dtls ? 'UDP/TLS/RTP/SAVPF' : 'RTP/SAVP'} ${formats.join(' ')}`, `c=IN ${family} ${local.address}`, 'a=rtcp:9 IN IP4 0.0.0.0',
    ...(dtls ? [
      ...dtls.candidates.map((c) => `a=candidate:${c}`), `a=ice-ufrag:${dtls.ufrag}`, `a=ice-pwd:${dtls.pwd}`,
      `a=fingerprint:${dtls.fingerprint}`, `a=setup:${dtls.setup}`,
    ] : []),
    `a=mid:${mid}`, 'a=sendrecv', `a=msid:${stream} WhatsAppTrack1`, 'a=rtcp-mux',
    ...(input.crypto === undefined ? [] : [`a=crypto:${input.crypto}`]),
    ...input.codecs.flatMap((c) => [
      `a=rtpmap:${c.payloadType} ${CODECS[c.name].rtpmap}`,
      ...(c.name === 'opus' ? [`a=fmtp:${c.payloadType} ${OPUS_FMTP}`, ...(dtls ? [`a=rtcp-fb:${c.payloadType} transport-cc`] : [])] : []),
    ]),
    ...(input.dtmf === undefined ? [] : [`a=rtpmap:${input.dtmf} telephone-event/8000`]),
    'a=maxptime:20', 'a=ptime:20', `a=ssrc:${input.ssrc} cname:WhatsAppAudioStream1`, '',
  ].join('\r\n');
}

/** A candidate line's value for one of Meta's host candidates. */
export function metaCandidate(index: number, address: MediaAddress): string {
  return `${randomInt(1, 2 ** 31)} 1 udp ${2122262783 - 512 * index} ${address.address} ${address.port} typ host generation 0 network-cost 50`;
}

/** What the business's description gives us, as far as it could be read. */
export interface BusinessMedia {
  codec: CodecName;
  payloadType: number;
  dtmf: number | undefined;
  remote: MediaAddress;
  master: MasterKey | undefined;
  dtls: IceDtls | undefined;
}

/** The business's offer, with the tag of its crypto line and its mid, if it has one. */
export interface OfferedMedia extends BusinessMedia { cryptoTag: number; mid: string | undefined }

export type Breach = (rule: Rule, detail: string) => void;

/** Reads the business's answer to an offer of ours and reports every breach of RFC 3264 and of Meta's rules. Undefined when there is no usable media. */
export function judgeAnswer(text: string, offer: MetaSdpInput, breach: Breach): BusinessMedia | undefined {
  let sdp: Sdp;
  try {
    sdp = parseSdp(text);
  } catch (error) {
    breach('sdp', (error as Error).message);
    return undefined;
  }
  // RFC 3264 §6: as many m-lines as the offer has, in its order. Meta's offers have one.
  if (sdp.media.length !== 1) breach('sdp', `${sdp.media.length} m-lines answer one`);
  const media = sdp.media[0];
  if (media === undefined) return undefined;
  const protocol = offer.dtls ? 'UDP/TLS/RTP/SAVPF' : 'RTP/SAVP';
  if (media.kind !== 'audio') breach('sdp', `m=${media.kind} answers m=audio`);
  if (media.protocol !== protocol) breach('sdp', `protocol ${media.protocol} answers ${protocol}`);
  if (media.port === 0) breach('sdp', 'the audio is refused (port 0)');
  if (media.address === undefined) breach('sdp', 'no c= line');
  if (directionOf(sdp, media) !== 'sendrecv') breach('sdp', `direction ${directionOf(sdp, media)}`);
  if (attribute(sdp, 'ice-lite') !== undefined || attribute(media, 'ice-lite') !== undefined) breach('sdp', 'ice-lite in the answer: two lite sides never check');
  judgePtime(media, breach);
  const codec = judgeCodecs(media, offer, breach);
  const master = offer.dtls ? undefined : judgeCrypto(media, offer, breach);
  const dtls = offer.dtls ? judgeDtls(sdp, media, breach) : undefined;
  if (codec === undefined || media.address === undefined || media.port === 0) return undefined;
  if (offer.dtls ? dtls === undefined : master === undefined) return undefined;
  return { ...codec, remote: { address: media.address, port: media.port }, master, dtls };
}

function judgePtime(media: SdpMedia, breach: Breach): void {
  const ptime = attribute(media, 'ptime');
  // RFC 3551 §4.5: 20 ms is the default.
  if (ptime !== undefined && ptime !== '20') breach('ptime', `a=ptime:${ptime}`);
  const max = attribute(media, 'maxptime');
  if (max !== undefined && Number(max) < 20) breach('ptime', `a=maxptime:${max} forbids 20 ms`);
}

function judgeCodecs(media: SdpMedia, offer: MetaSdpInput, breach: Breach): Pick<BusinessMedia, 'codec' | 'payloadType' | 'dtmf'> | undefined {
  const maps = rtpMaps(media);
  const offered = new Set([...offer.codecs.map((c) => c.payloadType), offer.dtmf]);
  for (const format of media.formats) if (!offered.has(Number(format))) breach('payload-type', `payload type ${format} was not offered`);
  for (const map of maps) {
    const wanted = offer.codecs.find((c) => c.payloadType === map.payloadType);
    const rtpmap = map.channels === 1 ? `${map.name}/${map.clockRate}` : `${map.name}/${map.clockRate}/${map.channels}`;
    const expected = wanted ? CODECS[wanted.name].rtpmap : map.payloadType === offer.dtmf ? 'telephone-event/8000' : undefined;
    if (expected !== undefined && rtpmap.toLowerCase() !== expected.toLowerCase()) breach('sdp', `a=rtpmap:${map.payloadType} says ${rtpmap} for ${expected}`);
  }
  const chosen = media.formats.map((f) => offer.codecs.find((c) => c.payloadType === Number(f))).find((c) => c !== undefined);
  if (chosen === undefined) {
    breach('sdp', 'no codec of the offer is in the answer');
    return undefined;
  }
  // RFC 3264 §6: a dynamic payload type needs its map in the answer.
  if (chosen.payloadType >= 96 && !maps.some((m) => m.payloadType === chosen.payloadType)) breach('sdp', `no a=rtpmap for ${chosen.payloadType}`);
  const dtmf = media.formats.includes(String(offer.dtmf)) ? offer.dtmf : undefined;
  return { codec: chosen.name, payloadType: chosen.payloadType, dtmf };
}

function judgeCrypto(media: SdpMedia, offer: MetaSdpInput, breach: Breach): MasterKey | undefined {
  const lines = attributes(media, 'crypto');
  // RFC 4568 §5.1.2: exactly one of the offered attributes is accepted, with its tag and suite.
  if (lines.length !== 1) breach('crypto', `${lines.length} a=crypto lines in the answer`);
  for (const name of ['fingerprint', 'setup', 'ice-ufrag', 'candidate']) if (attribute(media, name) !== undefined) breach('crypto', `a=${name} in an SDES answer`);
  const line = lines[0] === undefined ? undefined : parseCrypto(lines[0]);
  if (line === undefined) {
    if (lines.length > 0) breach('crypto', 'a=crypto cannot be read');
    return undefined;
  }
  const offered = parseCrypto(offer.crypto ?? '');
  if (line.tag !== offered?.tag) breach('crypto', `tag ${line.tag} answers tag ${offered?.tag}`);
  if (line.suite !== SUITE) breach('crypto', `suite ${line.suite}`);
  if (line.extra !== '') breach('crypto', 'lifetime, MKI or session parameters that were not offered');
  if (line.master === undefined) breach('crypto', 'the key is not 30 bytes long');
  else if (offered?.master !== undefined && line.master.key.equals(offered.master.key)) breach('crypto', 'the answer repeats our own key');
  return line.master;
}

function judgeDtls(sdp: Sdp, media: SdpMedia, breach: Breach): IceDtls | undefined {
  if (attribute(media, 'crypto') !== undefined) breach('crypto', 'a=crypto in a DTLS answer');
  const read = (name: string): string | undefined => attribute(media, name) ?? attribute(sdp, name);
  const ufrag = read('ice-ufrag');
  const pwd = read('ice-pwd');
  const fingerprint = read('fingerprint');
  const setup = read('setup');
  if (fingerprint === undefined) breach('dtls', 'No fingerprint found in SDP');
  // META-SIP §6.2: the business answers active.
  if (setup !== 'active' && setup !== 'passive') breach('dtls', `a=setup:${setup} answers actpass`);
  else if (setup === 'passive') breach('dtls', 'a=setup:passive: the business should be the DTLS client');
  // RFC 8445 §5.3: at least 4 and 22 characters.
  if ((ufrag?.length ?? 0) < 4 || (pwd?.length ?? 0) < 22) breach('ice', 'ice-ufrag or ice-pwd missing or too short');
  if (attribute(media, 'rtcp-mux') === undefined) breach('sdp', 'no a=rtcp-mux in a DTLS answer');
  const candidates = attributes(media, 'candidate');
  if (candidates.length === 0) breach('ice', 'no candidate: trickle is not possible');
  if (ufrag === undefined || pwd === undefined || fingerprint === undefined || setup === undefined) return undefined;
  return { ufrag, pwd, fingerprint, setup, candidates };
}
