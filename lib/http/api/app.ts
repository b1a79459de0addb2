import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { printable, printableJson } from '../../observe/printable.js';
import { complaintOf } from './complaint.js';
import { ApiError } from './error.js';
import { JsonText, type ApiRequest, type ApiRoute } from './route.js';
import type { ApiToken, Scope } from './tokens.js';

const headers = {
  'X-Content-Type-Options': 'nosniff', 'Cache-Control': 'no-store', 'Referrer-Policy': 'no-referrer', 'Cross-Origin-Resource-Policy': 'same-origin',
  'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
};

/** How a request is checked: what is not described is refused, and nothing is taken for what it is not. */
export const strictChecks = { customOptions: { removeAdditional: false, coerceTypes: false, useDefaults: true, allErrors: false, verbose: true } } as const;

/** A path that no route can be looked up for is refused in our words too: it is not said back, and no hook is asked. */
export function frameworkErrors(error: FastifyError, _request: FastifyRequest, reply: FastifyReply): void {
  refuse(reply.headers(headers), new ApiError(error.statusCode === 414 ? 414 : 400, 'request.invalid', `the path ${error.statusCode === 414 ? 'is too long' : 'cannot be read'}`));
}

/** JSON and nothing else. Programs say that a body is JSON where there is none, too. */
function takeJson(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser('error', 'error');
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    if (body === '') done(null);
    else void parse(request, body.toString(), done);
  });
}

/** Who lets requests in, and is told of what goes wrong with them. */
export interface Keeper {
  /** Says who a request is from, before its body is read, or throws. */
  admit(request: FastifyRequest, scope: Scope | null): Promise<ApiToken>;
  /** A failure of ours, answered 500. */
  fault(error: unknown): void;
}

/** Puts the routes into an app. */
export function serve(app: FastifyInstance, routes: readonly ApiRoute[], keeper: Keeper): void {
  const admitted = new WeakMap<FastifyRequest, ApiToken>();
  takeJson(app);
  app.setErrorHandler((error, _request, reply) => {
    if (refuse(reply, error) === 500) keeper.fault(error);
  });
  app.setNotFoundHandler((request, reply) => {
    const methods = methodsAt(routes, request.url);
    if (methods.length === 0) return void refuse(reply, new ApiError(404, 'path.unknown', 'no such path: see /v1/openapi.json'));
    // RFC 9110 §15.5.6.
    refuse(reply.header('Allow', methods.join(', ')), new ApiError(405, 'method.unknown', `this path takes ${methods.join(' and ')}`));
  });
  app.addHook('onSend', async (_request, reply) => { reply.headers(headers); });
  // Before a body is read, and for paths that are none too: who has no token learns nothing.
  app.addHook('onRequest', async (request) => {
    const served = routes.find(({ method, path }) => request.routeOptions.url === inFastify(path) && (method === request.method || (method === 'GET' && request.method === 'HEAD')));
    admitted.set(request, await keeper.admit(request, served?.scope ?? null));
  });
  for (const one of routes) {
    app.route({
      method: one.method, url: inFastify(one.path), exposeHeadRoute: false,
      schema: {
        ...(one.params === undefined ? {} : { params: one.params }), ...(one.query === undefined ? {} : { querystring: one.query }), ...(one.body === undefined ? {} : { body: one.body }),
        ...(one.headers === undefined ? {} : { headers: one.headers }),
      },
      handler: (request, reply) => answer(one, request, reply, admitted.get(request)),
    });
  }
}

async function answer(one: ApiRoute, request: FastifyRequest, reply: FastifyReply, token: ApiToken | undefined): Promise<void> {
  if (token === undefined) throw new ApiError(401, 'token.missing', 'a token of api.tokens is needed');
  if (one.body === undefined && !isEmpty(request.body)) throw new ApiError(400, 'request.invalid', 'no body is described for this request');
  const asked: ApiRequest = {
    params: request.params, query: request.query, body: request.body, token, full: token.scopes.includes('users'),
    header: (name) => {
      const value = request.headers[name];
      return typeof value === 'string' ? value : undefined;
    },
  };
  const { status, body, headers: more = {} } = await one.handle(asked);
  if (one.stream !== undefined) {
    reply.hijack();
    return one.stream(asked, reply.raw);
  }
  reply.code(status).headers(more);
  if (body === undefined) return void reply.send();
  if (Buffer.isBuffer(body)) return void reply.type('application/x-pcapng').send(body);
  if (body instanceof JsonText) return void reply.type('application/json; charset=utf-8').send(`${body.text}\n`);
  const isText = typeof body === 'string';
  return void reply.type(isText ? 'text/plain; charset=utf-8' : 'application/json; charset=utf-8').send(isText ? printable(body) : `${printableJson(JSON.stringify(body))}\n`);
}

function isEmpty(body: unknown): boolean {
  return body === undefined || body === null || (typeof body === 'object' && Object.keys(body).length === 0);
}

/** Every refusal has one form, whoever made it. Gives its status. */
function refuse(reply: FastifyReply, error: unknown): number {
  const { status, code, message, call = null } = error instanceof ApiError ? error : ofFastify(error);
  if (status === 401) reply.header('WWW-Authenticate', `Bearer realm="wa-b2bua"${code === 'token.unknown' ? ', error="invalid_token"' : ''}`);
  if (status === 429 || status === 503) reply.header('Retry-After', status === 429 ? '60' : '5');
  void reply.code(status).type('application/json; charset=utf-8').send(`${printableJson(JSON.stringify({ error: { code, message, ...(call === null ? {} : { call }) } }))}\n`);
  return status;
}

function ofFastify(error: unknown): { readonly status: number; readonly code: string; readonly message: string; readonly call?: null } {
  const { statusCode, message, validation, validationContext = '' } = error as { statusCode?: number; message?: string; validation?: Parameters<typeof complaintOf>[0]; validationContext?: string };
  if (validation !== undefined) return { status: 400, code: 'request.invalid', message: complaintOf(validation, validationContext) };
  if (statusCode === 413) return { status: 413, code: 'body.tooLarge', message: 'the body is too large' };
  if (statusCode === 415) return { status: 415, code: 'body.type', message: 'a body is application/json' };
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) return { status: statusCode, code: 'request.invalid', message: message ?? '' };
  return { status: 500, code: 'fault', message: 'a fault of ours' };
}

/** What the path of this URL may be asked by. */
function methodsAt(routes: readonly ApiRoute[], url: string): string[] {
  const parts = url.replace(/[?;#].*$/, '').split('/');
  const isAt = (path: string): boolean => {
    const own = path.split('/');
    return own.length === parts.length && own.every((part, i) => (part.startsWith('{') ? parts[i] !== '' : part === parts[i]));
  };
  return [...new Set(routes.filter(({ path }) => isAt(path)).map(({ method }) => method))];
}

/** /v1/calls/{id} → /v1/calls/:id */
function inFastify(path: string): string {
  return path.replace(/\{(\w+)\}/g, ':$1');
}
