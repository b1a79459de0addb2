import { BlockList, isIP } from 'node:net';

/** Address literals that the Internet at large cannot reach: RFC 1918, RFC 6598, RFC 3927, loopback (RFC 1122 §3.2.1.3), RFC 4193, RFC 4291 §2.5.3, §2.5.6. */
const INSIDE: readonly (readonly [string, number, 'ipv4' | 'ipv6'])[] = [
  ['10.0.0.0', 8, 'ipv4'], ['172.16.0.0', 12, 'ipv4'], ['192.168.0.0', 16, 'ipv4'], ['100.64.0.0', 10, 'ipv4'], ['169.254.0.0', 16, 'ipv4'], ['127.0.0.0', 8, 'ipv4'],
  ['fc00::', 7, 'ipv6'], ['fe80::', 10, 'ipv6'], ['::1', 128, 'ipv6'],
];

/** Whether this is an address literal that the Internet at large can reach; false for names and for the unspecified address. */
export function isPublic(address: string): boolean {
  const family = isIP(address);
  if (family === 0 || isSameAddress(address, '0.0.0.0') || isSameAddress(address, '::')) return false;
  const list = new BlockList();
  for (const [network, bits, kind] of INSIDE) list.addSubnet(network, bits, kind);
  return !list.check(address, family === 6 ? 'ipv6' : 'ipv4');
}

/** Whether two address literals, however they are spelt, are one. */
export function isSameAddress(one: string, other: string): boolean {
  const family = isIP(one);
  if (family === 0 || family !== isIP(other)) return false;
  const list = new BlockList();
  list.addAddress(one, family === 6 ? 'ipv6' : 'ipv4');
  return list.check(other, family === 6 ? 'ipv6' : 'ipv4');
}
