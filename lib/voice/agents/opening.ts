import { readFile } from 'node:fs/promises';
import WebSocket from 'ws';
import { after } from '../../util/after.js';
import { subprotocolOf } from './dialects/index.js';
import type { AgentPlace, SocketRefusal } from './messages.js';

/** One message of an agent's may have so many octets: a minute of audio in base64. */
const MOST_OCTETS = 4_194_304;

export type Opened = { readonly socket: WebSocket } | { readonly refusal: SocketRefusal };

const failed = (text: string): Opened => ({ refusal: { kind: 'failed', status: 0, text } });

/** A socket that is being opened. */
export interface Opening {
  readonly outcome: Promise<Opened>;
  /** It is not wanted any more. May be called at any time. */
  giveUp(): void;
}

/** Opens a socket: TCP, TLS and the answer to the request together within `patience` milliseconds, however slowly they come. Redirections are not followed. */
export function openSocket(place: AgentPlace, patience: number): Opening {
  let given = false;
  let socket: WebSocket | null = null;
  let stop: (() => void) | null = null;
  const giveUp = (): void => {
    given = true;
    socket?.terminate();
    stop?.();
  };
  const outcome = (async (): Promise<Opened> => {
    let files: Awaited<ReturnType<typeof tlsFiles>>;
    try {
      files = await tlsFiles(place.tls);
    } catch (error) {
      return failed(`a file of tls: ${(error as NodeJS.ErrnoException).code ?? 'it cannot be read'}`);
    }
    if (given) return failed('not wanted any more');
    const protocol = subprotocolOf(place.dialect);
    try {
      socket = new WebSocket(place.url, protocol === null ? [] : [protocol], {
        headers: place.headers, ...files, rejectUnauthorized: place.tls.verify, minVersion: 'TLSv1.2',
        // What is compressed costs the thread more than the network has of it; an answer to each ping is more than is owed (see AgentSocket).
        perMessageDeflate: false, maxPayload: MOST_OCTETS, autoPong: false, followRedirects: false, skipUTF8Validation: false,
      });
    } catch (error) {
      return failed(messageOf(error));
    }
    return settled(socket, patience, (end) => { stop = end; });
  })();
  return { outcome, giveUp };
}

function settled(socket: WebSocket, patience: number, onStop: (end: () => void) => void): Promise<Opened> {
  return new Promise((resolve) => {
    let over = false;
    const done = (opened: Opened): void => {
      if (over) return;
      over = true;
      clearTimeout(timer);
      socket.removeListener('unexpected-response', refused);
      resolve(opened);
      if ('refusal' in opened) socket.terminate();
    };
    const timer = after(patience, () => done({ refusal: { kind: 'late', status: 0, text: `the socket was not open within ${Math.round(patience / 100) / 10} s` } }));
    const refused = (_request: unknown, response: { statusCode?: number; statusMessage?: string; resume(): void }): void => {
      response.resume();
      const status = response.statusCode ?? 0;
      done({ refusal: { kind: 'http', status, text: `HTTP ${status} ${(response.statusMessage ?? '').slice(0, 100)}`.trim() } });
    };
    onStop(() => done(failed('not wanted any more')));
    // What comes with the answer waits for whoever takes the socket, see AgentSocket.
    socket.once('open', () => {
      socket.pause();
      done({ socket });
    });
    socket.on('unexpected-response', refused);
    // Stays: a socket without a listener would throw.
    socket.on('error', (error) => done(failed(messageOf(error))));
    socket.once('close', () => done(failed('the connection was closed before the socket was open')));
  });
}

/** Read for each call, so that a renewed certificate needs no restart. */
async function tlsFiles({ ca, clientCert, clientKey }: AgentPlace['tls']): Promise<{ ca?: string; cert?: string; key?: string }> {
  const read = async (file: string | null): Promise<string | undefined> => (file === null ? undefined : readFile(file, 'utf8'));
  const [authority, cert, key] = await Promise.all([read(ca), read(clientCert), read(clientKey)]);
  return { ...(authority === undefined ? {} : { ca: authority }), ...(cert === undefined ? {} : { cert }), ...(key === undefined ? {} : { key }) };
}

/** The code of an error says it better than its text, where it has one. */
function messageOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return code !== undefined && !message.includes(code) ? `${code}: ${message}` : message === '' ? code ?? 'unknown' : message;
}
