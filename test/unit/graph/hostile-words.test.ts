// What a Graph API, a webhook or a state file says that no honest one would: nothing throws, nothing is made a permission, nothing lasts.
import fc from 'fast-check';
import t from 'tap';
import { time } from '../../../lib/graph/json.js';
import { PermissionGate, type GatedNumber } from '../../../lib/graph/permission/gate.js';
import { PermissionLedger } from '../../../lib/graph/permission/ledger.js';
import * as pairs from '../../../lib/graph/permission/pair.js';
import { nothingKnown, type Pair } from '../../../lib/graph/permission/pair.js';
import { readPair } from '../../../lib/graph/permission/stored.js';
import { readPermissions, readSent, type CallPermissions } from '../../../lib/graph/permissions.js';
import { readWebhook } from '../../../lib/graph/webhook/reading.js';
import { Remembered } from '../../../lib/state/index.js';

const number = '+447700900001';
const user = '+447700900101';
const noon = Date.UTC(2026, 10, 21, 12);
const config: GatedNumber = { id: '1', permission: 'check', permissionRequest: { text: null, template: null, language: 'en' } };
const quiet = { info: () => undefined, warn: () => undefined };

function rig(told: () => CallPermissions | null, now = (): number => noon, capacity = 100) {
  const store = new Remembered({ prefix: 'g', capacity, lifetime: 90 * pairs.dayMs, now });
  const ledger = new PermissionLedger({ config: () => ({ numbers: {} }), names: (name) => [name], store, now, log: quiet });
  const gate = new PermissionGate({
    ledger, whenDown: () => 'refuse', timeout: () => 1000, now, log: quiet,
    api: () => ({ callPermissions: async () => told() ?? Promise.reject(new Error('down')), requestPermission: () => Promise.reject(new Error('down')) }),
  });
  return { store, ledger, gate };
}

t.test('times that are none in seconds: left out, and no call and no webhook falls over one', async (t) => {
  for (const wrong of ['999999999999999', 1_797_604_800_000, '253402300800', -1, 0, '1e9', 1.5, Infinity]) t.equal(time(wrong), null, String(wrong));
  t.equal(time('253402300799'), 253_402_300_799_000);
  const limit = { time_period: 'PT24H', max_allowed: 1, current_usage: 1, limit_expiration_time: '999999999999999' };
  for (const status of ['temporary', 'permanent', 'granted', 'soon']) {
    for (const can of [true, false]) {
      const answer = { permission: { status, expiration_time: 999_999_999_999_999 }, actions: ['start_call', 'send_call_permission_request'].map((name) => ({ action_name: name, can_perform_action: can, limits: [limit, { ...limit, max_allowed: -5, current_usage: -7 }] })) };
      const told = readPermissions(answer);
      const { gate } = rig(() => told);
      for (let i = 0; i < 2; i += 1) t.equal((await gate.judge(number, config, user)).allowed, can, `${status} ${can}`);
    }
  }
});

t.test('a reply of tomorrow does not outdo those of today; one that somebody has kept for long says nothing', async (t) => {
  const reply = (id: string, at: number, accepted: boolean): pairs.Reply => ({ id, at, accepted, permanent: true, until: null, automatic: false, answers: null });
  const status = (pair: Pair, now: number): string => pairs.standing(pair, now)?.status ?? 'ask';
  const future = pairs.withReply(nothingKnown, reply('1', Date.UTC(2999, 0), true), noon);
  t.equal(status(future, noon), 'permanent');
  t.equal(status(pairs.withReply(future, reply('2', noon + 1000, false), noon + 1000), noon + 1000), 'none');
  t.equal(status(pairs.withReply(nothingKnown, reply('1', noon - 7 * pairs.dayMs, true), noon), noon), 'permanent', 'Meta sends for seven days');
  for (const accepted of [true, false]) t.equal(status(pairs.withReply(nothingKnown, reply('1', noon - 9 * pairs.dayMs, accepted), noon), noon), 'ask');
  const refused = pairs.withReply(nothingKnown, reply('1', noon, false), noon);
  t.equal(status(pairs.withReply(refused, reply('2', noon - 9 * pairs.dayMs, true), noon), noon), 'none', 'and undoes nothing');
});

