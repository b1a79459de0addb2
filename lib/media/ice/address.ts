import { isIP, isIPv4, isIPv6 } from 'node:net';
import ipaddr from 'ipaddr.js';

/** A transport address of UDP: IP literal and port. */
export interface IceAddress {
  readonly address: string;
  readonly port: number;
}

export type Family = 4 | 6;

export function familyOf(address: string): Family {
  return isIPv6(address) ? 6 : 4;
}

/** One spelling for each address, that of `addressText`: the one in which the operating system tells where a datagram came from. */
export function addressKey({ address, port }: IceAddress): string {
  return `${address}|${port}`;
}

/** The address as the operating system spells it (RFC 5952): IPv4 has one spelling only. */
export function canonical({ address, port }: IceAddress): IceAddress {
  return { address: isIPv4(address) ? address : addressText(addressBytes(address)), port };
}

/** 4 or 16 octets, in network order; a zone is left out. */
export function addressBytes(literal: string): Buffer {
  return Buffer.from(ipaddr.parse(literal.split('%')[0] ?? '').toByteArray());
}

export function addressText(bytes: Buffer): string {
  return ipaddr.fromByteArray([...bytes]).toString();
}

/** Kinds of addresses, by ipaddr.js's names for them, that nobody is at: no check is sent to one, whoever names it. */
const NOWHERE = new Set(['unspecified', 'broadcast', 'multicast', 'ipv4Mapped']);

/** Whether a check may be sent there. */
export function isSomewhere({ address, port }: IceAddress): boolean {
  return isIP(address) !== 0 && port > 0 && port < 65536 && !NOWHERE.has(ipaddr.parse(address).range());
}
