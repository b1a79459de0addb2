import { createSocket, type Socket as DatagramSocket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { after } from '../../util/after.js';
import { udpFamily } from '../../util/hostPort.js';

export interface HepServer {
  readonly transport: 'udp' | 'tcp' | 'tls';
  readonly host: string;
  readonly port: number;
}

/** Whoever is told how it goes. */
export interface LinkUser {
  /** Once for each trouble, until it works again. */
  trouble(why: string): void;
  well(): void;
  /** So many packets were given up. */
  lost(packets: number): void;
}

/** Bytes that wait for a server that does not read; what comes on top is given up. */
const MOST_WAITING = 4 * 1024 * 1024;
/** Where the name of a UDP server leads is looked up so often, in milliseconds. */
const LOOK_UP_EVERY = 60_000;
/** Milliseconds before the next try to connect; each further pause is twice as long. */
const FIRST_PAUSE = 1000;
const LONGEST_PAUSE = 60_000;
/** A connection that is not there by then is given up, milliseconds. */
const CONNECT_TIME = 10_000;
/** A connection that ends before that was none: the next try is no sooner, milliseconds. */
const STEADY = 10_000;

/** The way to a HEP server. It never blocks and keeps a bounded amount. */
export interface HepLink {
  send(packets: readonly Buffer[]): void;
  close(): void;
}

/** `ca`: PEM of further authorities for TLS; null: those of the system. */
export function openLink(server: HepServer, ca: string | null, user: LinkUser): HepLink {
  return server.transport === 'udp' ? new DatagramLink(server, user) : new StreamLink(server, ca, user);
}

class DatagramLink implements HepLink {
  readonly #server: HepServer;
  readonly #user: LinkUser;
  readonly #socket: DatagramSocket;
  /** Where the server's name leads; null: that is not known yet. */
  #address: string | null;
  #lookedUpAt = -Infinity;
  /** Packets, and bytes of them, that the system has not taken yet. */
  #underWay = 0;
  #bytes = 0;
  #closed = false;

  constructor(server: HepServer, user: LinkUser) {
    this.#server = server;
    this.#user = user;
    this.#address = isIP(server.host) === 0 ? null : server.host;
    this.#socket = createSocket(udpFamily(server.host));
    this.#socket.on('error', (error) => { user.trouble(error.message); });
    this.#socket.unref();
    this.#lookUp();
  }

  send(packets: readonly Buffer[]): void {
    if (this.#closed) return;
    this.#lookUp();
    const address = this.#address;
    if (address === null) return this.#user.lost(packets.length);
    let lost = 0;
    for (const packet of packets) {
      if (this.#bytes + packet.length > MOST_WAITING) {
        lost += 1;
        continue;
      }
      this.#underWay += 1;
      this.#bytes += packet.length;
      this.#socket.send(packet, this.#server.port, address, (error) => {
        this.#underWay -= 1;
        this.#bytes -= packet.length;
        if (this.#closed && this.#underWay === 0) this.#socket.close();
        if (error === null) return this.#user.well();
        this.#user.lost(1);
        this.#user.trouble(error.message);
      });
    }
    if (lost > 0) this.#user.lost(lost);
  }

  /** After what was sent has gone out. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#underWay === 0) this.#socket.close();
  }

  /** A name is looked up now and then, not for each packet. */
  #lookUp(): void {
    const { host } = this.#server;
    if (isIP(host) !== 0 || performance.now() - this.#lookedUpAt < (this.#address === null ? FIRST_PAUSE : LOOK_UP_EVERY)) return;
    this.#lookedUpAt = performance.now();
    lookup(host, { family: 4 }).then(({ address }) => { this.#address = address; }, (error: unknown) => {
      this.#user.trouble((error as Error).message);
    });
  }
}

/** TCP or TLS; packets follow each other, each with its length. */
class StreamLink implements HepLink {
  readonly #server: HepServer;
  readonly #ca: string | null;
  readonly #user: LinkUser;
  #socket: Socket | null = null;
  #connected = false;
  #timer: NodeJS.Timeout | null = null;
  #pause = FIRST_PAUSE;
  /** What came while there was no connection. */
  #waiting: Buffer[] = [];
  #bytes = 0;
  #closed = false;

  constructor(server: HepServer, ca: string | null, user: LinkUser) {
    this.#server = server;
    this.#ca = ca;
    this.#user = user;
    this.#connect();
  }

  send(packets: readonly Buffer[]): void {
    if (this.#closed) return;
    let lost = 0;
    for (const packet of packets) {
      const waits = this.#connected ? this.#socket?.writableLength ?? 0 : this.#bytes;
      if (waits + packet.length > MOST_WAITING) lost += 1;
      else if (this.#connected) this.#socket?.write(packet);
      else {
        this.#waiting.push(packet);
        this.#bytes += packet.length;
      }
    }
    if (lost === 0) return;
    this.#user.lost(lost);
    this.#user.trouble('it does not take what is sent: packets are given up');
  }

  close(): void {
    this.#closed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (this.#connected) this.#socket?.end();
    else this.#socket?.destroy();
    this.#socket?.unref();
  }

  #connect(): void {
    const { transport, host, port } = this.#server;
    const socket = transport === 'tls' ? connectTls({ host, port, servername: /^[\d.]+$|:/.test(host) ? undefined : host, ...(this.#ca === null ? {} : { ca: this.#ca }) }) : connectTcp({ host, port });
    this.#socket = socket;
    const limit = after(CONNECT_TIME, () => { socket.destroy(new Error('it does not answer')); });
    let why = 'it closed the connection';
    let since = Infinity;
    socket.on(transport === 'tls' ? 'secureConnect' : 'connect', () => {
      clearTimeout(limit);
      this.#connected = true;
      since = performance.now();
      this.#user.well();
      for (const packet of this.#waiting) socket.write(packet);
      this.#waiting = [];
      this.#bytes = 0;
    });
    socket.on('error', (error: Error) => { why = error.message; });
    // Nothing is expected of it; what it says is thrown away.
    socket.resume();
    socket.on('close', () => {
      clearTimeout(limit);
      this.#connected = false;
      if (this.#closed) return;
      this.#user.trouble(why);
      // Who lets everybody in and closes at once is not asked every second for ever.
      if (performance.now() - since >= STEADY) this.#pause = FIRST_PAUSE;
      this.#timer = after(this.#pause, () => { this.#connect(); });
      this.#timer.unref();
      this.#pause = Math.min(2 * this.#pause, LONGEST_PAUSE);
    });
  }
}
