import { isNowhere } from '../../../sdp/index.js';
import type { DtlsCertificate } from '../../dtls/index.js';
import { keysOf, SrtpReceiver, SrtpSender } from '../../srtp/index.js';
import type { Remote } from '../messages.js';
import { isRtcp } from '../rtcp.js';
import { isRtp } from '../rtp.js';
import type { PortPair } from './portPair.js';
import { Secured } from './secured.js';
import type { SdesText, WireSettings } from './settings.js';
import { Sources } from './sources.js';

/** What a port gives to the call it belongs to: packets in clear, and what is to be told of it. */
export interface WireEvents {
  rtp(packet: Buffer, now: number): void;
  rtcp(packet: Buffer, now: number): void;
  /** Something comes from elsewhere than the far end; told once. */
  stranger(address: string): void;
  unsecured(kind: 'ice' | 'dtls' | 'fingerprint', reason: string): void;
}

/**
 * One port of ours and its far end: who may send to it, SRTP (RFC 3711), ICE and DTLS. RTP and RTCP in clear inside, what was negotiated
 * outside. Until its settings are known, what comes is dropped, and nothing is sent.
 */
export class Wire {
  /** Datagrams of the far end's so far, RTCP among them. */
  taken = 0;
  readonly #ports: PortPair;
  readonly #certificate: DtlsCertificate | null;
  readonly #events: WireEvents;
  #settings: WireSettings | null = null;
  #sources: Sources | null = null;
  #reportsTo: Remote | null = null;
  #sender: SrtpSender | null = null;
  #receiver: SrtpReceiver | null = null;
  /** Those of every key so far, by its text: with one that comes back no index is used, or taken, twice (RFC 3711 §9.1, §3.3.2). */
  readonly #senders = new Map<string, SrtpSender>();
  readonly #receivers = new Map<string, SrtpReceiver>();
  #secured: Secured | null = null;
  #strangers = false;

  constructor(ports: PortPair, certificate: DtlsCertificate | null, events: WireEvents) {
    this.#ports = ports;
    this.#certificate = certificate;
    this.#events = events;
    ports.onDatagram = (datagram, address, port, second) => this.#arrive(datagram, address, port, second);
  }

  /** Takes what was negotiated, first or anew. A key that stands goes on with its counters (RFC 3711 §3.2.1), a source that stands and sends is kept. True: something is another. */
  settle(settings: WireSettings): boolean {
    const before = this.#settings;
    this.#settings = settings;
    if (before === null || !same(before.sources, settings.sources) || !same(before.remote, settings.remote)) {
      this.#sources = new Sources(settings.sources);
      this.#reportsTo = null;
    } else {
      this.#sources?.renew(performance.now());
    }
    if (settings.dtls === null) {
      const { ours = null, theirs = null } = settings.sdes ?? {};
      this.#sender = ours === null ? null : kept(this.#senders, ours, () => new SrtpSender(keys(ours)));
      this.#receiver = theirs === null ? null : kept(this.#receivers, theirs, () => new SrtpReceiver(keys(theirs)));
      return !same(before, settings);
    }
    if (this.#certificate === null) throw new Error('DTLS without a certificate');
    this.#secured ??= new Secured(settings.dtls, this.#certificate, {
      send: (datagram, to) => this.#ports.send(datagram, to.address, to.port),
      keyed: ({ local, remote }) => {
        this.#sender = new SrtpSender(local);
        this.#receiver = new SrtpReceiver(remote);
      },
      failed: (kind, reason) => this.#events.unsecured(kind, reason),
    });
    this.#secured.settle(settings.dtls);
    return !same(before, settings);
  }

  /** ICE and DTLS may begin: the far end knows our description, or is about to. */
  secure(now: number): void {
    this.#secured?.begin(now);
  }

  get #clear(): boolean {
    return this.#settings !== null && this.#settings.sdes === null && this.#settings.dtls === null;
  }

  /** Sends a packet of RTP or RTCP, which is changed; nothing goes out in clear where a key was negotiated. */
  send(packet: Buffer): void {
    const settings = this.#settings;
    if (settings === null) return;
    const report = isRtcp(packet);
    const to = this.#target(settings, report);
    if (to === null) return;
    if (this.#sender === null) {
      if (this.#clear) this.#ports.send(packet, to.address, to.port, report && !settings.rtcpMux);
      return;
    }
    this.#ports.send(report ? this.#sender.protectRtcp(packet) : this.#sender.protect(packet), to.address, to.port, report && !settings.rtcpMux);
  }

  #target(settings: WireSettings, report: boolean): Remote | null {
    if (this.#secured !== null) return this.#secured.remote;
    const rtp = this.#sources?.learnt ?? settings.remote;
    // What nobody can be reached at: a hold, or a description without media.
    if (rtp.port === 0 || isNowhere(rtp.address)) return null;
    if (!report || settings.rtcpMux) return rtp;
    return this.#reportsTo ?? settings.rtcp ?? { address: rtp.address, port: rtp.port + 1 };
  }

  tick(now: number): void {
    this.#secured?.tick(now);
  }

  close(): void {
    this.#secured?.close();
    this.#ports.close();
  }

  #arrive(datagram: Buffer, address: string, port: number, second: boolean): void {
    if (this.#settings === null || datagram.length < 8) return;
    const now = performance.now();
    const first = datagram[0] as number;
    // RFC 7983 §7.
    if (first < 64) {
      if (this.#secured?.receive(datagram, { address, port }, now) === true) this.taken += 1;
      return;
    }
    if (isRtp(datagram)) this.#takeRtp(datagram, address, port, now);
    else if (isRtcp(datagram)) this.#takeRtcp(datagram, address, port, second, now);
  }

  #takeRtp(datagram: Buffer, address: string, port: number, now: number): void {
    const packet = this.#admitted(datagram, address, port, false);
    if (packet === null) return;
    this.taken += 1;
    this.#events.rtp(packet, now);
  }

  #takeRtcp(datagram: Buffer, address: string, port: number, second: boolean, now: number): void {
    const packet = this.#admitted(datagram, address, port, true);
    if (packet === null) return;
    this.taken += 1;
    if (second) this.#reportsTo = { address, port };
    this.#events.rtcp(packet, now);
  }

  /** In clear, where it is the far end's; else null. */
  #admitted(datagram: Buffer, address: string, port: number, report: boolean): Buffer | null {
    if (this.#secured !== null && !this.#secured.admits({ address, port })) return this.#stranger(address);
    if (this.#receiver === null) {
      if (!this.#clear) return null;
      const admitted = report ? this.#sources?.admitsReport(address) : this.#sources?.admits(address, port, performance.now());
      return admitted === true ? datagram : this.#stranger(address);
    }
    const packet = report ? this.#receiver.unprotectRtcp(datagram) : this.#receiver.unprotect(datagram);
    if (packet === null) return this.#secured === null && this.#sources?.admitsReport(address) !== true ? this.#stranger(address) : null;
    if (!report && this.#secured === null) this.#sources?.proven(address, port);
    return packet;
  }

  #stranger(address: string): null {
    if (!this.#strangers) this.#events.stranger(address);
    this.#strangers = true;
    return null;
  }
}

function keys({ suite, inline, mki }: SdesText): ReturnType<typeof keysOf> {
  return keysOf(suite, inline, mki);
}

function kept<T>(known: Map<string, T>, text: SdesText, make: () => T): T {
  const name = JSON.stringify(text);
  const one = known.get(name) ?? make();
  known.set(name, one);
  return one;
}

/** Plain data, in the order that one place writes it. */
function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
