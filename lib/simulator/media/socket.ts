// The UDP socket, or the pair of sockets, of one media endpoint.
import { createSocket } from 'node:dgram';
import type { RemoteInfo, Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';

export interface MediaAddress { address: string; port: number }

export type DatagramHandler = (bytes: Buffer, from: MediaAddress, rtcpSocket: boolean) => void;

const TRIES = 50;

/** RTP on `port`; RTCP on the same port (`mux`) or the next one (RFC 3550 §11). Errors of the network are swallowed: a far end that is gone shows as silence. */
export class MediaSocket {
  private closed = false;

  /** The second address family's socket, where one was asked for and could be had. */
  private second: Socket | undefined;

  private constructor(readonly local: MediaAddress, private readonly rtp: Socket, private readonly rtcp: Socket | undefined) {}

  /** Binds to free ports of `address`. Rejects when none can be had. */
  static async open(address: string, mux: boolean, handler: DatagramHandler): Promise<MediaSocket> {
    for (let attempt = 1; ; attempt++) {
      const rtp = await bind(address, 0);
      const port = rtp.address().port;
      let rtcp: Socket | undefined;
      if (!mux) {
        try {
          if (port % 2 === 1) throw new Error('RTP takes an even port');
          rtcp = await bind(address, port + 1);
        } catch (error) {
          rtp.close();
          if (attempt >= TRIES) throw error;
          continue;
        }
      }
      rtp.on('message', (bytes: Buffer, from: RemoteInfo) => { handler(bytes, from, false); });
      rtcp?.on('message', (bytes: Buffer, from: RemoteInfo) => { handler(bytes, from, true); });
      return new MediaSocket({ address, port }, rtp, rtcp);
    }
  }

  /** Opens another address of the other family, for ICE; undefined when the machine does not have it. */
  async add(address: string, handler: DatagramHandler): Promise<MediaAddress | undefined> {
    try {
      const socket = await bind(address, 0);
      if (this.closed) {
        socket.close();
        return undefined;
      }
      socket.on('message', (bytes: Buffer, from: RemoteInfo) => { handler(bytes, from, false); });
      this.second = socket;
      return { address, port: socket.address().port };
    } catch {
      return undefined;
    }
  }

  send(bytes: Buffer, to: MediaAddress, rtcp = false): void {
    if (this.closed) return;
    if (isIPv6(to.address) !== isIPv6(this.local.address)) {
      this.second?.send(bytes, to.port, to.address, ignore);
      return;
    }
    (rtcp ? this.rtcp ?? this.rtp : this.rtp).send(bytes, to.port, to.address, ignore);
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.rtp.close();
    this.rtcp?.close();
    this.second?.close();
  }
}

function ignore(): void { /* an ICMP error or an unreachable far end */ }

function bind(address: string, port: number): Promise<Socket> {
  const v6 = isIPv6(address);
  const socket = createSocket({
    type: v6 ? 'udp6' : 'udp4',
    // Only addresses are ever given: no look-up for each datagram.
    lookup: (host, _options, callback) => { callback(null, host, v6 ? 6 : 4); },
  });
  return new Promise((resolve, reject) => {
    socket.once('error', (error) => {
      socket.close();
      reject(error);
    });
    socket.bind({ address, port, exclusive: true }, () => {
      socket.removeAllListeners('error');
      socket.on('error', ignore);
      resolve(socket);
    });
  });
}
