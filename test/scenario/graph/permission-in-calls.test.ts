// Calls of a PBX to WhatsApp users of a number with permission: check or request, the Graph API behind real HTTP.
import t, { type Test } from 'tap';
import { number } from '../../helpers/service.js';
import { openStage, type Stage } from '../harness.js';
import { graphServer, permissions, refusal, type Answer, type Asked } from './graphServer.js';

const id = '100000000000001';
const user = (n: number): string => `+4477009001${String(n).padStart(2, '0')}`;
const inAnHour = (): number => Math.floor(Date.now() / 1000) + 3600;

interface Scene { readonly stage: Stage; readonly asked: Asked[]; dial(to: string): Promise<{ status: number; header: string | null; ms: number; bye(): Promise<void> }> }

async function scene(t: Test, answer: (asked: Asked) => Answer, config: object = { permission: 'check' }, graph: object = {}): Promise<Scene> {
  const server = await graphServer(t, answer);
  const stage = await openStage({
    peers: { pbx: { media: 'none', config: { mayCall: [number] } } },
    overlay: { meta: { mediaTimeout: 0 }, graph: { url: server.url, token: 'EAAtoken', timeout: 1, ...graph }, numbers: { [number]: { id, ...config } } },
  });
  t.teardown(() => stage.close());
  return {
    stage, asked: server.asked,
    async dial(to) {
      const begun = performance.now();
      const call = await stage.peers['pbx']!.call(`sip:${to}@127.0.0.1:${stage.running.udp.port}`, { from: `<sip:${number}@pbx.example>` });
      const status = await call.final;
      return { status: status ?? 0, header: /\r\nX-WA-Permission: ([^\r]*)\r\n/i.exec(call.report().message)?.[1] ?? null, ms: performance.now() - begun, bye: () => call.bye() };
    },
  };
}

t.test('permission: check: Meta is asked once and its yes remembered; a no gets 403 and nothing is sent to Meta', async (t) => {
  const { stage, asked, dial } = await scene(t, ({ query }) => (query.get('user_wa_id') === '447700900101' ? permissions('temporary', { expires: inAnHour() }) : permissions('no_permission', { request: query.get('user_wa_id') === '447700900102' })));
  const meta = await stage.answerAsMeta({ media: 'none', behaviour: 'noring' });
  for (let i = 0; i < 2; i += 1) {
    const call = await dial(user(1));
    t.equal(call.status, 200);
    await call.bye();
    await stage.running.records(i + 1);
  }
  t.same(asked.map(({ method, path, authorization }) => `${method} ${path} ${authorization}`), [`GET /v25.0/${id}/call_permissions Bearer EAAtoken`], 'one question');
  const reached = meta.reports.length;
  t.match(await dial(user(2)), { status: 403, header: 'none;can-request=yes' });
  t.match(await dial(user(3)), { status: 403, header: 'none;can-request=no' });
  t.equal(meta.reports.length + meta.attempts.length, reached, 'nothing was sent to Meta');
  const records = await stage.running.records(4);
  t.match(records[0], { permission: { status: 'temporary', from: 'meta', until: /^20/, request: null, fault: null } });
  t.match(records[1], { permission: { status: 'temporary', from: 'ledger' } });
  t.match(records[2], { permission: { status: 'none', from: 'meta', request: 'possible' }, termination: { by: 'policy', reason: 'permission.none', status: 403, rule: `numbers."${number}".permission` }, callIds: { meta: null } });
  t.match(records[3], { permission: { request: 'impossible' } });
  await dial(user(2));
  t.equal(asked.filter(({ query }) => query.get('user_wa_id') === '447700900102').length, 1, 'a no is remembered for five seconds');
});

t.test('permission: request: the user is asked once, by text or template; the PBX gets 480', async (t) => {
  for (const [permissionRequest, sent] of [
    [{ text: 'May we call?' }, { type: 'interactive', interactive: { type: 'call_permission_request', body: { text: 'May we call?' } } }],
    [{ template: 'call_permission_en', language: 'en' }, { type: 'template', template: { name: 'call_permission_en', language: { code: 'en' } } }],
  ] as const) {
    const { stage, asked, dial } = await scene(t, ({ method }) => (method === 'POST' ? { body: { messages: [{ id: 'wamid.1' }], contacts: [] } } : permissions('no_permission')), { permission: 'request', permissionRequest });
    const meta = await stage.answerAsMeta({ media: 'none', behaviour: 'noring' });
    t.match(await dial(user(1)), { status: 480, header: 'none;requested' });
    t.match(await dial(user(1)), { status: 480, header: 'none;requested' }, 'not asked again');
    const posts = asked.filter(({ method }) => method === 'POST');
    t.match(posts, [{ path: `/v25.0/${id}/messages`, body: { to: '447700900101', ...sent } }]);
    t.equal(meta.reports.length, 0);
    const [first, second] = await stage.running.records(2);
    t.match(first, { termination: { reason: 'permission.requested', status: 480 }, permission: { request: 'sent' } });
    t.match(second, { permission: { request: 'pending' } });
    await stage.close();
  }
});

