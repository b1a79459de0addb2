// docs/reference/terminations.md names every way a call can end, with the statuses that the code gives.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { adviceOf } from '../../../lib/call/advice.js';
import { judgeRefusal, type MetaRefusal } from '../../../lib/call/meta/refusal.js';
import { peerRefusal } from '../../../lib/call/peer/refusal.js';
import { ended, results, statusForMeta, statusForPeer, type Result, type Termination } from '../../../lib/call/termination.js';
import { leakSigns } from '../../../lib/config/types.js';
import { errorTable, type ErrorCode } from '../../../lib/errors.js';
import { compilePolicy, explainCaller, explainTarget } from '../../../lib/policy/index.js';
import { house, number } from '../policy/configuration.js';
import { root, rowsOf, sorted, under } from './tables.js';

const rows = rowsOf('reference/terminations.md');

type ReasonOf<By extends Termination['by']> = Extract<Termination, { by: By }>['reason'];

// The compiler holds these lists to the type: a new reason does not compile without an entry.
const user: Record<ReasonOf<'user'>, true> = { hangup: true, cancelled: true };
const peer: Record<ReasonOf<'peer'>, true> = {
  hangup: true, cancelled: true, expired: true, declined: true, busy: true, noAnswer: true, unreachable: true, refused: true, badSdp: true,
};
const us: Record<ReasonOf<'us'>, true> = {
  hangup: true, mediaTimeout: true, peerSilent: true, peerUnsecured: true,
  callBack: true, peerGone: true, fingerprint: true, mediaLost: true, mediaUnavailable: true, badSdp: true, drained: true, overload: true, noAck: true, sessionExpired: true, sipLost: true, ringTimeout: true,
  metaUnreachable: true, nobodyThere: true, restarted: true, closed: true, turnedAway: true, announced: true, noChoice: true, queueFull: true, waitedTooLong: true, messageTaken: true, stateGone: true, fault: true,
};
const meta: Record<MetaRefusal, true> = {
  noPermission: true, dailyLimit: true, declined: true, unreachable: true, duplicate: true, notConfigured: true, badCredentials: true, payment: true, uriMismatch: true, notAvailable: true,
  overload: true, sdpRefused: true, mediaTimeout: true, notFound: true, unavailable: true, other: true,
};

/** "486, 5xx" as statuses; one stands for a class. */
const statuses = (cell: string): number[] => [...cell.matchAll(/\d(?:\d\d|xx)/g)].map(([status]) => Number(status.replace('xx', '99')));

t.test('by user, peer and us: the reasons, and what the other side gets', (t) => {
  for (const [heading, by, known] of [['By the user', 'user', user], ['By the peer', 'peer', peer], ['By us', 'us', us]] as const) {
    const table = under(rows, heading);
    t.same(sorted(table.map(({ name }) => name)), sorted(Object.keys(known)), heading);
    for (const { name, cells } of table) {
      const given = statuses(cells[2] ?? '');
      t.ok(given.length > 0 && cells.length === 7, name);
      const told = (of: (termination: Termination) => number): number[] => given.map((status) => of({ by, reason: name, status, text: '' } as Termination));
      for (const [cell, real] of [[cells[3] ?? '', told(statusForMeta)], [cells[4] ?? '', told(statusForPeer)]] as const) {
        if (cell === '–') continue;
        t.same(sorted((cell === 'the same' ? given : statuses(cell)).map(String)), sorted(real.map(String)), `${by} ${name}: ${cell}`);
      }
    }
  }
  t.end();
});

t.test('results: what each reason says of the service, and where it says something else', (t) => {
  const elsewhere: Readonly<Record<string, readonly Termination[]>> = {
    'peer noAnswer': [ended.peerRefused('noAnswer', 408, '')], 'peer refused': [ended.callerRefused(420, '')],
    'us badSdp': [ended.metaBadSdp('')], 'us fault': [ended.notAnswered(487, '')],
  };
  const meanings: Record<Result, true> = { success: true, client: true, server: true, upstream: true, indeterminate: true };
  t.same(sorted(under(rows, 'Results').map(({ name }) => name)), sorted(Object.keys(meanings)));
  for (const [heading, by] of [['By the user', 'user'], ['By the peer', 'peer'], ['By Meta', 'meta'], ['By us', 'us']] as const) {
    for (const { name, cells } of under(rows, heading)) {
      const known: Readonly<Record<string, Result>> = results[by];
      const others = elsewhere[`${by} ${name}`] ?? [];
      for (const one of others) t.same([one.by, one.reason], [by, name]);
      const said = (cells[1] ?? '').split('; ').map((part) => part.replace(/^.*: /, ''));
      t.same(said, [known[name], ...others.map(({ result }) => result)], `${by} ${name}`);
    }
  }
  t.equal(ended.metaRefused(483, '').result, 'client');
  t.equal(ended.metaExpired().result, 'success');
  t.equal(ended.byPolicy({ code: 'x', rule: 'x', status: 403, text: '' }).result, 'client');
  // Exceptions to the table are those above and no more: a constructor that gives a result of its own names it.
  const given = readFileSync(join(root, 'lib/call/termination.ts'), 'utf8').match(/(?:, '(?:success|client|upstream)'\)|'indeterminate' : |: 'indeterminate'\))/g) ?? [];
  t.equal(given.length, 6);
  t.end();
});

