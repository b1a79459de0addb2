/**
 * The embedded SIP server: RFC 3261 over UDP, TCP and TLS below, drachtio-server's client protocol above.
 *
 * ```ts
 * const server = await startSipServer({
 *   listen: ['tls:0.0.0.0:5061', 'udp:127.0.0.1:0'], admin: { host: '127.0.0.1', port: 0, secret: 'cymru' },
 *   tls: { cert: 'fullchain.pem', key: 'key.pem' },
 *   targets: { 'wa.meta.vc': { address: '127.0.0.1', port: 5071, ca: 'ca.pem', advertise: 'sbc.example.net' } },
 * });
 * srf.connect({ ...server.admin, secret: 'cymru' });
 * await server.close();
 * ```
 */
export { startSipServer } from './server.js';
export type { SipServer, SipServerOptions, SipServerStats, WireMessage } from './server.js';
export type { SipLimits } from './transport/index.js';
export type { Timers } from './transaction/index.js';
export type { TargetRule } from './locate/index.js';
