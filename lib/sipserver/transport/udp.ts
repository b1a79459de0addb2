// UDP: one socket for each listening point; a flow is that socket and a peer's address.
import { createSocket } from 'node:dgram';
import type { Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { plainAddress } from './flow.js';
import type { Address, Flow, FlowUser } from './flow.js';
import type { SipLimits, TransportCounters } from './limits.js';

/** What a UDP point tells its owner. */
export interface DatagramOwner {
  readonly limits: SipLimits;
  readonly counters: TransportCounters;
  nextFlowId(): number;
  datagram(flow: UdpFlow, bytes: Buffer): void;
  datagramSent(flow: UdpFlow, text: string): void;
  datagramError(point: UdpPoint, error: Error): void;
}

/** Smallest datagram that can be SIP; shorter ones are keep-alives (RFC 5626 §3.5.1 allows any non-SIP text) or noise. */
const SHORTEST = 20;

export class UdpFlow implements Flow {
  readonly protocol = 'udp' as const;
  readonly accepted = true;
  readonly verifiedHost = undefined;
  private users: Set<FlowUser> | undefined;

  constructor(readonly id: number, private readonly point: UdpPoint, readonly local: Address, readonly remote: Address) {}

  get closed(): boolean {
    return this.point.closed;
  }

  send(text: string): boolean {
    return this.point.transmit(this, text);
  }

  addUser(user: FlowUser): void {
    (this.users ??= new Set()).add(user);
  }

  removeUser(user: FlowUser): void {
    this.users?.delete(user);
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

export class UdpPoint {
  closed = false;
  local: Address = { address: '', port: 0 };

  private constructor(readonly socket: Socket, private readonly owner: DatagramOwner) {}

  /** Binds a socket; rejects with the system's error when the address is taken. */
  static async bind(owner: DatagramOwner, address: string, port: number): Promise<UdpPoint> {
    const v6 = isIPv6(address);
    const socket = createSocket({
      type: v6 ? 'udp6' : 'udp4', recvBufferSize: 4 * 1024 * 1024, sendBufferSize: 1024 * 1024,
      // Only addresses are ever given: no look-up, no detour through the resolver for each datagram.
      lookup: (host, _options, callback) => { callback(null, host, v6 ? 6 : 4); },
    });
    const point = new UdpPoint(socket, owner);
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.bind({ address, port, exclusive: true }, () => {
        socket.removeListener('error', reject);
        resolve();
      });
    });
    const bound = socket.address();
    point.local = { address: plainAddress(bound.address), port: bound.port };
    socket.on('message', (bytes, from) => {
      if (point.closed || bytes.length < SHORTEST) return;
      if (bytes.length > owner.limits.messageBytes) {
        owner.counters.tooLarge++;
        return;
      }
      const remote = { address: plainAddress(from.address), port: from.port };
      owner.datagram(new UdpFlow(owner.nextFlowId(), point, point.local, remote), bytes);
    });
    socket.on('error', (error) => { owner.datagramError(point, error); });
    return point;
  }

  /** A flow to a peer over this socket. */
  flowTo(remote: Address, local: Address = this.local): UdpFlow {
    return new UdpFlow(this.owner.nextFlowId(), this, local, remote);
  }

  transmit(flow: UdpFlow, text: string): boolean {
    if (this.closed) return false;
    this.socket.send(Buffer.from(text, 'latin1'), flow.remote.port, flow.remote.address, (error) => {
      if (error !== null) flow.failed(error);
    });
    this.owner.datagramSent(flow, text);
    return true;
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.socket.close();
  }
}
