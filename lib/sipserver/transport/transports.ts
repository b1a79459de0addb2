// All transports of one server: listening points, connections, and the pool of connections of ours.
import type { Socket } from 'node:net';
import { isIPv6 } from 'node:net';
import { Acceptor, Admission, FAIR_TIME } from './acceptor.js';
import { ConnectTimeout, openConnection, TrustStore } from './connector.js';
import type { ConnectTarget } from './connector.js';
import { hostPort, parseListen, plainAddress } from './flow.js';
import type { Address, Flow, Protocol } from './flow.js';
import { Guard } from './guard.js';
import { TlsIdentity } from './identity.js';
import type { IdentityFiles } from './identity.js';
import { DEFAULT_LIMITS, newCounters } from './limits.js';
import type { SipLimits, TransportCounters } from './limits.js';
import { RateLimiter } from './rate.js';
import { StreamFlow } from './stream.js';
import type { StreamOwner } from './stream.js';
import { UdpPoint } from './udp.js';
import type { DatagramOwner, UdpFlow } from './udp.js';

/** Where the transports deliver. None of these may throw. */
export interface TransportHandlers {
  /** One whole message, framed but not parsed. */
  message(bytes: Buffer, flow: Flow): void;
  /** A connection that cannot be framed any more; it is closed after this call, so an answer can still be sent. */
  fault?(reason: 'too large' | 'no length', head: Buffer, flow: Flow): void;
  /** Every message that came in or went out, for traces. `text` is a binary string. */
  wire?(direction: 'in' | 'out', flow: Flow, text: string): void;
  closed?(flow: Flow, error: Error | undefined): void;
  /** False silences an address: its datagrams are dropped, its connections refused. */
  allow?(address: string): boolean;
  /** Faults that concern no single call: a listening socket in trouble, a certificate that does not load. */
  trouble?(what: string, error: Error): void;
  /** The certificate was read again. */
  renewed?(): void;
}

export interface TransportOptions {
  handlers: TransportHandlers;
  limits?: Partial<SipLimits>;
  tls?: IdentityFiles;
  /** Ends a TLS handshake that offers ALPN with alert 120 (RFC 7301 §3.2), as wa.meta.vc does; for its stand-in. Otherwise ALPN is ignored. */
  refuseAlpn?: boolean;
  /** How often the certificate files are looked at, ms. */
  certificateInterval?: number;
}

export interface ListeningPoint { protocol: Protocol; local: Address }

/** A connection of ours, coming up or there. */
interface Pooled { coming: Promise<StreamFlow>; flow: StreamFlow | undefined }

export class Transports implements StreamOwner, DatagramOwner {
  readonly limits: SipLimits;
  readonly counters: TransportCounters = newCounters();
  readonly points: ListeningPoint[] = [];
  readonly admission: Admission;
  readonly guard = new Guard(() => { this.counters.faults++; }, (place, error) => { this.handlers.trouble?.(place, error); });
  private readonly handlers: TransportHandlers;
  private readonly acceptors: Acceptor[] = [];
  private readonly udpPoints: UdpPoint[] = [];
  private readonly streams = new Map<number, StreamFlow>();
  private readonly acceptedBy = new Map<string, StreamFlow>();
  private readonly pool = new Map<string, Pooled>();
  private readonly opening = new Set<Socket>();
  private readonly trust = new TrustStore();
  private readonly rate: RateLimiter;
  private identity: TlsIdentity | undefined;
  private ticker: NodeJS.Timeout | undefined;
  private lastId = 0;
  private shut = false;

  constructor(private readonly options: TransportOptions) {
    this.handlers = options.handlers;
    this.limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.rate = new RateLimiter(this.limits.messagesPerSecond, this.limits.addresses);
    this.admission = new Admission(this.limits, this.counters, (address) => this.handlers.allow?.(address) ?? true, () => this.dropIdle());
    this.ticker = setInterval(this.guard.wrap('transport timer', () => { this.tick(); }), 1000);
    this.ticker.unref();
  }

