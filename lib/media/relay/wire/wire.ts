import { isNowhere } from '../../../sdp/index.js';
import type { DtlsCertificate } from '../../dtls/index.js';
import { keysOf, SrtpReceiver, SrtpSender } from '../../srtp/index.js';
import { BoundedMap } from '../../../util/boundedMap.js';
import type { Remote } from '../messages.js';
import { isRtcp } from '../rtcp.js';
import { isRtp } from '../rtp.js';
import type { PortPair } from './portPair.js';
import { Secured } from './secured.js';
import type { DtlsSettings, SdesText, SecurityFault, WireSettings } from './settings.js';
import { Sources } from './sources.js';

/** What a port gives to the call it belongs to: packets in clear, and what is to be told of it. */
export interface WireEvents {
  rtp(packet: Buffer, now: number): void;
  rtcp(packet: Buffer, now: number): void;
  /** Something comes from elsewhere than the far end; told once. */
  stranger(address: string): void;
  unsecured(kind: SecurityFault, reason: string): void;
}

/** So many of the far end's own that its key does not open, and none that it does, are no accident. */
const UNFIT = 10;
/** Keys of the far end that are remembered: it names a new one with each description, if it likes. */
const MOST_RECEIVERS = 16;

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
  /** Those of each key, by its text: with one that comes back no index is used, or taken, twice (RFC 3711 §9.1, §3.3.2). Keys of ours are as many as suites. */
  readonly #senders = new Map<string, SrtpSender>();
  readonly #receivers = new BoundedMap<string, SrtpReceiver>(MOST_RECEIVERS);
  /** Packets in a row that the receiver's key did not open, since it stands; -1: one was, or it has been told. */
  #unfit = 0;
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
      const receiver = theirs === null ? null : kept(this.#receivers, theirs, () => new SrtpReceiver(keys(theirs)));
      if (receiver !== this.#receiver) this.#unfit = 0;
      this.#receiver = receiver;
      return !same(before, settings);
    }
    if (this.#certificate === null) throw new Error('DTLS without a certificate');
    const anew = this.#secured !== null && before !== null && isAnother(before.dtls, settings.dtls);
    if (anew) {
      this.#secured?.close();
      this.#secured = null;
    }
    this.#secured ??= new Secured(settings.dtls, this.#certificate, {
      send: (datagram, to) => this.#ports.send(datagram, to.address, to.port),
      keyed: ({ local, remote }) => {
        this.#sender = new SrtpSender(local);
        this.#receiver = new SrtpReceiver(remote);
      },
      failed: (kind, reason) => this.#events.unsecured(kind, reason),
    });
    this.#secured.settle(settings.dtls);
    if (anew) this.#secured.begin(performance.now());
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
    const second = report && !settings.rtcpMux;
    const sender = this.#sender;
    if (sender === null) {
      if (this.#clear) this.#ports.send(packet, to.address, to.port, second);
    } else if (report) {
      this.#ports.send(sender.protectRtcp(packet), to.address, to.port, second);
    } else if (sender.isNew(packet)) {
      // One that came so late is lost, as it would be to any receiver.
      this.#ports.send(sender.protect(packet), to.address, to.port, second);
    }
  }

  #target(settings: WireSettings, report: boolean): Remote | null {
    if (this.#secured !== null) return this.#secured.remote;
    const rtp = this.#sources?.learnt ?? settings.remote;
    // What nobody can be reached at: a hold, or a description without media.
    if (rtp.port === 0 || isNowhere(rtp.address)) return null;
    if (!report || settings.rtcpMux) return rtp;
    return this.#reportsTo ?? this.#reportsAt(settings, rtp);
  }

  /** Where the far end wants RTCP by what it says; null: nowhere. */
  #reportsAt({ rtcp, rtcpMux }: WireSettings, rtp: Remote): Remote | null {
    if (rtcpMux) return rtp;
    return rtcp === undefined ? { address: rtp.address, port: rtp.port + 1 } : rtcp;
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
      return this.#isTheirs(address, port, report) ? datagram : this.#stranger(address);
    }
    const packet = report ? this.#receiver.unprotectRtcp(datagram) : this.#receiver.unprotect(datagram);
    if (packet === null) return this.#secured === null && this.#sources?.isHost(address) !== true ? this.#stranger(address) : this.#unopened(this.#receiver);
    this.#unfit = -1;
    // A copy that overtakes the true packet, or comes after it, moves nothing: only the newest says where its sender is.
    if (!report && this.#secured === null && this.#receiver.newest) this.#sources?.proven(address, port);
    return packet;
  }

  /** Whether plain RTP, or RTCP, is the far end's. */
  #isTheirs(address: string, port: number, report: boolean): boolean {
    const [sources, settings] = [this.#sources, this.#settings];
    if (sources === null || settings === null) return false;
    return report ? sources.admitsReport(address, port, this.#reportsAt(settings, settings.remote)) : sources.admits(address, port, performance.now());
  }

  #unopened({ refused: { auth } }: SrtpReceiver): null {
    if (this.#unfit < 0 || auth === 0) return null;
    this.#unfit += 1;
    if (this.#unfit < UNFIT) return null;
    this.#unfit = -1;
    this.#events.unsecured('key', `${UNFIT} packets, and none of them fits`);
    return null;
  }

  #stranger(address: string): null {
    if (!this.#strangers) this.#events.stranger(address);
    this.#strangers = true;
    return null;
  }
}

/** RFC 8842 §4: another certificate, or another role, is another association. */
function isAnother(before: DtlsSettings | null, now: DtlsSettings): boolean {
  return before === null || before.role !== now.role || !same(before.fingerprints, now.fingerprints);
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
