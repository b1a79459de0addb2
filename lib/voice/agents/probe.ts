import { readFile } from 'node:fs/promises';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { PeerConfig } from '../../config/types.js';
import { after } from '../../util/after.js';
import { unbracketed } from '../../util/hostPort.js';

/** Whether somebody is there, and after how many milliseconds; else why not. */
export type Probed = { readonly answered: true; readonly ms: number } | { readonly answered: false; readonly reason: string };

/** Where a URL of a socket leads, without what stands behind the host: there may be a key in it. */
export function placeOfSocket(url: string): { readonly secure: boolean; readonly host: string; readonly port: number } {
  const { protocol, hostname, port } = new URL(url);
  const secure = protocol === 'wss:';
  return { secure, host: unbracketed(hostname), port: port === '' ? (secure ? 443 : 80) : Number(port) };
}

/** Connects to where a voice agent is, with TLS and its certificate judged as for a call, and leaves: a socket that is opened is a call to it. Never rejects. */
export async function probeSocket(url: string, { verify, ca, clientCert, clientKey }: PeerConfig['tls'], timeout: number): Promise<Probed> {
  const { secure, host, port } = placeOfSocket(url);
  const began = performance.now();
  let socket: Socket;
  try {
    const [authority, cert, key] = await Promise.all([ca, clientCert, clientKey].map(async (file) => (file === null ? undefined : readFile(file, 'utf8'))));
    socket = secure
      ? connectTls({ host, port, ca: authority, cert, key, rejectUnauthorized: verify, minVersion: 'TLSv1.2', ...(isIP(host) === 0 ? { servername: host } : {}) })
      : connectTcp({ host, port });
  } catch (error) {
    return { answered: false, reason: reasonOf(error) };
  }
  return new Promise((resolve) => {
    const done = (probed: Probed): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(probed);
    };
    const timer = after(timeout, () => done({ answered: false, reason: `no connection within ${timeout / 1000} s` }));
    socket.once(secure ? 'secureConnect' : 'connect', () => done({ answered: true, ms: performance.now() - began }));
    socket.on('error', (error) => done({ answered: false, reason: reasonOf(error) }));
    socket.once('close', () => done({ answered: false, reason: 'it closes the connection' }));
  });
}

function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return code ?? message;
}
