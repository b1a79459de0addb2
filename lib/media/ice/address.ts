import ipaddr from 'ipaddr.js';

/** A transport address of UDP: IP literal and port. */
export interface IceAddress {
  readonly address: string;
  readonly port: number;
}

/** 4 or 16 octets, in network order; a zone is left out. */
export function addressBytes(literal: string): Buffer {
  return Buffer.from(ipaddr.parse(literal.split('%')[0] ?? '').toByteArray());
}

export function addressText(bytes: Buffer): string {
  return ipaddr.fromByteArray([...bytes]).toString();
}
