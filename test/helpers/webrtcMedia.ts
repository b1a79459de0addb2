import { makeCertificate } from '../../lib/media/dtls/index.js';
import { hostCandidate, newIceCredentials } from '../../lib/media/ice/index.js';
import { PortPair } from '../../lib/media/relay/wire/portPair.js';
import type { DtlsSettings } from '../../lib/media/relay/wire/settings.js';
import { Wire } from '../../lib/media/relay/wire/wire.js';
import { readSdp, type AudioSection } from '../../lib/sdp/index.js';
import { freePort } from './ports.js';

/**
 * The media of a browser: full ICE, DTLS, SRTP on one port, descriptions as Chromium writes them. What it hears it says again. ICE, DTLS and SRTP are the
 * service's own; whether they are right is for Chromium's tests to say (test/peers).
 */
export class WebrtcMedia {
  /** Packets heard, by payload type. */
  readonly heard = new Map<number, number>();
  /** Faults told by the wire. */
  readonly faults: string[] = [];
  echoes = true;
  #ports: PortPair | null = null;
  #wire: Wire | null = null;
  #port = 0;
  #ice = newIceCredentials();
  #role: DtlsSettings['role'] = 'server';
  #controlling = false;
  #version = 1;
  #sequence = 1000;
  readonly #certificate = makeCertificate();
  readonly #ticker: NodeJS.Timeout;
  /** Ports of before a change of network: nothing of theirs is heard any more. */
  readonly #old: Wire[] = [];

  private constructor() {
    this.#ticker = setInterval(() => this.#wire?.tick(performance.now()), 5);
  }

  static async open(): Promise<WebrtcMedia> {
    const media = new WebrtcMedia();
    await media.#bind();
    return media;
  }

  get packets(): number {
    return [...this.heard.values()].reduce((sum, n) => sum + n, 0);
  }

