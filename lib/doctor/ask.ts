import { createSocket } from 'node:dgram';
import type { AddressInfo } from 'node:net';
import { connect as connectTcp } from 'node:net';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';
import { reasonOf } from './finding.js';
import { after } from '../util/after.js';
import { udpFamily, unbracketed } from '../util/hostPort.js';

/** Sends one datagram (twice, should the first be lost) and gives the first answer; null when none came within `timeout` milliseconds. */
export function askUdp(host: string, port: number, message: (local: AddressInfo) => string, timeout: number): Promise<string | null> {
  const bare = unbracketed(host);
  return new Promise((resolve) => {
    const socket = createSocket(udpFamily(bare));
    const timers = [after(timeout / 3, () => send()), setTimeout(() => done(null), timeout)];
    let over = false;
    let text: string | null = null;
    const done = (answer: string | null): void => {
      if (over) return;
      over = true;
      timers.forEach((timer) => clearTimeout(timer));
      socket.close();
      resolve(answer);
    };
    // The same message again is a retransmission to a SIP server, not a second request.
    const send = (): void => socket.send(text ??= message(socket.address()));
    socket.once('error', () => done(null));
    socket.on('message', (data) => done(data.toString('utf8')));
    socket.connect(port, bare, (error?: Error) => (error === undefined || error === null ? send() : done(null)));
  });
}

export type StreamAnswer = { readonly text: string } | { readonly problem: string };

/** The same over TCP, or over TLS as `secure` says (verified for `host`); gives what came first. */
export function askStream(secure: ConnectionOptions | null, host: string, port: number, message: (local: { address: string; port: number }) => string, timeout: number): Promise<StreamAnswer> {
  const bare = unbracketed(host);
  return new Promise((resolve) => {
    const socket = secure !== null ? connectTls({ host: bare, port, ...(/[a-z]/i.test(bare) && !bare.includes(':') ? { servername: bare } : {}), minVersion: 'TLSv1.2', ...secure }) : connectTcp({ host: bare, port });
    let up = false;
    const done = (answer: StreamAnswer): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answer);
    };
    const timer = setTimeout(() => done({ problem: up ? 'it takes the connection and does not answer' : 'no answer' }), timeout);
    socket.once(secure !== null ? 'secureConnect' : 'connect', () => {
      up = true;
      socket.write(message({ address: socket.localAddress ?? '0.0.0.0', port: socket.localPort ?? 0 }));
    });
    socket.once('data', (data: Buffer) => done({ text: data.toString('utf8') }));
    socket.once('error', (error) => done({ problem: reasonOf(error) }));
    socket.once('close', () => done({ problem: 'it closes the connection' }));
  });
}
