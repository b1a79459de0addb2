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
 *
 * **For a registrar on top of it.** A REGISTER straight from a user agent is handed to the application with a `Path` of one address, whose user
 * part is a flow token (RFC 3327, RFC 5626 §5). Store it with the binding and give it as `proxy`: the request then goes down the very connection
 * (or from the very UDP socket, through the same NAT binding) that the REGISTER came by, whatever the Contact says, and so does all that follows
 * in the dialog. When the connection is gone, or the token is of an earlier run, the request fails with 430 (Flow Failed) at once: drop the
 * binding. A `Path` that the user agent forged is removed; drachtio-server sends none, there `proxy` is the source address of the REGISTER.
 *
 * ```ts
 * srf.register((req, res) => { bindings.set(aor, { contact, path: /<([^>]+)>/.exec(req.get('path') ?? '')?.[1] }); res.send(200, …); });
 * await srf.createUAC(binding.contact, { localSdp, proxy: binding.path });
 * ```
 */
export { PRESENT, startSipServer } from './server.js';
export { startSipServerThread } from './thread.js';
export type { LocalClient, LocalConnection } from './protocol/channel.js';
export type { SipServer, SipServerOptions, SipServerStats, WireMessage } from './server.js';
export { DEFAULT_LIMITS } from './transport/index.js';
export type { GivenLimits, Protocol, SipLimits, SourceRules, StrangerLimits } from './transport/index.js';
export type { NodeRules } from './nodes/index.js';
export type { Timers } from './transaction/index.js';
export type { TargetRule, TlsRule } from './locate/index.js';