t.test('a restriction: the later end counts, none is for ever', async (t) => {
  const { ledger } = rig(() => null);
  await ledger.restricted(number, noon + 7 * pairs.dayMs);
  await ledger.restricted(number, noon + pairs.dayMs);
  t.equal(ledger.requestFreeAt(number, user), noon + 7 * pairs.dayMs);
  await ledger.restricted(number, Date.UTC(9999, 0));
  t.equal(ledger.requestFreeAt(number, user), noon + 31 * pairs.dayMs);
});

t.test('ids that are longer than any of Meta are none', async (t) => {
  t.equal(readSent({ messages: [{ id: 'x'.repeat(513) }] }), null);
  t.equal(readSent({ messages: [{ id: 'x'.repeat(512) }] })?.id.length, 512);
  t.equal(readSent({ messages: [{ id: '' }] }), null);
});

t.test('one contact beside messages of two users is not made the name of both', async (t) => {
  const from = (digits: string) => ({ from: digits, id: `wamid.${digits}`, timestamp: '1797000000', type: 'interactive', interactive: { type: 'call_permission_reply', call_permission_reply: { response: 'accept' } } });
  const read = readWebhook({ entry: [{ changes: [{ field: 'messages', value: {
    metadata: { phone_number_id: '1' }, contacts: [{ wa_id: '447700900101', user_id: 'GB.1' }], messages: [from('447700900101'), from('447700900102'), { ...from(''), from_user_id: 'GB.1' }, { ...from(''), from_user_id: 'GB.2' }],
  } }] }] });
  t.same(read.map((told) => ('user' in told ? told.user : null)), [
    { number: '+447700900101', id: 'GB.1', parentId: null }, { number: '+447700900102', id: null, parentId: null }, { number: '+447700900101', id: 'GB.1', parentId: null }, { number: null, id: 'GB.2', parentId: null },
  ]);
});

const full: Pair = {
  permission: { status: 'temporary', until: noon + pairs.dayMs, by: 'user', at: noon, heard: noon }, requests: [noon - 1000], requestLimits: { day: 1, week: 2 }, asked: { id: 'wamid.1', at: noon - 1000 },
  untaken: 1, open: null, openBy: null, calls: { max: 100, left: 99, at: noon }, ids: ['wamid.2'],
};

t.test('a line of the state file that is damaged: nothing is known, or what is known is well-formed; the gate never throws', async (t) => {
  t.same(readPair(JSON.stringify(full)), full);
  t.same(readPair(JSON.stringify({ permission: full.permission })), { ...nothingKnown, permission: full.permission }, 'a line of a version that knew less');
  const { gate, ledger, store } = rig(() => null);
  const judged = async (line: string): Promise<void> => {
    void store.set(`${number} ${user}`, line.replace(/[\t\r\n]/g, ' '));
    const ruling = await gate.judge(number, config, user);
    if (ruling.allowed) t.ok(['temporary', 'permanent'].includes(ruling.record.status) && ruling.record.from === 'ledger');
    ledger.requestFreeAt(number, user);
    ledger.outstanding(number, user);
    ledger.callsPerDay(number, user);
    await ledger.replied(number, user, { id: 'wamid.9', at: noon, accepted: false, permanent: false, until: null, automatic: false, answers: null });
    ledger.callFailed(number, user, 'untaken', noon);
  };
  const text = JSON.stringify(full);
  await fc.assert(fc.asyncProperty(fc.nat(text.length - 1), fc.string({ maxLength: 2 }), fc.boolean(), async (at, other, cut) => judged(text.slice(0, at) + (cut ? '' : other + text.slice(at + 1)))), { numRuns: 2000 });
  const keys = Object.keys(full) as (keyof Pair)[];
  await fc.assert(fc.asyncProperty(fc.constantFrom(...keys), fc.jsonValue(), async (key, value) => judged(JSON.stringify({ ...full, [key]: value }))), { numRuns: 2000 });
  await fc.assert(fc.asyncProperty(fc.constantFrom('status', 'until', 'by', 'at', 'heard'), fc.jsonValue(), async (key, value) => judged(JSON.stringify({ ...full, permission: { ...full.permission, [key]: value } }))), { numRuns: 2000 });
  for (const line of ['null', '[]', '"x"', '1', '{"__proto__":{"permission":{"status":"permanent"}}}', '{"constructor":1}', '{"permission":"permanent"}', '{"permission":{"status":"permanent"}}']) {
    t.same(readPair(line).permission, null, line);
    await judged(line);
  }
});

