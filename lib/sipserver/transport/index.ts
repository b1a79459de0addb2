/**
 * UDP, TCP, TLS and WebSocket for SIP: sockets in, whole messages out.
 *
 * ```ts
 * const transports = new Transports({ tls: { cert, key }, handlers: {
 *   message(bytes, flow) { const { message, fault } = parseMessage(bytes); … flow.send(response.toString()); },
 * } });
 * const point = await transports.listen('tls:127.0.0.1:0');            // { protocol, local: { address, port } }
 * const flow = await transports.connect({ protocol: 'tls', address: '127.0.0.1', port: 5061, host: 'wa.meta.vc', ca: 'ca.pem' });
 * flow.send(request.toString());                                        // binary string; false when the flow is gone
 * const other = transports.udp({ address: '127.0.0.1', port: 5060 });   // needs a udp listening point
 * await transports.close();
 * ```
 *
 * A `Flow` is a connection or a UDP address pair: `id protocol local remote accepted verifiedHost closed send() close() addUser()`.
 * `connect` pools: the same target gives the same connection while it is up. TLS connections of ours are verified (chain, host name; SNI, no ALPN)
 * before `connect` resolves; accepted ones are TLS 1.2+, and asked for a certificate only where somebody is known by one. WebSockets (RFC 7118) are accepted and never opened.
 */
export { Transports } from './transports.js';
export type { ListeningPoint, TransportHandlers, TransportOptions } from './options.js';
export type { ConnectTarget } from './connector.js';
export { hostPort, isKnown, isSecure, parseListen, transportParam } from './flow.js';
export type { Address, Flow, FlowUser, Protocol, Reaching } from './flow.js';
export { StreamFramer } from './framer.js';
export type { Frame, Unreadable } from './framer.js';
export { Guard } from '../../util/guard.js';
export { DEFAULT_LIMITS, withDefaults } from './limits.js';
export type { GivenLimits, SipLimits, StrangerLimits, TransportCounters } from './limits.js';
export { readPair } from './identity.js';
export type { Domains } from './secure.js';
export type { SourceClass, SourceRules } from './sources.js';
export type { Origins } from './websocket/upgrade.js';
