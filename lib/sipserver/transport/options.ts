// What transports are given to work with.
import type { Address, Flow, Protocol } from './flow.js';
import type { Unreadable } from './framer.js';
import type { IdentityFiles } from './identity.js';
import type { GivenLimits } from './limits.js';
import type { Domains } from './secure.js';
import type { SourceRules } from './sources.js';
import type { Origins } from './websocket/upgrade.js';

/** Where the transports deliver. None of these may throw. */
export interface TransportHandlers {
  /** One whole message, framed but not parsed; `text`: the same as a binary string, where somebody has made one. */
  message(bytes: Buffer, flow: Flow, text?: string): void;
  /** A connection that cannot be framed any more; it is closed after this call, so an answer can still be sent. */
  fault?(reason: Unreadable, head: Buffer, flow: Flow): void;
  /**
   * Every message that came in or went out, for traces; of flows whose far end is not known, only what goes out on those that are `traced`:
   * what came in by them and is of interest the handler of messages knows. `text` is a binary string.
   */
  wire?(direction: 'in' | 'out', flow: Flow, text: string): void;
  closed?(flow: Flow, error: Error | undefined): void;
  /** False silences an address: its datagrams are dropped, its connections refused. */
  allow?(address: string): boolean;
  /** Whether the message of a stranger may belong to something of ours; a guess by its Call-ID, before it is parsed. */
  concerns?(bytes: Buffer): boolean;
  /** Somebody whom nobody knows was not answered; told of few. */
  unknown?(address: string, protocol: Protocol): void;
  /** The certificate that somebody shows makes nobody known, told like `unknown`; `why` is for people. */
  unproven?(address: string, why: string): void;
  /** A page of this origin was refused; told of ten in a minute. */
  foreign?(origin: string, address: string): void;
  /** False when nothing is going on that a stranger's message could belong to. */
  busy?(): boolean;
  /** Faults that concern no single call: a listening socket in trouble, a certificate that does not load. */
  trouble?(what: string, error: Error): void;
  /** The certificate was read again. */
  renewed?(): void;
}

export interface TransportOptions {
  handlers: TransportHandlers;
  limits?: GivenLimits;
  /** Who is who; without it everybody is known. */
  sources?: SourceRules;
  /** Where passwords were shown lately: addresses, and networks of 64 bits of IPv6. */
  acquainted?: readonly string[];
  tls?: IdentityFiles;
  /** The same for one host name each, which whoever connects asks for (RFC 6066 §3). */
  domains?: Domains;
  /** Who may open a WebSocket; left out: pages of the host that they connect to. */
  origins?: Origins;
  /** Ends a TLS handshake that offers ALPN with alert 120 (RFC 7301 §3.2), as wa.meta.vc does; for its stand-in. Otherwise ALPN is ignored. */
  refuseAlpn?: boolean;
  /** How often the certificate files are looked at, ms. */
  certificateInterval?: number;
}

export interface ListeningPoint { protocol: Protocol; local: Address }
