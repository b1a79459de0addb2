import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { listenError } from '../errors.js';
import { printable, printableJson } from '../observe/printable.js';
import { judgeRequest, type HttpAccess } from './access.js';
import { placeOf } from '../util/place.js';
import { hostPort, splitHostPort } from '../util/hostPort.js';

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

export interface HttpOptions {
  /** address:port */
  readonly listen: string;
  readonly access: () => HttpAccess;
}

export interface HttpServer {
  /** host:port it listens on. */
  readonly address: string;
  close(): Promise<void>;
}

type Handler = (response: ServerResponse, parameter: string) => Promise<void> | void;

export interface Route {
  readonly path: RegExp;
  readonly handle: Handler;
  /** For probes: needs no token. */
  readonly open?: true;
}

/** What one client, and all together, may take: bytes of a request's head, header lines, connections, milliseconds. */
const maxHeadBytes = 8192;
const maxHeaders = 64;
const maxConnections = 256;
const maxConnectionsPerAddress = 64;
const headTime = 5000;
const requestTime = 10_000;
const idleTime = 30_000;

/** Every answer: no other site may read, frame, guess the type of or keep what stands here. */
const headers = {
  'X-Content-Type-Options': 'nosniff', 'Cache-Control': 'no-store', 'Referrer-Policy': 'no-referrer', 'Cross-Origin-Resource-Policy': 'same-origin',
  'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
};

/** The pages, as docs/reference/http.md lists them. */
export function routesOf(sources: HttpSources): readonly Route[] {
  return [
    { path: /^\/health$/, open: true, handle: (response) => json(response, 200, { status: 'up' }) },
    {
      path: /^\/ready$/, open: true,
      handle: (response) => {
        const why = sources.notReady();
        json(response, why === null ? 200 : 503, why === null ? { status: 'ready' } : { status: 'not ready', why });
      },
    },
    { path: /^\/metrics$/, handle: async (response) => answer(response, 200, 'text/plain; version=0.0.4; charset=utf-8', printable(await sources.metrics())) },
    { path: /^\/status$/, handle: (response) => json(response, 200, sources.status()) },
    { path: /^\/calls$/, handle: (response) => json(response, 200, sources.calls()) },
    { path: /^\/calls\/([0-9a-f-]{36})\/ladder$/, handle: (response, id) => page(response, sources.ladder(id)) },
    {
      path: /^\/calls\/([0-9a-f-]{36})\/media$/,
      handle: async (response, id) => {
        const figures = await sources.media(id);
        json(response, figures === null ? 404 : 200, figures ?? { error: 'no such call' });
      },
    },
    { path: /^\/calls\/([0-9a-f-]{36})\/sip$/, handle: (response, id) => page(response, sources.messages(id)) },
  ];
}

/** Health, readiness, metrics and a look at the calls. @throws WabError PORT_IN_USE or ADDRESS_UNUSABLE */
export async function startHttp({ listen, access }: HttpOptions, sources: HttpSources): Promise<HttpServer> {
  const routes = routesOf(sources);
  const server = createServer(
    { maxHeaderSize: maxHeadBytes, headersTimeout: headTime, requestTimeout: requestTime, connectionsCheckingInterval: 1000, keepAliveTimeout: headTime },
    (request, response) => void dispatch(routes, access, request, response),
  );
  server.maxHeadersCount = maxHeaders;
  server.maxConnections = maxConnections;
  server.setTimeout(idleTime);
  boundPerAddress(server);
  await listenOn(server, listen);
  // Of a connection that could not be accepted: without a listener it would be an exception.
  server.on('error', () => { /* its client sees it */ });
  const { address, port } = server.address() as AddressInfo;
  return {
    address: hostPort(address, port),
    close: () => new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    }),
  };
}

/** One client must not take every place. */
function boundPerAddress(server: Server): void {
  const open = new Map<string, number>();
  server.on('connection', (socket: Socket) => {
    const from = placeOf(socket.remoteAddress ?? '');
    const count = (open.get(from) ?? 0) + 1;
    open.set(from, count);
    socket.once('close', () => {
      const left = (open.get(from) ?? 1) - 1;
      if (left === 0) open.delete(from);
      else open.set(from, left);
    });
    if (count > maxConnectionsPerAddress) socket.destroy();
  });
}

async function dispatch(routes: readonly Route[], access: () => HttpAccess, request: IncomingMessage, response: ServerResponse): Promise<void> {
  try {
    const path = (request.url ?? '/').split('?')[0] ?? '/';
    const route = routes.find((candidate) => candidate.path.test(path));
    const refusal = judgeRequest(request, access(), route?.open === true);
    if (refusal !== null) return json(response, refusal.status, { error: refusal.error }, refusal.headers);
    if (route === undefined) return json(response, 404, { error: 'no such page' });
    await route.handle(response, route.path.exec(path)?.[1] ?? '');
  } catch (error) {
    if (!response.headersSent) json(response, 500, { error: (error as Error).message });
  }
}

function page(response: ServerResponse, text: string | null): void {
  if (text === null) json(response, 404, { error: 'no such call' });
  else answer(response, 200, 'text/plain; charset=utf-8', printable(text));
}

function json(response: ServerResponse, status: number, body: object, more: Readonly<Record<string, string>> = {}): void {
  answer(response, status, 'application/json', `${printableJson(JSON.stringify(body))}\n`, more);
}

function answer(response: ServerResponse, status: number, type: string, body: string, more: Readonly<Record<string, string>> = {}): void {
  response.writeHead(status, { ...headers, 'Content-Type': type, ...more }).end(body);
}

function listenOn(server: Server, listen: string): Promise<void> {
  const point = splitHostPort(listen);
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => reject(listenError('http.listen', listen, cause)));
    server.listen(point?.port ?? 0, point?.host ?? '127.0.0.1', () => resolve());
  });
}
