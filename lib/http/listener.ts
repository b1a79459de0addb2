import type { Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { listenError } from '../errors.js';
import { hostPort, splitHostPort } from '../util/hostPort.js';
import { placeOf } from '../util/place.js';

export interface HttpServer {
  /** host:port it listens on. */
  readonly address: string;
  close(): Promise<void>;
}

export interface ListenBounds {
  /** Key of the configuration that names the address, for errors. */
  readonly key: string;
  /** address:port */
  readonly listen: string;
  /** Connections, and those of one address. */
  readonly maxConnections: number;
  readonly perAddress: number;
  /** Milliseconds of silence after which a connection is closed. */
  readonly idleTime: number;
}

/** Opens the socket of a server, over TLS or not, and bounds what comes in by it. @throws WabError PORT_IN_USE or ADDRESS_UNUSABLE */
export async function listenWithin(server: Server, { key, listen, maxConnections, perAddress, idleTime }: ListenBounds): Promise<HttpServer> {
  server.maxConnections = maxConnections;
  server.setTimeout(idleTime);
  boundPerAddress(server, perAddress);
  await listenOn(server, key, listen);
  // Of a connection that could not be accepted: without a listener it would be an exception.
  server.on('error', () => { /* its client sees it */ });
  const { address, port } = server.address() as AddressInfo;
  return {
    address: hostPort(address, port),
    close: () => new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    }),
  };
}

/** One client must not take every place. */
function boundPerAddress(server: Server, most: number): void {
  const open = new Map<string, number>();
  server.on('connection', (socket: Socket) => {
    const from = placeOf(socket.remoteAddress ?? '');
    const count = (open.get(from) ?? 0) + 1;
    open.set(from, count);
    socket.once('close', () => {
      const left = (open.get(from) ?? 1) - 1;
      if (left === 0) open.delete(from);
      else open.set(from, left);
    });
    if (count > most) socket.destroy();
  });
}

function listenOn(server: Server, key: string, listen: string): Promise<void> {
  const point = splitHostPort(listen);
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => reject(listenError(key, listen, cause)));
    server.listen(point?.port ?? 0, point?.host ?? '127.0.0.1', () => resolve());
  });
}
