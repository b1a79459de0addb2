// The reference pages name what the code has, all of it and nothing else.
import type { Command } from 'commander';
import t from 'tap';
import { Call } from '../../../lib/call/call.js';
import type { CallRecord, MenuStep, QueueRecord, TransferRecord, VoicemailRecord } from '../../../lib/call/record.js';
import { ended, type Termination } from '../../../lib/call/termination.js';
import type { PermissionRecord } from '../../../lib/graph/permission/gate.js';
import type { TryRecord } from '../../../lib/call/hunt/tries.js';
import { createProgram } from '../../../lib/cli/program.js';
import { eventTypes } from '../../../lib/config/eventTypes.js';
import { apiScopes } from '../../../lib/config/types.js';
import { routesOf as apiRoutesOf } from '../../../lib/http/api/routes.js';
import type { ApiSources } from '../../../lib/http/api/sources.js';
import type { EventStreams } from '../../../lib/http/api/stream.js';
import { routesOf, type HttpSources, type LivePage } from '../../../lib/http/server.js';
import type { CallMediaStats, LegMediaStats } from '../../../lib/media/types.js';
import { createLogger } from '../../../lib/observe/logger.js';
import { Metrics } from '../../../lib/observe/metrics.js';
import type { AuthResult } from '../../../lib/registrar/authenticator.js';
import { PRESENT, startSipServer } from '../../../lib/sipserver/index.js';
import { rowsOf, sorted, under } from './tables.js';
import { nothingToTell } from '../../helpers/metricSources.js';

// The compiler holds these lists to the types: a new field or result does not compile without an entry.
const record: Record<keyof CallRecord, true> = {
  id: true, time: true, direction: true, number: true, user: true, userKey: true, wacid: true, callIds: true, route: true, peer: true, account: true, target: true, rule: true, payload: true, country: true, permission: true, reference: true,
  closed: true, menu: true, queue: true, voicemail: true, termination: true, tries: true, setupMs: true, durationMs: true, metaDuration: true, recordings: true, siprec: true, transfers: true, media: true,
};
const callIds: Record<keyof CallRecord['callIds'], true> = { meta: true, peer: true };
type Member<T> = T extends unknown ? keyof T : never;
const termination: Record<Member<Termination>, true> = { by: true, reason: true, result: true, status: true, text: true, rule: true, warning: true };
const permission: Record<keyof PermissionRecord, true> = { status: true, from: true, until: true, request: true, fault: true };
const menu: Record<keyof MenuStep, true> = { menu: true, key: true };
const queue: Record<keyof QueueRecord, true> = { queue: true, waitMs: true, left: true };
const voicemail: Record<keyof VoicemailRecord, true> = { box: true, file: true, seconds: true };
const tries: Record<keyof TryRecord, true> = { peer: true, user: true, callId: true, status: true, reason: true, text: true, ringSeconds: true };
const transfers: Record<keyof TransferRecord, true> = { kind: true, by: true, to: true, status: true };
const recordings: Record<keyof CallRecord['recordings'][number], true> = { file: true, seconds: true, sha256: true };
const siprec: Record<keyof CallRecord['siprec'][number], true> = { recorder: true, to: true, callId: true, seconds: true, why: true };
const media: Record<keyof CallMediaStats, true> = { meta: true, peer: true };
const leg: Record<keyof LegMediaStats, true> = { codec: true, keying: true, packetsIn: true, packetsOut: true, bytesIn: true, bytesOut: true, lost: true, silentMs: true, jitterMs: true, roundTripMs: true, mos: true };
const registerResults: Record<AuthResult | 'ok' | 'refused', true> = { ok: true, refused: true, challenged: true, wrongPassword: true, banned: true };

t.test('cdr.md has every field of a record', (t) => {
  const rows = rowsOf('reference/cdr.md');
  const names = (heading: string): string[] => under(rows, heading).map(({ name }) => name);
  const below = (path: string, fields: object): string[] => Object.keys(fields).map((field) => `${path}.${field}`);
  t.same(names('Fields'), Object.keys(record));
  t.same(names('callIds'), below('callIds', callIds));
  t.same(names('termination'), below('termination', termination));
  t.same(names('permission'), below('permission', permission));
  t.same(names('menu[]'), below('menu[]', menu));
  t.same(names('queue[]'), below('queue[]', queue));
  t.same(names('voicemail'), below('voicemail', voicemail));
  t.same(names('tries[]'), below('tries[]', tries));
  t.same(names('recordings[]'), below('recordings[]', recordings));
  t.same(names('siprec[]'), below('siprec[]', siprec));
  t.same(names('transfers[]'), below('transfers[]', transfers));
  t.same(names(Object.keys(media).map((side) => `media.${side}`).join(', ')), Object.keys(leg));
  for (const { name, cells } of rows) t.ok(cells.length === 5 && cells[1] !== '' && cells[3] !== '', `${name} has its type, and when it is null`);

  const call = new Call({ direction: 'user-initiated', startedAt: 0, log: createLogger('silent'), showUser: (user) => user, onEnded: () => undefined });
  t.same(Object.keys(call.recordOf(ended.userHungUp(null), 0, null)), Object.keys(record), 'and a record has them in this order');
  t.end();
});

