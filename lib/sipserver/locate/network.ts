// What sending a request needs: the resolver, our addresses, and a flow to the hop.
import { isIP } from 'node:net';
import type { Flow, Transports } from '../transport/index.js';
import { parseUri } from '../parser/index.js';
import type { TransactionLayer } from '../transaction/index.js';
import type { NameService } from './dns.js';
import type { Presence, Presented } from './presence.js';
import { bare, resolve } from './resolve.js';
import type { Hop, NoWay, ResolveOptions, TargetRule } from './resolve.js';

export interface NetworkOptions {
  transports: Transports;
  layer: TransactionLayer;
  presence: Presence;
  names: NameService;
  targets: Readonly<Record<string, TargetRule>>;
  /** UDP requests longer than this go over TCP first (RFC 3261 §18.1.1). */
  udpBytes: number;
  /** Told of faults of our own in work that nobody waits for. */
  fault(error: Error): void;
}

export class Network {
  readonly layer: TransactionLayer;
  readonly presence: Presence;
  readonly udpBytes: number;
  private readonly resolving: ResolveOptions;

  constructor(private readonly o: NetworkOptions) {
    this.layer = o.layer;
    this.presence = o.presence;
    this.udpBytes = o.udpBytes;
    const available = new Set(o.transports.points.some((p) => p.protocol === 'udp') ? ['udp', 'tcp', 'tls'] as const : ['tcp', 'tls'] as const);
    this.resolving = { names: o.names, targets: o.targets, available, random: Math.random };
  }

  /** Lets work go on by itself; what it throws is reported, not lost. */
  spawn(work: Promise<unknown>): void {
    work.catch((error: unknown) => { this.o.fault(error instanceof Error ? error : new Error(String(error))); });
  }

  /** Where a request with this next-hop URI is tried, in order. */
  async hops(uri: string): Promise<Hop[] | NoWay> {
    const parsed = parseUri(uri);
    return parsed === undefined ? { reason: `cannot route to ${uri}` } : await resolve(parsed, this.resolving);
  }

  presented(hop: Hop): Promise<Presented> {
    return this.presence.towards(hop.protocol, hop.address, hop.host, hop.connection?.local ?? hop.from);
  }

  /**
   * A flow to the hop; rejects when there is none. A connection that the peer opened is used only where the hop is that very socket: then the
   * address says as much as the connection does. The `alias` of a Via is never followed (RFC 5923 §8, META-SIP.md §3).
   */
  async flow(hop: Hop): Promise<Flow> {
    const { protocol, address, port, host, connection } = hop;
    if (connection !== undefined) {
      if (connection.closed) throw new Error('the connection of the peer is gone');
      return connection;
    }
    if (protocol === 'udp') {
      const flow = await this.o.transports.udpConnected({ address, port }, hop.from ?? await this.presence.point('udp', address));
      if (flow === undefined) throw new Error('requested protocol/transport not available');
      return flow;
    }
    if (protocol === 'tcp' || isIP(bare(host)) !== 0) {
      const accepted = this.o.transports.accepted(protocol, { address, port });
      if (accepted !== undefined) return accepted;
    }
    const local = await this.presence.point(protocol, address);
    return await this.o.transports.connect({ protocol, address, port, host, ca: hop.ca, localAddress: sourceOf(local?.address, address) });
  }
}

/** The address to connect from: that of the listening socket, where it is one particular address that can reach the peer. */
function sourceOf(local: string | undefined, remote: string): string | undefined {
  if (local === undefined || local === '0.0.0.0' || local === '::') return undefined;
  const loops = (a: string): boolean => a.startsWith('127.') || a === '::1';
  return loops(local) === loops(remote) && isIP(local) === isIP(remote) ? local : undefined;
}
