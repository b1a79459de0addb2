// A flow is a way to one peer: a TCP or TLS connection, or a pair of UDP addresses (RFC 5626 §2).

import type { SourceClass } from './sources.js';
import { bracketed } from '../../util/hostPort.js';

/** `ws` and `wss`: WebSocket (RFC 7118), without TLS and with it; spoken with those who come to us only. */
export type Protocol = 'udp' | 'tcp' | 'tls' | 'ws' | 'wss';

export interface Address { address: string; port: number }

/** Told when the flow it uses is gone. `error` is undefined for an orderly close. */
export interface FlowUser { flowClosed(flow: Flow, error: Error | undefined): void }

export interface Flow {
  readonly id: number;
  readonly protocol: Protocol;
  readonly local: Address;       // of the socket
  readonly remote: Address;
  /** True for connections that the peer opened. Requests never go out on them unless the caller decided so. */
  readonly accepted: boolean;
  /** Host name that the peer's certificate was checked against; undefined on anything but TLS connections of ours. */
  readonly verifiedHost: string | undefined;
  readonly closed: boolean;
  /** Names of those whom the certificate that its far end has shown makes known (`SourceRules.clients`); none but on accepted TLS connections. */
  readonly certified: readonly string[];
  /** True when a request may find the connection gone that was good a moment ago: something was sent on it before. Always false on UDP. */
  readonly used: boolean;
  /** Who is at the far end, now. A connection of ours leads to somebody known: we chose whom. */
  readonly source: SourceClass;
  /** Messages on it are for the trace: the far end is known, or they belong to something of ours. */
  traced: boolean;
  /** Something came by it that only a party to a dialog or transaction of ours can send: its place is kept longer. */
  proved(): void;
  /** Sends one message (binary string). False when the flow is closed or overfull. */
  send(text: string): boolean;
  /** Registers for `flowClosed`; on a UDP flow it is told of ICMP errors where the system reports them. */
  addUser(user: FlowUser): void;
  removeUser(user: FlowUser): void;
  close(): void;
}

/** True when whoever is there is served in full. */
export function isKnown(flow: Flow): boolean {
  const { source } = flow;
  return source === 'known' || source === 'authenticated';
}

/** `host:port`, with an IPv6 address in brackets. */
export function hostPort(a: Address): string {
  return `${bracketed(a.address)}:${a.port}`;
}

/** An address as peers write it: IPv4 mapped into IPv6 (`::ffff:1.2.3.4`) becomes IPv4, a zone is cut off. */
export function plainAddress(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address);
  if (mapped?.[1] !== undefined) return mapped[1];
  const zone = address.indexOf('%');
  return zone < 0 ? address : address.slice(0, zone);
}

/** By which we reach others. */
export type Reaching = Exclude<Protocol, 'ws' | 'wss'>;

/** Whether a connection of it is TLS. */
export function isSecure(protocol: Protocol): boolean {
  return protocol === 'tls' || protocol === 'wss';
}

/** The parameter of a URI that names the transport, with its semicolon; none for UDP (RFC 3261 §19.1.1). Both kinds of WebSocket are "ws" (RFC 7118 §5.2.2). */
export function transportParam(protocol: Protocol): string {
  return protocol === 'udp' ? '' : `;transport=${protocol === 'wss' ? 'ws' : protocol}`;
}

/** Reads `udp:HOST:PORT`, `tcp:…`, `tls:…`, `ws:…`, `wss:…`; IPv6 in brackets; `*` or an empty host is 0.0.0.0. Undefined when it is malformed. */
export function parseListen(spec: string): { protocol: Protocol; address: string; port: number } | undefined {
  const m = /^(udp|tcp|tls|wss?):(?:\[([0-9A-Fa-f:.]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(spec);
  if (m === null) return undefined;
  const port = Number(m[4]);
  if (port > 65535) return undefined;
  const host = m[2] ?? m[3] ?? '';
  return { protocol: m[1] as Protocol, address: host === '' || host === '*' ? '0.0.0.0' : host, port };
}