  /**
   * Opens a listening point, e.g. `tls:0.0.0.0:5061`; port 0 takes any free one. Rejects when the spec is malformed, the address is taken,
   * or TLS is asked for without a certificate that loads.
   */
  async listen(spec: string): Promise<ListeningPoint> {
    const at = parseListen(spec);
    if (at === undefined) throw new Error(`not a listening address: ${spec}`);
    let local: Address;
    if (at.protocol === 'udp') {
      const point = await UdpPoint.bind(this, at.address, at.port);
      this.udpPoints.push(point);
      local = point.local;
    } else {
      const pem = at.protocol === 'tls' ? (await this.loadIdentity()).pem : undefined;
      const protocol = at.protocol;
      const acceptor = await Acceptor.bind(at, pem, this.limits, this.counters, this.admission,
        (socket, remote) => {
          const flow = new StreamFlow(this.nextFlowId(), protocol, true, socket, this, remote, undefined, Date.now());
          this.streams.set(flow.id, flow);
          this.acceptedBy.set(`${protocol} ${hostPort(remote)}`, flow);
        },
        (error) => { this.handlers.trouble?.(`listening on ${spec}`, error); }, this.options.refuseAlpn);
      this.acceptors.push(acceptor);
      local = acceptor.local;
    }
    const listening = { protocol: at.protocol, local };
    this.points.push(listening);
    return listening;
  }

  /**
   * A verified connection to the target: one that is up and was heard of lately, else a new one. Only connections of ours are ever given
   * (RFC 5923 §8: an accepted one proves nothing about who is behind it). `fresh`: a new one in any case. Rejects with the reason why it did not come up.
   */
  connect(target: ConnectTarget, fresh = false): Promise<Flow> {
    if (this.shut) return Promise.reject(new Error('server is closing'));
    const key = `${target.protocol} ${target.host} ${target.address} ${target.port} ${target.ca ?? ''}`;
    const known = this.pool.get(key);
    if (!fresh && known !== undefined && (known.flow === undefined || Date.now() - known.flow.lastHeard < this.limits.reuseTime)) return known.coming;
    const entry: Pooled = { coming: this.open(target), flow: undefined };
    this.pool.set(key, entry);
    const gone = (): void => { if (this.pool.get(key) === entry) this.pool.delete(key); };
    entry.coming.then((flow) => {
      entry.flow = flow;
      flow.addUser({ flowClosed: gone });
    }, gone);
    return entry.coming;
  }

  /** A UDP flow to a peer, for a response or a message that nobody waits on; undefined when there is no socket of its address family. */
  udp(remote: Address, from?: Address): UdpFlow | undefined {
    return this.udpPoint(remote, from)?.flowTo(remote);
  }

  /** The same for requests: its users hear of ICMP errors. `from` names the listening point. */
  async udpConnected(remote: Address, from?: Address): Promise<UdpFlow | undefined> {
    return await this.udpPoint(remote, from)?.connectedTo(remote);
  }

  /** An accepted connection whose far end is exactly this socket; for requests to a peer that gave this very address as its own. */
  accepted(protocol: Protocol, remote: Address): Flow | undefined {
    const flow = this.acceptedBy.get(`${protocol} ${hostPort(remote)}`);
    return flow?.closed === false ? flow : undefined;
  }

  /** The connection of this number, if it is up. */
  connection(id: number): Flow | undefined {
    return this.streams.get(id);
  }

  /** Connections that are up, ours and accepted. */
  get connections(): number {
    return this.streams.size;
  }

  async close(): Promise<void> {
    if (this.shut) return;
    this.shut = true;
    clearInterval(this.ticker);
    this.identity?.close();
    for (const point of this.udpPoints) point.close();
    const closing = this.acceptors.map((a) => a.close());
    for (const socket of this.opening) socket.destroy();
    for (const stream of [...this.streams.values()]) stream.close();
    await Promise.all(closing);
  }

  /** Reports a fault of our own. */
  fault(what: string, error: Error): void {
    this.guard.fault(what, error);
  }

  nextFlowId(): number {
    return ++this.lastId;
  }

  streamMessage(flow: StreamFlow, bytes: Buffer): void {
    // A source may be silenced while its connection is up; one that we opened is to a far end of our own choice.
    if (flow.accepted && this.handlers.allow?.(flow.remote.address) === false) {
      flow.close();
      return;
    }
    this.deliver(flow, bytes);
  }

