// The stand-in's ledger of permissions, with Meta's clock moved on, and the webhooks that tell of it.
import { createHmac } from 'node:crypto';
import t, { type Test } from 'tap';
import { actionOf, isPermitted, type CallPermissions } from '../../../lib/graph/permissions.js';
import { REFUSALS } from '../../../lib/simulator/index.js';
import { calling, failure, id, number, otherApp, receiver, shapeOf, stage, user, type Received, type Stage } from './rig.js';
import { fixture } from './fixtures.js';

const hour = 3_600_000;
const ask = { text: 'May we call you?' };

interface Set extends Stage { readonly received: Received[]; readonly url: string }

async function set(t: Test, options: Parameters<typeof stage>[1] = {}, answer?: (n: number) => number): Promise<Set> {
  const { url, received } = await receiver(t, answer);
  const all = await stage(t, { webhooks: { url, secret: 'app secret' }, numbers: [{ number, id, calling, servers: { [otherApp]: { hostname: 'sbc.example.net', port: 5061 } } }], templates: ['call_permission_en en'], ...options });
  return { ...all, url, received };
}

/** Limits of an action as "1/2". */
function limits(permissions: CallPermissions, name: 'start_call' | 'send_call_permission_request'): string[] {
  return (actionOf(permissions, name)?.limits ?? []).map(({ period, used, allowed }) => `${period} ${used}/${allowed}`);
}

/** The permission replies among webhooks. */
function replies(received: readonly Received[]): { message: Record<string, unknown>; reply: Record<string, unknown> }[] {
  return received.flatMap(({ body }) => (JSON.parse(body) as { entry: { changes: { value: { messages?: Record<string, unknown>[] } }[] }[] }).entry)
    .flatMap(({ changes }) => changes).flatMap(({ value }) => value.messages ?? []).map((message) => ({ message, reply: (message['interactive'] as { call_permission_reply: Record<string, unknown> }).call_permission_reply }));
}

t.test('nobody is permitted until the user says so; the answer has the layout of the page', async (t) => {
  const { client, graph, ask: raw } = await set(t);
  t.match(await client.callPermissions(id, user), { status: 'no_permission', expiresAt: null });
  t.match(await client.callPermissions(id, '+447700900199'), { status: 'no_permission' }, 'nor is a user who is none an error');
  graph.answer(number, user, 'accept', true);
  const { body } = await raw('GET', `${id}/call_permissions?user_wa_id=447700900101`);
  const sample = structuredClone(fixture('permissions').response) as { actions: { limits: Record<string, unknown>[] }[] };
  for (const { limits: all } of sample.actions) for (const one of all) delete one['limit_expiration_time'];
  t.same(shapeOf(body), shapeOf(sample));
  t.match(await client.callPermissions(id, graph.pair(number, user).user.userId), { status: 'temporary' }, 'the same user by BSUID');
});

t.test('a permission of seven days ends after 168 hours, one for good does not', async (t) => {
  const { client, graph } = await set(t);
  graph.answer(number, user, 'accept', true);
  const given = await client.callPermissions(id, user);
  t.ok(isPermitted(given, graph.world.clock.now()));
  t.ok(Math.abs((given.expiresAt ?? 0) - graph.world.clock.now() - 168 * hour) < 2000);
  graph.world.clock.advance(168 * hour - 2000);
  t.equal((await client.callPermissions(id, user)).status, 'temporary');
  graph.world.clock.advance(3000);
  t.equal((await client.callPermissions(id, user)).status, 'no_permission');
  graph.answer(number, user, 'permanent', true);
  graph.world.clock.advance(1000 * 24 * hour);
  t.match(await client.callPermissions(id, user), { status: 'permanent', expiresAt: null });
  t.match(await failure(client.requestPermission(id, user, ask)), { metaCode: 138017 }, 'and is not asked for');
});