  async #bind(): Promise<void> {
    this.#port = await freePort();
    this.#ports = await PortPair.open('127.0.0.1', this.#port, false, (error) => { this.faults.push(String(error)); });
    this.#wire = new Wire(this.#ports, this.#certificate, {
      rtp: (packet) => this.#hear(packet), rtcp: () => undefined, stranger: (address) => { this.faults.push(`stranger ${address}`); },
      unsecured: (kind, reason) => { this.faults.push(`${kind}: ${reason}`); },
    });
  }

  /** As Chromium offers: more codecs than anybody wants, a host name among the candidates, two kinds of telephone events. */
  offer(direction = 'sendrecv'): string {
    if (this.#version === 1) this.#controlling = true;
    return this.#write('actpass', direction, '111 9 0 110 126', ['rtpmap:111 opus/48000/2', 'fmtp:111 minptime=10;useinbandfec=1', 'rtcp-fb:111 transport-cc', 'rtpmap:9 G722/8000', 'rtpmap:0 PCMU/8000', 'rtpmap:110 telephone-event/48000', 'rtpmap:126 telephone-event/8000']);
  }

  /** Its answer to an offer: the first codec of that, and the telephone events with its clock. */
  answer(offer: string, direction = 'sendrecv'): string {
    const audio = this.take(offer);
    const [codec] = audio.codecs;
    const events = audio.codecs.find((one) => one.name === 'telephone-event' && one.clockRate === codec!.clockRate);
    const lines = [codec!, ...events === undefined ? [] : [events]];
    return this.#write(this.#role === 'client' ? 'active' : 'passive', direction, lines.map(({ payloadType }) => payloadType).join(' '), lines.map(({ payloadType, name, clockRate, channels }) => `rtpmap:${payloadType} ${name}/${clockRate}${channels > 1 ? `/${channels}` : ''}`));
  }

  /** The other side's description; ICE goes on, or begins. */
  take(sdp: string): AudioSection {
    const [section] = readSdp(sdp).sections;
    if (section === undefined || !('audio' in section)) throw new Error('no audio');
    const { audio } = section;
    if (audio.ice === null || audio.dtls === null) throw new Error(`neither ICE nor DTLS: ${sdp}`);
    this.#role = audio.dtls.setup === 'active' ? 'server' : 'client';
    const place = { address: '127.0.0.1', port: this.#port };
    this.#wire?.settle({
      remote: { address: audio.address, port: audio.port }, rtcpMux: true, sources: { kind: 'described', address: audio.address, port: audio.port }, sdes: null,
      dtls: { controlling: this.#controlling, own: { ...this.#ice, local: place }, remote: audio.ice, role: this.#role, fingerprints: audio.dtls.fingerprints },
    });
    this.#wire?.secure(performance.now());
    return audio;
  }

  /** The network is another: another port, other credentials, the same certificate and the same keys. What is sent to the old one is lost. */
  async moves(): Promise<string> {
    const [wire, ports] = [this.#wire, this.#ports];
    if (wire === null || ports === null) throw new Error('not open');
    this.#port = await freePort();
    const moved = await PortPair.open('127.0.0.1', this.#port, false, (error) => { this.faults.push(String(error)); });
    moved.onDatagram = ports.onDatagram;
    const gone = ports.close.bind(ports);
    ports.send = (datagram, address, port) => { moved.send(datagram, address, port); };
    ports.close = () => { moved.close(); };
    gone();
    this.#ice = newIceCredentials();
    return this.offer();
  }

  /** Sends one of its own, opus or what it was told. */
  say(payloadType: number, payload: Buffer, samples: number, marker = false): void {
    const packet = Buffer.alloc(12 + payload.length + 64);
    packet[0] = 0x80;
    packet[1] = (marker ? 0x80 : 0) | payloadType;
    packet.writeUInt16BE((this.#sequence = (this.#sequence + 1) & 0xffff), 2);
    packet.writeUInt32BE(samples >>> 0, 4);
    packet.writeUInt32BE(0x0ddba11, 8);
    payload.copy(packet, 12);
    this.#wire?.send(packet.subarray(0, 12 + payload.length));
  }

  close(): void {
    clearInterval(this.#ticker);
    this.#wire?.close();
  }

  #hear(packet: Buffer): void {
    const type = packet[1]! & 0x7f;
    this.heard.set(type, (this.heard.get(type) ?? 0) + 1);
    if (this.echoes) this.say(type, packet.subarray(12), packet.readUInt32BE(4), (packet[1]! & 0x80) !== 0);
  }

  #write(setup: string, direction: string, formats: string, codecs: readonly string[]): string {
    const candidate = hostCandidate({ address: '127.0.0.1', port: this.#port });
    const [hash, value] = this.#certificate.fingerprint.split(' ');
    this.#version += 1;
    return [
      'v=0', `o=- 4611731400430051336 ${this.#version} IN IP4 127.0.0.1`, 's=-', 't=0 0', 'a=group:BUNDLE 0', 'a=extmap-allow-mixed', 'a=msid-semantic: WMS',
      // No c= line of use, as before a candidate is chosen (RFC 8839 §4.2.1.2).
      `m=audio 9 UDP/TLS/RTP/SAVPF ${formats}`, 'c=IN IP4 0.0.0.0', 'a=rtcp:9 IN IP4 0.0.0.0',
      'a=candidate:1 1 udp 2113937151 0d9f6c2e-5f6c-4a3b-9a0e-6c3f9f9b6d3a.local 50000 typ host generation 0 network-cost 999',
      `a=candidate:${candidate.foundation} 1 udp ${candidate.priority} 127.0.0.1 ${this.#port} typ host generation 0`, 'a=end-of-candidates',
      `a=ice-ufrag:${this.#ice.ufrag}`, `a=ice-pwd:${this.#ice.pwd}`, 'a=ice-options:trickle', `a=fingerprint:${hash} ${value}`, `a=setup:${setup}`, 'a=mid:0', `a=${direction}`, 'a=rtcp-mux', 'a=rtcp-rsize',
      ...codecs.map((line) => `a=${line}`), 'a=ssrc:14396945 cname:x', '',
    ].join('\r\n');
  }
}
