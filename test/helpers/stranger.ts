import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** An address of loopback that is in nobody's sources. */
export const strangersAddress = '127.0.0.9';

let serial = 0;

/** A request as text; `id` names Call-ID, branch and tag. */
export function request(method: string, { id = `s${process.pid}-${++serial}`, to = '', via = 'UDP', headers = [], body = '', from = strangersAddress }: { id?: string; to?: string; via?: string; headers?: readonly string[]; body?: string; from?: string } = {}): string {
  return [`${method} sip:+447700900101@127.0.0.1 SIP/2.0`, `Via: SIP/2.0/${via} ${from};rport;branch=z9hG4bK${id}`, 'Max-Forwards: 70', `From: <sip:x@${from}>;tag=${id}`,
    `To: <sip:+447700900101@127.0.0.1>${to === '' ? '' : `;tag=${to}`}`, `Call-ID: ${id}`, `CSeq: 1 ${method}`, `Contact: <sip:x@${from}>`, ...headers, `Content-Length: ${body.length}`, '', body].join('\r\n');
}

export interface Datagrams {
  /** What came back. */
  readonly heard: string[];
  readonly port: number;
  send(text: string | Buffer, port: number): Promise<void>;
  close(): void;
}

export async function datagrams(address = strangersAddress, port = 0): Promise<Datagrams> {
  const socket = createSocket('udp4');
  const heard: string[] = [];
  socket.on('message', (bytes) => { heard.push(bytes.toString('latin1')); });
  socket.bind(port, address);
  await once(socket, 'listening');
  return {
    heard, port: socket.address().port, close: () => { socket.close(); },
    send: (text, port) => new Promise((resolve) => { socket.send(typeof text === 'string' ? Buffer.from(text, 'latin1') : text, port, '127.0.0.1', () => { resolve(); }); }),
  };
}

/** A TCP connection that may be refused or closed at any time; `heard` is what came by it. */
export async function line(port: number, localAddress = strangersAddress): Promise<{ socket: Socket; heard: () => string }> {
  const socket = connect({ port, host: '127.0.0.1', localAddress });
  let text = '';
  socket.on('error', () => { /* 'close' follows */ });
  socket.on('data', (chunk) => { text += chunk.toString('latin1'); });
  // A reset is as good as a refusal.
  await Promise.race([once(socket, 'connect'), once(socket, 'close')]).catch(() => undefined);
  return { socket, heard: () => text };
}

export async function gone(socket: Socket, ms = 3000): Promise<boolean> {
  if (socket.closed) return true;
  return await Promise.race([once(socket, 'close').then(() => true, () => true), new Promise<boolean>((resolve) => { setTimeout(() => { resolve(false); }, ms); })]);
}
