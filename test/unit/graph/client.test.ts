// The Graph client on Meta's own samples and against a server that does what servers do: slow, broken, wrong, and not there.
import { createServer, type IncomingMessage, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import t, { type Test } from 'tap';
import { GraphClient } from '../../../lib/graph/client.js';
import { codeTable } from '../../../lib/graph/codes.js';
import { GraphError } from '../../../lib/graph/error.js';
import { parseJson, whole } from '../../../lib/graph/json.js';
import { actionOf, isPermitted } from '../../../lib/graph/permissions.js';
import { isErrorNumber, refuse } from '../../../lib/simulator/graph/answers.js';
import { freePort } from '../../helpers/ports.js';
import { fixture, fixtureNames } from './fixtures.js';

const token = 'EAAsecretTokenOfTheTests';
const number = '100000000000001';

async function serve(t: Test, listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  t.teardown(() => { server.closeAllConnections(); server.close(); });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function clientAt(url: string, timeout = 2000): GraphClient {
  return new GraphClient({ url, version: 'v25.0', token, timeout });
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let body = '';
  for await (const part of request) body += String(part);
  return body;
}

interface Answer { readonly status?: number; readonly body: unknown; readonly headers?: Record<string, string> }

interface Asked { readonly line: string; readonly body: unknown; readonly authorization: string }

/** A client whose server answers with these, one after the other, and what it was asked. */
async function answering(t: Test, ...answers: Answer[]): Promise<{ client: GraphClient; asked: Asked[]; url: string }> {
  const asked: Asked[] = [];
  const url = await serve(t, (request, response) => {
    void bodyOf(request).then((body) => {
      asked.push({ line: `${request.method} ${request.url}`, body: body === '' ? null : JSON.parse(body) as unknown, authorization: request.headers.authorization ?? '' });
      const answer = answers[Math.min(asked.length, answers.length) - 1] ?? { body: {} };
      response.writeHead(answer.status ?? 200, { 'content-type': 'application/json', ...answer.headers }).end(typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body));
    });
  });
  return { client: clientAt(url), asked, url };
}

async function failure(work: Promise<unknown>): Promise<GraphError> {
  const error = await work.then(() => null, (reason: unknown) => reason);
  if (!(error instanceof GraphError)) throw new Error(`not refused by a GraphError: ${String(error)}`);
  return error;
}

t.test('each fixture says where it is from and how sure it is', (t) => {
  t.ok(fixtureNames.length >= 15);
  for (const name of fixtureNames) {
    t.match(fixture(name).origin, /^https:/, name);
    t.match(fixture(name).confidence, /^[HML]$/, name);
  }
  t.end();
});

t.test("settings as Meta's page shows them, and what is sent to change them", async (t) => {
  const { client, asked } = await answering(t, { body: fixture('settings').response }, { body: { success: true } });
  t.same(await client.settings(number), {
    status: 'ENABLED', icon: 'DEFAULT', countries: [], callback: 'ENABLED', sip: 'ENABLED', webhookDelivery: null, srtp: 'SDES', codecs: ['PCMA', 'PCMU'], voicemail: { status: 'ENABLED', triggers: ['REJECT'], announcement: '900000000000001', timeout: 20 },
    hours: { status: 'ENABLED', timezone: 'Europe/London', week: { MONDAY: ['0900-1730'] }, holidays: { '2026-12-25': ['0000-2359'] } },
    servers: [{ appId: '100000000000009', hostname: 'sbc.example.net', port: 5061, userParams: {} }],
    restrictions: [{ type: 'RESTRICTED_BUSINESS_INITIATED_CALLING', reason: 'Business initiated calling capability has been temporarily disabled for this phone number due to high negative feedback from users.', until: 1797072386000 }],
  });
  const change = fixture('settings-change').request as { calling: Record<string, unknown> };
  await client.changeSettings(number, change.calling);
  t.same(asked, [
    { line: `GET /v25.0/${number}/settings`, body: null, authorization: `Bearer ${token}` },
    { line: `POST /v25.0/${number}/settings`, body: change, authorization: `Bearer ${token}` },
  ]);
});

t.test('settings in the other spellings, of two apps, and of a number that never had calling', async (t) => {
  const { client } = await answering(t, { body: fixture('settings-other-spellings').response }, { body: fixture('settings-never-set').response }, { body: [] });
  const other = await client.settings(number);
  t.same(other.hours, { status: 'ENABLED', timezone: 'Europe/London', week: { TUESDAY: ['0400-1230'] }, holidays: { '2026-12-25': ['0000-2359'] } });
  t.same(other.servers.map(({ appId, port }) => [appId, port]), [['100000000000008', 5061], ['100000000000009', 5061]]);
  t.same(other.restrictions, [{ type: 'RESTRICTED_USER_INITIATED_CALLING', reason: 'low pick-up rate', until: 1797072386000 }]);
  const never = await client.settings(number);
  t.same([never.status, never.hours, never.sip, never.servers, never.srtp, never.codecs], [null, null, null, [], null, []]);
  t.equal((await failure(client.settings(number))).fault, 'nonsense');
});

t.test('the SIP password is that of our app', async (t) => {
  const two = { calling: { sip: { servers: [{ app_id: 1, sip_user_password: 'theirs' }, { app_id: '2', sip_user_password: 'ours' }] } } };
  const { client, asked } = await answering(t, { body: fixture('settings').response }, { body: two });
  t.equal(await client.sipPassword(number, '100000000000009'), 'only-with-include_sip_credentials');
  t.equal(await client.sipPassword(number, '2'), 'ours');
  t.equal(await client.sipPassword(number, '3'), null);
  t.equal(await client.sipPassword(number, null), null, 'which of two is ours nobody knows');
  t.equal(asked[0]?.line, `GET /v25.0/${number}/settings?include_sip_credentials=true`);
});

t.test('call permissions by number and by BSUID', async (t) => {
  const { client, asked } = await answering(t, { body: fixture('permissions').response }, { body: fixture('permissions-other-spellings').response }, { body: { permission: { status: 'permanent' } } }, { body: { messaging_product: 'whatsapp' } });
  const first = await client.callPermissions(number, '+447700900101');
  t.same(first, {
    status: 'temporary', expiresAt: 1797343479000, actions: [
      { name: 'send_call_permission_request', can: true, limits: [{ period: 'PT24H', allowed: 1, used: 0, until: null }, { period: 'P7D', allowed: 2, used: 1, until: null }] },
      { name: 'start_call', can: false, limits: [{ period: 'PT24H', allowed: 100, used: 100, until: 1797622600000 }] },
    ],
  });
  t.ok(isPermitted(first, 1797343478999));
  t.notOk(isPermitted(first, 1797343479000), 'it has run out');
  t.equal(actionOf(first, 'start_call')?.can, false);
  const second = await client.callPermissions(number, 'GB.10000000000000000001');
  t.same([second.status, second.expiresAt, second.actions[0]?.name, actionOf(second, 'start_call')], ['temporary', 1797343479000, 'send_video', null]);
  t.ok(isPermitted(await client.callPermissions(number, '+447700900102'), Number.MAX_SAFE_INTEGER), 'permanent');
  t.notOk(isPermitted({ status: 'pending', expiresAt: null, actions: [] }, 0), 'a word that is not known is no permission');
  t.equal((await failure(client.callPermissions(number, '+447700900102'))).fault, 'nonsense');
  t.same(asked.slice(0, 2).map(({ line }) => line), [`GET /v25.0/${number}/call_permissions?user_wa_id=447700900101`, `GET /v25.0/${number}/call_permissions?recipient=GB.10000000000000000001`]);
});

t.test('a user is asked in free form and by template', async (t) => {
  const { client, asked } = await answering(t, { body: fixture('request-free-form').response }, { body: fixture('request-template').response });
  t.same(await client.requestPermission(number, '+447700900101', { text: 'May we call you about order 12853?' }), { id: 'wamid.SAMPLE1', waId: '447700900101', userId: 'GB.10000000000000000001', parentUserId: 'GB.ENT.10000000000000000002' });
  t.same(await client.requestPermission(number, '+447700900101', { template: 'call_permission_en', language: 'en', parameters: ['12345', 'lamps'] }), { id: 'wamid.SAMPLE3', waId: '447700900101', userId: null, parentUserId: null });
  await client.requestPermission(number, 'GB.10000000000000000001', { text: null });
  t.same(asked.slice(0, 2).map(({ body }) => body), [fixture('request-free-form').request, fixture('request-template').request]);
  t.same(asked[2]?.body, { messaging_product: 'whatsapp', recipient_type: 'individual', recipient: 'GB.10000000000000000001', type: 'interactive', interactive: { type: 'call_permission_request', action: { name: 'call_permission_request' } } });
});

t.test('health, messaging limit by both names, subscriptions', async (t) => {
  const { client, asked } = await answering(
    t, { body: fixture('health').response }, { body: fixture('messaging-limit').response }, { status: 400, body: { error: { code: 100, message: 'no such field' } } }, { body: { messaging_limit_tier: 'TIER_UNLIMITED' } },
    { body: fixture('subscribed-apps').response }, { body: { success: true } }, { body: { success: false } },
  );
  const health = await client.health(number);
  t.same(health.map(({ type, messages, sip }) => [type, messages, sip]), [['PHONE_NUMBER', 'AVAILABLE', 'BLOCKED'], ['WABA', 'AVAILABLE', null], ['BUSINESS', 'AVAILABLE', null], ['APP', 'AVAILABLE', 'AVAILABLE']]);
  t.same(health[0]?.errors, [{ code: 138024, text: 'The phone number cannot use SIP', todo: 'Configure a SIP server' }]);
  t.same(await client.messagingLimit(number), { tier: 'TIER_2K', conversations: 2000 });
  t.same(await client.messagingLimit(number), { tier: 'TIER_UNLIMITED', conversations: Infinity });
  t.same(await client.subscribedApps('100000000000002'), ['100000000000009']);
  await client.subscribe('100000000000002');
  t.equal((await failure(client.subscribe('100000000000002'))).metaCode, null, 'success: false is a failure, with HTTP 200 too');
  t.equal(asked[3]?.line, `GET /v25.0/${number}?fields=messaging_limit_tier`);
});

t.test('every code of the table: what it means, what to do, and whether Meta has said no', async (t) => {
  const silent = { token: true, permission: true, rate: true, temporary: true, refused: false, unreachable: true, late: true, nonsense: true };
  for (const [code, row] of Object.entries(codeTable)) {
    t.ok(row.meaning.length > 10 && row.todo.length > 3, code);
    const { client } = await answering(t, { status: 400, body: { error: { ...fixture('error').response?.['error'] as object, code: Number(code) } } });
    const error = await failure(client.requestPermission(number, '+447700900101', { text: null }));
    t.match(error, { metaCode: Number(code), fault: row.fault, todo: row.todo, trace: 'Axxxxxxxxxxxxxxx', subcode: 2388001 }, code);
    t.equal(error.isSilence, silent[row.fault], code);
    t.ok(error.message.includes(`error ${code}`) && error.message.includes('The recipient has not approved calls'), code);
  }
  const unknown = async (status: number, code: number): Promise<string> => (await failure((await answering(t, { status, body: { error: { code, message: 'x' } } })).client.changeSettings(number, {}))).fault;
  t.same([await unknown(403, 299), await unknown(400, 7), await unknown(401, 7)], ['permission', 'refused', 'token'], 'what a code that nobody knows means is told by its status');
});

t.test("each code with the HTTP status of Meta's page: the code says what it means, the stand-in gives it so", async (t) => {
  const statuses: Readonly<Record<number, readonly number[]>> = {
    400: [100, 131009, 131030, 131055, 138001, 138003, 138009, 138012, 138013, 138014, 138015, 138017, 138018], 401: [138000, 138006, 190], 403: [10, 200], 429: [613, 138002, 138005, 4, 80007], 500: [138004, 138007, 1, 2],
  };
  for (const [status, codes] of Object.entries(statuses)) {
    for (const code of codes) {
      const row = codeTable[code];
      t.ok(row !== undefined, `${code} has its row`);
      const { client } = await answering(t, { status: Number(status), body: { error: { message: `(#${code})`, type: 'OAuthException', code, fbtrace_id: 'A' } } });
      t.match(await failure(client.requestPermission(number, '+447700900101', { text: null })), { metaCode: code, httpStatus: Number(status), fault: row?.fault }, `${code} with ${status}`);
      if (isErrorNumber(code)) t.equal(refuse(code).status, Number(status), `the stand-in's ${code}`);
    }
  }
  for (const code of [131026, 131044, 138019, 138020, 138021, 138022, 138023, 138024, 138025]) t.ok(codeTable[code] !== undefined, `${code}, which comes in webhooks or in the health, has its row`);
});

t.test('what may be asked twice is, and no message ever is', async (t) => {
  const busy = { status: 503, body: { error: { code: 2, message: 'busy', is_transient: true } } };
  const settings = await answering(t, busy, { body: { success: true } });
  await settings.client.changeSettings(number, {});
  t.equal(settings.asked.length, 2);
  const never = await answering(t, busy);
  t.equal((await failure(never.client.settings(number))).fault, 'temporary');
  t.equal(never.asked.length, 3, 'three attempts at most');
  const message = await answering(t, busy, { body: fixture('request-free-form').response });
  t.equal((await failure(message.client.requestPermission(number, '+447700900101', { text: null }))).fault, 'temporary');
  t.equal(message.asked.length, 1);
  const no = await answering(t, { status: 400, body: { error: { code: 100 } } });
  await failure(no.client.changeSettings(number, {}));
  t.equal(no.asked.length, 1, 'what is refused is refused again');
});

t.test('a connection that breaks before its answer: a question is asked again, a message is not', async (t) => {
  let requests = 0;
  const url = await serve(t, (request, response) => {
    requests++;
    if (requests % 2 === 1) request.socket.destroy();
    else response.end(JSON.stringify({ permission: { status: 'permanent' } }));
  });
  t.equal((await clientAt(url).callPermissions(number, '+447700900101')).status, 'permanent');
  t.equal(requests, 2);
  t.equal((await failure(clientAt(url).requestPermission(number, '+447700900101', { text: null }))).fault, 'late', 'it may have been sent');
  t.equal(requests, 3);
});

t.test('a question before a call is bounded, whatever the server does', async (t) => {
  const url = await serve(t, () => undefined);
  const from = performance.now();
  const error = await failure(clientAt(url, 300).callPermissions(number, '+447700900101'));
  const took = performance.now() - from;
  t.equal(error.fault, 'late');
  t.ok(took >= 290 && took < 1500, `${Math.round(took)} ms`);
  const half = await serve(t, (_, response) => { response.writeHead(200, { 'content-length': '100' }).write('{"permission"'); });
  t.equal((await failure(clientAt(half, 300).callPermissions(number, '+447700900101'))).fault, 'late', 'half an answer');
  t.equal((await failure(clientAt(`http://127.0.0.1:${await freePort()}`, 500).requestPermission(number, '+447700900101', { text: null }))).fault, 'unreachable', 'nobody listens: nothing was sent');
});

t.test('what is no answer of the Graph API', async (t) => {
  const fault = async (answer: Answer): Promise<string> => (await failure((await answering(t, answer)).client.changeSettings(number, {}))).fault;
  t.equal(await fault({ body: '<html>log in</html>' }), 'nonsense');
  t.equal(await fault({ status: 502, body: '<html>bad gateway</html>' }), 'temporary');
  t.equal(await fault({ body: '{"calling":{"sip":{"servers":[{"sip_user_password":"half' }), 'nonsense');
  t.equal(await fault({ body: 'x'.repeat(2_100_000) }), 'nonsense');
  t.equal(await fault({ status: 302, body: '', headers: { location: 'https://example.net/' } }), 'nonsense', 'the token goes nowhere else');
});

t.test('after "too often" the same is not asked before its time', async (t) => {
  const { client, asked } = await answering(t, { status: 429, body: { error: { code: 613 } }, headers: { 'retry-after': '60' } }, { body: fixture('permissions').response });
  t.match(await failure(client.callPermissions(number, '+447700900101')), { fault: 'rate', metaCode: 613, retryAfter: 60_000 });
  t.equal((await failure(client.callPermissions(number, '+447700900102'))).fault, 'rate');
  t.equal(asked.length, 1);
  await client.health(number);
  t.equal(asked.length, 2, 'other things are');
  const app = await answering(t, { status: 429, body: { error: { code: 80007 } }, headers: { 'x-business-use-case-usage': '{"1":[{"estimated_time_to_regain_access":5}]}' } });
  t.match(await failure(app.client.callPermissions(number, '+447700900101')), { retryAfter: 300_000 });
  await failure(app.client.requestPermission(number, '+447700900101', { text: null }));
  t.equal(app.asked.length, 1, 'a limit of the whole account holds for everything');
});

t.test('call permissions: a hundred in a second, and not one more', async (t) => {
  let now = 0;
  const { url, asked } = await answering(t, { body: fixture('permissions').response });
  const client = new GraphClient({ url, version: 'v25.0', token, timeout: 5000, now: () => now });
  await Promise.all(Array.from({ length: 100 }, () => client.callPermissions(number, '+447700900101')));
  t.equal((await failure(client.callPermissions(number, '+447700900101'))).fault, 'rate');
  t.equal(asked.length, 100);
  now = 1001;
  await client.callPermissions(number, '+447700900101');
  t.equal(asked.length, 101);
});

t.test('tokens, passwords and the user are in no error, however Meta words it', async (t) => {
  const message = `Malformed access token ${token} or EAAGanotherOne12345 of 447700900101, access_token=abc "sip_user_password":"pw" \u001b[31m`;
  const { client } = await answering(t, { status: 401, body: { error: { code: 190, message, error_data: { details: message } } } });
  for (const work of [client.callPermissions(number, '+447700900101'), client.requestPermission(number, '+447700900101', { text: null })]) {
    const error = await failure(work);
    const shown = `${error.message} ${error.stack} ${JSON.stringify(error)} ${JSON.stringify(client)} ${String(error.cause)}`;
    t.match(error, { fault: 'token', code: 'GRAPH_REFUSED' });
    for (const secret of [token, 'anotherOne', '447700900101', '=abc', '"pw"', '\u001b']) t.notOk(shown.includes(secret), secret);
  }
});

t.test('media: the digest is verified, and the token goes to Meta alone', async (t) => {
  const hello = Buffer.from('hello');
  const hex = '2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824';
  let digest = hex;
  let place = '';
  const tokens: string[] = [];
  const url = await serve(t, (request, response) => {
    if (request.url?.startsWith('/v25.0/') === true) return void response.end(JSON.stringify({ url: place, mime_type: 'audio/ogg; codecs=opus', sha256: digest, id: 9 }));
    tokens.push(request.headers.authorization ?? '');
    response.end(hello);
  });
  const client = clientAt(url);
  place = `${url}/file`;
  t.same(await client.media('9'), { bytes: hello, mimeType: 'audio/ogg; codecs=opus' });
  digest = Buffer.from(hex, 'hex').toString('base64');
  await client.media('9');
  digest = hex.replace('2', '3');
  t.equal((await failure(client.media('9'))).fault, 'nonsense');
  t.same(new Set(tokens), new Set([`Bearer ${token}`]));
  for (const elsewhere of ['https://example.net/x', 'https://fbsbx.com.example.net/x', 'http://10.0.0.1/x', 'file:///etc/passwd', 'no url', 'https://lookaside.fbsbx.com@example.net/']) {
    place = elsewhere;
    t.match((await failure(client.media('9'))).message, /none of Meta's/, elsewhere);
  }
});

t.test('ids keep all their digits', (t) => {
  t.same(parseJson('{"a":12345678901234567,"b":-1234567890123456,"c":1.12345678901234567,"d":"x 12345678901234567","e":100000000000009,"f":[1234567890123456]}'),
    { a: '12345678901234567', b: '-1234567890123456', c: 1.12345678901234567, d: 'x 12345678901234567', e: 100000000000009, f: ['1234567890123456'] });
  t.throws(() => parseJson('{"a":"secret'), { message: 'no JSON' });
  t.same([whole('0012'), whole('12x'), whole(1.5), whole(null), whole('-3')], [12, null, null, null, -3]);
  t.end();
});
