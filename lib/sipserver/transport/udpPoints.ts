// The UDP sockets of one server, and which of them reaches whom.
import { isIPv6 } from 'node:net';
import type { Address } from './flow.js';
import { UdpPoint } from './udp.js';
import type { DatagramOwner, UdpFlow } from './udp.js';

export class UdpPoints {
  private readonly points: UdpPoint[] = [];

  constructor(private readonly owner: DatagramOwner) {}

  /** Opens one; gives the address it is bound to. Rejects with the system's error. */
  async bind(address: string, port: number): Promise<Address> {
    const point = await UdpPoint.bind(this.owner, address, port);
    this.points.push(point);
    return point.local;
  }

  /** See `Transports.udp`. */
  flow(remote: Address, from?: Address): UdpFlow | undefined {
    return this.point(remote, from)?.flowTo(remote);
  }

  /** See `Transports.udpConnected`. */
  async connected(remote: Address, from?: Address): Promise<UdpFlow | undefined> {
    return await this.point(remote, from)?.connectedTo(remote);
  }

  check(now: number): void {
    for (const point of this.points) point.check(now);
  }

  close(): void {
    for (const point of this.points) point.close();
  }

  private point(remote: Address, from: Address | undefined): UdpPoint | undefined {
    const v6 = isIPv6(remote.address);
    return this.points.find((p) => from !== undefined && p.local.port === from.port && p.local.address === from.address)
      ?? this.points.find((p) => isIPv6(p.local.address) === v6);
  }
}
