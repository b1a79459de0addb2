// SIP as it would have crossed the network by UDP, whatever carried it: what Wireshark and Homer read without the keys of a TLS connection.
import { isIP } from 'node:net';
import { splitHostPort } from '../../util/hostPort.js';

/** Where a message came from, or went to: address and port, both of one family. */
export interface Place {
  /** 4 or 16 bytes. */
  readonly address: Buffer;
  readonly port: number;
}

const NOWHERE = Buffer.alloc(4);

/** Two places "host:port" in one family; what is no address literal becomes 0.0.0.0 or ::. */
export function placesOf(source: string, destination: string): { readonly source: Place; readonly destination: Place } {
  const [from, to] = [source, destination].map((text) => {
    const { host, port } = splitHostPort(text) ?? { host: text, port: null };
    return { address: addressBytes(host), port: port ?? 0 };
  }) as [Place, Place];
  if (from.address.length === to.address.length) return { source: from, destination: to };
  return { source: wide(from), destination: wide(to) };
}

/** An IPv4 address among IPv6 ones is mapped (RFC 4291 §2.5.5.2), the unknown one is ::. */
function wide({ address, port }: Place): Place {
  if (address.length === 16) return { address, port };
  const bytes = Buffer.alloc(16);
  if (!address.equals(NOWHERE)) Buffer.from([0xff, 0xff, ...address]).copy(bytes, 10);
  return { address: bytes, port };
}

function addressBytes(text: string): Buffer {
  const [bare = ''] = text.split('%');
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(bare)?.[1];
  const family = isIP(bare);
  if (mapped !== undefined || family === 4) return Buffer.from((mapped ?? bare).split('.').map(Number));
  return family === 6 ? v6Bytes(bare) : NOWHERE;
}

/** The 16 bytes of an IPv6 literal (RFC 4291 §2.2). */
function v6Bytes(text: string): Buffer {
  const [, head = text, dotted] = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text) ?? [];
  const tail = dotted?.split('.').map(Number) ?? [];
  const words = (part: string): number[] => part.split(':').filter((word) => word !== '').flatMap((word) => [parseInt(word, 16) >> 8, parseInt(word, 16) & 0xff]);
  const [left = '', right] = head.split('::');
  const [before, after] = [words(left), [...words(right ?? ''), ...tail]];
  return Buffer.from([...before, ...new Array<number>(Math.max(0, 16 - before.length - after.length)).fill(0), ...after].slice(0, 16));
}

const UDP = 17;
/** The most that an IPv4 packet carries behind its header and UDP's (RFC 791 §3.1, RFC 768). */
const MOST = 65_535 - 28;

/** An IP packet with a UDP datagram (RFC 791, RFC 8200, RFC 768), its check sums true. What is too long is cut. */
export function datagram(source: Place, destination: Place, payload: Buffer): Buffer {
  const data = payload.subarray(0, MOST);
  const udp = Buffer.alloc(8 + data.length);
  udp.writeUInt16BE(source.port, 0);
  udp.writeUInt16BE(destination.port, 2);
  udp.writeUInt16BE(udp.length, 4);
  data.copy(udp, 8);
  const pseudo = Buffer.alloc(4);
  pseudo.writeUInt16BE(UDP, 0);
  pseudo.writeUInt16BE(udp.length, 2);
  // RFC 768: a sum of zero is written as all ones, as zero means none.
  udp.writeUInt16BE(checksum(source.address, destination.address, pseudo, udp) || 0xffff, 6);
  return Buffer.concat([source.address.length === 4 ? header4(source, destination, udp.length) : header6(source, destination, udp.length), udp]);
}

function header4(source: Place, destination: Place, length: number): Buffer {
  const header = Buffer.alloc(20);
  header[0] = 0x45;
  header.writeUInt16BE(20 + length, 2);
  header[8] = 64;
  header[9] = UDP;
  source.address.copy(header, 12);
  destination.address.copy(header, 16);
  header.writeUInt16BE(checksum(header), 10);
  return header;
}

function header6(source: Place, destination: Place, length: number): Buffer {
  const header = Buffer.alloc(8);
  header[0] = 0x60;
  header.writeUInt16BE(length, 4);
  header[6] = UDP;
  header[7] = 64;
  return Buffer.concat([header, source.address, destination.address]);
}

/** The Internet check sum of all parts in a row, each but the last of even length (RFC 1071). */
function checksum(...parts: readonly Buffer[]): number {
  let sum = 0;
  for (const part of parts) {
    for (let at = 0; at + 1 < part.length; at += 2) sum += part.readUInt16BE(at);
    if (part.length % 2 === 1) sum += (part[part.length - 1] ?? 0) << 8;
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
