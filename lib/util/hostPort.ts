// Hosts and ports as text: "host:port", where an IPv6 address stands in brackets (RFC 3986 §3.2.2, RFC 3261 §25.1 hostport).
import { isIP } from 'node:net';

/** A host without brackets, and its port; null: none is named. */
export interface HostPort {
  readonly host: string;
  readonly port: number | null;
}

/** The host as it stands in a URI: an IPv6 address in brackets. */
export function bracketed(host: string): string {
  return host.includes(':') && !host.startsWith('[') ? `[${host}]` : host;
}

/** The host as sockets take it: an IPv6 address without brackets. */
export function unbracketed(host: string): string {
  return host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host;
}

/** "host:port". */
export function hostPort(host: string, port: number | string): string {
  return `${bracketed(host)}:${port}`;
}

/** Reads "host", "host:port", "[v6]" or "[v6]:port"; port 0 to 65535. Null for anything else, a bare IPv6 address among them. */
export function splitHostPort(text: string): HostPort | null {
  const match = /^(\[[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*(?:%[^[\]]+)?\]|[^:[\]]+)(?::([0-9]{1,5}))?$/.exec(text);
  if (match === null) return null;
  const [, host = '', digits] = match;
  const port = digits === undefined ? null : Number(digits);
  return port !== null && port > 65535 ? null : { host: unbracketed(host), port };
}

/** A listening point, as in "tls:0.0.0.0:5061". */
export interface ListenPoint<T extends string> {
  readonly transport: T;
  readonly host: string;
  readonly port: number;
}

/** Reads "transport:host:port" of one of these transports. Null for anything else. */
export function splitListen<T extends string>(text: string, transports: readonly T[]): ListenPoint<T> | null {
  const transport = transports.find((one) => text.startsWith(`${one}:`));
  const place = transport === undefined ? null : splitHostPort(text.slice(transport.length + 1));
  return transport === undefined || place === null || place.port === null ? null : { transport, host: place.host, port: place.port };
}

/** The port of SIP where none is named (RFC 3261 §19.1.2). */
export function defaultSipPort(isTls: boolean): number {
  return isTls ? 5061 : 5060;
}

/** The kind of datagram socket that reaches an address; names are taken for IPv4. */
export function udpFamily(address: string): 'udp4' | 'udp6' {
  return isIP(address) === 6 ? 'udp6' : 'udp4';
}
