// All transports of one server: listening points, connections, and the pool of connections of ours.
import type { Socket } from 'node:net';
import { AcceptedConnections } from './accepted.js';
import { Acceptor } from './acceptor.js';
import { Admission } from './admission.js';
import type { Place } from './admission.js';
import type { Shown } from './clients.js';
import type { ConnectTarget } from './connector.js';
import { Entry } from './entry.js';
import { hostPort, isKnown, isSecure, parseListen, plainAddress } from './flow.js';
import type { Address, Flow, Protocol } from './flow.js';
import type { Unreadable } from './framer.js';
import { StrangerGate } from './gate.js';
import { Guard } from '../../util/guard.js';
import { newCounters, withDefaults } from './limits.js';
import type { SipLimits, TransportCounters } from './limits.js';
import type { ListeningPoint, TransportHandlers, TransportOptions } from './options.js';
import { ConnectionPool } from './pool.js';
import { RateLimiter } from './rate.js';
import { ServerTls, type Domains } from './secure.js';
import { Sources, type SourceRules } from './sources.js';
import { StreamFlow } from './stream.js';
import type { StreamOwner } from './stream.js';
import { stunAnswer } from './stun.js';
import type { DatagramOwner, UdpFlow, UdpPoint } from './udp.js';
import { UdpPoints } from './udpPoints.js';
import { WebSocketFramer } from './websocket/framer.js';

export class Transports implements StreamOwner, DatagramOwner {
  readonly limits: SipLimits;
  readonly counters: TransportCounters = newCounters();
  readonly points: ListeningPoint[] = [];
  readonly admission: Admission;
  readonly sources: Sources;
  readonly gate: StrangerGate;
  readonly guard = new Guard(() => { this.counters.faults++; }, (place, error) => { this.handlers.trouble?.(place, error); });
  private readonly handlers: TransportHandlers;
  private readonly acceptors: Acceptor[] = [];
  private readonly udpPoints = new UdpPoints(this);
  private readonly streams = new Map<number, StreamFlow>();
  private readonly theirs = new AcceptedConnections(this.counters);
  private readonly pool: ConnectionPool;
  private readonly rate: RateLimiter;
  private readonly entry: Entry;
  private rules: SourceRules | undefined;
  private ticker: NodeJS.Timeout | undefined;
  private lastId = 0;
  private shut = false;

