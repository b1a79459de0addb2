import ipaddr from 'ipaddr.js';

/** Where a peer's media may be. */
export interface MediaPlaces {
  /** Addresses of our own media towards peers, local and public. */
  readonly own: readonly string[];
  /** First and last UDP port of it; null: not known, as with an engine that chooses its own. */
  readonly ownPorts: readonly [number, number] | null;
  /** Whether we listen for SIP over UDP at this address and port. */
  readonly listens: (address: string, port: number) => boolean;
  /** Networks that the operator allows; empty: any. */
  readonly networks: readonly string[];
}

/** RFC 863: what is sent there is thrown away. No other well-known port is one of RTP. */
export const DISCARD = 9;

/** Kinds of addresses that no packet of a call may be sent to, by ipaddr.js's names for them. */
const never: Readonly<Record<string, string>> = { multicast: 'a multicast address', broadcast: 'a broadcast address', unspecified: 'no address' };
/** Kinds that are good only where our own media has one of them. */
const besideOurs: Readonly<Record<string, string>> = { loopback: 'a loopback address', linkLocal: 'a link-local address' };

/**
 * Why no media is sent to this address and port of a peer's description, in words; null when nothing speaks against it. Otherwise whoever may call could
 * have us send RTP to a broadcast address, a service of this machine, or ourselves. The caller asks only where media would be sent: not on hold.
 */
export function objectsToPlace({ own, ownPorts, listens, networks }: MediaPlaces, address: string, port: number): string | null {
  if (!ipaddr.isValid(address)) return `${address} is no address`;
  const parsed = ipaddr.process(address);
  const range = parsed.range();
  const kind = never[range] ?? (isClassE(parsed) ? 'a reserved address' : undefined);
  if (kind !== undefined) return `${address} is ${kind}`;
  const ours = own.flatMap((one) => (ipaddr.isValid(one) ? [ipaddr.process(one)] : []));
  const beside = besideOurs[range];
  const named = networks.some((network) => contains(network, parsed));
  // The operator's own word goes first.
  if (beside !== undefined && !named && !ours.some((one) => one.range() === range)) return `${address} is ${beside}, and in none of the networks of peers.*.media`;
  if (port < 1024 && port !== DISCARD) return `${port} is a port of something else than RTP`;
  const plain = parsed.toString();
  if (listens(plain, port)) return `${address}:${port} is our own SIP port`;
  // On loopback everything is on one address, and the far end's ports are any that were free.
  if (ownPorts !== null && range !== 'loopback' && port >= ownPorts[0] && port <= ownPorts[1] && ours.some((one) => one.toString() === plain)) return `${address}:${port} is one of our own media ports`;
  if (networks.length > 0 && !named) return `${address} is in none of the peer's media networks`;
  return null;
}

/** 240.0.0.0/4, which no host has (RFC 1112 §4). */
function isClassE(address: ipaddr.IPv4 | ipaddr.IPv6): boolean {
  return address.kind() === 'ipv4' && (address.toByteArray()[0] ?? 0) >= 240;
}

function contains(network: string, address: ipaddr.IPv4 | ipaddr.IPv6): boolean {
  const [range, bits] = network.includes('/') ? ipaddr.parseCIDR(network) : [ipaddr.parse(network), network.includes(':') ? 128 : 32];
  return range.kind() === address.kind() && (address as ipaddr.IPv4).match(range, bits);
}
