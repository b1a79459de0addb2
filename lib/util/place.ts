import ipaddr from 'ipaddr.js';
import { unbracketed } from './hostPort.js';

/**
 * What counts as one address: of IPv6 the /64, written "2001:db8::/64", as whoever has one address there has them all (RFC 6177 §2). An IPv4 address,
 * and what is no address, is its own place. Asked for each datagram: IPv4 costs a search for a colon.
 */
export function placeOf(address: string): string {
  if (!address.includes(':')) return address;
  const bare = unbracketed(address).replace(/%.*$/, '');
  if (!ipaddr.isValid(bare)) return bare;
  const parsed = ipaddr.process(bare);
  if (parsed.kind() === 'ipv4') return parsed.toString();
  return `${ipaddr.IPv6.networkAddressFromCIDR(`${parsed.toString()}/64`).toString()}/64`;
}
