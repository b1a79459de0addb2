import { isLoopbackListen } from '../config/checks.js';
import type { Config } from '../config/types.js';
import type { HttpAccess } from '../http/access.js';
import type { HttpServer } from '../http/listener.js';
import type { PhonePlace } from '../http/phoneFiles.js';
import type { Drainer } from '../http/api/sources.js';
import { startHttp } from '../http/server.js';
import { hostPort, splitListen } from '../util/hostPort.js';
import { apiSources } from './api.js';
import type { MediaEngine } from '../media/types.js';
import type { Calls } from './calls.js';
import type { Sip } from './sip.js';
import type { Start } from './start.js';
import type { State } from './state.js';

/** What carries calls. */
interface Engines { readonly sip: Sip; readonly media: MediaEngine }

/** The HTTP pages; null where none are wanted. @throws WabError PORT_IN_USE */
export async function openPages({ config, version, log, faults, undo }: Start, state: State, { sip, media }: Engines, calls: Calls, drainer: Drainer): Promise<HttpServer | null> {
  const { listen } = config.http;
  const { bus } = state.news;
  if (listen === null || bus === null) return null;
  const part = log.child({ part: 'pages' });
  const { table, history, guard, shared } = state;
  const { connections, registrar } = sip;
  const { router, metrics, health, queues, callBacks } = calls;
  const http = await startHttp({
    listen, access: pageAccess(listen, () => state.rules.config), tokens: () => state.rules.config.api.tokens, onWrongToken: (from) => part.warn({ from }, 'a wrong token was shown'),
    onFault: (error) => faults.fault('a request to the pages', error),
    phone: config.http.phone ? (host) => phonePlace(config, sip.embedded?.listening ?? [], host) : null,
  }, {
    notReady: () => (router.drain.going ? 'draining' : !connections.healthy ? 'no SIP server is connected' : !media.healthy ? 'no media engine is up' : shared?.limits.state === 'starting' ? 'Redis was not reached yet' : null),
    metrics: () => metrics.text(),
    calls: () => table.all().map(({ id, state, direction, facts: { number, peer }, startedAt }) => ({
      id, state, direction, number, peer, seconds: Math.round((Date.now() - startedAt) / 1000),
    })),
    ladder: (id) => history.ladder(id),
    messages: (id) => history.messages(id),
    capture: (id) => history.capture(id, `wa-b2bua ${version}`),
    media: async (id) => await table.get(id)?.media?.stats().catch(() => null) ?? null,
    status: () => ({
      version, sip: connections.status(), media: media.status(), peers: health.status(), registrations: registrar.status(), bans: guard.list(Date.now()),
      queues: queues.figures(state.rules.config.queues).map((one) => ({ ...one, callBacks: callBacks.waiting(one.queue) })), calls: table.size,
      state: shared === null ? null : { redis: shared.place, state: shared.limits.state, nodes: shared.limits.nodes },
    }),
  }, apiSources(state, calls, { version, bus, records: calls.records, drainer }));
  undo.push(() => http.close());
  return http;
}

/** Where the softphone registers: as http.phoneServer says; else our own socket, by the name that is in its certificate, or without TLS by the page's host. */
function phonePlace({ domain, http: { phoneServer } }: Config, listening: readonly string[], host: string): PhonePlace {
  const port = (transport: string): number | undefined => splitListen(listening.find((one) => one.startsWith(`${transport}:`)) ?? '', [transport])?.port;
  const [secure, plain] = [port('wss'), port('ws')];
  return { domain, server: phoneServer ?? (secure === undefined ? `ws://${hostPort(host, plain ?? 80)}` : `wss://${domain}:${secure}`) };
}

/** Beyond loopback the pages are for those who have a token. Names and tokens may change with a reload, the socket does not. */
function pageAccess(listen: string, config: () => Config): () => HttpAccess {
  const local = isLoopbackListen(listen);
  return () => ({
    hosts: config().http.hosts,
    tokens: local ? null : config().api.tokens.map(({ token, scopes }) => ({ token, mayRead: scopes.includes('read') })),
  });
}
