// Meta's webhooks in whole calls: what they tell reaches the ledger, the record, the log and the disk; what is forwarded goes on as it came.
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { number } from '../../helpers/service.js';
import { openStage, pause, type Stage } from '../harness.js';
import { graphServer, permissions, type Answer, type Asked } from './graphServer.js';
import { ApiClient, apiKeys, tokens } from '../../helpers/apiClient.js';
import { account, callEvent, numberId, permissionReply, secret, send, settings, signature, user, verifyToken, voicemail } from './webhookSender.js';

interface Scene { readonly stage: Stage; readonly asked: Asked[]; readonly address: string; readonly graphUrl: string; dial(to?: string): Promise<{ status: number; bye(): Promise<void> }>; says(text: string | RegExp): Promise<string> }

async function scene(t: Test, answer: (asked: Asked) => Answer, { webhooks = {}, overlay = {} }: { webhooks?: object; overlay?: object } = {}): Promise<Scene> {
  const server = await graphServer(t, answer);
  const stage = await openStage({
    peers: { pbx: { media: 'none', config: { mayCall: [number] } } },
    overlay: {
      meta: { mediaTimeout: 0 }, graph: { url: server.url, token: 'EAAtoken', timeout: 1 }, numbers: { [number]: { id: numberId, permission: 'check' } },
      webhooks: { listen: '127.0.0.1:0', appSecret: secret, verifyToken, ...webhooks }, cdr: { fullNumbers: true }, ...overlay,
    },
  });
  t.teardown(() => stage.close());
  return {
    stage, asked: server.asked, graphUrl: server.url, address: stage.running.service.webhooks ?? '',
    async dial(to = user) {
      const call = await stage.peers['pbx']!.call(`sip:${to}@127.0.0.1:${stage.running.udp.port}`, { from: `<sip:${number}@pbx.example>` });
      return { status: await call.final ?? 0, bye: () => call.bye() };
    },
    async says(text) {
      for (let i = 0; i < 250; i += 1) {
        const line = stage.running.log.find((one) => (typeof text === 'string' ? one.includes(text) : text.test(one)));
        if (line !== undefined) return line;
        await pause(20);
      }
      throw new Error(`the log does not say ${String(text)}`);
    },
  };
}

t.test('a permission that comes by webhook lets the next call go, without a question; a late copy of it does not undo a no', async (t) => {
  const { stage, asked, address, dial, says } = await scene(t, () => permissions('no_permission'));
  const meta = await stage.answerAsMeta({ media: 'none', behaviour: 'noring' });
  const accept = permissionReply('wamid.1', 'accept');
  t.equal(await send(address, accept), 200);
  await says('"msg":"the user may be called"');
  const call = await dial();
  t.equal(call.status, 200);
  await call.bye();
  t.equal(asked.length, 0);
  const reject = permissionReply('wamid.2', 'reject', {}, String(Math.floor(Date.now() / 1000) + 1));
  for (const one of [reject, accept, reject, accept]) t.equal(await send(address, one), 200);
  t.equal((await dial()).status, 403);
  t.equal((await dial('GB.10000000000000000001')).status, 403, 'the same user by another name');
  t.equal(meta.reports.length, 1);
  t.equal(stage.running.log.filter((line) => line.includes('the user may be called')).length, 1, 'told once');
  const records = await stage.running.records(3);
  // The record of a call that Meta had waits for its wacid.
  t.match(records.find(({ durationMs }) => durationMs !== null)?.permission, { status: 'temporary', from: 'ledger' });
  t.match(records[0], { permission: { status: 'none', from: 'ledger' }, termination: { reason: 'permission.none' } });
});

