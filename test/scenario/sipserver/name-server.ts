// A small DNS server on loopback (RFC 1035 §4.1): what the tests of RFC 3263 ask.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { isIPv6 } from 'node:net';
import type { Test } from 'tap';

interface DnsRecord { type: number; data: Buffer }

const TYPES: Readonly<Record<number, string>> = { 1: 'A', 28: 'AAAA', 33: 'SRV', 35: 'NAPTR' };

const u16 = (...n: number[]): Buffer => Buffer.concat(n.map((x) => Buffer.from([x >> 8, x & 255])));
const text = (s: string): Buffer => Buffer.concat([Buffer.from([s.length]), Buffer.from(s)]);
const nameOf = (name: string): Buffer => Buffer.concat([...name.split('.').filter((l) => l !== '').map(text), Buffer.from([0])]);

export const a = (address: string): DnsRecord => ({ type: 1, data: Buffer.from(address.split('.').map(Number)) });
/** Only `::` and `::1` are needed. */
export const aaaa = (address: string): DnsRecord => ({ type: 28, data: Buffer.concat([Buffer.alloc(15), Buffer.from([isIPv6(address) && address.endsWith('1') ? 1 : 0])]) });
/** RFC 2782; weight 1. */
export const srv = (priority: number, port: number, target: string): DnsRecord => ({ type: 33, data: Buffer.concat([u16(priority, 1, port), nameOf(target)]) });
/** RFC 3403 §4.1; preference 0. */
export const naptr = (order: number, service: string, replacement: string): DnsRecord => ({
  type: 35, data: Buffer.concat([u16(order, 0), text('s'), text(service), text(''), nameOf(replacement)]),
});

/** Serves the records until the test ends; names that are not there are NXDOMAIN, 'silence' gets no answer. */
export async function nameServer(t: Test, zone: Record<string, readonly DnsRecord[] | 'silence'>): Promise<{ address: string; asked: string[] }> {
  const socket = createSocket('udp4');
  const asked: string[] = [];
  socket.on('message', (query, from) => {
    const labels: string[] = [];
    let at = 12;
    for (let n = query[at] ?? 0; n > 0; n = query[at] ?? 0) {
      labels.push(query.toString('latin1', at + 1, at + 1 + n));
      at += 1 + n;
    }
    const type = query.readUInt16BE(at + 1);
    const question = query.subarray(12, at + 5);
    const name = labels.join('.').toLowerCase();
    asked.push(`${TYPES[type] ?? type} ${name}`);
    const known = zone[name];
    if (known === 'silence') return;
    const answers = (known ?? []).filter((r) => r.type === type)
      .map((r) => Buffer.concat([u16(0xc00c, r.type, 1, 0, 60, r.data.length), r.data]));
    const head = Buffer.concat([query.subarray(0, 2), u16(known === undefined ? 0x8583 : 0x8580, 1, answers.length, 0, 0)]);
    socket.send(Buffer.concat([head, question, ...answers]), from.port, from.address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  t.teardown(() => { socket.close(); });
  return { address: `127.0.0.1:${socket.address().port}`, asked };
}
