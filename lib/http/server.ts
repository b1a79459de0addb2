import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { listenError } from '../errors.js';

/** What the HTTP side can ask of the service. */
export interface HttpSources {
  /** Null when calls can be taken, else why not. */
  notReady(): string | null;
  metrics(): Promise<string>;
  calls(): object[];
  /** The SIP ladder of a live or recent call as text; null when unknown. */
  ladder(id: string): string | null;
  /** Its SIP messages in full, secrets hidden; null when unknown. */
  messages(id: string): string | null;
  /** Media figures of a live call so far, per leg; null when no such call is up. */
  media(id: string): Promise<object | null>;
  status(): object;
}

export interface HttpServer {
  /** host:port it listens on. */
  readonly address: string;
  close(): Promise<void>;
}

type Handler = (response: ServerResponse, parameter: string) => Promise<void> | void;

/** Health, readiness, metrics and a look at the calls. @throws WabError PORT_IN_USE or ADDRESS_UNUSABLE */
export async function startHttp(listen: string, sources: HttpSources): Promise<HttpServer> {
  const routes: [RegExp, Handler][] = [
    [/^\/health$/, (response) => json(response, 200, { status: 'up' })],
    [/^\/ready$/, (response) => {
      const why = sources.notReady();
      json(response, why === null ? 200 : 503, why === null ? { status: 'ready' } : { status: 'not ready', why });
    }],
    [/^\/metrics$/, async (response) => {
      const body = await sources.metrics();
      response.writeHead(200, { 'Content-Type': 'text/plain; version=0.0.4; charset=utf-8' }).end(body);
    }],
    [/^\/status$/, (response) => json(response, 200, sources.status())],
    [/^\/calls$/, (response) => json(response, 200, sources.calls())],
    [/^\/calls\/([0-9a-f-]{36})\/ladder$/, (response, id) => page(response, sources.ladder(id))],
    [/^\/calls\/([0-9a-f-]{36})\/media$/, async (response, id) => {
      const figures = await sources.media(id);
      json(response, figures === null ? 404 : 200, figures ?? { error: 'no such call' });
    }],
    [/^\/calls\/([0-9a-f-]{36})\/sip$/, (response, id) => page(response, sources.messages(id))],
  ];
  const server = createServer((request, response) => void dispatch(routes, request, response));
  await listenOn(server, listen);
  const { address, port } = server.address() as AddressInfo;
  return {
    address: `${address}:${port}`,
    close: () => new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    }),
  };
}

async function dispatch(routes: [RegExp, Handler][], request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = (request.url ?? '/').split('?')[0]!;
  if (request.method !== 'GET' && request.method !== 'HEAD') return json(response, 405, { error: 'only GET' });
  for (const [pattern, handler] of routes) {
    const match = pattern.exec(path);
    if (match === null) continue;
    try {
      await handler(response, match[1] ?? '');
    } catch (error) {
      if (!response.headersSent) json(response, 500, { error: (error as Error).message });
    }
    return;
  }
  json(response, 404, { error: 'no such page' });
}

function page(response: ServerResponse, text: string | null): void {
  if (text === null) json(response, 404, { error: 'no such call' });
  else response.writeHead(200, { 'Content-Type': 'text/plain; charset=utf-8' }).end(text);
}

function json(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'Content-Type': 'application/json' }).end(`${JSON.stringify(body)}\n`);
}

function listenOn(server: Server, listen: string): Promise<void> {
  const match = /^(.*):(\d+)$/.exec(listen);
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => reject(listenError('http.listen', listen, cause)));
    server.listen(Number(match?.[2] ?? 0), (match?.[1] ?? '127.0.0.1').replace(/^\[|\]$/g, ''), () => resolve());
  });
}
