// Listening for TCP and TLS connections, with admission before any work is done for the peer.
import { createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import type { Server as TlsServer, TLSSocket } from 'node:tls';
import { FAIR_TIME } from './admission.js';
import type { Admission, Place } from './admission.js';
import { hostPort, plainAddress } from './flow.js';
import type { Address } from './flow.js';
import type { Guard } from '../../util/guard.js';
import type { SipLimits, TransportCounters } from './limits.js';
import type { Asking, ServerTls } from './secure.js';

interface Handshake { socket: Socket; since: number; place: Place }

export interface AcceptorOptions {
  limits: SipLimits;
  counters: TransportCounters;
  admission: Admission;
  guard: Guard;
  /** Whether the address makes its holder known. */
  knows(address: string): boolean;
  /** False closes a connection before anything is done for it: nobody from there can have business here now. */
  expects(address: string): boolean;
  /** Gets each connection that may carry SIP (for TLS: after its handshake). */
  ready(socket: Socket, remote: Address, place: Place): void;
  /** The listening socket is in trouble. */
  failed(error: Error): void;
  /** Whether it is asked for a certificate. Never Meta (META-SIP.md §3 "mTLS"), and no browser, which would ask its user. */
  asks(address: string): boolean;
  refuseAlpn: boolean;
}

type TlsServers = Readonly<Record<Asking, TlsServer>>;

export class Acceptor {
  private constructor(private readonly server: Server, private readonly secure: { readonly by: ServerTls; readonly servers: TlsServers } | undefined, readonly local: Address,
    private readonly handshakes: Handshakes) {}

  /** Binds; rejects with the system's error. `by` is given for TLS. */
  static async bind(at: { address: string; port: number }, by: ServerTls | undefined, o: AcceptorOptions): Promise<Acceptor> {
    const { admission, counters, guard } = o;
    const handshakes = new Handshakes(admission, counters);
    // No ALPN (META-SIP.md §1 row 9). Whoever is asked for a certificate and shows none, or a bad one, is nobody by it: that ends no handshake.
    const tlsServer = (secure: ServerTls, how: Asking): TlsServer => createTlsServer({
      ...secure.options(how), requestCert: how === 'asking', rejectUnauthorized: false, handshakeTimeout: o.limits.handshakeTime,
      SNICallback: (name, done) => {
        try {
          done(null, secure.context(name, how));
        } catch (error) {
          done(error instanceof Error ? error : new Error(String(error)));
        }
      },
      ...(o.refuseAlpn ? { ALPNCallback: () => undefined } : {}),
    });
    const tls = by === undefined ? undefined : { plain: tlsServer(by, 'plain'), asking: tlsServer(by, 'asking') };
    const hear = (one: TlsServer): void => {
      one.on('secureConnection', guard.wrap('connection after its handshake', (socket: TLSSocket) => {
        const remote = { address: plainAddress(socket.remoteAddress ?? ''), port: socket.remotePort ?? 0 };
        const done = handshakes.end(hostPort(remote));
        if (remote.port === 0 || done === undefined) socket.destroy();
        else o.ready(socket, remote, done.place);
      }));
      one.on('tlsClientError', guard.wrap('failed handshake', (error: NodeJS.ErrnoException, socket: TLSSocket) => {
        if (error.code === 'ERR_TLS_HANDSHAKE_TIMEOUT') counters.handshakeTimeouts++;
        else counters.failedHandshakes++;
        socket.destroy();
      }));
    };
    const server = createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: 60_000 }, guard.wrap('new connection', (socket) => {
      socket.on('error', () => { /* 'close' follows */ });
      const remote = { address: plainAddress(socket.remoteAddress ?? ''), port: socket.remotePort ?? 0 };
      const place = remote.port === 0 || !o.expects(remote.address) ? undefined
        : admission.enter(remote.address, o.knows(remote.address), tls === undefined ? undefined : (known, urgent) => handshakes.drop(known, urgent));
      if (place === undefined) {
        socket.destroy();
        return;
      }
      socket.once('close', () => { place.leave(); });
      if (tls === undefined) {
        o.ready(socket, remote, place);
        return;
      }
      handshakes.begin(remote, socket, place);
      tls[o.asks(remote.address) ? 'asking' : 'plain'].emit('connection', socket);
    }));
    for (const one of tls === undefined ? [] : [tls.plain, tls.asking]) hear(one);
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host: at.address, port: at.port, backlog: 1024, exclusive: true }, () => {
        server.removeListener('error', reject);
        resolve();
      });
    });
    server.on('error', o.failed);
    const bound = server.address();
    if (bound === null || typeof bound === 'string') throw new Error('listening socket has no address');
    return new Acceptor(server, by === undefined || tls === undefined ? undefined : { by, servers: tls }, { address: plainAddress(bound.address), port: bound.port }, handshakes);
  }

  /** New connections are accepted as is said now; those that are up keep what they have. */
  renew(): void {
    if (this.secure === undefined) return;
    const { by, servers } = this.secure;
    for (const how of ['plain', 'asking'] as const) servers[how].setSecureContext(by.options(how));
  }

  async close(): Promise<void> {
    this.handshakes.close();
    await new Promise<void>((resolve) => { this.server.close(() => { resolve(); }); });
  }
}

/** TLS handshakes in progress on one listening point, oldest first, by class. */
class Handshakes {
  private readonly known = new Map<string, Handshake>();
  private readonly strangers = new Map<string, Handshake>();

  constructor(private readonly admission: Admission, private readonly counters: TransportCounters) {}

  begin(remote: Address, socket: Socket, place: Place): void {
    const key = hostPort(remote);
    (place.known ? this.known : this.strangers).set(key, { socket, since: Date.now(), place });
    this.admission.handshaking[place.known ? 'known' : 'strangers']++;
    socket.once('close', () => { this.end(key); });
  }

  end(key: string): Handshake | undefined {
    const ended = this.known.get(key) ?? this.strangers.get(key);
    if (ended === undefined) return undefined;
    (ended.place.known ? this.known : this.strangers).delete(key);
    this.admission.handshaking[ended.place.known ? 'known' : 'strangers']--;
    return ended;
  }

  /** `urgent`: also one that has not had its fair time. */
  drop(known: boolean, urgent: boolean): boolean {
    const [oldest] = known ? this.known : this.strangers;
    if (oldest === undefined || (!urgent && Date.now() - oldest[1].since < FAIR_TIME)) return false;
    const [key, { socket, place }] = oldest;
    this.end(key);
    // At once, so that who comes in its stead finds it free.
    place.leave();
    socket.destroy();
    if (known) this.counters.droppedHandshakes++;
    else this.counters.strangersDroppedHandshakes++;
    return true;
  }

  close(): void {
    for (const { socket } of [...this.known.values(), ...this.strangers.values()]) socket.destroy();
  }
}