t.test('by the peer: the statuses that are said to mean a reason can', (t) => {
  for (const { name, cells } of under(rows, 'By the peer').filter(({ cells }) => cells[3] !== '–')) {
    for (const status of statuses(cells[2] ?? '')) {
      // With some Reason of a PBX, or with none.
      const causes = Array.from({ length: 128 }, (_, cause) => ({ get: (header: string) => (header === 'Reason' ? `Q.850;cause=${cause};text="x"` : undefined) }));
      const reasons = new Set([null, ...causes].map((response) => peerRefusal(status, 'x', response).reason));
      t.ok(name === 'badSdp' || reasons.has(name), `${status} can be ${name}: ${[...reasons].join(', ')}`);
    }
  }
  t.end();
});

t.test("by Meta: each row's words give its reason and status", (t) => {
  const table = under(rows, 'By Meta');
  t.same(sorted(table.map(({ name }) => name)), sorted(Object.keys(meta)));
  for (const { name, cells: [, , given = '', words = '', forPeer = ''] } of table) {
    for (const status of statuses(given)) {
      const { reason, statusForPeer: told } = judgeRefusal(status, words);
      t.same({ reason, told }, { reason: name, told: Number(forPeer) }, `${status} ${words}`);
    }
  }
  t.end();
});

t.test('by policy: every code, with its status', (t) => {
  const sources = execFileSync('git', ['ls-files', '-co', '--exclude-standard', 'lib/call', 'lib/policy'], { cwd: root, encoding: 'utf8' }).trim().split('\n')
    .map((name) => readFileSync(join(root, name), 'utf8')).join('\n');
  const policy = compilePolicy(house);
  const asked = [
    ...explainTarget(policy, { origin: 'route', number, route: 'main', peer: 'pbx', by: null, uri: 'sip:6001@10.0.0.7' }),
    ...explainCaller(policy, { peer: 'pbx', uri: 'sip:+447700900100@sbc.example.net', headers: {}, body: '' }),
  ].filter(({ answer }) => answer !== 'allow').map(({ code }) => code);
  const limits = [...sources.matchAll(/'(limit\.[a-zA-Z]+)'/g)].map(([, code = '']) => code);
  const gates = [...sources.matchAll(/(?:deny\(|byPolicy\(\{ code: )'([\w.]+)'/g)].map(([, code = '']) => code);
  t.ok(asked.length > 30 && limits.length > 8 && gates.includes('auth.failed') && gates.includes('route.none') && gates.includes('default'));
  const known = sorted([...asked, ...limits, ...gates, ...leakSigns.map((sign) => `leak.${sign}`)]);
  const table = under(rows, "Of a user's call", 'Of a target: a route, a redirection, a transfer, a pick-up', "Of a peer's call, and of a pick-up", 'Limits', 'Signs of a leak');
  t.same(sorted(table.map(({ name }) => name)), known);

  const told = new Map(table.map(({ name, cells }) => [name, Number(cells[1])]));
  const written = [
    ...sources.matchAll(/code: '([\w.]+)', status: (\d{3})/g), ...sources.matchAll(/deny\('([\w.]+)', (\d{3})/g), ...sources.matchAll(/code: '([\w.]+)', rule: [^\n]*?, status: (\d{3})/g),
  ].map(([, code = '', status = '']) => ({ code, status: Number(status) })).filter(({ code }) => told.has(code));
  t.ok(written.length > 40, `${written.length} statuses`);
  for (const { code, status } of written) t.equal(told.get(code), status, code);
  t.end();
});

t.test('error codes', (t) => {
  const table = under(rows, 'Error codes');
  t.same(table.map(({ name, cells }) => `${name} ${cells[1] ?? ''}`), Object.entries(errorTable).map(([code, { status }]) => `${code} ${status}`));
  const inCalls = table.filter(({ cells }) => cells[2] !== '–');
  t.same(inCalls.map(({ name }) => name), Object.entries(errorTable).filter(([, { reason }]) => reason !== 'fault').map(([code]) => code));
  for (const { name, cells } of inCalls) {
    const { reason, mayFailOver } = errorTable[name as ErrorCode];
    t.same([cells[2], cells[3]], [`\`${reason}\``, mayFailOver ? 'yes' : 'no'], name);
  }
  t.end();
});

t.test('what to do: the page and what the live page advises are one', (t) => {
  /** As it is without Markdown, where there is any. */
  const plain = (cell: string): string => cell.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').replaceAll('`', '');
  const policy = ["Of a user's call", 'Of a target: a route, a redirection, a transfer, a pick-up', "Of a peer's call, and of a pick-up", 'Permission of the user', 'Limits', 'Signs of a leak'];
  let [above, seen] = ['', 0];
  for (const [by, headings] of [['user', ['By the user']], ['peer', ['By the peer']], ['meta', ['By Meta']], ['policy', policy], ['us', ['By us']]] as const) {
    for (const { name, cells } of under(rows, ...headings)) {
      const said = plain(cells.at(-1) ?? '');
      const advice = said.replace(/^as above/, above);
      if (!said.startsWith('as above')) above = said;
      if (advice === 'nothing') continue;
      seen += 1;
      t.ok(adviceOf({ by, reason: name })?.includes(advice), `${by} ${name}: ${advice}`);
    }
  }
  t.ok(seen > 80, `${seen} rows`);
  t.equal(adviceOf({ by: 'user', reason: 'hangup' }), null);
  t.end();
});