t.test('call_created gives a business-initiated call its wacid, also when it comes behind the end; terminate ends nothing', async (t) => {
  const { stage, address, dial, says } = await scene(t, () => permissions('permanent'));
  await stage.answerAsMeta({ media: 'none', behaviour: 'noring' });
  const first = await dial();
  await send(address, callEvent('terminate', 'wacid.A', 'BUSINESS_INITIATED', { errors: [] }));
  await send(address, callEvent('call_created', 'wacid.A', 'BUSINESS_INITIATED'));
  await pause(200);
  t.equal(stage.running.service.table.size, 1, 'the call goes on');
  await first.bye();
  t.equal((await stage.running.records(1))[0]!.wacid, 'wacid.A');

  const second = await dial();
  await second.bye();
  await pause(300);
  await send(address, callEvent('call_created', 'wacid.A', 'BUSINESS_INITIATED'));
  // A sample of Meta's has the sides exchanged.
  await send(address, callEvent('call_created', 'wacid.B', 'BUSINESS_INITIATED', { from: user.slice(1), to: number.slice(1) }));
  t.equal((await stage.running.records(2))[1]!.wacid, 'wacid.B', 'its record has waited');

  const third = await dial();
  const begun = performance.now();
  await third.bye();
  t.equal((await stage.running.records(3))[2]!.wacid, null, 'and does not wait for ever');
  t.ok(performance.now() - begun > 1500, 'two seconds');
  await send(address, callEvent('call_created', 'wacid.C', 'BUSINESS_INITIATED'));
  await says(/"wacid":"wacid\.C".*came when its record was written/);

  await (await dial()).bye();
  await stage.close();
  t.equal((await readFile(join(stage.running.dir, 'cdr.jsonl'), 'utf8').catch(() => 'x\n'.repeat(4))).split('\n').length - 1, 4, 'a service that ends writes what waits');
});

t.test('missed calls, errors, settings and quality are told and counted; a restriction stops requests', async (t) => {
  const { stage, address, says, dial } = await scene(t, () => permissions('no_permission'), { overlay: { numbers: { [number]: { id: numberId, permission: 'request' } }, api: apiKeys } });
  await stage.answerAsMeta({ media: 'none', behaviour: 'noring' });
  const events = await new ApiClient(stage.running.service.api, tokens.all).events('?types=call.missed,number.changed');
  t.teardown(() => events.close());
  for (let i = 0; i < 2; i += 1) await send(address, callEvent('terminate', 'wacid.M', 'USER_INITIATED'));
  await says(/never came here by SIP/);
  await send(address, callEvent('terminate', 'wacid.N', 'USER_INITIATED', { start_time: '1797000005', end_time: '1797000125', duration: 120 }));
  await send(address, { ...callEvent('terminate', 'wacid.E', 'BUSINESS_INITIATED'), entry: [{ id: '1', changes: [{ field: 'calls', value: { ...(callEvent('terminate', 'wacid.E', 'BUSINESS_INITIATED') as { entry: { changes: { value: object }[] }[] }).entry[0]!.changes[0]!.value, errors: [{ code: 138021, message: 'Media receive timeout' }] } }] }] });
  await says(/"code":138021,"metaSaid":"Media receive timeout"/);
  await send(address, settings({ status: 'DISABLED' }));
  await says(/"changed":\["status"\]/);
  for (const list of [false, true]) await send(address, account({ event: 'ACCOUNT_VIOLATION', violation_info: { violation_type: 'USER_INITIATED_CALLS_LOW_PICKUP_RATE', remediation: 'answer more' } }, list));
  await says(/"type":"USER_INITIATED_CALLS_LOW_PICKUP_RATE","remediation":"answer more"/);
  await send(address, account({ event: 'ACCOUNT_RESTRICTION', restriction_info: [{ restriction_type: 'RESTRICTED_BUSINESS_INITIATED_CALLING', expiration: Math.floor(Date.now() / 1000) + 3600 }] }));
  await says('Meta restricts calls of this number');
  t.equal((await dial()).status, 403, 'nobody is asked');
  const metrics = await (await fetch(`http://${stage.running.service.http}/metrics`)).text();
  t.match(metrics, /wab_missed_calls_total\{number="\+447700900001",reached="false"\} 1\n/);
  t.match(metrics, /wab_number_warnings_total\{number="\+447700900001",type="USER_INITIATED_CALLS_LOW_PICKUP_RATE"\} 2\n/);
  t.match(metrics, /wab_webhooks_total\{outcome="taken"\} 8\n/);
  await events.when(({ type, data }) => type === 'number.changed' && data.restricts === true);
  t.match(events.told.filter(({ type }) => type === 'call.missed').map(({ data }) => data), [{ number, user, wacid: 'wacid.M', reached: false }], 'once, though told twice');
});