t.test('one request in 24 hours, two in 7 days, both set back by a connected call', async (t) => {
  const { client, graph } = await set(t);
  await client.requestPermission(id, user, ask);
  t.match(await failure(client.requestPermission(id, user, ask)), { metaCode: 138009, httpStatus: 400, fault: 'refused' });
  let told = await client.callPermissions(id, user);
  t.same([actionOf(told, 'send_call_permission_request')?.can, limits(told, 'send_call_permission_request')], [false, ['PT24H 1/1', 'P7D 1/2']]);
  t.ok((actionOf(told, 'send_call_permission_request')?.limits[0]?.until ?? 0) > graph.world.clock.now());
  t.equal(actionOf(told, 'send_call_permission_request')?.limits[1]?.until, null, 'only of a limit that is reached');
  await client.requestPermission(id, '+447700900102', ask);
  graph.world.clock.advance(24 * hour + 1000);
  await client.requestPermission(id, user, { template: 'call_permission_en', language: 'en' });
  graph.world.clock.advance(25 * hour);
  t.match(await failure(client.requestPermission(id, user, ask)), { metaCode: 138009 }, 'the third in a week');
  await graph.calls.ended({ id: 'wacid.1', number, user, direction: 'USER_INITIATED' }, { status: 200, connectedMs: 1000 });
  told = await client.callPermissions(id, user);
  t.same(limits(told, 'send_call_permission_request'), ['PT24H 0/1', 'P7D 0/2']);
  await client.requestPermission(id, user, ask);
  graph.world.clock.advance(168 * hour);
  t.same(limits(await client.callPermissions(id, user), 'send_call_permission_request'), ['PT24H 0/1', 'P7D 0/2']);
});

t.test('a sandbox number has other limits', async (t) => {
  const { client, graph } = await set(t, { numbers: [{ number, id, calling, environment: 'sandbox' }] });
  for (let i = 0; i < 25; i++) await client.requestPermission(id, user, ask);
  t.match(await failure(client.requestPermission(id, user, ask)), { metaCode: 138009 });
  graph.answer(number, user, 'accept');
  for (let i = 0; i < 9; i++) await graph.calls.ended({ id: `wacid.${i}`, number, user, direction: 'BUSINESS_INITIATED' }, { status: 480, connectedMs: null });
  t.equal((await client.callPermissions(id, user)).status, 'temporary');
  await graph.calls.ended({ id: 'wacid.9', number, user, direction: 'BUSINESS_INITIATED' }, { status: 486, connectedMs: null });
  t.equal((await client.callPermissions(id, user)).status, 'no_permission', 'the tenth');
});

t.test('what a request is refused for', async (t) => {
  const { client, graph, code } = await set(t);
  const body = fixture('request-free-form').request as { interactive: object };
  t.equal(await code('POST', `${id}/messages`, { ...body, interactive: { ...body.interactive, header: { type: 'text', text: 'x' } } }), 131009);
  t.equal(await code('POST', `${id}/messages`, { ...body, interactive: { ...body.interactive, footer: { text: 'x' } } }), 131009);
  t.equal(await code('POST', `${id}/messages`, { ...body, to: undefined }), 100);
  graph.world.outsideWindow.add('447700900101');
  t.match(await failure(client.requestPermission(id, user, ask)), { metaCode: 131047 });
  await client.requestPermission(id, user, { template: 'call_permission_en', language: 'en' });
  t.match(await failure(client.requestPermission(id, '+447700900102', { template: 'unknown', language: 'en' })), { metaCode: 132001 });
  const template = { name: 'another', language: 'de', category: 'UTILITY', components: [{ type: 'BODY', text: 'x' }, { type: 'call_permission_request' }] };
  t.equal(await code('POST', '100000000000002/message_templates', template), 0);
  t.equal(await code('POST', '100000000000002/message_templates', { ...template, category: 'OTHER' }), 100);
  await client.requestPermission(id, '+447700900102', { template: 'another', language: 'de' });
  graph.world.numbers[0]!.restrictions = [{ type: 'RESTRICTED_BUSINESS_INITIATED_CALLING', reason: 'quality', expiration: Math.floor(Date.now() / 1000) + 60 }];
  t.match(await failure(client.requestPermission(id, '+447700900103', ask)), { metaCode: 138014 });
  const off = await set(t, { numbers: [{ number, id }] });
  t.match(await failure(off.client.requestPermission(id, user, ask)), { metaCode: 138000, fault: 'refused' }, 'calling is off');
  const us = await set(t, { numbers: [{ number: '+15550100001', id, calling }] });
  t.match(await failure(us.client.requestPermission(id, user, ask)), { metaCode: 138013 }, 'a country whose numbers may not call');
});

