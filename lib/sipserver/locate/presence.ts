// The address by which others reach us: in Via, Contact and Record-Route.
import { createSocket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { isSecure } from '../transport/index.js';
import type { Address, ListeningPoint, Protocol } from '../transport/index.js';
import type { TargetRule } from './resolve.js';
import { bracketed, defaultSipPort, splitHostPort, udpFamily } from '../../util/hostPort.js';

/** A host (IPv6 in brackets) and port as they stand in a header. */
export interface Presented { host: string; port: number }

const REMEMBER = 60_000;
const MOST_REMEMBERED = 5_000;

/** Routes asked for at once. A flood from forged addresses gets the address of the last route instead of a socket for each. */
const MOST_PROBES = 64;

/**
 * Answers which host and port we give out towards a peer: the one configured for that peer's host name, the general one, or the listening
 * socket's; where that is bound to every address, the local address of the route to the peer.
 */
export class Presence {
  private probing = 0;
  private last = '127.0.0.1';
  private readonly routes = new Map<string, { until: number; local: Promise<string> }>();

  constructor(
    private readonly points: readonly ListeningPoint[], private readonly advertised: string | null | undefined,
    private readonly targets: Readonly<Record<string, TargetRule>>,
  ) {}

  /** The listening point from which a request to this address goes; undefined when there is none for the protocol and family. */
  async point(protocol: Protocol, address: string): Promise<Address | undefined> {
    const v6 = isIPv6(address);
    const fitting = this.points.filter((p) => p.protocol === protocol && isIPv6(p.local.address) === v6).map((p) => p.local);
    if (fitting.length <= 1) return fitting[0];
    const local = await this.routeTo(address);
    return fitting.find((p) => p.address === local) ?? fitting.find((p) => isWildcard(p.address))
      ?? fitting.find((p) => isLoopback(p.address) === isLoopback(address)) ?? fitting[0];
  }

  /**
   * What we write into headers of messages to `address`, whose name in the URI is `host`. `local` is the socket that is used: it counts where
   * it belongs to a listening point, or when nothing listens for this protocol.
   */
  async towards(protocol: Protocol, address: string, host: string, local?: Address): Promise<Presented> {
    const own = local !== undefined && this.points.some((p) => p.protocol === protocol && p.local.port === local.port
      && (p.local.address === local.address || isWildcard(p.local.address)));
    const at = own ? local : await this.point(protocol, address) ?? local;
    const port = at?.port ?? defaultSipPort(isSecure(protocol));
    const configured = this.targets[host.toLowerCase()]?.advertise ?? this.advertised;
    if (configured !== null && configured !== undefined) return split(configured, port);
    return { host: bracketed(at === undefined || isWildcard(at.address) ? await this.routeTo(address) : at.address), port };
  }

  /** The local address from which the system would send to this address; nothing is sent to find out. */
  routeTo(address: string): Promise<string> {
    const now = Date.now();
    const known = this.routes.get(address);
    if (known !== undefined && known.until > now) return known.local;
    if (this.probing >= MOST_PROBES) return Promise.resolve(this.last);
    if (this.routes.size >= MOST_REMEMBERED) this.routes.clear();
    this.probing++;
    const local = probe(address).then((found) => {
      this.probing--;
      return this.last = found;
    });
    this.routes.set(address, { until: now + REMEMBER, local });
    return local;
  }
}

/** Connecting a UDP socket asks the system for the route and sends nothing. */
async function probe(address: string): Promise<string> {
  const v6 = isIPv6(address);
  const socket = createSocket(udpFamily(address));
  try {
    return await new Promise<string>((resolve, reject) => {
      socket.once('error', reject);
      socket.connect(9, address, () => { resolve(socket.address().address); });
    });
  } catch {
    return v6 ? '::1' : '127.0.0.1';
  } finally {
    socket.close();
  }
}

/** `host`, `host:port`, `[v6]:port`, bare IPv6. */
function split(configured: string, port: number): Presented {
  const own = splitHostPort(configured);
  return { host: bracketed(own?.host ?? configured), port: own?.port ?? port };
}

export function isWildcard(address: string): boolean {
  return address === '0.0.0.0' || address === '::';
}

export function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1';
}
