import { ApiError } from './error.js';
import { route, type ApiRoute } from './route.js';
import { Drain, DrainBody } from './schemas.js';
import type { Drainer } from './sources.js';

/** Takes the service out of use without cutting a call, as before an upgrade. */
export function drainRoutes(drainer: () => Drainer): readonly ApiRoute[] {
  const path = '/v1/drain';
  return [
    route({
      method: 'GET', path, summary: 'Whether new calls are taken, and how far a drain is.', scope: 'read', answers: { 200: { what: 'How it stands.', schema: Drain } },
      handle: () => ({ status: 200, body: drainer().status() }),
    }),
    route({
      method: 'POST', path, summary: 'Takes the service out of use: /ready and OPTIONS say 503 at once, new calls are refused after the delay, those that are up may end by themselves until the deadline. Again: the times are new.',
      scope: 'admin', body: DrainBody, answers: { 202: { what: 'It has begun.', schema: Drain } },
      handle: ({ body }) => ({ status: 202, body: drainer().begin({ delay: body?.delay ?? null, seconds: body?.seconds ?? null, exit: body?.exit ?? false }) }),
    }),
    route({
      method: 'DELETE', path, summary: 'Calls are taken again.', scope: 'admin', answers: { 200: { what: 'How it stands.', schema: Drain } },
      handle: () => {
        const status = drainer().callOff();
        if (status === null) throw new ApiError(409, 'drain.stopping', 'the process is about to end');
        return { status: 200, body: status };
      },
    }),
  ];
}