t.test('the six ways in which a permission is told of, each as the page shows it', async (t) => {
  const { client, graph, received } = await set(t);
  const { id: wamid } = await client.requestPermission(id, user, ask);
  graph.answer(number, user, 'accept');
  graph.answer(number, user, 'permanent', true);
  graph.answer(number, user, 'reject', true);
  graph.world.numbers[0]!.set('callback_permission_status', 'ENABLED');
  await graph.calls.ended({ id: 'wacid.MISSED', number, user, direction: 'USER_INITIATED' }, { status: 487, connectedMs: null });
  for (let i = 0; i < 4; i++) await graph.calls.ended({ id: `wacid.${i}`, number, user, direction: 'BUSINESS_INITIATED' }, { status: 480, connectedMs: null });
  t.equal((await client.callPermissions(id, user)).status, 'no_permission');
  graph.world.clock.advance(25 * hour);
  const { id: second } = await client.requestPermission(id, user, ask);
  graph.answer(number, user, 'permanent');
  await graph.world.webhooks.idle();
  const told = replies(received);
  const expiry = /^\d{10}$/;
  t.match(told.map(({ reply }) => reply), [
    { response: 'accept', is_permanent: false, expiration_timestamp: expiry, response_source: 'user_action' }, { response: 'accept', is_permanent: true, response_source: 'user_action' },
    { response: 'reject', response_source: 'user_action' }, { response: 'accept', is_permanent: false, expiration_timestamp: expiry, response_source: 'automatic' },
    { response: 'reject', response_source: 'automatic' }, { response: 'accept', is_permanent: true, response_source: 'user_action' },
  ]);
  t.same(told.map(({ reply }) => 'expiration_timestamp' in reply), [true, false, false, true, false, false]);
  t.same(told.map(({ message }) => (message['context'] as { id: string } | undefined)?.id), [wamid, undefined, undefined, 'wacid.MISSED', undefined, second]);
  const first = received.find(({ body }) => body.includes('call_permission_reply'));
  t.same(shapeOf(JSON.parse(first?.body ?? '{}')), shapeOf(fixture('webhook-permission-reply').body), 'the layout of the page');
});

t.test('calls: who is refused by SIP, what is told, and what it costs', async (t) => {
  const { client, graph, received } = await set(t);
  const call = { id: 'wacid.SAMPLE1', number, user, direction: 'BUSINESS_INITIATED' } as const;
  t.same(await graph.calls.judge(number, user), REFUSALS.noPermission());
  graph.answer(number, user, 'accept', true);
  t.equal(await graph.calls.judge(number, user), undefined);
  t.equal(await graph.calls.judge(number, graph.pair(number, user).user.parentUserId), undefined);
  graph.world.uncallable.add('447700900101');
  t.same(await graph.calls.judge(number, user), REFUSALS.noPermission(), 'no WhatsApp user is told as no permission');
  graph.world.uncallable.clear();
  await graph.calls.begun(call);
  await graph.calls.ended(call, { status: 200, connectedMs: 120_000 });
  await graph.world.webhooks.idle();
  const bodies = received.map(({ body }) => body).filter((body) => body.includes('"calls"'));
  t.same(bodies.map((body) => shapeOf(JSON.parse(body))), [shapeOf(fixture('webhook-call-created').body), shapeOf(fixture('webhook-terminate').body)]);
  t.match(JSON.parse(bodies[1] ?? ''), { entry: [{ changes: [{ value: { calls: [{ status: 'COMPLETED', duration: 120, direction: 'BUSINESS_INITIATED', from: '447700900001', to: '447700900101' }] } }] }] });
  for (let i = 0; i < 99; i++) await graph.calls.ended({ ...call, id: `wacid.${i}` }, { status: 200, connectedMs: 1 });
  t.same(await graph.calls.judge(number, user), REFUSALS.dayLimit());
  const told = await client.callPermissions(id, user);
  t.same([actionOf(told, 'start_call')?.can, limits(told, 'start_call')], [false, ['PT24H 100/100']]);
  graph.world.clock.advance(24 * hour + 1000);
  t.equal(await graph.calls.judge(number, user), undefined);
  t.equal(graph.world.ledger.unanswered(graph.world.numbers[0]!, graph.pair(number, user).user), null);
  t.equal(graph.world.ledger.unanswered(graph.world.numbers[0]!, graph.pair(number, user).user), 'nudge', 'two in a row: Meta asks the user');
});