t.test('a voicemail is fetched and stored once, the sound before what is said of it', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'wab-voicemail-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  const sound = Buffer.from('OggS a message');
  let url = '';
  let tries = 0;
  const { stage, asked, address, says, graphUrl } = await scene(t, ({ path }) => {
    if (path === '/sound') return { body: sound.toString() };
    tries += 1;
    return tries === 1 ? { status: 500, body: {} } : { body: { url: `${url}/sound`, mime_type: 'audio/ogg; codecs=opus', sha256: createHash('sha256').update(sound).digest('hex'), id: '900000000000004' } };
  }, { webhooks: { voicemail: dir }, overlay: { api: apiKeys } });
  url = graphUrl;
  const events = await new ApiClient(stage.running.service.api, tokens.all).events('?types=voicemail.*');
  t.teardown(() => events.close());
  for (let i = 0; i < 3; i += 1) t.equal(await send(address, voicemail('wacid.V/+==', '900000000000004')), 200);
  await says('a user has left a voicemail');
  await pause(100);
  const files = (await readdir(dir)).sort();
  t.match(files, [/^20\d{6}T\d{6}Z-[0-9a-f]{16}\.json$/, /^20\d{6}T\d{6}Z-[0-9a-f]{16}\.ogg$/]);
  t.same(await readFile(join(dir, files[1]!)), sound);
  t.equal((await stat(join(dir, files[1]!))).mode & 0o777, 0o600);
  t.match(JSON.parse(await readFile(join(dir, files[0]!), 'utf8')), { number, user, wacid: 'wacid.V/+==', mimeType: 'audio/ogg; codecs=opus', file: files[1] });
  t.equal(asked.filter(({ path }) => path === '/sound').length, 1);
  t.match((await events.when(() => true)).data, { number, user, wacid: 'wacid.V/+==', file: join(dir, files[1]!) });
  t.equal(events.told.length, 1);
});

t.test('forwarded unchanged with the signature; a URL that is dead costs nobody anything', async (t) => {
  const got: { body: string; signature: unknown; type: unknown }[] = [];
  let status = 503;
  const crm = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      got.push({ body: Buffer.concat(chunks).toString(), signature: request.headers['x-hub-signature-256'], type: request.headers['content-type'] });
      response.writeHead(status).end();
      status = 204;
    });
  });
  await new Promise<void>((resolve) => crm.listen(0, '127.0.0.1', resolve));
  t.teardown(() => crm.close());
  const { address, says } = await scene(t, () => 'silent', { webhooks: { forward: [`http://127.0.0.1:${(crm.address() as AddressInfo).port}/in`, 'http://127.0.0.1:9/nobody'] } });
  const body = '{ "object":"whatsapp_business_account",\n "entry" : [] , "new field":"\u00e9\\u00e9" }';
  const begun = performance.now();
  t.equal(await send(address, body), 200);
  t.ok(performance.now() - begun < 1000, 'Meta does not wait for it');
  await says('webhooks cannot be forwarded');
  for (let i = 0; i < 200 && got.length < 2; i += 1) await pause(20);
  t.same(got, Array.from({ length: 2 }, () => ({ body, signature: signature(body), type: 'application/json' })), 'twice, as the first was refused');
  t.equal(await send(address, body, { key: 'another' }), 401);
  await pause(300);
  t.equal(got.length, 2, 'what is not signed is not forwarded');
});

t.test('a call that a stop ends has its record in the sinks too, though Meta has not told its id', async (t) => {
  const got: string[] = [];
  const receiver = createServer((request, response) => {
    let body = '';
    request.on('data', (data: Buffer) => { body += data.toString('utf8'); });
    request.on('end', () => {
      got.push(...body.trim().split('\n'));
      response.writeHead(204).end();
    });
  });
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  t.teardown(() => { receiver.close(); receiver.closeAllConnections(); });
  const { stage, dial } = await scene(t, () => permissions('permanent'), { overlay: { cdr: { sinks: [{ http: `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/` }] } } });
  await stage.answerAsMeta({ media: 'none', behaviour: 'noring' });
  t.equal((await dial()).status, 200);
  await stage.running.service.close();
  t.match(got.map((line) => JSON.parse(line) as object), [{ direction: 'business-initiated', wacid: null, termination: { by: 'us', reason: 'drained' } }]);
});
