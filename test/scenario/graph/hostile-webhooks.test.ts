// Bodies that are signed and hostile all the same, or were recorded and come again: to the listener, ledger and state file of the service.
import { createServer } from 'node:http';
import { mkdtemp, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { Voicemails } from '../../../lib/graph/webhook/voicemail.js';
import { Remembered } from '../../../lib/state/index.js';
import { number } from '../../helpers/service.js';
import { openBusiness, type Business } from './permissionRig.js';
import { account, bsuid, callEvent, numberId, permissionReply, raw, secret, send, settings, signature, user, verifyToken } from './webhookSender.js';

async function rig(t: Test, numbers: object = { [number]: { id: numberId, permission: 'request', settings: { status: 'ENABLED' } } }): Promise<{ business: Business; looks: () => number }> {
  const dir = await mkdtemp(join(tmpdir(), 'wab-hostile-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  let looks = 0;
  const graph = createServer((request, response) => {
    if (request.url?.includes('/settings') === true) looks += 1;
    response.writeHead(500).end('{}');
  });
  await new Promise<void>((resolve) => { graph.listen(0, '127.0.0.1', resolve); });
  t.teardown(() => { graph.closeAllConnections(); graph.close(); });
  const business = await openBusiness(dir, {
    graph: { url: `http://127.0.0.1:${(graph.address() as AddressInfo).port}`, token: 'EAAtoken', timeout: 1, appId: '100000000000009', waba: '100000000000002' }, numbers, webhooks: { listen: '127.0.0.1:0', appSecret: secret, verifyToken },
  });
  t.teardown(() => business.close());
  return { business, looks: () => looks };
}

const seconds = (ms = Date.now()): string => String(Math.floor(ms / 1000));
const status = ({ ledger }: Business, who = user): string | null => ledger.standing(number, who)?.status ?? null;

t.test('times of every kind: each is answered 200, and none makes Meta send it again for ever', async (t) => {
  const { business } = await rig(t);
  const { webhooks: address } = business;
  for (const time of ['999999999999999', '1797604800000', '-5', '0', '1e9', 'now', '', '9007199254740993', 253_402_300_800]) {
    t.equal(await send(address, permissionReply(`wamid.t${time}`, 'accept', { expiration_timestamp: time }, String(time))), 200, `timestamp ${time}`);
    t.equal(await send(address, permissionReply(`wamid.e${time}`, 'accept', { expiration_timestamp: time })), 200, `end ${time}`);
    t.equal(await send(address, account({ restriction_info: [{ restriction_type: 'RESTRICTED_BUSINESS_INITIATED_CALLING', expiration: time }] })), 200);
    t.equal(await send(address, callEvent('terminate', `wacid.${time}`, 'USER_INITIATED', { start_time: time, end_time: time, duration: time, timestamp: time })), 200);
  }
  t.equal(await send(address, permissionReply('wamid.next', 'accept', { is_permanent: true }, seconds(Date.UTC(2999, 0)))), 200);
  t.equal(await send(address, permissionReply('wamid.now', 'reject', {}, seconds(Date.now() + 2000))), 200);
  t.equal(status(business), 'none', 'one of the year 2999 does not outdo what comes now');
});

t.test('a body that was recorded and comes again, by whoever has it: once is all that it counts', async (t) => {
  const { business } = await rig(t);
  const { webhooks: address } = business;
  const accept = JSON.stringify(permissionReply('wamid.1', 'accept', { is_permanent: true }, seconds(Date.now() - 5000)));
  t.equal(await send(address, accept), 200);
  t.equal(status(business), 'permanent');
  await send(address, permissionReply('wamid.2', 'reject'));
  // Its id is forgotten some time: nine others have come.
  for (let i = 0; i < 9; i += 1) await send(address, permissionReply(`wamid.r${i}`, 'reject'));
  for (let i = 0; i < 3; i += 1) t.equal(await send(address, accept), 200);
  t.equal(status(business), 'none');
  t.equal(await send(address, permissionReply('wamid.old', 'accept', { is_permanent: true }, seconds(Date.now() - 30 * 86_400_000)).valueOf()), 200);
  t.equal(status(business), 'none');
  const other = JSON.stringify(permissionReply('wamid.kept', 'accept', { is_permanent: true }, seconds(Date.now() - 30 * 86_400_000))).replaceAll(user.slice(1), '447700900177').replaceAll(bsuid, 'GB.77');
  await send(address, other);
  t.equal(status(business, '+447700900177'), null, 'a month old, of a user nobody knows any more: Meta is asked');
});

t.test('a number that is not ours, or is ours by one of its two names only', async (t) => {
  const { business } = await rig(t);
  const { webhooks: address } = business;
  const text = JSON.stringify(permissionReply('wamid.1', 'accept'));
  for (const [from, to] of [[numberId, '100000000000777'], [number.slice(1), '__proto__']] as const) t.equal(await send(address, text.replaceAll(numberId, '100000000000777').replaceAll(from, to)), 200);
  t.equal(status(business), null);
  t.equal(await send(address, text.replaceAll(number.slice(1), '447700900999')), 200);
  t.equal(status(business), 'temporary', 'the id is what counts');
});

t.test('shapes: prototypes, numbers beyond 2^53, escapes, nesting, blanks, a thousand of everything', { timeout: 60_000 }, async (t) => {
  const { business, looks } = await rig(t);
  const { webhooks: address } = business;
  const reply = (id: string): { entry: { changes: object[] }[] } => permissionReply(id, 'accept') as { entry: { changes: object[] }[] };
  for (const body of [
    '{"__proto__":{"entry":[{"changes":[]}]},"constructor":1,"entry":{"length":1e9}}', '{"entry":[{"changes":[{"field":"__proto__","value":{"messages":[{}]}},{"field":"constructor"},{"field":"messages","value":{"metadata":{"phone_number_id":"__proto__"},"messages":[{"id":"__proto__","from":"__proto__"}]}}]}]}',
    `${'['.repeat(2_000_000)}`, `${'['.repeat(1_000_000)}${']'.repeat(1_000_000)}`, `{"entry":${'{"entry":'.repeat(200_000)}1${'}'.repeat(200_001)}`, 'null', '"', '\ufeff{}', '\u0000', '{"entry":[{"changes":[{"field":"messages","value":{"messages":[{"id":"\ud800","from":"\\ud800"}]}}]}]}',
  ]) t.equal(await send(address, body), 200, body.slice(0, 50));
  t.equal(status(business), null);
  // Escaped or not, the same JSON; the signature is of the bytes.
  const escaped = JSON.stringify(reply('wamid.\u00e9')).replace(/accept/, '\\u0061ccept').replace('\u00e9', '\\u00e9');
  t.equal(await send(address, escaped), 200);
  t.equal(status(business), 'temporary');
  t.equal(await send(address, JSON.stringify(permissionReply('wamid.2', 'reject', {}, seconds(Date.now() + 1000))).replaceAll(`"${numberId}"`, '100000000000001').replace(`"${user.slice(1)}"`, user.slice(1))), 200, 'ids as numbers');
  t.equal(status(business), 'none');
  t.equal(await send(address, JSON.stringify(reply('X')).replace('"X"', '9007199254740993').replaceAll(user.slice(1), '447700900120').replaceAll(bsuid, 'GB.20')), 200);
  t.match(business.state.permissions.get(`${number} +447700900120`) ?? '', /"ids":\["9007199254740993"\]/, 'to the last digit');
  const many = Array.from({ length: 1000 }, (_, i) => JSON.parse(JSON.stringify(reply(`wamid.m${i}`)).replaceAll(user.slice(1), `4477011${String(i).padStart(5, '0')}`).replaceAll(bsuid, `GB.1${String(i).padStart(5, '0')}`)) as { entry: { changes: object[] }[] });
  const begun = performance.now();
  t.equal(await send(address, { object: 'whatsapp_business_account', entry: [{ id: '1', changes: many.flatMap(({ entry }) => entry[0]!.changes) }] }), 200);
  t.comment(`a thousand replies in one body: ${Math.round(performance.now() - begun)} ms`);
  t.equal(many.filter((_, i) => status(business, `+4477011${String(i).padStart(5, '0')}`) === 'temporary').length, 1000);
  const settled = looks();
  const updates = Array.from({ length: 1000 }, () => (settings({ status: 'DISABLED', ['x'.repeat(50)]: 1 }) as { entry: { changes: object[] }[] }).entry[0]!.changes[0]!);
  t.equal(await send(address, { entry: [{ changes: updates }] }), 200);
  for (let i = 0; i < 200 && looks() === settled; i += 1) await new Promise((resolve) => setTimeout(resolve, 20));
  await business.settings.idle();
  // Each look is three attempts where Meta has trouble.
  t.ok(looks() > settled && looks() - settled <= 6, `an update is looked at; a thousand at once are ${looks() - settled} questions`);
  for (let i = 0; i < 100; i += 1) await send(address, account({ violation_info: { violation_type: `OF_TOMORROW_${i}`, remediation: 'x'.repeat(100_000) } }));
  const types = (await business.metrics.text()).split('\n').filter((line) => line.startsWith('wab_number_warnings_total{'));
  t.ok(types.length <= 31 && types.some((line) => line.includes('type="other"')), `${types.length} kinds`);
  t.ok(business.log.every((line) => line.length < 20_000), 'no line of the log without end');
  t.equal(business.log.filter((line) => line.startsWith('fault')).length, 0);
});

t.test('two webhooks and two calls in the same moment, again and again: what was said last is what is known', async (t) => {
  const { business } = await rig(t);
  const { webhooks: address, gate, config } = business;
  for (let i = 0; i < 20; i += 1) {
    const at = seconds(Date.now() + i * 1000);
    const kind = i % 2 === 0 ? 'accept' : 'reject';
    const [, , one, two] = await Promise.all([
      send(address, permissionReply(`wamid.${i}`, kind, {}, at)), send(address, permissionReply(`wamid.${i}`, kind, {}, at)), gate.judge(number, config.numbers[number]!, user), gate.judge(number, config.numbers[number]!, user),
    ]);
    t.ok(one.allowed === two.allowed || i === 0);
    t.equal(status(business), kind === 'accept' ? 'temporary' : 'none');
  }
});

t.test('the listener: trailers, SHA-1, slow and half requests, a challenge with a page in it', { timeout: 60_000 }, async (t) => {
  const { business } = await rig(t);
  const { webhooks: address } = business;
  const body = JSON.stringify(permissionReply('wamid.1', 'accept'));
  const post = (lines: string[], sent = body): Promise<string> => raw(address, `POST /meta HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${lines.join('\r\n')}\r\n\r\n${sent}`);
  const length = `Content-Length: ${Buffer.byteLength(body)}`;
  t.match(await post([length, 'X-Hub-Signature: sha1=0123456789012345678901234567890123456789']), /^HTTP\/1\.1 401/);
  const chunked = `${Buffer.byteLength(body).toString(16)}\r\n${body}\r\n0\r\n`;
  t.match(await post(['Transfer-Encoding: chunked', 'Trailer: X-Hub-Signature-256'], `${chunked}X-Hub-Signature-256: ${signature(body)}\r\n\r\n`), /^HTTP\/1\.1 401/, 'a signature behind the body is none');
  t.equal(status(business), null);
  t.match(await post(['Transfer-Encoding: chunked', length, `X-Hub-Signature-256: ${signature(body)}`], `${chunked}\r\n`), /^HTTP\/1\.1 400/, 'two lengths (RFC 9112 §6.1)');
  t.match(await post(['Transfer-Encoding: gzip, chunked', `X-Hub-Signature-256: ${signature(body)}`], `${chunked}\r\n`), /^HTTP\/1\.1 (200|4\d\d|501)/, 'as the bytes are');
  t.match(await post(['Transfer-Encoding: chunked', `X-Hub-Signature-256: ${signature(body)}`, 'Trailer: X-Hub-Signature-256'], `${chunked}X-Hub-Signature-256: sha256=00\r\nX-Other: 5\r\n\r\n`), /^HTTP\/1\.1 200/, 'trailers change nothing');
  t.equal(status(business), 'temporary');
  const challenge = encodeURIComponent('<script>alert(1)</script>\r\nSet-Cookie: a=b');
  const said = await raw(address, `GET /meta?hub.mode=subscribe&hub.verify_token=${verifyToken}&hub.challenge=${challenge} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
  t.match(said, /^HTTP\/1\.1 200 [^]*Content-Type: text\/plain; charset=utf-8[^]*nosniff/);
  t.notMatch(said.split('\r\n\r\n')[0], /Set-Cookie/);
  // A head that drips is closed after five seconds, a body that drips after twenty; meanwhile others are served.
  const [host = '', port = ''] = address.split(':');
  const begun = performance.now();
  const drip = new Promise<number>((resolve) => {
    const socket = connect(Number(port), host, () => socket.write('POST /meta HTTP/1.1\r\nHost: x\r\n'));
    const timer = setInterval(() => socket.write('X: y\r\n'), 200);
    socket.on('error', () => undefined).on('data', () => undefined).on('close', () => {
      clearInterval(timer);
      resolve(performance.now() - begun);
    });
  });
  t.equal(await send(address, body), 200);
  t.ok(await drip < 12_000, 'a slow head is cut off');
});

t.test('a voicemail that cannot be fetched is tried again later, behind the others, and named the same by the next process', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'wab-voicemails-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  const store = new Remembered({ prefix: 'v', capacity: 100, lifetime: 1e9, now: Date.now });
  const said: string[] = [];
  let tries = 0;
  const all = new Voicemails({
    directory: dir, store, stored: () => undefined, pauses: [], later: 50, log: { info: (_, text) => { said.push(text); }, error: (_, text) => { said.push(text); } },
    api: () => ({ media: async (id) => { if (id === 'bad' && (tries += 1) < 3) throw new Error('gone'); return { bytes: Buffer.from(id), mimeType: null }; } }),
  });
  t.teardown(() => all.close());
  for (const mediaId of ['bad', 'good']) await all.take({ number, user, wacid: `wacid.${mediaId}`, mediaId, at: null });
  t.match(store.get('wacid.bad'), /"at":\d{13}/);
  for (let i = 0; i < 250 && store.get('wacid.bad') !== 'kept'; i += 1) await new Promise((resolve) => setTimeout(resolve, 20));
  t.match(said, [/could not be fetched.*half an hour/, 'a user has left a voicemail', /could not be fetched/, 'a user has left a voicemail']);
  t.equal(store.get('wacid.bad'), 'kept');
});
