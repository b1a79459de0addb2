// From a SIP URI to the places a request for it is tried at, in order (RFC 3263 §4).
import { isIP } from 'node:net';
import { schemeOf, uriParam } from '../parser/index.js';
import type { SipUri } from '../parser/index.js';
import type { Address, Flow, Protocol, Reaching } from '../transport/index.js';
import type { NameService, Srv } from './dns.js';
import { defaultSipPort, unbracketed } from '../../util/hostPort.js';

/** One place to try. */
export interface Hop {
  protocol: Protocol;
  address: string;
  port: number;
  /** The name from the URI: what a TLS certificate must show. */
  host: string;
  ca?: string | undefined;
  /** The URI named the transport. */
  explicit: boolean;
  /** This connection or none: of a dialog or a registration that began on it. */
  connection?: Flow;
  /** UDP: the listening point to send from, which a NAT has a binding for. */
  from?: Address;
}

/** How TLS is spoken with one host that we call: a CA file (PEM) besides the system's, what it is shown where it asks, and whether its certificate is judged at all. */
export interface TlsRule { ca?: string | null; cert?: string | null; key?: string | null; verify?: boolean }

/** What the operator fixed for one host name. */
export interface TargetRule { address?: string | null; port?: number; ca?: string | null; advertise?: string | null }

export interface ResolveOptions {
  names: NameService;
  targets: Readonly<Record<string, TargetRule>>;
  /** Transports this server can send over. */
  available: ReadonlySet<Reaching>;
  /** Random number in [0, 1), for the choice among SRV records of equal priority. */
  random: () => number;
}

/** Why there is nowhere to send: `reason` is for people, and goes to the drachtio client. */
export interface NoWay { reason: string }

/** Finds the hops of a URI. Each is tried after the one before has failed (RFC 3263 §4.3). */
export async function resolve(uri: SipUri, o: ResolveOptions): Promise<Hop[] | NoWay> {
  const named = uriParam(uri, 'transport')?.toLowerCase();
  const wanted = wantedProtocol(uri, named);
  if (wanted === 'other' || (wanted !== undefined && !o.available.has(wanted))) return { reason: 'requested protocol/transport not available' };
  const host = (uriParam(uri, 'maddr') ?? uri.host).toLowerCase();
  const rule = o.targets[host];
  const literal = unbracketed(host);
  const explicit = named !== undefined;

  // A host that the operator described needs no discovery (META-SIP.md §3: wa.meta.vc has A/AAAA and port 5061).
  if (rule !== undefined || isIP(literal) !== 0 || uri.port !== undefined) {
    const protocol = wanted ?? first(o.available);
    const port = rule?.port ?? uri.port ?? defaultSipPort(protocol === 'tls');
    const at = rule?.address ?? literal;
    return await toHops([{ protocol, name: unbracketed(at), port }], host, rule?.ca ?? undefined, explicit, o);
  }
  const found = await discover(host, wanted, o);
  if (found.length > 0) return await toHops(found, host, undefined, explicit, o);
  const protocol = wanted ?? first(o.available);
  return await toHops([{ protocol, name: host, port: defaultSipPort(protocol === 'tls') }], host, undefined, explicit, o);
}

/** The transport that a URI asks for by its scheme or by name; undefined where it leaves the choice. */
function wantedProtocol(uri: SipUri, named: string | undefined): Reaching | 'other' | undefined {
  // A WebSocket is opened by the other side only (RFC 7118 §3): who has one is reached by its connection.
  if (named !== undefined && named !== 'udp' && named !== 'tcp' && named !== 'tls') return 'other';
  // RFC 3261 §26.2.2: sips over TCP means TLS.
  return uri.scheme === 'sips' ? 'tls' : named;
}

interface Place { protocol: Reaching; name: string; port: number }

/** RFC 3263 §4.1-4.2 for a name without port: NAPTR, then SRV. Empty when the name has neither. */
async function discover(host: string, wanted: Reaching | undefined, o: ResolveOptions): Promise<Place[]> {
  // A name without a dot is of the local network and its hosts file, not of the DNS.
  if (!host.includes('.')) return [];
  const services: { protocol: Reaching; name: string }[] = [];
  if (wanted === undefined) {
    for (const r of (await o.names.naptr(host)).sort((a, b) => a.order - b.order || a.preference - b.preference)) {
      const protocol = NAPTR_SERVICE[r.service.toUpperCase()];
      if (protocol !== undefined && o.available.has(protocol)) services.push({ protocol, name: r.replacement });
    }
  }
  if (services.length === 0) {
    for (const protocol of wanted === undefined ? [...o.available] : [wanted]) services.push({ protocol, name: `${SRV_PREFIX[protocol]}.${host}` });
  }
  const places: Place[] = [];
  const answers = await Promise.all(services.map((s) => o.names.srv(s.name)));
  services.forEach((service, i) => {
    // RFC 2782: the target "." says that there is no such service.
    const there = (answers[i] ?? []).filter((srv) => srv.name !== '' && srv.name !== '.');
    for (const srv of byWeight(there, o.random)) places.push({ protocol: service.protocol, name: srv.name, port: srv.port });
  });
  return places;
}

async function toHops(places: Place[], host: string, ca: string | undefined, explicit: boolean, o: ResolveOptions): Promise<Hop[] | NoWay> {
  const hops: Hop[] = [];
  for (const { protocol, name, port } of places) {
    const addresses = isIP(name) !== 0 ? [name] : await o.names.addresses(name);
    for (const address of addresses) hops.push({ protocol, address, port, host, ca, explicit });
  }
  return hops.length > 0 ? hops : { reason: `no address found for ${host}` };
}

/** RFC 2782: by priority; within one, by weight at random. */
function byWeight(records: Srv[], random: () => number): Srv[] {
  const out: Srv[] = [];
  const left = [...records].sort((a, b) => a.priority - b.priority || a.weight - b.weight);
  while (left.length > 0) {
    const level = left.filter((r) => r.priority === left[0]?.priority);
    let pick = random() * level.reduce((sum, r) => sum + r.weight, 0);
    const chosen = level.find((r) => (pick -= r.weight) < 0) ?? level[0];
    if (chosen === undefined) break;
    out.push(chosen);
    left.splice(left.indexOf(chosen), 1);
  }
  return out;
}

/** Without a word about transport, UDP if we have it (RFC 3263 §4.1), then TCP, then TLS. */
function first(available: ReadonlySet<Reaching>): Reaching {
  for (const p of ['udp', 'tcp', 'tls'] as const) if (available.has(p)) return p;
  return 'tcp';
}

/** True for URIs this server can route: sip and sips. */
export function isRoutable(uri: string): boolean {
  const scheme = schemeOf(uri);
  return scheme === 'sip' || scheme === 'sips';
}

const NAPTR_SERVICE: Readonly<Record<string, Reaching>> = { 'SIP+D2U': 'udp', 'SIP+D2T': 'tcp', 'SIPS+D2T': 'tls' };
const SRV_PREFIX: Readonly<Record<Reaching, string>> = { udp: '_sip._udp', tcp: '_sip._tcp', tls: '_sips._tcp' };
