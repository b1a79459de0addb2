import { createSocket } from 'node:dgram';
import type { AddressInfo } from 'node:net';

export interface NameServer {
  readonly port: number;
  close(): Promise<void>;
}

const A = 1;
const SRV = 33;

/**
 * A DNS server on loopback that knows where a stand-in of Meta is, by SRV and A (RFC 3263 §4.2), and that nothing else exists.
 * For SIP servers that resolve names themselves.
 */
export async function startNameServer(host: string, port: number): Promise<NameServer> {
  const service = `_sips._tcp.${host}`;
  const socket = createSocket('udp4');
  socket.on('message', (query, from) => {
    let end = 12;
    const labels: string[] = [];
    for (let length = query[end] ?? 0; length > 0; length = query[end] ?? 0) {
      labels.push(query.toString('latin1', end + 1, end + 1 + length).toLowerCase());
      end += length + 1;
    }
    const name = labels.join('.');
    const type = query.readUInt16BE(end + 1);
    const data = name === host && type === A ? Buffer.from([127, 0, 0, 1]) : name === service && type === SRV ? srvData(host, port) : null;
    // RFC 1035 §4.1.1: an authoritative response; 3 is "no such name".
    const header = Buffer.alloc(12);
    query.copy(header, 0, 0, 2);
    header.writeUInt16BE(0x8580 | (name === host || name === service ? 0 : 3), 2);
    header.writeUInt16BE(1, 4);
    header.writeUInt16BE(data === null ? 0 : 1, 6);
    const answer = data === null ? [] : [Buffer.from([0xc0, 12, 0, type, 0, 1, 0, 0, 0, 60, 0, data.length]), data];
    socket.send(Buffer.concat([header, query.subarray(12, end + 5), ...answer]), from.port, from.address);
  });
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  return { port: (socket.address() as AddressInfo).port, close: () => new Promise((resolve) => socket.close(() => resolve())) };
}

/** RFC 2782: priority, weight, port, target. */
function srvData(host: string, port: number): Buffer {
  const target = host.split('.').flatMap((label) => [label.length, ...Buffer.from(label)]);
  return Buffer.from([0, 0, 0, 0, port >> 8, port & 0xff, ...target, 0]);
}
