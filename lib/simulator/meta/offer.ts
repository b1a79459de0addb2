// Judging the business's offer as Meta does (META-SIP §6).
import { CODECS } from '../media/codec.js';
import type { CodecName } from '../media/codec.js';
import { parseCrypto, SUITE } from '../media/srtp.js';
import { attribute, attributes, directionOf, parseSdp, rtpMaps } from '../sip/sdp.js';
import type { RtpMap, Sdp, SdpMedia } from '../sip/sdp.js';
import type { RefusalName } from './refusals.js';
import type { Breach, Keying, OfferedMedia } from './sdp.js';

/** Reads an offer. Gives what was chosen, or the refusal Meta answers with; breaches that Meta lets pass are reported on the side. */
export function judgeOffer(text: string, keying: Keying, allowed: readonly CodecName[], breach: Breach): OfferedMedia | RefusalName {
  let sdp: Sdp;
  try {
    sdp = parseSdp(text);
  } catch (error) {
    breach('sdp', (error as Error).message);
    return 'sdp';
  }
  const media = sdp.media[0];
  // META-SIP §6.2: one stream, one track.
  if (sdp.media.length !== 1 || media?.kind !== 'audio' || media.port === 0 || media.address === undefined) {
    breach('sdp', `${sdp.media.length} m-lines: one for audio, with a port and an address, is wanted`);
    return 'sdp';
  }
  if (directionOf(sdp, media) !== 'sendrecv') breach('sdp', `offer is ${directionOf(sdp, media)}`);
  const ptime = attribute(media, 'ptime');
  if (ptime !== undefined && ptime !== '20') breach('ptime', `a=ptime:${ptime} in the offer`);
  const maps = rtpMaps(media);
  const codec = allowed.find((name) => maps.some((m) => matches(m, name)));
  const payloadType = codec === undefined ? undefined : maps.find((m) => matches(m, codec))?.payloadType;
  if (codec === undefined || payloadType === undefined) {
    breach('sdp', `no codec of the number's in ${media.formats.join(' ')}`);
    return 'sdp';
  }
  const event = judgeFormats(maps, allowed, breach);
  const common = { codec, payloadType, dtmf: event?.payloadType, mid: attribute(media, 'mid'), remote: { address: media.address, port: media.port } };
  return keying === 'dtls' ? readDtls(sdp, media, common, breach) : readSdes(media, common, breach);
}

/** Formats that the number does not take. Gives that of telephone-event. */
function judgeFormats(maps: readonly RtpMap[], allowed: readonly CodecName[], breach: Breach): RtpMap | undefined {
  const isEvent = (map: RtpMap): boolean => map.name.toLowerCase() === 'telephone-event';
  for (const map of maps) {
    const known = allowed.some((name) => matches(map, name)) || isEvent(map);
    if (!known) breach('sdp', `${map.name}/${map.clockRate} is offered, the number takes ${allowed.join(', ')}`);
  }
  const event = maps.find((map) => isEvent(map) && map.clockRate === 8000);
  // META-SIP §6.3: 48000 is unsupported, and 8000 is wanted in the offer.
  if (event === undefined || maps.some((map) => isEvent(map) && map.clockRate !== 8000)) breach('dtmf', 'telephone-event/8000, and only it, is wanted in the offer');
  return event;
}

function matches(map: { name: string; clockRate: number; channels: number }, name: CodecName): boolean {
  // META-SIP §12 (VoiceBlender): Opus must be written /2.
  return map.name.toLowerCase() === name.toLowerCase() && map.clockRate === CODECS[name].clockRate && (name !== 'opus' || map.channels === 2);
}

type Common = Pick<OfferedMedia, 'codec' | 'payloadType' | 'dtmf' | 'remote' | 'mid'>;

function readSdes(media: SdpMedia, common: Common, breach: Breach): OfferedMedia | RefusalName {
  // META-SIP §15 row 26: whether SAVPF is taken with SDES is unknown; the safest form is asked for.
  if (media.protocol !== 'RTP/SAVP') {
    breach('sdp', `protocol ${media.protocol} on an SDES number`);
    return 'sdp';
  }
  const lines = attributes(media, 'crypto').map(parseCrypto);
  const good = lines.find((l) => l?.suite === SUITE && l.master !== undefined);
  if (good?.master === undefined) {
    breach('crypto', `no a=crypto with ${SUITE}`);
    return 'sdp';
  }
  return { ...common, master: good.master, dtls: undefined, cryptoTag: good.tag };
}

function readDtls(sdp: Sdp, media: SdpMedia, common: Common, breach: Breach): OfferedMedia | RefusalName {
  const read = (name: string): string | undefined => attribute(media, name) ?? attribute(sdp, name);
  const [ufrag, pwd, fingerprint, setup] = ['ice-ufrag', 'ice-pwd', 'fingerprint', 'setup'].map(read);
  if (fingerprint === undefined) return 'noFingerprint';
  if (media.protocol !== 'UDP/TLS/RTP/SAVPF') {
    breach('sdp', `protocol ${media.protocol} on a DTLS number`);
    return 'sdp';
  }
  if (ufrag === undefined || pwd === undefined || ufrag.length < 4 || pwd.length < 22) {
    breach('ice', 'ice-ufrag or ice-pwd missing or too short');
    return 'sdp';
  }
  // RFC 5763 §5: the offerer says actpass.
  if (setup !== 'actpass') breach('dtls', `a=setup:${setup} in the offer`);
  if (read('ice-lite') !== undefined) breach('ice', 'ice-lite in the offer: two lite sides never check');
  if (attribute(media, 'crypto') !== undefined) breach('crypto', 'a=crypto on a DTLS number');
  const candidates = attributes(media, 'candidate');
  if (candidates.length === 0) breach('ice', 'no candidate: trickle is not possible');
  return { ...common, master: undefined, dtls: { ufrag, pwd, fingerprint, setup: setup ?? '', candidates }, cryptoTag: 1 };
}
