import { realpath, stat } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { adviceOf } from '../call/advice.js';
import type { Call } from '../call/call.js';
import type { Finished } from '../call/history.js';
import { placeOrder } from '../call/ordered.js';
import { ended, type Termination } from '../call/termination.js';
import type { CallDetailView, CallView, NumberView, PermissionView, RecentView } from '../http/api/schemas.js';
import { startApi } from '../http/api/server.js';
import type { ApiSources, Drainer } from '../http/api/sources.js';
import type { HttpServer } from '../http/listener.js';
import { maskUser, maskUsers } from '../observe/redact.js';
import type { Calls } from './calls.js';
import type { Start } from './start.js';
import { sharedKeys } from '../call/sharedPlaces.js';
import type { State } from './state.js';

/** The API; null where none is wanted. @throws WabError PORT_IN_USE, ADDRESS_UNUSABLE or CERTIFICATE_UNUSABLE */
export async function openApi({ config, version, log, faults, undo }: Start, state: State, calls: Calls, drainer: Drainer): Promise<HttpServer | null> {
  const { listen, tls } = config.api;
  const { bus } = state.news;
  if (listen === null || bus === null) return null;
  const part = log.child({ part: 'api' });
  const sources = apiSources(state, calls, { version, bus, records: calls.records, drainer });
  const server = await startApi({ listen, tls, tokens: () => state.rules.config.api.tokens, log: part, onFault: (error) => faults.fault('a request to the API', error) }, sources);
  undo.push(() => server.close());
  part.info({ address: server.address }, 'the API is served');
  return server;
}

/** What the API and the live page are asked for. */
export function apiSources(state: State, { context, router, settings }: Calls, own: Pick<ApiSources, 'version' | 'bus' | 'records' | 'drainer'>): ApiSources {
  const { table, history } = state;
  const shared = state.shared?.limits ?? null;
  const business = (): ReadonlySet<string> => new Set(Object.keys(state.rules.config.numbers));
  const isOver = (id: string): boolean => (history.finished(id) ?? history.ending(id)) !== null;
  return {
    ...own,
    place: async (order) => {
      const { peers, numbers } = state.rules.config;
      const none = (status: number, code: string, text: string): Awaited<ReturnType<ApiSources['place']>> => ({ id: null, refused: { status, code, text } });
      if (router.drain.refusing) return none(503, 'draining', 'the service is stopping');
      if (!Object.hasOwn(numbers, order.number)) return none(404, 'number.unknown', 'no such number is in the configuration');
      if (!Object.hasOwn(peers, order.peer)) return none(404, 'peer.unknown', `no peer is called ${order.peer}`);
      const { record = null, siprec = null } = peers[order.peer] ?? {};
      if (order.record === true && siprec === null && (context.recordings === null || record === null)) return none(409, 'recording.off', `calls of peer ${order.peer} are not recorded (peers.${order.peer}.record or siprec)`);
      const { call, refused } = await placeOrder(context, order);
      return { id: call.id, refused: refused === null ? null : refusalOf(refused) };
    },
    calls: (full) => table.all().filter(({ over }) => !over).map((call) => liveView(call, shownTo(full, call.facts.user, business()))),
    call: async (id, full) => {
      const live = table.get(id) ?? history.ending(id);
      if (live !== null) return liveDetail(live, shownTo(full, live.facts.user, business()));
      const finished = history.finished(id);
      return finished === null ? null : finishedDetail(finished, shownTo(full, finished.user, business()));
    },
    recent: (full) => history.lately().map((finished) => recentView(finished, shownTo(full, finished.user, business()))),
    ladder: (id, full) => history.ladder(id, full),
    messages: (id, full) => history.messages(id, full),
    traced: (id, full) => history.traced(id, full),
    capture: (id, full) => history.capture(id, `wa-b2bua ${own.version}`, full),
    media: async (id) => await table.get(id)?.media?.stats().catch(() => null) ?? null,
    hangUp: (id) => {
      const call = table.get(id);
      call?.end(ended.ordered(call.answeredAt !== null));
      return call !== undefined || isOver(id);
    },
    order: (id, give) => {
      const call = table.get(id);
      if (call === undefined || call.over) return !isOver(id) ? null : { done: false, status: 409, code: 'call.over', text: 'the call has ended' };
      return call.control === null ? { done: false, status: 409, code: 'call.notUp', text: 'the user does not talk with anybody yet' } : give(call.control);
    },
    sound: (file) => soundBelow(state.rules.config.api.sounds, file),
    numbers: () => Object.entries(state.rules.config.numbers).map(([number, { environment, keying, permission, maxConcurrentCalls, newCallsPerDay }]): NumberView => ({
      number, environment, keying, permission, calls: { now: shared?.total('places', sharedKeys.number(number)) ?? table.onNumber(number), most: maxConcurrentCalls }, newCalls: { used: shared?.total('events', sharedKeys.newCalls(number)) ?? context.limits.newCalls(number), most: newCallsPerDay },
      settings: mutable(settings.found(number)),
    })),
    aliases: (after, limit, full) => state.aliases.list(after, limit).map(({ alias, user }) => ({ alias, user: full ? user : maskUser(user) })),
    permission: async (number, user, { full, ask }): Promise<PermissionView | null> => {
      const config = state.rules.config.numbers[number];
      if (config === undefined) return null;
      const { record } = await context.permissions.gate.look(number, { ...config, permission: ask ? 'request' : 'check' }, user);
      return { number, user: full ? user : maskUser(user), ...record };
    },
  };
}

