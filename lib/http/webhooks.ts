// Meta's webhooks come in here: verification, signature, bounds. What they say is for whoever is given them.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { isSame, isSigned } from '../graph/webhook/signature.js';
import type { Forwarded } from '../graph/webhook/forwarder.js';
import type { webhookOutcomes } from '../observe/metrics.js';
import { listenWithin, type HttpServer } from './listener.js';
import { readPair, renewed, type TlsFiles } from './tlsFiles.js';

/** Bytes of one body: Meta's are 3 MB at most. Bytes of all that are being read at once. */
const maxBodyBytes = 5_000_000;
const maxHeldBytes = 64_000_000;
const maxHeadBytes = 16_384;
/** Meta has many addresses, or all come by one proxy. */
const maxConnections = 1024;
const maxConnectionsPerAddress = 512;
const headTime = 5000;
/** Milliseconds for a whole request. */
const requestTime = 20_000;
const idleTime = 60_000;

export type WebhookOutcome = (typeof webhookOutcomes)[number];

export interface WebhookOptions {
  /** address:port */
  readonly listen: string;
  readonly path: string;
  readonly secrets: readonly string[];
  readonly verifyToken: string;
  /** PEM files; null: plain HTTP, behind a proxy that ends TLS. */
  readonly tls: TlsFiles | null;
  /** A body whose signature is right. Resolves when what it says would survive the death of this process; Meta gets its 200 then. */
  readonly take: (one: Forwarded) => Promise<void>;
  readonly onOutcome: (outcome: WebhookOutcome, from: string) => void;
}

/** Listens for Meta's webhooks. @throws WabError PORT_IN_USE, ADDRESS_UNUSABLE or CERTIFICATE_UNUSABLE */
export async function startWebhooks(options: WebhookOptions): Promise<HttpServer> {
  const receiver = new Receiver(options);
  const bounds = { maxHeaderSize: maxHeadBytes, headersTimeout: headTime, requestTimeout: requestTime, connectionsCheckingInterval: 1000, keepAliveTimeout: 2 * headTime };
  const handle = (request: IncomingMessage, response: ServerResponse): void => void receiver.handle(request, response);
  const { tls } = options;
  const secure = tls === null ? null : createTlsServer({ ...bounds, ...readPair('webhooks.tls', tls), handshakeTimeout: headTime }, handle);
  const stop = tls === null || secure === null ? () => undefined : renewed(secure, tls);
  const server = await listenWithin(secure ?? createServer(bounds, handle), { key: 'webhooks.listen', listen: options.listen, maxConnections, perAddress: maxConnectionsPerAddress, idleTime });
  return { address: server.address, close: () => { stop(); return server.close(); } };
}

interface Refused { readonly status: number; readonly outcome: WebhookOutcome; readonly headers?: Record<string, string> }

class Receiver {
  readonly #options: WebhookOptions;
  #held = 0;

  constructor(options: WebhookOptions) {
    this.#options = options;
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    request.on('error', () => { /* its client has gone */ });
    const from = request.socket.remoteAddress ?? '';
    const end = (status: number, outcome: WebhookOutcome, body = '', headers: Record<string, string> = {}): void => {
      this.#options.onOutcome(outcome, from);
      // What is left of a body that is not wanted is not waited for.
      const last = status >= 400 ? { Connection: 'close' } : {};
      if (!response.destroyed) response.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8', 'Content-Length': Buffer.byteLength(body), 'X-Content-Type-Options': 'nosniff', 'Cache-Control': 'no-store', ...last, ...headers }).end(body);
    };
    try {
      if ((request.url ?? '').split('?')[0] !== this.#options.path) return end(404, 'refused');
      if (request.method === 'GET') return this.#verify(request, end);
      if (request.method !== 'POST') return end(405, 'refused', '', { Allow: 'GET, POST' });
      const read = await this.#read(request);
      if ('status' in read) return end(read.status, read.outcome, '', read.headers);
      const signature = request.headers['x-hub-signature-256'];
      if (!isSigned(read, typeof signature === 'string' ? signature : '', this.#options.secrets)) return end(401, 'badSignature');
      await this.#options.take({ body: read, contentType: request.headers['content-type'] ?? 'application/json', signature: String(signature) });
      end(200, 'taken');
    } catch {
      // Meta sends it again.
      end(500, 'failed');
    }
  }

  /** Meta asks whether this is the place (hub.challenge). */
  #verify(request: IncomingMessage, end: (status: number, outcome: WebhookOutcome, body?: string) => void): void {
    const query = new URL(request.url ?? '/', 'http://webhooks').searchParams;
    const right = isSame(query.get('hub.verify_token') ?? '', this.#options.verifyToken);
    if (query.get('hub.mode') !== 'subscribe' || !right) return end(403, 'badVerification');
    end(200, 'verified', query.get('hub.challenge') ?? '');
  }

  async #read(request: IncomingMessage): Promise<Buffer | Refused> {
    const { headersDistinct: headers } = request;
    const declared = Number(headers['content-length']?.[0] ?? 0);
    if (declared > maxBodyBytes) return { status: 413, outcome: 'tooLarge' };
    // The signature is of the bytes as they are: nothing is unpacked.
    if (headers['content-encoding'] !== undefined && headers['content-encoding'][0] !== 'identity') return { status: 415, outcome: 'refused' };
    // Without one nothing needs to be read.
    if (headers['x-hub-signature-256']?.length !== 1) return { status: 401, outcome: 'badSignature' };
    return this.#bytesOf(request);
  }

  /** The body, or why it is not read to its end. */
  #bytesOf(request: IncomingMessage): Promise<Buffer | Refused> {
    const chunks: Buffer[] = [];
    let length = 0;
    return new Promise((resolve) => {
      const done = (what: Buffer | Refused): void => {
        request.removeAllListeners('data');
        this.#held -= length;
        length = 0;
        resolve(what);
      };
      request.on('data', (chunk: Buffer) => {
        length += chunk.length;
        this.#held += chunk.length;
        chunks.push(chunk);
        if (length > maxBodyBytes) done({ status: 413, outcome: 'tooLarge' });
        else if (this.#held > maxHeldBytes) done({ status: 503, outcome: 'refused', headers: { 'Retry-After': '5' } });
      });
      request.once('end', () => done(Buffer.concat(chunks)));
      // Too slow, or gone.
      request.once('close', () => done({ status: 400, outcome: 'refused' }));
    });
  }
}
