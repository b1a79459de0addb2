import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** One IPv4 packet with a UDP datagram, each source as the sender likes: an address that is not ours, port 0. */
export interface RawDatagram { readonly from: { readonly address: string; readonly port: number }; readonly to: { readonly address: string; readonly port: number }; readonly data: Buffer }

// Reads lines "ADDRESS PORT ADDRESS PORT HEX"; Linux fills in the IP checksum, the UDP checksum may be 0 (RFC 768).
const program = `
import socket, struct, sys
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
for line in sys.stdin:
    a, p, b, q, h = line.split()
    d = bytes.fromhex(h)
    udp = struct.pack('!HHHH', int(p), int(q), 8 + len(d), 0) + d
    ip = struct.pack('!BBHHHBBH4s4s', 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, socket.inet_aton(a), socket.inet_aton(b))
    s.sendto(ip + udp, (b, 0))
`;

/** Sends them all through a raw socket. False when this machine has no python3, or this user no CAP_NET_RAW. */
export async function sendRaw(datagrams: readonly RawDatagram[]): Promise<boolean> {
  const child = spawn('python3', ['-c', program], { stdio: ['pipe', 'ignore', 'ignore'] });
  child.stdin.on('error', () => { /* 'exit' follows */ });
  child.stdin.end(datagrams.map(({ from, to, data }) => `${from.address} ${from.port} ${to.address} ${to.port} ${data.toString('hex')}\n`).join(''));
  return await Promise.race([
    once(child, 'exit').then(([code]) => code === 0),
    once(child, 'error').then(() => false),
  ]);
}

/** Why a test that needs raw packets cannot run here; false when it can. For tap's `skip`. */
export async function noRawPackets(): Promise<string | false> {
  return await sendRaw([]) ? false : 'needs python3 and CAP_NET_RAW';
}

/** A STUN Binding request (RFC 5389 §6). */
export function stunRequest(): Buffer {
  return Buffer.concat([Buffer.from([0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42]), Buffer.from('abcdefghijkl')]);
}
