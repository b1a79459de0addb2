import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';

/** What it does with each command: text to write, or nothing. */
export type Answer = (command: string, socket: Socket) => string | null;

export interface FakeEventSocket {
  readonly address: { readonly host: string; readonly port: number; readonly secret: string };
  /** Connections so far, those that are closed too. */
  readonly connections: readonly Socket[];
  /** Commands so far. */
  readonly heard: readonly string[];
  close(): Promise<void>;
}

export const reply = (text: string): string => `Content-Type: command/reply\nReply-Text: ${text}\n\n`;
export const response = (text: string): string => `Content-Type: api/response\nContent-Length: ${Buffer.byteLength(text)}\n\n${text}`;
export const eventOf = (headers: Readonly<Record<string, string>>): string => {
  const body = JSON.stringify(headers);
  return `Content-Length: ${Buffer.byteLength(body)}\nContent-Type: text/event-json\n\n${body}`;
};
/** As FreeSWITCH 1.10.12 answers `sofia status`. */
export const sofiaStatus = (...profiles: string[]): string => `                     Name\t   Type\t                                      Data\tState
=================================================================================================
${profiles.map((line) => `${line}\tRUNNING (0)\n`).join('')}=================================================================================================
1 profile 0 aliases
`;

const usual: Answer = (command) => (command.startsWith('api ') ? response(command === 'api sofia status' ? sofiaStatus('                 wa-b2bua\tprofile\t              sip:mod_sofia@127.0.0.1:5080') : command) : reply('+OK accepted'));

/** An event socket of FreeSWITCH on loopback that says `greeting`, and of `answer` what that has for a command, else the usual. */
export async function fakeEventSocket(answer: Answer = () => null, greeting = 'Content-Type: auth/request\n\n'): Promise<FakeEventSocket> {
  const connections: Socket[] = [];
  const heard: string[] = [];
  const server = createServer((socket) => {
    connections.push(socket);
    socket.on('error', () => undefined);
    socket.write(greeting);
    let text = '';
    socket.on('data', (data) => {
      text += data.toString();
      for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
        const command = text.slice(0, end);
        text = text.slice(end + 2);
        heard.push(command);
        socket.write(answer(command, socket) ?? usual(command, socket) ?? '');
      }
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    address: { host: '127.0.0.1', port: address.port, secret: 'x' }, connections, heard,
    async close() {
      for (const socket of connections) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
