import type { TObject, TSchema } from '@sinclair/typebox';
import type { ApiRoute } from './route.js';
import { Event, Refusal } from './schemas.js';

/** What may be refused on every route, by status. */
const refusals: Readonly<Record<number, string>> = {
  400: 'The request is not as described here.', 401: 'No token, or one that is not in api.tokens.', 403: 'The token has not the scope, or policy refuses; `code` is what `wa-b2bua route` shows.',
  404: 'There is no such thing.', 405: 'The path is asked by other methods, which Allow names.', 409: 'Not now.', 413: 'The body is too large.', 414: 'The path is too long.', 415: 'The body is no application/json.', 429: 'Too many wrong tokens.', 503: 'Not now: `code` says why.',
};

/** The API as OpenAPI 3.1, from the routes that are served. */
export function openApiOf(routes: readonly ApiRoute[], version: string): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const one of routes) (paths[one.path] ??= {})[one.method.toLowerCase()] = operation(one);
  return {
    openapi: '3.1.0',
    info: { title: 'wa-b2bua', version, description: 'Calls between WhatsApp users and the SIP systems of a business: seen, placed and steered.', license: { name: 'MIT', identifier: 'MIT' } },
    servers: [{ url: '/' }],
    security: [{ token: [] }],
    paths,
    components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } }, schemas: { Event, Error: Refusal } },
  };
}

function operation({ method, path, summary, scope, params, query, headers, body, answers }: ApiRoute): object {
  const given = Object.entries(answers).map(([status, { what, schema }]) => [status, { description: what, ...content(schema) }] as const);
  const refused = Object.entries(refusals).map(([status, what]) => [status, { description: what, ...content(null, '#/components/schemas/Error') }] as const);
  return {
    operationId: `${method.toLowerCase()}${path.replace(/^\/v1/, '').replace(/[^A-Za-z]+(.)?/g, (_, next: string | undefined) => (next ?? '').toUpperCase())}`,
    summary, description: scope === null ? 'Any token.' : `Scope: ${scope}.`,
    parameters: [...parameters('path', params), ...parameters('query', query), ...parameters('header', headers)],
    ...(body === undefined ? {} : { requestBody: { required: true, content: { 'application/json': { schema: body } } } }),
    responses: Object.fromEntries([...given, ...refused]),
  };
}

function content(schema: TSchema | 'text' | 'events' | 'pcapng' | null, ref?: string): object {
  if (ref !== undefined) return { content: { 'application/json': { schema: { $ref: ref } } } };
  if (schema === null) return {};
  if (schema === 'text') return { content: { 'text/plain': { schema: { type: 'string' } } } };
  if (schema === 'pcapng') return { content: { 'application/x-pcapng': { schema: { type: 'string', format: 'binary' } } } };
  if (schema === 'events') return { content: { 'text/event-stream': { schema: { type: 'string', description: 'each `data:` is an Event (components)' } } } };
  return { content: { 'application/json': { schema } } };
}

function parameters(place: 'path' | 'query' | 'header', group: TObject | undefined): object[] {
  if (group === undefined) return [];
  return Object.entries(group.properties).map(([name, schema]) => ({ name, in: place, required: place === 'path' || (group.required ?? []).includes(name), schema }));
}
