import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { printable, printableJson } from '../observe/printable.js';
import { judgeRequest, type HttpAccess, type PageRules } from './access.js';
import type { ApiSources } from './api/sources.js';
import { Doorkeeper, type ApiToken } from './api/tokens.js';
import { listenWithin, type HttpServer } from './listener.js';
import { openPageData, type PageData } from './pageData.js';
import { PageFiles, type PageFile } from './pageFiles.js';
import { PhoneFiles, type PhonePlace } from './phoneFiles.js';
import { takeSession } from './session.js';

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
  /** The same as a pcapng file. */
  capture(id: string): Buffer | null;
  /** Media figures of a live call so far, per leg; null when no such call is up. */
  media(id: string): Promise<object | null>;
  status(): object;
}

export interface HttpOptions {
  /** address:port */
  readonly listen: string;
  readonly access: () => HttpAccess;
  /** Those that the live page's form takes. */
  readonly tokens: () => readonly ApiToken[];
  /** Is told of a token that is none, and where it came from. */
  readonly onWrongToken: (from: string) => void;
  /** Is told of a failure of ours that a request was answered with. */
  readonly onFault: (error: unknown) => void;
  /** Where the softphone page registers, by the host that it was asked for by; null, or left out: there is no such page. */
  readonly phone?: ((host: string) => PhonePlace) | null;
}

type Handler = (response: ServerResponse, parameter: string, request: IncomingMessage) => Promise<void> | void;

export interface Route extends PageRules {
  readonly path: RegExp;
  readonly handle: Handler;
}

/** What the live page has beside the pages. */
export interface LivePage {
  readonly files: Pick<PageFiles, 'page' | 'file'>;
  readonly data: Pick<PageData, 'handle'>;
  readonly door: Doorkeeper;
  readonly phone?: Pick<PhoneFiles, 'page' | 'file'> | null;
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
export function routesOf(sources: HttpSources, live: LivePage): readonly Route[] {
  return [
    ...pageRoutes(live),
    ...phoneRoutes(live.phone ?? null),
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
    {
      path: /^\/calls\/([0-9a-f-]{36})\/pcap$/,
      handle: (response, id) => {
        const file = sources.capture(id);
        if (file === null) json(response, 404, { error: 'no such call' });
        else answer(response, 200, 'application/x-pcapng', file, { 'Content-Disposition': `attachment; filename="${id}.pcapng"` });
      },
    },
  ];
}

function file(response: ServerResponse, found: PageFile | null): void {
  if (found === null) json(response, 404, { error: 'no such page' });
  else answer(response, 200, found.type, found.body, found.headers);
}

/** The softphone has no secret either: who uses it shows a password to the SIP server. */
function phoneRoutes(phone: LivePage['phone']): readonly Route[] {
  if (phone === null || phone === undefined) return [];
  return [
    { path: /^\/phone$/, open: true, handle: (response, _, request) => file(response, phone.page(hostOf(request))) },
    { path: /^\/phone\/([a-zA-Z]+\.[a-z]+)$/, open: true, handle: (response, name) => file(response, phone.file(name)) },
  ];
}

/** The host by which it was asked for, which has been judged to be ours; without its port. */
function hostOf({ headers: { host = '' } }: IncomingMessage): string {
  return /^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+)/.exec(host)?.[1] ?? 'localhost';
}

/** What the live page is made of has no secret; what it shows has the rules of all pages. */
function pageRoutes({ files, data, door }: LivePage): readonly Route[] {
  return [
    { path: /^\/$/, open: true, handle: (response) => file(response, files.page()) },
    { path: /^\/page\/([a-zA-Z]+\.[a-z]+)$/, open: true, handle: (response, name) => file(response, files.file(name)) },
    {
      path: /^\/session$/, open: true, methods: ['POST', 'DELETE'],
      handle: async (response, _, request) => {
        const { status, error, cookie } = await takeSession(request, door);
        const more = { ...(cookie === null ? {} : { 'Set-Cookie': cookie }), ...(status === 413 ? { Connection: 'close' } : {}) };
        if (error === null) response.writeHead(status, { ...headers, ...more }).end();
        else json(response, status, { error }, more);
      },
    },
    { path: /^\/v1\/(.+)$/, handle: (response, _, request) => data.handle(request, response) },
  ];
}

/** Health, readiness, metrics, a look at the calls, and the live page, which is given what the API has. @throws WabError PORT_IN_USE or ADDRESS_UNUSABLE */
export async function startHttp({ listen, access, tokens, onWrongToken, onFault, phone = null }: HttpOptions, sources: HttpSources, api: ApiSources): Promise<HttpServer> {
  const data = await openPageData(api, access, onFault);
  const routes = routesOf(sources, { files: new PageFiles(), data, door: new Doorkeeper(tokens, onWrongToken), phone: phone === null ? null : new PhoneFiles(phone) });
  const server = createServer(
    { maxHeaderSize: maxHeadBytes, headersTimeout: headTime, requestTimeout: requestTime, connectionsCheckingInterval: 1000, keepAliveTimeout: headTime },
    (request, response) => void dispatch(routes, access, request, response).catch(onFault),
  );
  server.maxHeadersCount = maxHeaders;
  try {
    const listening = await listenWithin(server, { key: 'http.listen', listen, maxConnections, perAddress: maxConnectionsPerAddress, idleTime });
    return {
      address: listening.address,
      close: () => {
        data.close();
        return listening.close();
      },
    };
  } catch (error) {
    data.close();
    throw error;
  }
}

async function dispatch(routes: readonly Route[], access: () => HttpAccess, request: IncomingMessage, response: ServerResponse): Promise<void> {
  try {
    const path = (request.url ?? '/').split('?')[0] ?? '/';
    const route = routes.find((candidate) => candidate.path.test(path));
    const refusal = judgeRequest(request, access(), route ?? {});
    if (refusal !== null) return json(response, refusal.status, { error: refusal.error }, refusal.headers);
    if (route === undefined) return json(response, 404, { error: 'no such page' });
    await route.handle(response, route.path.exec(path)?.[1] ?? '', request);
  } catch (error) {
    if (!response.headersSent) json(response, 500, { error: (error as Error).message });
    // A client that goes away in the middle is no fault.
    if (!request.socket.destroyed) throw error;
  }
}

function page(response: ServerResponse, text: string | null): void {
  if (text === null) json(response, 404, { error: 'no such call' });
  else answer(response, 200, 'text/plain; charset=utf-8', printable(text));
}

function json(response: ServerResponse, status: number, body: object, more: Readonly<Record<string, string>> = {}): void {
  answer(response, status, 'application/json', `${printableJson(JSON.stringify(body))}\n`, more);
}

function answer(response: ServerResponse, status: number, type: string, body: string | Buffer, more: Readonly<Record<string, string>> = {}): void {
  response.writeHead(status, { ...headers, 'Content-Type': type, ...more }).end(body);
}