t.test('as many users as there are: memory is bounded, the youngest are known, the oldest are asked about', async (t) => {
  const { ledger, store, gate } = rig(() => null, () => noon, 100_000);
  const name = (i: number): string => `+4477${String(i).padStart(8, '0')}`;
  // WAB_USERS=1000000 for more.
  const most = Number(process.env['WAB_USERS'] ?? 250_000);
  const before = process.memoryUsage().heapUsed;
  for (let i = 0; i < most; i += 1) void ledger.replied(number, name(i), { id: `wamid.${i}`, at: noon, accepted: true, permanent: true, until: null, automatic: false, answers: null });
  t.equal(store.size, 100_000);
  const grown = (process.memoryUsage().heapUsed - before) / 1e6;
  t.comment(`the heap has grown by ${grown.toFixed()} MB`);
  t.ok(grown < 400);
  t.match(await gate.judge(number, config, name(most - 1)), { allowed: true });
  t.match(await gate.judge(number, config, name(1)), { allowed: false, code: 'permission.unknown' }, 'Meta would be asked, and is not there');
});

t.test('two webhooks of one millisecond that contradict each other, two of one id, and a call that is refused in between: Meta is asked', async (t) => {
  let asked = 0;
  const { ledger, gate } = rig(() => { asked += 1; return { status: 'permanent', expiresAt: null, actions: [] }; });
  const reply = (id: string, accepted: boolean): pairs.Reply => ({ id, at: noon, accepted, permanent: true, until: null, automatic: false, answers: null });
  await Promise.all([ledger.replied(number, user, reply('1', true)), ledger.replied(number, user, reply('2', false)), ledger.replied(number, user, reply('1', true)), ledger.replied(number, user, reply('2', false))]);
  const both = await Promise.all([gate.judge(number, config, user), gate.judge(number, config, user)]);
  t.match(both, [{ allowed: true, record: { from: 'meta' } }, { allowed: true, record: { from: 'meta' } }]);
  t.ok(asked <= 2, `${asked} questions for two calls at once`);
});

t.test("Meta's answer to a request names the user: by number and id, but not where it names another", async (t) => {
  for (const [waId, named] of [['447700900101', [[user, 'GB.1', null]]], ['447700900102', []], [null, []]] as const) {
    const names: unknown[] = [];
    const store = new Remembered({ prefix: 'g', capacity: 10, lifetime: pairs.dayMs, now: () => noon });
    const ledger = new PermissionLedger({ config: () => ({ numbers: {} }), names: (name) => [name], store, now: () => noon, log: quiet });
    const gate = new PermissionGate({
      ledger, whenDown: () => 'refuse', timeout: () => 1000, now: () => noon, log: quiet, onNames: (...all) => { names.push(all); },
      api: () => ({ callPermissions: async () => ({ status: 'no_permission', expiresAt: null, actions: [] }), requestPermission: async () => ({ id: 'wamid.1', waId, userId: 'GB.1', parentUserId: null }) }),
    });
    t.match(await gate.judge(number, { ...config, permission: 'request' }, user), { code: 'permission.requested' });
    t.same(names, named);
  }
});