  constructor(private readonly options: TransportOptions) {
    this.handlers = options.handlers;
    this.limits = withDefaults(options.limits ?? {});
    this.sources = new Sources(options.sources);
    this.rules = options.sources;
    for (const place of options.acquainted ?? []) this.sources.acquaint(place, Date.now());
    this.gate = new StrangerGate(this.limits, this.counters, (place) => this.sources.acquainted(place, Date.now()),
      (bytes) => this.handlers.concerns?.(bytes) ?? false, { unknown: (address, from) => this.handlers.unknown?.(address, from), unproven: (address, why) => this.handlers.unproven?.(address, why) });
    this.entry = new Entry(this.sources, this.gate, () => this.handlers.busy?.() === true);
    this.pool = new ConnectionPool(this.limits, this.counters, (socket, target) => {
      const remote = { address: plainAddress(socket.remoteAddress ?? target.address), port: target.port };
      const flow = new StreamFlow(socket, this, { id: this.nextFlowId(), protocol: target.protocol, accepted: false, remote, verifiedHost: target.protocol === 'tls' && target.verify !== false ? target.host : undefined });
      this.streams.set(flow.id, flow);
      return flow;
    }, (what, error) => { this.handlers.trouble?.(what, error); });
    this.rate = new RateLimiter(this.limits.messagesPerSecond, this.limits.addresses);
    this.admission = new Admission(this.limits, this.counters, {
      allowed: (address) => this.handlers.allow?.(address) ?? true,
      inTime: (address) => this.gate.connection(address),
      drop: (which, urgent) => (which === 'stranger' ? this.gate.drop(urgent) : this.theirs.dropSilent(Date.now())),
    });
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
      local = await this.udpPoints.bind(at.address, at.port);
    } else {
      const { protocol } = at;
      const acceptor = await Acceptor.bind(at, isSecure(protocol) ? await this.loadSecure() : undefined, {
        limits: this.limits, counters: this.counters, admission: this.admission, guard: this.guard, refuseAlpn: protocol === 'tls' && this.options.refuseAlpn === true,
        knows: (address) => this.sources.byAddress(protocol, address) === 'known',
        expects: (address) => this.entry.expects(protocol, address),
        asks: (address) => this.entry.asks(protocol, address),
        ready: (socket, remote, place) => { this.take(protocol, socket, remote, place); },
        failed: (error) => { this.handlers.trouble?.(`listening on ${spec}`, error); },
      });
      this.acceptors.push(acceptor);
      local = acceptor.local;
    }
    this.points.push({ protocol: at.protocol, local });
    return { protocol: at.protocol, local };
  }

  /**
   * A verified connection to the target: one that is up and was heard of lately, else a new one. Only connections of ours are ever given
   * (RFC 5923 §8: an accepted one proves nothing about who is behind it). `fresh`: a new one in any case. Rejects with the reason why it did not come up.
   */
  connect(target: ConnectTarget, fresh = false): Promise<Flow> {
    return this.pool.connect(target, fresh);
  }

  /** A UDP flow to a peer, for a response or a message that nobody waits on; undefined when there is no socket of its address family. */
  udp(remote: Address, from?: Address): UdpFlow | undefined {
    return this.udpPoints.flow(remote, from);
  }

  /** The same for requests: its users hear of ICMP errors. `from` names the listening point. */
  udpConnected(remote: Address, from?: Address): Promise<UdpFlow | undefined> {
    return this.udpPoints.connected(remote, from);
  }

  /** An accepted connection whose far end is exactly this socket; for requests to a peer that gave this very address as its own. */
  accepted(protocol: Protocol, remote: Address): Flow | undefined {
    const flow = this.theirs.find(protocol, remote);
    return flow?.closed === false ? flow : undefined;
  }

  /** The connection of this number, if it is up. */
  connection(id: number): Flow | undefined {
    return this.streams.get(id);
  }

  /** Credentials were verified in a request from there: whoever is at this connection, or UDP address, is known for so many seconds. */
  authenticated(protocol: Protocol, remote: Address, seconds: number): void {
    const now = Date.now();
    const until = now + seconds * 1000;
    this.sources.acquaint(remote.address, now);
    if (protocol === 'udp') this.sources.authenticate(remote, until);
    else this.theirs.authenticate(protocol, remote, until);
  }

  /** Judges by these rules from now on. Throws on a network that cannot be read; then the old ones stay. */
  setSources(rules: SourceRules): void {
    this.sources.replace(rules);
    this.rules = rules;
    this.entry.secure?.setClients(rules.clients ?? []);
  }

  /** See `ServerTls.setDomains`. */
  setDomains = async (domains: Domains): Promise<void> => { await this.entry.secure?.setDomains(domains); };

  /** Stops, or goes on, reading what accepted connections bring. */
  pause(is: boolean): void {
    this.theirs.pause(is);
  }

  /** Connections that are up, ours and accepted. */
  get connections(): number { return this.streams.size; }

  async close(): Promise<void> {
    if (this.shut) return;
    this.shut = true;
    clearInterval(this.ticker);
    this.entry.secure?.close();
    this.udpPoints.close();
    const closing = this.acceptors.map((a) => a.close());
    this.pool.close();
    for (const stream of [...this.streams.values()]) stream.close();
    await Promise.all(closing);
  }

  nextFlowId(): number {
    return ++this.lastId;
  }

  streamMessage(flow: StreamFlow, bytes: Buffer): void {
    // A source may be silenced while its connection is up; one that we opened is to a far end of our own choice.
    if (flow.accepted && this.handlers.allow?.(flow.remote.address) === false) flow.close();
    else if (isKnown(flow)) this.deliver(flow, bytes);
    else if (this.gate.message(flow, bytes)) this.hand(flow, bytes);
    // What is not answered on a connection is not asked again: its sender is to know.
    else flow.close();
  }

  streamBytes(flow: StreamFlow, bytes: number): boolean {
    return this.gate.bytes(flow, bytes);
  }

  streamPings(flow: StreamFlow, count: number): boolean {
    if (!isKnown(flow)) return this.gate.pings(flow, count);
    if (this.rate.allow(flow.remote.address, Date.now(), count)) return true;
    this.counters.rateDropped++;
    return false;
  }

  certified(shown: Shown): readonly string[] {
    return this.entry.certified(shown);
  }

  streamProved(flow: StreamFlow): void {
    this.gate.proved(flow);
  }

  streamRefused(flow: StreamFlow, foreign: string | null): void {
    this.counters.refusedUpgrades++;
    if (foreign !== null && this.gate.tells()) this.handlers.foreign?.(foreign, flow.remote.address);
  }

  streamFault(flow: StreamFlow, reason: Unreadable, head: Buffer): void {
    if (reason === 'too large') this.counters.tooLarge++;
    else this.counters.unframable++;
    this.handlers.fault?.(reason, head, flow);
  }

  streamSent(flow: StreamFlow, text: string): void {
    this.sentOut(flow, text);
  }

  streamClosed(flow: StreamFlow, error: Error | undefined): void {
    this.streams.delete(flow.id);
    this.gate.closed(flow);
    this.theirs.closed(flow);
    this.handlers.closed?.(flow, error);
  }

  datagram(flow: UdpFlow, bytes: Buffer): void {
    if (this.handlers.allow?.(flow.remote.address) === false) {
      this.counters.silencedAddresses++;
      return;
    }
    const [known, pong] = [isKnown(flow), stunAnswer(bytes, flow.remote.address, flow.remote.port)];
    if (bytes.length > (known ? this.limits : this.limits.strangers).messageBytes) this.counters.tooLarge++;
    else if (pong !== undefined) {
      if (known ? this.withinRate(flow) : this.gate.message(flow, bytes)) flow.reply(pong);
    } else if (known) this.deliver(flow, bytes);
    else if (this.gate.message(flow, bytes)) this.hand(flow, bytes);
  }

  datagramSent(flow: UdpFlow, text: string): void {
    this.sentOut(flow, text);
  }

  datagramError(point: UdpPoint, error: Error): void {
    this.handlers.trouble?.(`udp ${hostPort(point.local)}`, error);
  }

  /** A message of somebody known. */
  private deliver(flow: Flow, bytes: Buffer): void {
    if (!this.withinRate(flow)) return;
    const text = bytes.toString('latin1');
    this.handlers.wire?.('in', flow, text);
    this.hand(flow, bytes, text);
  }

  private hand(flow: Flow, bytes: Buffer, text?: string): void {
    this.counters.received++;
    // A fault of ours in one message must not end the server for all others.
    this.guard.run('message could not be handled', () => { this.handlers.message(bytes, flow, text); });
  }

  private withinRate(flow: Flow): boolean {
    if (this.rate.allow(flow.remote.address, Date.now())) return true;
    this.counters.rateDropped++;
    return false;
  }

  private sentOut(flow: Flow, text: string): void {
    this.counters.sent++;
    if (flow.traced || isKnown(flow)) this.handlers.wire?.('out', flow, text);
  }

  private take(protocol: Protocol, socket: Socket, remote: Address, place: Place): void {
    const framer = protocol === 'ws' || protocol === 'wss' ? new WebSocketFramer(this.limits.messageBytes, this.options.origins ?? null) : undefined;
    const shown = this.entry.shown(protocol, socket, remote);
    if (shown === null) {
      socket.destroy();
      return;
    }
    const flow = new StreamFlow(socket, this, { id: this.nextFlowId(), protocol, accepted: true, remote, verifiedHost: undefined, shown }, framer);
    this.streams.set(flow.id, flow);
    this.theirs.add(flow, place);
    if (!place.known) this.gate.opened(flow);
  }

  private async loadSecure(): Promise<ServerTls> {
    return this.entry.secure ??= await ServerTls.load(this.options, this.rules?.clients ?? [], this.guard, {
      renewed: (read) => {
        for (const acceptor of this.acceptors) acceptor.renew();
        if (read) this.handlers.renewed?.();
      },
      trouble: (what, error) => { this.handlers.trouble?.(what, error); },
    });
  }

  private tick(): void {
    const now = Date.now();
    this.sources.sweep(now);
    this.theirs.check();
    for (const stream of this.streams.values()) stream.check(now);
    this.udpPoints.check(now);
  }
}
