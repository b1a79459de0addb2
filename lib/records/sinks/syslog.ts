import { createSocket } from 'node:dgram';
import { connect, isIPv6, type Socket } from 'node:net';
import { hostname } from 'node:os';
import type { Send } from './outbox.js';

export interface SyslogServer { readonly transport: string; readonly host: string; readonly port: number }

/** Facility local0, severity informational (RFC 5424 §6.2.1). */
const priority = 16 * 8 + 6;
/** What a datagram holds, with room for its headers (RFC 5426 §3.1, RFC 768). */
const mostUdpBytes = 65_000;
/** Milliseconds that a connection, or a write, may take. */
const patienceMs = 10_000;

/** One record as a syslog message (RFC 5424 §6); the message is the JSON text. */
export function syslogMessage(record: string, now: number, host = hostname()): Buffer {
  const name = host.replace(/[^\x21-\x7e]/g, '').slice(0, 255) || '-';
  return Buffer.from(`<${priority}>1 ${new Date(now).toISOString()} ${name} wa-b2bua ${process.pid} cdr - ${record}`);
}

/** Sends records to a syslog server over UDP (RFC 5426) or TCP, each with its length before it (RFC 6587 §3.4.1). */
export function syslogSender({ transport, host, port }: SyslogServer): { readonly send: Send; readonly close: () => void } {
  return transport === 'udp' ? udp(host, port) : tcp(host, port);
}

function udp(host: string, port: number): ReturnType<typeof syslogSender> {
  const socket = createSocket({ type: isIPv6(host) ? 'udp6' : 'udp4' });
  // Told by the send that follows.
  socket.on('error', () => undefined);
  socket.unref();
  let closed = false;
  return {
    send: async (records) => {
      let tooLong = 0;
      for (const record of records) {
        const message = syslogMessage(record, Date.now());
        if (message.length > mostUdpBytes) tooLong += 1;
        else await new Promise<void>((resolve, reject) => { socket.send(message, port, host, (error) => { if (error === null) resolve(); else reject(error); }); });
      }
      return tooLong === 0 ? null : { refused: `${tooLong} records are longer than a datagram: use tcp`, records: tooLong };
    },
    close: () => {
      if (!closed) socket.close();
      closed = true;
    },
  };
}

function tcp(host: string, port: number): ReturnType<typeof syslogSender> {
  let socket: Socket | null = null;
  const open = (): Promise<Socket> => {
    if (socket !== null && !socket.destroyed && socket.writable) return Promise.resolve(socket);
    const fresh = socket = connect({ host, port });
    fresh.setTimeout(patienceMs);
    fresh.unref();
    fresh.resume();
    return new Promise((resolve, reject) => {
      fresh.once('connect', () => {
        fresh.setTimeout(0);
        resolve(fresh);
      });
      fresh.once('timeout', () => fresh.destroy(new Error(`no connection within ${patienceMs / 1000} s`)));
      fresh.once('error', reject);
      fresh.once('close', () => reject(new Error('it has closed the connection')));
    });
  };
  return {
    send: async (records, signal) => {
      // Who ends waits for nobody who does not answer, or does not read.
      const leave = (): void => { socket?.destroy(new Error('the service ends')); };
      signal.addEventListener('abort', leave);
      try {
        await write(await open(), records);
      } finally {
        signal.removeEventListener('abort', leave);
      }
      return null;
    },
    close: () => { socket?.destroy(); },
  };
}

/** Resolves when the system has taken all of them. */
function write(to: Socket, records: readonly string[]): Promise<void> {
  const frames = records.flatMap((record) => {
    const message = syslogMessage(record, Date.now());
    return [Buffer.from(`${message.length} `), message];
  });
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => to.destroy(new Error(`it takes nothing for ${patienceMs / 1000} s`)), patienceMs);
    const over = (error?: Error | null): void => {
      clearTimeout(timer);
      to.removeListener('error', over);
      if (error === undefined || error === null) resolve();
      else reject(error);
    };
    to.once('error', over);
    to.write(Buffer.concat(frames), over);
  });
}