/** What a call that did not begin is refused with: its own reason, by a status of HTTP. */
function refusalOf({ by, reason, status, text }: Termination): { readonly status: number; readonly code: string; readonly text: string } {
  // A user who is in a call with the number: the same order may be good a moment later.
  if (reason === 'limit.pair') return { status: 409, code: reason, text };
  if (by === 'us' && reason === 'fault') return { status: 500, code: 'fault', text: 'a fault of ours' };
  // Somebody has hung it up while it was judged.
  if (by === 'us' && reason === 'hangup') return { status: 409, code: 'call.over', text };
  return { status: status === 503 || by !== 'policy' ? 503 : 403, code: by === 'policy' ? reason : `${by}.${reason}`, text };
}

function mutable(found: ReturnType<Calls['settings']['found']>): NumberView['settings'] {
  return found === null ? null : { differences: [...found.differences], warnings: [...found.warnings] };
}

const iso = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString());

/** A call's user, and texts of it, as their reader may see them. */
interface Shown { readonly user: string | null; readonly text: <T extends string | null>(text: T) => T }

/** Who may not see users sees neither the number of this one in a text, nor that of another, nor what holds one. */
function shownTo(full: boolean, user: string | null, business: ReadonlySet<string>): Shown {
  if (full) return { user, text: (text) => text };
  return { user: user === null ? null : maskUser(user), text: <T extends string | null>(text: T): T => (text === null ? text : maskUsers(text, business, user) as T) };
}

function liveView({ id, direction, state, facts, control, startedAt, answeredAt }: Call, shown: Shown): CallView {
  const { number, wacid, reference, peer, target, account } = facts;
  return {
    id, direction, state, number, user: shown.user, wacid: shown.text(wacid), reference: shown.text(reference),
    peer: control?.party?.peer ?? peer, peerUser: (control?.party?.user ?? target ?? account) || null,
    held: control?.held ?? false, recording: control?.recording ?? 'off', startedAt: new Date(startedAt).toISOString(), answeredAt: iso(answeredAt),
  };
}

async function liveDetail(call: Call, shown: Shown): Promise<CallDetailView> {
  const { facts, control, media } = call;
  const figures = await media?.stats().catch(() => null) ?? null;
  const inCall = control?.party ?? null;
  const own: CallDetailView['legs'] = inCall === null ? [] : [{ leg: 'peer', callId: facts.peerCallId, peer: inCall.peer, peerUser: inCall.user || null, status: null, reason: null }];
  return {
    ...liveView(call, shown),
    legs: [metaLeg(shown.text(facts.metaCallId)), ...own, ...triesOf(facts.tries.map((one) => one.record()).filter(({ callId }) => callId !== facts.peerCallId || inCall === null))],
    termination: call.termination === null ? null : endOf(call.termination, shown), setupMs: call.setupMs,
    durationMs: call.answeredAt === null ? null : Date.now() - call.answeredAt, transfers: [...facts.transfers], media: figures,
  };
}

function finishedView({ record }: Finished, shown: Shown): CallView {
  const { id, direction, number, wacid, reference, peer, target, account, setupMs, durationMs } = record;
  return {
    id, direction, state: 'ended', number, user: shown.user, wacid: shown.text(wacid), reference: shown.text(reference), peer, peerUser: target ?? account, held: false, recording: 'off',
    startedAt: record.time, answeredAt: durationMs === null || setupMs === null ? null : iso(Date.parse(record.time) + setupMs),
  };
}

function endOf({ by, reason, result, status, text }: Termination, shown: Shown): RecentView['termination'] {
  return { by, reason, result, status, text: shown.text(text) };
}

function recentView(finished: Finished, shown: Shown): RecentView {
  const { time, setupMs, durationMs, termination } = finished.record;
  return {
    ...finishedView(finished, shown), endedAt: new Date(Date.parse(time) + (setupMs ?? 0) + (durationMs ?? 0)).toISOString(),
    termination: endOf(termination, shown), advice: adviceOf(termination), setupMs, durationMs,
  };
}

function finishedDetail(finished: Finished, shown: Shown): CallDetailView {
  const { callIds, tries, setupMs, durationMs, transfers, media, termination } = finished.record;
  return {
    ...finishedView(finished, shown), legs: [metaLeg(shown.text(callIds.meta)), ...triesOf(tries)],
    termination: endOf(termination, shown), setupMs, durationMs, transfers: [...transfers], media,
  };
}

function metaLeg(callId: string | null): CallDetailView['legs'][number] {
  return { leg: 'meta', callId, peer: null, peerUser: null, status: null, reason: null };
}

function triesOf(tries: Finished['record']['tries']): CallDetailView['legs'] {
  return tries.map(({ callId, peer, user, status, reason }) => ({ leg: 'peer', callId, peer, peerUser: user, status, reason }));
}

/** Below the folder also when names in it are links. */
async function soundBelow(folder: string | null, file: string): ReturnType<ApiSources['sound']> {
  if (folder === null) return { missing: 'api.sounds, the folder of such files, is not set in the configuration' };
  const missing = { missing: 'no such file is in the folder of api.sounds' };
  try {
    const [root, path] = await Promise.all([realpath(folder), realpath(join(folder, file))]);
    return path.startsWith(root + sep) && (await stat(path)).isFile() ? { path } : missing;
  } catch {
    return missing;
  }
}