t.test('what Meta says to a request', async (t) => {
  const cases: [string, Answer, object, number][] = [
    ['asked already', refusal(400, 138009), { status: 480, header: 'none;requested' }, 0],
    ['permitted for good', refusal(400, 138017), { status: 200, header: null }, 1],
    ['the window is closed', refusal(400, 131047), { status: 403, header: 'none;can-request=no' }, 0],
    ['paused', refusal(400, 138014), { status: 403, header: 'none;can-request=no' }, 0],
    ['the token has run out', refusal(401, 190), { status: 403, header: 'none;can-request=no' }, 0],
    ['no answer', 'silent', { status: 480, header: 'none;requested' }, 0],
  ];
  for (const [what, answer, wanted, calls] of cases) {
    const { stage, asked, dial } = await scene(t, ({ method }) => (method === 'POST' ? answer : permissions('no_permission')), { permission: 'request' });
    const meta = await stage.answerAsMeta({ media: 'none', behaviour: 'noring' });
    const call = await dial(user(1));
    t.match({ ...call, ms: 0 }, wanted, what);
    t.ok(call.ms < 5000, `${what}: bounded: ${Math.round(call.ms)} ms`);
    if (call.status === 200) await call.bye();
    await stage.running.records(1);
    t.equal(meta.reports.length, calls, what);
    t.equal(asked.filter(({ method }) => method === 'POST').length, 1, `${what}: sent once`);
    await stage.close();
  }
});

t.test('Graph down, slow, lying: calls go on, or are refused, as graph.whenDown says; bounded and told', async (t) => {
  const cases: [string, Answer][] = [
    ['silent', 'silent'], ['cut', 'cut'], ['a page', { status: 502, body: '<html>bad gateway</html>' }], ['half of it', { body: '{"permission":{"status":"tempo' }], ['nothing of use', { body: {} }],
    ['a wrong token', refusal(401, 190)], ['asked too often', refusal(429, 613)], ['trouble at Meta', refusal(500, 2)], ['slow', { ...permissions('no_permission') as object, body: {}, afterMs: 1500 }],
  ];
  for (const whenDown of ['allow', 'refuse'] as const) {
    let answer: Answer = 'silent';
    const { stage, dial } = await scene(t, () => answer, { permission: 'check' }, { whenDown });
    const meta = await stage.answerAsMeta({ media: 'none', behaviour: 'noring' });
    for (const [index, [what, is]] of cases.entries()) {
      answer = is;
      const call = await dial(user(index + 1));
      t.equal(call.status, whenDown === 'allow' ? 200 : 503, `${what}: ${whenDown}`);
      t.ok(call.ms < 4000, `${what}: bounded: ${Math.round(call.ms)} ms`);
      if (call.status === 200) await call.bye();
      const record = (await stage.running.records(index + 1))[index]!;
      t.match(record, { permission: { status: 'unknown', from: null, fault: /./ } }, what);
      if (whenDown === 'refuse') t.match(record.termination, { by: 'policy', reason: 'permission.unknown', rule: 'graph.whenDown' });
    }
    t.equal(meta.reports.length, whenDown === 'allow' ? cases.length : 0);
    t.ok(stage.running.log.some((line) => line.includes('Meta could not be asked')), 'the log tells');
    t.notOk(stage.running.log.some((line) => line.includes('EAAtoken')), 'and not the token');
    await stage.close();
  }
});

t.test("Meta's refusal by SIP is learnt: the permission is gone, whatever was known; and what stands when Graph is down", async (t) => {
  let answer: Answer = permissions('permanent');
  const { stage, asked, dial } = await scene(t, () => answer);
  const meta = await stage.answerAsMeta({ media: 'none', behaviour: 'noring' });
  const call = await dial(user(1));
  t.equal(call.status, 200);
  await call.bye();
  await stage.running.records(1);
  meta.behaviour = 'noPermission';
  t.match(await dial(user(1)), { status: 403, header: null }, 'the user has taken it back by hand: Meta refuses');
  await stage.running.records(2);
  t.match(await dial(user(1)), { status: 403, header: 'none;can-request=yes' }, 'and is not tried again');
  t.equal(meta.attempts.length + meta.reports.length, 2);
  t.equal(asked.length, 1);
  answer = 'cut';
  const record = (await stage.running.records(3))[2];
  t.match(record, { permission: { status: 'none', from: 'ledger' } });
});

t.test("Meta's limits where it tells them", async (t) => {
  const day = { time_period: 'PT24H', max_allowed: 2, current_usage: 0 };
  let used = 0;
  const until = inAnHour();
  const { stage, asked, dial } = await scene(t, () => permissions('permanent', { call: used < 2, limits: { call: [{ ...day, current_usage: used, ...(used < 2 ? {} : { limit_expiration_time: until }) }] } }));
  await stage.answerAsMeta({ media: 'none', behaviour: 'noring' });
  const call = await dial(user(1));
  t.equal(call.status, 200);
  await call.bye();
  await stage.running.records(1);
  // Another program of the business calls the same user.
  used = 2;
  const second = await dial(user(1));
  t.equal(second.status, 200, 'one was left when Meta was asked');
  await second.bye();
  await stage.running.records(2);
  t.equal((await dial(user(1))).status, 403);
  t.match((await stage.running.records(3))[2]!.termination, { reason: 'limit.pairDaily' });
  t.equal(asked.length, 1, 'the limit that Meta told is kept here');
  const other = await dial(user(2));
  t.equal(other.status, 403, 'a user whose calls are used up already');
  t.match((await stage.running.records(4))[3]!.termination, { reason: 'limit.pairDaily', text: /Meta allows no further call to this user now; the next after 20/ });
});

t.test('a PBX that gives up while Meta is asked: 487, nothing is sent', async (t) => {
  const { stage } = await scene(t, () => ({ ...permissions('permanent') as { body: object }, afterMs: 500 }));
  const meta = await stage.answerAsMeta({ media: 'none', behaviour: 'noring' });
  const call = await stage.peers['pbx']!.call(`sip:${user(1)}@127.0.0.1:${stage.running.udp.port}`, { from: `<sip:${number}@pbx.example>` });
  setTimeout(() => call.cancel(), 100);
  t.equal(await call.final, 487);
  await stage.running.records(1);
  await new Promise((resolve) => setTimeout(resolve, 700));
  t.equal(meta.reports.length + meta.attempts.length, 0);
});
