import { randomBytes } from 'node:crypto';
import type { MediaConfig, RtpengineConfig } from '../../../lib/config/types.js';
import { preferMedia } from '../../../lib/media/priority.js';
import { createMediaEngine, type MediaCall, type MediaEngine, type MediaLogger, type PeerLeg, type PeerMediaProfile } from '../../../lib/media/index.js';
import { engines } from '../../helpers/engines.js';
import { mediaPorts } from '../../helpers/ports.js';
import { Endpoint } from './endpoint.js';

/** Logger that keeps what it was told. */
export function keepingLogger(): MediaLogger & { readonly lines: string[] } {
  const lines: string[] = [];
  const keep = (level: string) => (details: object, text: string): void => { lines.push(`${level} ${text} ${JSON.stringify(details, (_key, value: unknown) => (value instanceof Error ? value.message : value))}`); };
  return { lines, debug: keep('debug'), info: keep('info'), warn: keep('warn'), error: keep('error') };
}

const LOOPBACK = { meta: '127.0.0.1', peers: '127.0.0.1' } as const;

/** `engine`: another one than WAB_MEDIA says. */
export async function mediaConfig(rtpengine: Partial<RtpengineConfig> = {}, engine: 'embedded' | 'rtpengine' = engines.media === 'embedded' ? 'embedded' : 'rtpengine'): Promise<MediaConfig> {
  const first = Number((await mediaPorts()).split('-')[0]);
  const ports = { first, last: first + 199 };
  return {
    engine, freeswitch: [], webrtc: 'rtpengine', music: null,
    interface: rtpengine.interface ?? LOOPBACK, ports: rtpengine.ports ?? ports, workers: 1,
    rtpengine: { spawn: true, program: engines.rtpengine, control: [], interface: LOOPBACK, ports, anchor: '127.0.0.1', ...rtpengine },
  };
}

export async function startEngine(rtpengine: Partial<RtpengineConfig> = {}, name?: 'embedded' | 'rtpengine'): Promise<{ engine: MediaEngine; logger: ReturnType<typeof keepingLogger> }> {
  // The test's own ends are judged by the clock as the service's are.
  preferMedia(0);
  const logger = keepingLogger();
  const engine = createMediaEngine(await mediaConfig(rtpengine, name), logger, { webrtc: true, stack: () => { throw new Error('rtpengine needs no SIP'); } });
  await engine.start();
  return { engine, logger };
}

const sdpPort = (sdp: string): number => Number(/m=audio (\d+)/.exec(sdp)?.[1]);
const sdpKey = (sdp: string): string => /inline:(\S+)/.exec(sdp)?.[1] ?? '';

export const PCMU: PeerMediaProfile = { codecs: ['PCMU'], srtp: 'none', dtmf: 'rfc4733' };

export function metaSdp(port: number, key: string, types: { opus?: number; events?: number } = {}): string {
  const opus = types.opus ?? 111;
  const events = types.events ?? 126;
  return ['v=0', 'o=- 1735689600123 2 IN IP4 127.0.0.1', 's=-', 't=0 0', 'a=group:BUNDLE audio', `m=audio ${port} RTP/SAVP ${opus} ${events}`, 'c=IN IP4 127.0.0.1',
    'a=rtcp:9 IN IP4 0.0.0.0', 'a=mid:audio', 'a=sendrecv', 'a=rtcp-mux', `a=rtpmap:${opus} opus/48000/2`,
    `a=fmtp:${opus} maxaveragebitrate=20000;maxplaybackrate=16000;minptime=20;sprop-maxcapturerate=16000;useinbandfec=1`,
    `a=rtpmap:${events} telephone-event/8000`, 'a=maxptime:20', 'a=ptime:20', `a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:${key}`, ''].join('\r\n');
}

/** An SDES call: Meta's offer answered. */
export async function metaCalls(engine: MediaEngine, id: string, mediaTimeout = 0): Promise<{ call: MediaCall; meta: Endpoint; answer: string }> {
  const meta = await Endpoint.open();
  const key = randomBytes(30).toString('base64');
  const call = engine.openCall({ id, mediaTimeout });
  const answer = await call.answerMeta(metaSdp(meta.port, key), { keying: 'sdes' });
  meta.secure(key, sdpKey(answer));
  meta.aim('127.0.0.1', sdpPort(answer));
  return { call, meta, answer };
}

