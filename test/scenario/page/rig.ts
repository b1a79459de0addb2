import type { Test } from 'tap';
import type { CallDetailView, CallView, MessageView, NumberView, RecentView } from '../../../lib/http/api/schemas.js';
import type { ApiSources } from '../../../lib/http/api/sources.js';
import type { ApiToken } from '../../../lib/http/api/tokens.js';
import type { HttpServer } from '../../../lib/http/listener.js';
import { startHttp, type HttpSources } from '../../../lib/http/server.js';
import { EventBus } from '../../../lib/observe/events.js';

export const id = '01234567-89ab-cdef-0123-456789abcdef';

/** What the page is to show: every text in it is `text`. */
export function showing(text: string): { api: Partial<ApiSources>; pages: Partial<HttpSources> } {
  const at = new Date().toISOString();
  const call: CallView = { id, direction: 'user-initiated', state: 'answered', number: text, user: text, wacid: text, reference: text, peer: text, peerUser: text, held: false, recording: 'on', startedAt: at, answeredAt: at };
  const termination = { by: text, reason: text, result: text, status: 503, text };
  const detail: CallDetailView = { ...call, legs: [{ leg: 'meta', callId: text, peer: text, peerUser: text, status: null, reason: text }], termination, setupMs: 1, durationMs: null, transfers: [], media: { meta: { codec: text, keying: text }, peer: { codec: text } } };
  const recent: RecentView = { ...call, state: 'ended', endedAt: at, termination, advice: text, setupMs: 1, durationMs: null };
  const message: MessageView = { time: at, direction: 'in', transport: text, local: text, remote: text, with: text, summary: text, text };
  const number: NumberView = { number: text, environment: text, keying: text, permission: text, calls: { now: 1, most: 2 }, newCalls: { used: 1, most: 2 }, settings: { differences: [{ key: text, is: text, wanted: text }], warnings: [text] } };
  const record = { id, time: at, direction: text, number: text, user: text, peer: text, target: text, account: text, durationMs: 1, termination };
  const sums = { calls: 1, answered: 1, answerRate: 1, userInitiated: { calls: 1, answered: 1, pickUpRate: 1 }, businessInitiated: { calls: 0, answered: 0, estimatedPrice: null }, seconds: { total: 1, average: 1, longest: 1 }, setupSeconds: 1 };
  return {
    api: {
      version: text, calls: () => [call], call: () => Promise.resolve(detail), recent: () => [recent], traced: () => [message, { ...message, direction: 'out' }], media: () => Promise.resolve({ meta: { mos: 4.2 }, peer: { mos: 3.1 } }), numbers: () => [number],
      records: {
        search: () => Promise.resolve(JSON.stringify({ records: [record], next: text, upToDate: false })),
        analyse: () => Promise.resolve(JSON.stringify({ from: at, to: at, by: 'hour', total: sums, groups: [{ key: text, ...sums }], leftOut: 0, upToDate: true })),
      },
    },
    pages: {
      notReady: () => text,
      status: () => ({
        version: text, sip: [{ address: text, up: true }], media: { instances: [{ address: text, healthy: true, version: text, calls: 1 }], workers: [] }, peers: [{ peer: text, state: text, reason: text, since: text, roundTripMs: 1 }],
        registrations: [{ peer: text, user: text, contact: text, from: text, userAgent: text, since: text, expires: text }], bans: [], calls: 1,
      }),
    },
  };
}

export interface PageRig {
  readonly url: string;
  readonly bus: EventBus;
  readonly http: HttpServer;
}

/** The pages with what they show brought by the test; the server is the real one. `tokens`: as beyond loopback. */
export async function startPage(t: Test, { api, pages }: ReturnType<typeof showing>, { listen = '127.0.0.1:0', tokens = null }: { listen?: string; tokens?: ApiToken[] | null } = {}): Promise<PageRig> {
  const bus = new EventBus({ keep: 100, now: Date.now, business: () => new Set(), onFault: (error) => t.fail(String(error)) });
  const http = await startHttp({
    listen, access: () => ({ hosts: [], tokens: tokens?.map(({ token, scopes }) => ({ token, mayRead: scopes.includes('read') })) ?? null }), tokens: () => tokens ?? [], onWrongToken: () => undefined, onFault: () => undefined,
  }, { notReady: () => null, ...pages } as HttpSources, { records: null, ...api, bus } as ApiSources);
  t.teardown(() => http.close());
  return { url: `http://${http.address}/`, bus, http };
}
