import ipaddr from 'ipaddr.js';
import { unbracketed } from '../util/hostPort.js';

/** What counts as one address: of IPv6 the /64, as whoever has one address there has them all (RFC 6177 §2). */
export function placeOf(address: string): string {
  const bare = unbracketed(address).replace(/%.*$/, '');
  if (!ipaddr.isValid(bare)) return bare;
  const parsed = ipaddr.process(bare);
  if (parsed.kind() === 'ipv4') return parsed.toString();
  return `${ipaddr.IPv6.networkAddressFromCIDR(`${parsed.toString()}/64`).toString()}/64`;
}
