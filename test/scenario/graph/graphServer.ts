import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Test } from 'tap';

/** What a Graph API of a test answers: HTTP status and body, text as it is; 'silent': nothing at all. */
export type Answer = { readonly status?: number; readonly body: object | string; readonly afterMs?: number } | 'silent' | 'cut';

export interface Asked { readonly method: string; readonly path: string; readonly query: URLSearchParams; readonly body: Record<string, unknown>; readonly authorization: string | undefined }

/** The Graph API of a test over real HTTP: what it answers is said for each test, what it was asked is kept. */
export async function graphServer(t: Test, answer: (asked: Asked) => Answer) {
  const asked: Asked[] = [];
  const server = createServer((request, response) => {
    void read(request).then((body) => {
      const url = new URL(request.url ?? '/', 'http://graph');
      const one: Asked = { method: request.method ?? '', path: url.pathname, query: url.searchParams, body: body === '' ? {} : JSON.parse(body) as Record<string, unknown>, authorization: request.headers.authorization };
      asked.push(one);
      const what = answer(one);
      if (what === 'silent') return;
      if (what === 'cut') return request.socket.destroy();
      setTimeout(() => {
        response.writeHead(what.status ?? 200, { 'content-type': 'application/json' }).end(typeof what.body === 'string' ? what.body : JSON.stringify(what.body));
      }, what.afterMs ?? 0);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => new Promise((resolve) => { server.close(resolve); server.closeAllConnections(); }));
  return { asked, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close: () => { server.close(); server.closeAllConnections(); } };
}

async function read(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

/** Meta's answer to whether a user may be called. */
export function permissions(status: string, { expires, request = true, call = status !== 'no_permission', limits = {} }: { expires?: number; request?: boolean; call?: boolean; limits?: { request?: object[]; call?: object[] } } = {}): Answer {
  return { body: {
    messaging_product: 'whatsapp', permission: { status, ...(expires === undefined ? {} : { expiration_time: expires }) },
    actions: [{ action_name: 'send_call_permission_request', can_perform_action: request, limits: limits.request ?? [] }, { action_name: 'start_call', can_perform_action: call, limits: limits.call ?? [] }],
  } };
}

export function refusal(status: number, code: number, details = 'no'): Answer {
  return { status, body: { error: { message: `(#${code}) no`, type: 'OAuthException', code, error_data: { messaging_product: 'whatsapp', details }, fbtrace_id: 'Ax' } } };
}