/** Meta's WebRTC layout (META-SIP §6.1): session-level ice-lite, IPv4 and IPv6 candidates, actpass. */
export function metaDtlsSdp(meta: Endpoint, setup = 'actpass'): string {
  const dtls = meta.dtls;
  if (!dtls) throw new Error('no DTLS there');
  return ['v=0', 'o=- 1735689600123 2 IN IP4 127.0.0.1', 's=-', 't=0 0', 'a=group:BUNDLE audio', 'a=msid-semantic: WMS 0b6a', 'a=ice-lite',
    `m=audio ${meta.port} UDP/TLS/RTP/SAVPF 111 126`, 'c=IN IP4 127.0.0.1', 'a=rtcp:9 IN IP4 0.0.0.0',
    `a=candidate:1755157013 1 udp 2122260223 127.0.0.1 ${meta.port} typ host generation 0 network-cost 50`,
    `a=candidate:2227577757 1 udp 2122262783 2001:db8::7 ${meta.port} typ host generation 0 network-cost 50`,
    `a=ice-ufrag:${dtls.ice.ufrag}`, `a=ice-pwd:${dtls.ice.pwd}`, `a=fingerprint:${dtls.fingerprint}`, `a=setup:${setup}`, 'a=mid:audio', 'a=sendrecv', 'a=rtcp-mux',
    'a=rtpmap:111 opus/48000/2', 'a=rtcp-fb:111 transport-cc', 'a=fmtp:111 maxaveragebitrate=20000;maxplaybackrate=16000;minptime=20;sprop-maxcapturerate=16000;useinbandfec=1',
    'a=rtpmap:126 telephone-event/8000', 'a=maxptime:20', 'a=ptime:20', 'a=ssrc:3550430563 cname:WhatsAppAudioStream1', ''].join('\r\n');
}

const attribute = (sdp: string, name: string): string => new RegExp(`a=${name}:(\\S.*)\r?`).exec(sdp)?.[1]?.trim() ?? '';

/** Lets Meta's end know our description. */
export function takeOurs(meta: Endpoint, sdp: string): void {
  meta.dtls?.begin({ ufrag: attribute(sdp, 'ice-ufrag'), fingerprint: attribute(sdp, 'fingerprint'), setup: attribute(sdp, 'setup') }, { address: '127.0.0.1', port: meta.port });
}

/** A call on a WebRTC number: Meta's offer answered, ICE and DTLS under way. `answerDelay`: how long our answer takes to Meta, milliseconds. */
export async function metaCallsDtls(engine: MediaEngine, id: string, answerDelay = 0): Promise<{ call: MediaCall; meta: Endpoint; answer: string }> {
  const meta = await Endpoint.open();
  await meta.webrtc();
  const call = engine.openCall({ id, mediaTimeout: 0 });
  const answer = await call.answerMeta(metaDtlsSdp(meta), { keying: 'dtls' });
  if (answerDelay > 0) await new Promise((resolve) => { setTimeout(resolve, answerDelay); });
  takeOurs(meta, answer);
  return { call, meta, answer };
}

/** A peer's answer for our offer, made of lines; `formats` names payload types and rtpmaps. */
export function peerSdp(port: number, formats: readonly string[], extra: readonly string[] = [], protocol = 'RTP/AVP'): string {
  const types = formats.map((format) => format.split(' ')[0]).join(' ');
  return ['v=0', `o=pbx ${port} 1 IN IP4 127.0.0.1`, 's=call', 'c=IN IP4 127.0.0.1', 't=0 0', `m=audio ${port} ${protocol} ${types}`,
    ...formats.map((format) => `a=rtpmap:${format}`), ...extra, ''].join('\r\n');
}

/** Adds a peer leg, answered by a new endpoint with the given formats. `EVENTS` in a format is replaced by the offered type. */
export async function peerAnswers(call: MediaCall, profile: PeerMediaProfile, formats: readonly string[], extra: readonly string[] = ['a=ptime:20']): Promise<{ leg: PeerLeg; peer: Endpoint; offer: string; events: number }> {
  const peer = await Endpoint.open();
  const leg = call.addPeerLeg(profile);
  const offer = await leg.offer();
  const events = Number(/a=rtpmap:(\d+) telephone-event\/8000/.exec(offer)?.[1] ?? 101);
  const key = randomBytes(30).toString('base64');
  const secure = profile.srtp === 'sdes';
  await leg.takeAnswer(peerSdp(peer.port, formats.map((format) => format.replace('EVENTS', String(events))),
    secure ? [...extra, `a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:${key}`] : extra, secure ? 'RTP/SAVP' : 'RTP/AVP'));
  if (secure) peer.secure(key, sdpKey(offer));
  peer.aim(/^c=IN IP4 (\S+)/m.exec(offer)?.[1] ?? '127.0.0.1', sdpPort(offer));
  peer.ssrc = 0x2222;
  return { leg, peer, offer, events };
}