t.test('webhooks of calls only where webhook_delivery says so, failed calls say why, and hidden users have no number', async (t) => {
  const { graph, received, client } = await set(t, { behaviour: 'hidden' });
  const call = { id: 'wacid.1', number, user, direction: 'USER_INITIATED' } as const;
  await graph.calls.begun(call);
  await graph.calls.ended(call, { status: 503, connectedMs: null });
  await client.changeSettings(id, { sip: { webhook_delivery: 'DISABLED' } });
  await graph.calls.begun({ ...call, id: 'wacid.2' });
  await graph.world.webhooks.idle();
  const values = received.map(({ body }) => (JSON.parse(body) as { entry: [{ changes: [{ value: Record<string, unknown> }] }] }).entry[0].changes[0].value);
  t.same(values.length, 2);
  t.match(values[0], { contacts: [{ user_id: /^GB\./ }], calls: [{ from_user_id: /^GB\./, to: '447700900001', direction: 'USER_INITIATED' }] });
  t.notOk(JSON.stringify(values).includes('900101'), 'no number of the user');
  t.match(values[1], { calls: [{ status: 'FAILED' }], errors: [{ code: 138019 }] });
});

t.test('settings that change are told of, the five that Meta names and no other', async (t) => {
  const { client, graph, received } = await set(t);
  await client.changeSettings(id, { audio: { additional_codecs: ['PCMA'] } });
  await client.changeSettings(id, { callback_permission_status: 'ENABLED' });
  graph.change(number, 'status', 'DISABLED');
  await graph.world.webhooks.idle();
  t.equal(received.length, 2);
  t.match(JSON.parse(received[0]?.body ?? ''), { entry: [{ changes: [{ field: 'account_settings_update', value: { type: 'phone_number_settings', phone_number_settings: { phone_number_id: id, calling: { callback_permission_status: 'ENABLED' } } } }] }] });
  t.notOk(received[0]?.body.includes('app_id'));
});

t.test('signed over the raw bytes; again until it is taken; twice, late and out of order where it is said so', async (t) => {
  const { graph, received } = await set(t, {}, (n) => (n <= 2 ? 500 : 200));
  graph.answer(number, user, 'accept', true);
  await graph.world.webhooks.idle();
  t.equal(received.length, 3, 'the third attempt was taken');
  t.same(new Set(received.map(({ body }) => body)).size, 1, 'the same bytes');
  for (const { body, signature } of received) t.equal(signature, `sha256=${createHmac('sha256', 'app secret').update(body).digest('hex')}`);
  received.length = 3;
  const ids = (): unknown[] => received.slice(3).map(({ body }) => replies([{ body, signature: '', at: 0 }])[0]?.reply['response']);
  graph.behave('duplicate');
  graph.answer(number, user, 'reject', true);
  await graph.world.webhooks.idle();
  t.same(ids(), ['reject', 'reject']);
  received.length = 3;
  graph.behave('disorder');
  graph.answer(number, user, 'accept', true);
  graph.answer(number, user, 'reject', true);
  await graph.world.webhooks.idle();
  t.same(ids(), ['reject', 'accept']);
  received.length = 3;
  graph.behave('late=0.4');
  const from = Date.now();
  graph.answer(number, user, 'accept', true);
  await graph.world.webhooks.idle();
  t.ok((received[3]?.at ?? 0) - from >= 390);
});

t.test('a callback is asked for a challenge before it is believed', async (t) => {
  const { graph, code } = await stage(t);
  const { url } = await receiver(t);
  const path = '100000000000009/subscriptions';
  const body = { object: 'whatsapp_business_account', callback_url: url, verify_token: 'verify', fields: ['calls', 'messages'] };
  t.equal(await code('POST', path, { ...body, verify_token: 'wrong' }), 2200);
  t.equal(graph.world.webhooks.target, undefined);
  t.equal(await code('POST', path, body), 0);
  t.equal(graph.world.webhooks.target?.url, url);
});

t.test('users answer by themselves where it is said so', async (t) => {
  const { client, graph } = await set(t, { behaviour: 'accept,after=0.5' });
  await client.requestPermission(id, user, ask);
  t.equal((await client.callPermissions(id, user)).status, 'no_permission');
  await new Promise((resolve) => { setTimeout(resolve, 700); });
  t.equal((await client.callPermissions(id, user)).status, 'temporary');
  await graph.world.webhooks.idle();
});

t.test('a hundred questions in a second, then error 613', async (t) => {
  const { code } = await set(t);
  const codes = await Promise.all(Array.from({ length: 130 }, () => code('GET', `${id}/call_permissions?user_wa_id=447700900101`)));
  t.ok(codes.includes(613) && codes.filter((one) => one === 0).length >= 100, String(codes.filter((one) => one === 0).length));
});
