import fastify from 'fastify';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { judgeRequest, type HttpAccess } from './access.js';
import { frameworkErrors, serve, strictChecks } from './api/app.js';
import { openApiOf } from './api/openapi.js';
import { recordRoutes } from './api/records.js';
import type { ApiRoute } from './api/route.js';
import { routesOf } from './api/routes.js';
import type { ApiSources } from './api/sources.js';
import { EventStreams } from './api/stream.js';
import type { ApiToken } from './api/tokens.js';

/** What the live page shows: of the API what only reads, under the same paths, users' numbers masked for everybody. */
export interface PageData {
  /** A request that has been let in. */
  handle(request: IncomingMessage, response: ServerResponse): void;
  close(): void;
}

/** `access`: as of the pages; streams of those who may not read any more end. `onFault` is told of what was answered 500. */
export async function openPageData(sources: ApiSources, access: () => HttpAccess, onFault: (error: unknown) => void): Promise<PageData> {
  const askers = new WeakMap<ApiToken, IncomingMessage>();
  const mayStill = (token: ApiToken): boolean => {
    const asker = askers.get(token);
    return asker !== undefined && judgeRequest(asker, access(), {}) === null;
  };
  const streams = new EventStreams(sources.bus, mayStill);
  // What is not there is not described, and the page has no view of it.
  const absent = new Set(sources.records === null ? recordRoutes(() => null).map(({ path }) => path) : []);
  let described: object | null = null;
  const routes: readonly ApiRoute[] = routesOf(sources, streams, () => (described ??= openApiOf(routes, sources.version)))
    .filter(({ method, path, scope, asksMeta }) => method === 'GET' && (scope === 'read' || scope === null) && asksMeta !== true && !absent.has(path));
  const app = fastify({ logger: false, ajv: strictChecks, frameworkErrors });
  serve(app, routes, {
    admit: async (request) => {
      const reader: ApiToken = { name: 'page', token: '', scopes: ['read'] };
      askers.set(reader, request.raw);
      return reader;
    },
    fault: onFault,
  });
  await app.ready();
  return { handle: (request, response) => app.routing(request, response), close: () => streams.close() };
}