  streamFault(flow: StreamFlow, reason: 'too large' | 'no length', head: Buffer): void {
    if (reason === 'too large') this.counters.tooLarge++;
    else this.counters.unframable++;
    this.handlers.fault?.(reason, head, flow);
  }

  streamSent(flow: StreamFlow, text: string): void {
    this.sentOut(flow, text);
  }

  streamClosed(flow: StreamFlow, error: Error | undefined): void {
    this.streams.delete(flow.id);
    const key = `${flow.protocol} ${hostPort(flow.remote)}`;
    if (this.acceptedBy.get(key) === flow) this.acceptedBy.delete(key);
    this.handlers.closed?.(flow, error);
  }

  datagram(flow: UdpFlow, bytes: Buffer): void {
    if (this.handlers.allow?.(flow.remote.address) === false) {
      this.counters.silencedAddresses++;
      return;
    }
    this.deliver(flow, bytes);
  }

  datagramSent(flow: UdpFlow, text: string): void {
    this.sentOut(flow, text);
  }

  datagramError(point: UdpPoint, error: Error): void {
    this.handlers.trouble?.(`udp ${hostPort(point.local)}`, error);
  }

  private udpPoint(remote: Address, from: Address | undefined): UdpPoint | undefined {
    const v6 = isIPv6(remote.address);
    return this.udpPoints.find((p) => from !== undefined && p.local.port === from.port && p.local.address === from.address)
      ?? this.udpPoints.find((p) => isIPv6(p.local.address) === v6);
  }

  private deliver(flow: Flow, bytes: Buffer): void {
    if (!this.rate.allow(flow.remote.address, Date.now())) {
      this.counters.rateDropped++;
      return;
    }
    this.counters.received++;
    this.handlers.wire?.('in', flow, bytes.toString('latin1'));
    // A fault of ours in one message must not end the server for all others.
    this.guard.run('message could not be handled', () => { this.handlers.message(bytes, flow); });
  }

  private sentOut(flow: Flow, text: string): void {
    this.counters.sent++;
    this.handlers.wire?.('out', flow, text);
  }

  private async open(target: ConnectTarget): Promise<StreamFlow> {
    let coming: Socket | undefined;
    try {
      const socket = await openConnection(target, this.trust, this.limits.connectTime, (s) => {
        coming = s;
        this.opening.add(s);
        if (this.shut) s.destroy();
      });
      const remote = { address: plainAddress(socket.remoteAddress ?? target.address), port: target.port };
      const verified = target.protocol === 'tls' ? target.host : undefined;
      const flow = new StreamFlow(this.nextFlowId(), target.protocol, false, socket, this, remote, verified, Date.now());
      this.streams.set(flow.id, flow);
      // Nothing is lost between 'connect' and here, but the peer may be gone again.
      if (socket.destroyed) throw new Error('connection closed at once');
      return flow;
    } catch (error) {
      if (error instanceof ConnectTimeout) this.counters.connectTimeouts++;
      throw error;
    } finally {
      if (coming !== undefined) this.opening.delete(coming);
    }
  }

  private async loadIdentity(): Promise<TlsIdentity> {
    if (this.identity !== undefined) return this.identity;
    if (this.options.tls === undefined) throw new Error('TLS needs a certificate and a key');
    this.identity = await TlsIdentity.load(this.options.tls, this.options.certificateInterval ?? 2000,
      (pem) => {
        for (const acceptor of this.acceptors) acceptor.renew(pem);
        this.handlers.renewed?.();
      },
      (error) => { this.handlers.trouble?.('new certificate does not load, the old one stays', error); });
    return this.identity;
  }

  /** Ends the oldest accepted connection that has brought no message. */
  private dropIdle(): boolean {
    const now = Date.now();
    for (const stream of this.streams.values()) {
      if (!stream.accepted || stream.spoken) continue;
      if (now - stream.openedAt < FAIR_TIME) return false;
      this.counters.droppedConnections++;
      stream.destroy(new Error('gave way to a new connection'));
      return true;
    }
    return false;
  }

  private tick(): void {
    const now = Date.now();
    for (const stream of this.streams.values()) stream.check(now);
    for (const point of this.udpPoints) point.check(now);
  }
}