t.test('metrics.md has every metric with its type and labels', async (t) => {
  const rows = rowsOf('reference/metrics.md');
  const { registry } = new Metrics(nothingToTell);
  const described = under(rows, 'Ours', 'Of Node.js and the process').map(({ name, cells }) => `${name} ${cells[1] ?? ''} ${(cells[2] ?? '').replaceAll('`', '')}`);
  const real = registry.getMetricsAsArray().map((metric) => {
    const labels = (metric as unknown as { labelNames?: readonly string[] }).labelNames ?? [];
    return `${metric.name} ${String(metric.type)} ${labels.join(', ')}`;
  });
  // Some of the process' own are there on Linux only.
  const elsewhere = process.platform === 'linux' ? [] : described.filter((name) => name.startsWith('process_'));
  t.same(sorted(described), sorted([...real, ...elsewhere]));
  t.same(sorted(under(rows, 'wab_register_requests_total, label result').map(({ name }) => name)), sorted(Object.keys(registerResults)));

  const server = await startSipServer({ listen: ['udp:127.0.0.1:0'], admin: { host: '127.0.0.1', port: 0, secret: 'x' } });
  t.teardown(() => server.close());
  const counted = Object.keys(server.stats());
  const names = (heading: string): string[] => sorted(under(rows, heading).map(({ name }) => name));
  t.same(names('wab_sipserver_in_use, label resource'), sorted(PRESENT), 'what is present');
  t.same([...PRESENT].filter((name) => !counted.includes(name)), [], 'and all of it is told');
  // A thread of its own counts its deaths as well.
  t.same(names('wab_sipserver_events_total, label event'), sorted([...counted.filter((name) => !PRESENT.has(name)), 'threadDeaths']));
});

t.test('http.md has every page, and says which want a token', (t) => {
  const none = (): never => { throw new Error('not asked'); };
  const sources: HttpSources = { notReady: none, metrics: none, calls: none, ladder: none, messages: none, capture: none, media: none, status: none };
  const live = { phone: {} } as LivePage;
  const named = (path: RegExp): string => path.source.replace(/^\^|\$$/g, '').replaceAll('\\/', '/').replace('([0-9a-f-]{36})', 'ID').replace('([a-zA-Z]+\\.[a-z]+)', 'NAME').replace('(.+)', '…');
  const real = routesOf(sources, live).map(({ path, open }) => `${named(path)} ${open === true ? 'no' : 'yes'}`);
  t.same(sorted(under(rowsOf('reference/http.md'), 'HTTP pages').map(({ name, cells }) => `${name} ${cells[1] ?? ''}`)), sorted(real));
  t.end();
});

t.test('api.md has every request with its scope, events.md every type', (t) => {
  const nothing = new Proxy({} as ApiSources, { get: () => undefined });
  const real = apiRoutesOf(nothing, nothing as unknown as EventStreams, () => ({})).map(({ method, path, scope, answers }) => `${method} ${path} ${scope ?? 'any'} ${Object.keys(answers).join(', ')}`);
  t.same(sorted(under(rowsOf('reference/api.md'), 'Requests').map(({ name, cells }) => `${name} ${cells[1] ?? ''} ${(cells[2] ?? '').replace(', text', '')}`)), sorted(real));
  t.same(sorted(under(rowsOf('reference/api.md'), 'Tokens').map(({ name }) => name)), sorted(apiScopes));
  t.same(sorted(under(rowsOf('reference/events.md'), 'Types').map(({ name }) => name).filter((name) => name !== '')), sorted(eventTypes));
  t.end();
});

t.test('cli.md has every command with its options', async (t) => {
  const rows = rowsOf('reference/cli.md');
  const leaves = (command: Command, path: string): { path: string; command: Command }[] =>
    (command.commands.length === 0 ? [{ path, command }] : command.commands.flatMap((one) => leaves(one, `${path} ${one.name()}`.trim())));
  const commands = leaves(await createProgram({ standIns: true }), '');
  const tabled = rows.filter(({ heading }) => heading === 'The command line').map(({ name }) => name);
  t.same(tabled, commands.map(({ path }) => path).sort((a, b) => tabled.indexOf(a) - tabled.indexOf(b)), 'each with its exit status');
  const wanted = commands.flatMap(({ path, command }) => command.options.map(({ flags, mandatory }) => `${path}: ${flags}${mandatory ? ', required' : ''}`));
  const described = rows.filter(({ cells }) => cells[0]?.startsWith('`-') === true)
    .map(({ heading, name, cells }) => `${heading.replaceAll('`', '')}: ${name}${/; required$/.test(cells[1] ?? '') ? ', required' : ''}`);
  t.same(sorted(described), sorted(wanted));
});
