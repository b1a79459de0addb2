import { isLoopbackListen } from '../config/checks.js';
import type { Config } from '../config/types.js';
import type { HttpAccess } from '../http/access.js';
import { startHttp, type HttpServer } from '../http/server.js';
import type { MediaEngine } from '../media/types.js';
import type { Calls } from './calls.js';
import type { Sip } from './sip.js';
import type { Start } from './start.js';
import type { State } from './state.js';

/** The HTTP pages; null where none are wanted. @throws WabError PORT_IN_USE */
export async function openPages({ config, version, undo }: Start, state: State, sip: Sip, media: MediaEngine, calls: Calls): Promise<HttpServer | null> {
  const { listen } = config.http;
  if (listen === null) return null;
  const { table, history, guard } = state;
  const { connections, registrar } = sip;
  const { router, metrics, health } = calls;
  const http = await startHttp({ listen, access: pageAccess(listen, () => state.rules.config) }, {
    notReady: () => (router.draining ? 'draining' : !connections.healthy ? 'no SIP server is connected' : !media.healthy ? 'no media engine is up' : null),
    metrics: () => metrics.text(),
    calls: () => table.all().map(({ id, state, direction, facts: { number, peer }, startedAt }) => ({
      id, state, direction, number, peer, seconds: Math.round((Date.now() - startedAt) / 1000),
    })),
    ladder: (id) => history.ladder(id),
    messages: (id) => history.messages(id),
    media: async (id) => await table.get(id)?.media?.stats() ?? null,
    status: () => ({ version, sip: connections.status(), media: media.status(), peers: health.status(), registrations: registrar.status(), bans: guard.list(Date.now()), calls: table.size }),
  });
  undo.push(() => http.close());
  return http;
}

/** Beyond loopback the pages are for those who have a token. Names and tokens may change with a reload, the socket does not. */
function pageAccess(listen: string, config: () => Config): () => HttpAccess {
  const local = isLoopbackListen(listen);
  return () => ({
    hosts: config().http.hosts,
    tokens: local ? null : config().api.tokens.map(({ token, scopes }) => ({ token, mayRead: scopes.includes('read') })),
  });
}
