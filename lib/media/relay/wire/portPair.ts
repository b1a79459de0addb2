import { createSocket, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';

/** A UDP port of ours, and where RTCP has its own the next one. */
export class PortPair {
  /** `second`: it came to the port of RTCP. */
  onDatagram: (datagram: Buffer, address: string, port: number, second: boolean) => void = () => undefined;
  readonly #first: Socket;
  readonly #second: Socket | null;
  #closed = false;

  /** @throws an error with the system's code, as 'EADDRINUSE'; nothing is left open then. `onFault`: an exception of whoever takes the datagrams. */
  static async open(address: string, port: number, rtcp: boolean, onFault: (error: unknown) => void): Promise<PortPair> {
    const first = await bind(address, port);
    try {
      return new PortPair(first, rtcp ? await bind(address, port + 1) : null, onFault);
    } catch (error) {
      first.close();
      throw error;
    }
  }

  private constructor(first: Socket, second: Socket | null, onFault: (error: unknown) => void) {
    this.#first = first;
    this.#second = second;
    for (const socket of second === null ? [first] : [first, second]) {
      socket.on('message', (datagram, from) => {
        try {
          this.onDatagram(datagram, from.address, from.port, socket === second);
        } catch (error) {
          onFault(error);
        }
      });
      // ICMP: nobody listens there, which the silence that follows says better.
      socket.on('error', () => undefined);
    }
  }

  /** `second`: from the port of RTCP. What cannot be sent is lost, as on any network. */
  send(datagram: Buffer, address: string, port: number, second = false): void {
    // Ports that nobody has come of the last port's next one, and of forged datagrams.
    if (this.#closed || port < 1 || port > 65_535) return;
    const socket = second ? this.#second ?? this.#first : this.#first;
    socket.send(datagram, port, address);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#first.close();
    this.#second?.close();
  }
}

function bind(address: string, port: number): Promise<Socket> {
  const family = isIPv6(address) ? 6 : 4;
  // All targets are literals of its own family: keeps dns.lookup and its thread pool out of every send.
  const socket = createSocket({ type: family === 6 ? 'udp6' : 'udp4', ipv6Only: family === 6, lookup: (host, _options, done) => done(null, host, family) });
  return new Promise((resolve, reject) => {
    socket.once('error', (error) => {
      socket.close();
      reject(error);
    });
    socket.bind({ address, port, exclusive: true }, () => {
      socket.removeAllListeners('error');
      resolve(socket);
    });
  });
}
