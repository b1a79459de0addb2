// Listening for TCP and TLS connections, with admission before any work is done for the peer.
import { createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import type { Server as TlsServer, TLSSocket } from 'node:tls';
import { hostPort, plainAddress } from './flow.js';
import type { Address } from './flow.js';
import type { Pem } from './identity.js';
import type { SipLimits, TransportCounters } from './limits.js';

/** Who may still connect: counted over all listening points of one server. */
export class Admission {
  open = 0;
  handshaking = 0;
  private readonly byAddress = new Map<string, number>();

  /** `dropIdle` ends one connection that has not brought a message yet; false when there is none that had the time to. */
  constructor(private readonly limits: SipLimits, private readonly counters: TransportCounters,
    private readonly allowed: (address: string) => boolean, private readonly dropIdle: () => boolean) {}

  /**
   * Takes the connection in, or says why not by a counter. Each true must be met by one `leave`. When all places are taken, the oldest of
   * those that do nothing with theirs gives way: a peer in earnest needs one for a moment only, so whoever holds them all keeps nobody out.
   * `dropHandshake` is given for TLS, and likewise ends a handshake in progress.
   */
  enter(address: string, dropHandshake: (() => boolean) | undefined): boolean {
    const here = this.byAddress.get(address) ?? 0;
    if (!this.allowed(address)) this.counters.refusedConnections++;
    else if (here >= this.limits.connectionsPerAddress) this.counters.refusedPerAddress++;
    else if (this.open >= this.limits.connections && dropHandshake?.() !== true && !this.dropIdle()) this.counters.refusedConnections++;
    else if (this.handshaking >= this.limits.handshakes && dropHandshake?.() === false) this.counters.refusedHandshakes++;
    else {
      this.open++;
      this.byAddress.set(address, here + 1);
      return true;
    }
    return false;
  }

  leave(address: string): void {
    this.open--;
    const here = this.byAddress.get(address) ?? 0;
    if (here <= 1) this.byAddress.delete(address);
    else this.byAddress.set(address, here - 1);
  }
}

interface Handshake { socket: Socket; since: number }

/** What a connection may do nothing for before it has to give way, ms. */
export const FAIR_TIME = 1000;

export class Acceptor {
  private constructor(private readonly server: Server, private readonly tls: TlsServer | undefined, readonly local: Address,
    private readonly handshakes: Map<string, Handshake>) {}

  /** Binds; `ready` gets each connection that may carry SIP (for TLS: after its handshake). Rejects with the system's error. */
  static async bind(
    at: { address: string; port: number }, pem: Pem | undefined, limits: SipLimits, counters: TransportCounters, admission: Admission,
    ready: (socket: Socket, remote: Address) => void, failed: (error: Error) => void,
    refuseAlpn = false,
  ): Promise<Acceptor> {
    const handshakes = new Map<string, Handshake>();
    const dropHandshake = (): boolean => {
      const [oldest] = handshakes;
      if (oldest === undefined || Date.now() - oldest[1].since < FAIR_TIME) return false;
      done(oldest[0]);
      oldest[1].socket.destroy();
      counters.droppedHandshakes++;
      return true;
    };
    const done = (key: string): void => { if (handshakes.delete(key)) admission.handshaking--; };
    // TLS 1.2 at least; no ALPN; no client certificate asked for (META-SIP.md §1 row 9, §3 "mTLS").
    const tls = pem === undefined ? undefined
      : createTlsServer({ ...pem, minVersion: 'TLSv1.2', requestCert: false, handshakeTimeout: limits.handshakeTime, ...(refuseAlpn ? { ALPNCallback: () => undefined } : {}) });
    const server = createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: 60_000 }, (socket) => {
      const remote = { address: plainAddress(socket.remoteAddress ?? ''), port: socket.remotePort ?? 0 };
      if (remote.port === 0 || !admission.enter(remote.address, tls === undefined ? undefined : dropHandshake)) {
        socket.on('error', () => { /* being refused anyway */ });
        socket.destroy();
        return;
      }
      socket.once('close', () => { admission.leave(remote.address); });
      if (tls === undefined) {
        ready(socket, remote);
        return;
      }
      admission.handshaking++;
      const key = hostPort(remote);
      handshakes.set(key, { socket, since: Date.now() });
      socket.once('close', () => { done(key); });
      socket.on('error', () => { /* 'close' follows */ });
      tls.emit('connection', socket);
    });
    if (tls !== undefined) {
      tls.on('secureConnection', (socket: TLSSocket) => {
        const remote = { address: plainAddress(socket.remoteAddress ?? ''), port: socket.remotePort ?? 0 };
        done(hostPort(remote));
        if (remote.port === 0) socket.destroy();
        else ready(socket, remote);
      });
      tls.on('tlsClientError', (error: NodeJS.ErrnoException, socket: TLSSocket) => {
        if (error.code === 'ERR_TLS_HANDSHAKE_TIMEOUT') counters.handshakeTimeouts++;
        else counters.failedHandshakes++;
        socket.destroy();
      });
    }
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host: at.address, port: at.port, backlog: 1024, exclusive: true }, () => {
        server.removeListener('error', reject);
        resolve();
      });
    });
    server.on('error', failed);
    const bound = server.address();
    if (bound === null || typeof bound === 'string') throw new Error('listening socket has no address');
    return new Acceptor(server, tls, { address: plainAddress(bound.address), port: bound.port }, handshakes);
  }

  /** New connections get this certificate; those that are up keep theirs. */
  renew(pem: Pem): void {
    this.tls?.setSecureContext({ ...pem, minVersion: 'TLSv1.2' });
  }

  async close(): Promise<void> {
    for (const { socket } of this.handshakes.values()) socket.destroy();
    await new Promise<void>((resolve) => { this.server.close(() => { resolve(); }); });
  }
}
