// What sending a request needs: the resolver, our addresses, and a flow to the hop.
import { isIP } from 'node:net';
import type { ConnectTarget, Flow, Guard, Transports } from '../transport/index.js';
import { parseUri } from '../parser/index.js';
import type { TransactionLayer } from '../transaction/index.js';
import type { NameService } from './dns.js';
import type { Presence, Presented } from './presence.js';
import { resolve } from './resolve.js';
import type { Hop, NoWay, ResolveOptions, TargetRule, TlsRule } from './resolve.js';
import { hostKey, isBelow } from '../../util/hostKey.js';
import { unbracketed } from '../../util/hostPort.js';

export interface NetworkOptions {
  transports: Transports;
  layer: TransactionLayer;
  presence: Presence;
  names: NameService;
  targets: Readonly<Record<string, TargetRule>>;
  /** How TLS is spoken, by host as `hostKey` spells it. */
  tls: Readonly<Record<string, TlsRule>>;
  /** Hosts, with what is below them, whose certificates are judged as on the web: see `ConnectTarget.wildcards`. */
  likeWeb: readonly string[];
  /** UDP requests longer than this go over TCP first (RFC 3261 §18.1.1). */
  udpBytes: number;
}

const AVOID_SECONDS = 30;
const LONGEST_AVOID_SECONDS = 300;
const MOST_AVOIDED = 1000;

function placeOf(hop: Hop): string {
  return `${hop.protocol} ${hop.address} ${hop.port}`;
}

export class Network {
  readonly layer: TransactionLayer;
  readonly presence: Presence;
  readonly udpBytes: number;
  readonly guard: Guard;
  private readonly resolving: ResolveOptions;
  private readonly avoided = new Map<string, number>();
  /** See `NetworkOptions`; new connections are opened as it says. */
  tls: Readonly<Record<string, TlsRule>>;

  constructor(private readonly o: NetworkOptions) {
    this.layer = o.layer;
    this.presence = o.presence;
    this.udpBytes = o.udpBytes;
    this.tls = o.tls;
    this.guard = o.transports.guard;
    const available = new Set(o.transports.points.some((p) => p.protocol === 'udp') ? ['udp', 'tcp', 'tls'] as const : ['tcp', 'tls'] as const);
    this.resolving = { names: o.names, targets: o.targets, available, random: Math.random };
  }

  /** Lets work go on by itself; what it throws is reported, not lost. */
  spawn(work: Promise<unknown>): void {
    work.catch((error: unknown) => { this.guard.fault('work under way', error); });
  }

  /** Where a request with this next-hop URI is tried, in order; what was found dead or overloaded a moment ago comes last. */
  async hops(uri: string): Promise<Hop[] | NoWay> {
    const parsed = parseUri(uri);
    if (parsed === undefined) return { reason: `cannot route to ${uri}` };
    const found = await resolve(parsed, this.resolving);
    return 'reason' in found || found.length < 2 || this.avoided.size === 0 ? found : this.byHealth(found);
  }

  /**
   * A hop that failed is tried after the others for so many seconds, so that not every call waits for it (RFC 3263 §4.3 leaves to us what is
   * remembered of a failure; for a 503 it is what Retry-After says, RFC 3261 §21.5.4).
   */
  avoid(hop: Hop, seconds = AVOID_SECONDS): void {
    if (this.avoided.size >= MOST_AVOIDED) this.avoided.clear();
    this.avoided.set(placeOf(hop), Date.now() + Math.min(seconds, LONGEST_AVOID_SECONDS) * 1000);
  }

  private byHealth(hops: Hop[]): Hop[] {
    const now = Date.now();
    const dead = (hop: Hop): boolean => {
      const until = this.avoided.get(placeOf(hop));
      if (until !== undefined && until <= now) this.avoided.delete(placeOf(hop));
      return until !== undefined && until > now;
    };
    const [good, bad]: [Hop[], Hop[]] = [[], []];
    for (const hop of hops) (dead(hop) ? bad : good).push(hop);
    return [...good, ...bad];
  }

  presented(hop: Hop): Promise<Presented> {
    return this.presence.towards(hop.protocol, hop.address, hop.host, hop.connection?.local ?? hop.from);
  }

  /**
   * A flow to the hop; rejects when there is none. A connection that the peer opened is used only where the hop is that very socket: then the
   * address says as much as the connection does. The `alias` of a Via is never followed (RFC 5923 §8, META-SIP.md §3). `fresh`: a new one,
   * whatever there is.
   */
  async flow(hop: Hop, fresh = false): Promise<Flow> {
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
    if (protocol === 'ws' || protocol === 'wss') throw new Error('requested protocol/transport not available');
    if (!fresh && (protocol === 'tcp' || isIP(unbracketed(host)) !== 0)) {
      const accepted = this.o.transports.accepted(protocol, { address, port });
      if (accepted !== undefined) return accepted;
    }
    const local = await this.presence.point(protocol, address);
    return await this.o.transports.connect({ protocol, address, port, host, ...this.tlsWith(hop), localAddress: sourceOf(local?.address, address) }, fresh);
  }

  private tlsWith({ host, ca }: Hop): Pick<ConnectTarget, 'ca' | 'shows' | 'verify' | 'wildcards'> {
    const rule = this.tls[hostKey(host)] ?? {};
    const { cert = null, key = null } = rule;
    return { ca: ca ?? rule.ca ?? undefined, verify: rule.verify, shows: cert === null || key === null ? undefined : { cert, key }, wildcards: isBelow(host, this.o.likeWeb) };
  }
}

/** The address to connect from: that of the listening socket, where it is one particular address that can reach the peer. */
function sourceOf(local: string | undefined, remote: string): string | undefined {
  if (local === undefined || local === '0.0.0.0' || local === '::') return undefined;
  const loops = (a: string): boolean => a.startsWith('127.') || a === '::1';
  return loops(local) === loops(remote) && isIP(local) === isIP(remote) ? local : undefined;
}
