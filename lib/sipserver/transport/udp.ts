// UDP: one socket for each listening point, and beside it, on the same port, a connected one for each peer we send requests to: the system
// tells a connected socket of ICMP errors, and no other (RFC 3261 §18.4).
import { createSocket } from 'node:dgram';
import type { RemoteInfo, Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { hostPort, plainAddress } from './flow.js';
import type { Address, Flow, FlowUser } from './flow.js';
import type { Guard } from '../../util/guard.js';
import type { SourceClass, Sources } from './sources.js';

/** What a UDP point tells its owner. */
export interface DatagramOwner {
  readonly sources: Sources;
  readonly guard: Guard;
  nextFlowId(): number;
  datagram(flow: UdpFlow, bytes: Buffer): void;
  datagramSent(flow: UdpFlow, text: string): void;
  datagramError(point: UdpPoint, error: Error): void;
}

/** Smallest datagram that can be SIP; shorter ones are keep-alives (RFC 5626 §3.5.1 allows any non-SIP text) or noise. */
const SHORTEST = 20;

/** Connected sockets of one point; more peers than that share its own socket, without news of ICMP errors. */
const MOST_CONNECTED = 500;

/** A connected socket that was not used for so long is closed, ms. */
const CONNECTED_IDLE = 60_000;

export class UdpFlow implements Flow {
  readonly id: number;
  readonly protocol = 'udp' as const;
  readonly accepted = true;
  readonly verifiedHost = undefined;
  readonly certified = [];
  readonly used = false;
  traced = false;
  private users: Set<FlowUser> | undefined;

  /** `socket` is connected to `remote` when `connected` says so. */
  constructor(private readonly point: UdpPoint, private readonly socket: Socket, readonly connected: boolean, readonly local: Address, readonly remote: Address) {
    this.id = point.nextFlowId();
  }

  get closed(): boolean {
    return this.point.closed;
  }

  get source(): SourceClass {
    return this.point.sourceOf(this.remote);
  }

  proved(): void {
    // Any datagram stands for itself.
  }

  send(text: string): boolean {
    return this.point.transmit(this, this.socket, text);
  }

  /** Sends what is no SIP message. */
  reply(bytes: Buffer): void {
    this.point.reply(this, bytes);
  }

  addUser(user: FlowUser): void {
    (this.users ??= new Set()).add(user);
  }

  removeUser(user: FlowUser): void {
    this.users?.delete(user);
  }

  get inUse(): boolean {
    return this.users !== undefined && this.users.size > 0;
  }

  /** Tells everyone who waits on this flow that its datagrams do not arrive. */
  failed(error: Error): void {
    if (this.users === undefined) return;
    for (const user of [...this.users]) user.flowClosed(this, error);
  }

  /** The socket is shared: there is nothing to close. */
  close(): void {
    this.users?.clear();
  }
}

interface Connected { flow: Promise<UdpFlow>; socket: Socket; used: number }

export class UdpPoint {
  closed = false;
  private readonly peers = new Map<string, Connected>();

  private constructor(private readonly socket: Socket, readonly local: Address, private readonly owner: DatagramOwner) {
    this.hear(socket);
    socket.on('error', owner.guard.wrap('error of a UDP socket', (error) => { owner.datagramError(this, error); }));
  }

  /** Binds a socket; rejects with the system's error when the address is taken. */
  static async bind(owner: DatagramOwner, address: string, port: number): Promise<UdpPoint> {
    // First without sharing the address, so that a port somebody else has is noticed; then so that our connected sockets may share it.
    const probe = await bound(address, port, false);
    const taken = probe.address().port;
    await new Promise<void>((resolve) => { probe.close(() => { resolve(); }); });
    const socket = await bound(address, taken, true);
    return new UdpPoint(socket, { address: plainAddress(socket.address().address), port: taken }, owner);
  }

  nextFlowId(): number {
    return this.owner.nextFlowId();
  }

  /** A flow to a peer over the point's own socket. */
  flowTo(remote: Address): UdpFlow {
    return new UdpFlow(this, this.socket, false, this.local, remote);
  }

  /** A flow to a peer that learns of ICMP errors. The same one for the same peer, as long as it is used. */
  async connectedTo(remote: Address): Promise<UdpFlow> {
    const key = hostPort(remote);
    const known = this.peers.get(key);
    if (known !== undefined) {
      known.used = Date.now();
      return await known.flow;
    }
    if (this.peers.size >= MOST_CONNECTED || this.closed) return this.flowTo(remote);
    const socket = make(this.local.address, true);
    const entry: Connected = { socket, used: Date.now(), flow: this.connect(socket, remote, key) };
    this.peers.set(key, entry);
    return await entry.flow;
  }

  /** Called now and then: closes connected sockets that nobody uses. */
  check(now: number): void {
    for (const [key, peer] of this.peers) {
      if (now - peer.used < CONNECTED_IDLE) continue;
      this.owner.guard.spawn('UDP socket of a peer', peer.flow.then((flow) => {
        if (flow.inUse || this.peers.get(key) !== peer) return;
        this.peers.delete(key);
        if (flow.connected) peer.socket.close();
      }));
    }
  }

  sourceOf(remote: Address): SourceClass {
    return this.owner.sources.ofDatagram(remote, Date.now());
  }

  /** By the point's own socket. */
  reply(flow: UdpFlow, bytes: Buffer): void {
    this.send(flow, this.socket, bytes);
  }

  transmit(flow: UdpFlow, socket: Socket, text: string): boolean {
    if (!this.send(flow, socket, Buffer.from(text, 'latin1'))) return false;
    this.owner.datagramSent(flow, text);
    return true;
  }

  /** The one place that sends. False when nothing went out; it never throws. */
  private send(flow: UdpFlow, socket: Socket, bytes: Buffer): boolean {
    // Nobody can be sent to at port 0, though a datagram can come from there (RFC 768).
    if (this.closed || flow.remote.port === 0) return false;
    const done = (error: Error | null): void => { if (error !== null) this.owner.guard.run('failure of a datagram', () => { flow.failed(error); }); };
    try {
      if (flow.connected) socket.send(bytes, done);
      else socket.send(bytes, flow.remote.port, flow.remote.address, done);
    } catch (error) {
      // The connected socket was closed as idle a moment ago.
      this.owner.datagramError(this, error instanceof Error ? error : new Error(String(error)));
      return false;
    }
    return true;
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.socket.close();
    for (const peer of this.peers.values()) this.owner.guard.spawn('UDP socket of a peer', peer.flow.then((flow) => { if (flow.connected) peer.socket.close(); }));
    this.peers.clear();
  }

  private async connect(socket: Socket, remote: Address, key: string): Promise<UdpFlow> {
    try {
      await bindTo(socket, this.local.address, this.local.port);
      await new Promise<void>((resolve, reject) => {
        socket.once('error', reject);
        // Called with the error where there is no way from our address to that one, which the types do not say.
        socket.connect(remote.port, remote.address, ((error?: Error | null) => {
          socket.removeListener('error', reject);
          if (error instanceof Error) reject(error);
          else resolve();
        }) as () => void);
      });
    } catch {
      // No route, or no more sockets: whoever sends hears what comes of it by the point's own socket, and tells.
      socket.close();
      this.peers.delete(key);
      return this.flowTo(remote);
    }
    const flow = new UdpFlow(this, socket, true, { address: plainAddress(socket.address().address), port: this.local.port }, remote);
    this.hear(socket);
    // ICMP: port, host or network unreachable.
    socket.on('error', this.owner.guard.wrap('ICMP error', (error) => { flow.failed(error); }));
    return flow;
  }

  /** Datagrams of this socket, whoever sent them: before it is connected it may get those of others, too. */
  private hear(socket: Socket): void {
    socket.on('message', this.owner.guard.wrap('datagram', (bytes: Buffer, from: RemoteInfo) => {
      // Port 0 means "no answer wanted" (RFC 768): no SIP element sends from there.
      if (this.closed || bytes.length < SHORTEST || from.port === 0) return;
      this.owner.datagram(this.flowTo({ address: plainAddress(from.address), port: from.port }), bytes);
    }));
  }
}

async function bound(address: string, port: number, shared: boolean): Promise<Socket> {
  const socket = make(address, shared);
  await bindTo(socket, address, port);
  return socket;
}

function make(address: string, shared: boolean): Socket {
  const v6 = isIPv6(address);
  const socket = createSocket({
    type: v6 ? 'udp6' : 'udp4', reuseAddr: shared, recvBufferSize: 4 * 1024 * 1024, sendBufferSize: 1024 * 1024,
    // Only addresses are ever given: no look-up, no detour through the resolver for each datagram.
    lookup: (host, _options, callback) => { callback(null, host, v6 ? 6 : 4); },
  });
  // Without a listener an error is an exception, also one of a socket that is coming up, or going.
  socket.on('error', () => { /* whoever binds or connects it listens, too */ });
  return socket;
}

async function bindTo(socket: Socket, address: string, port: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject);
    socket.bind({ address, port, exclusive: true }, () => {
      socket.removeListener('error', reject);
      resolve();
    });
  });
}
