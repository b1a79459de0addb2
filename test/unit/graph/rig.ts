// The Graph API's stand-in and a client at it, over HTTP.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Test } from 'tap';
import { GraphClient } from '../../../lib/graph/client.js';
import { GraphError } from '../../../lib/graph/error.js';
import { startGraph, type GraphOptions, type SimulatedGraph } from '../../../lib/simulator/index.js';

export const token = 'EAAtokenOfOurApp';
export const app = '100000000000009';
export const otherToken = 'EAAtokenOfAnotherApp';
export const otherApp = '100000000000008';
export const id = '100000000000001';
export const number = '+447700900001';
export const waba = '100000000000002';
export const user = '+447700900101';

/** Settings of a number that calls by SIP. */
export const calling = {
  status: 'ENABLED', sip: { status: 'ENABLED', webhook_delivery: 'ENABLED', servers: [{ hostname: 'sbc.example.net', port: 5061 }] }, srtp_key_exchange_protocol: 'SDES',
};

export interface Stage {
  readonly graph: SimulatedGraph;
  readonly client: GraphClient;
  /** A request as a program writes it that has no client; gives status and body. */
  readonly ask: (method: string, path: string, body?: unknown, as?: string) => Promise<{ status: number; body: Body }>;
  /** Error code of a request; 0: it went well. */
  readonly code: (method: string, path: string, body?: unknown) => Promise<number>;
}

/** An answer as it comes, read by tests only. */
export type Body = Record<string, unknown> & { readonly error?: { readonly code: number; readonly error_data?: { readonly details: string } } };

export async function stage(t: Test, options: Partial<GraphOptions> = {}): Promise<Stage> {
  const graph = await startGraph({ numbers: [{ number, id }], tokens: { [token]: app, [otherToken]: otherApp }, ...options });
  t.teardown(() => graph.close());
  const client = new GraphClient({ url: graph.url, version: 'v25.0', token, timeout: 2000 });
  const ask: Stage['ask'] = async (method, path, body, as = token) => {
    const response = await fetch(`${graph.url}/v25.0/${path}`, { method, headers: { authorization: `Bearer ${as}` }, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
    return { status: response.status, body: await response.json() as Body };
  };
  return { graph, client, ask, code: async (method, path, body) => (await ask(method, path, body)).body.error?.code ?? 0 };
}

/** The GraphError that it is refused with. */
export async function failure(work: Promise<unknown>): Promise<GraphError> {
  const error = await work.then(() => null, (reason: unknown) => reason);
  if (!(error instanceof GraphError)) throw new Error(`not refused by a GraphError: ${String(error)}`);
  return error;
}

export interface Received { readonly body: string; readonly signature: string; readonly at: number }

/** A receiver of webhooks, and what came; `answer` gives the status for the n-th. */
export async function receiver(t: Test, answer: (n: number) => number = () => 200): Promise<{ readonly url: string; readonly received: Received[] }> {
  const received: Received[] = [];
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://localhost');
    if (request.method === 'GET') return void response.end(url.searchParams.get('hub.verify_token') === 'verify' ? url.searchParams.get('hub.challenge') : 'no');
    let body = '';
    request.on('data', (part) => { body += String(part); }).on('end', () => {
      received.push({ body, signature: String(request.headers['x-hub-signature-256']), at: Date.now() });
      response.writeHead(answer(received.length)).end();
    });
  });
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  t.teardown(() => { server.closeAllConnections(); server.close(); });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/meta`, received };
}

/** The shape of a value: the names and types of all that is in it, for comparing an answer with a sample. */
export function shapeOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.length === 0 ? [] : [shapeOf(value[0])];
  if (typeof value === 'object' && value !== null) return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, shapeOf(one)]));
  return typeof value;
}
