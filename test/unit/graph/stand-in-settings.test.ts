// The stand-in's settings of a number: what Meta's page takes and refuses, and what it remembers.
import t from 'tap';
import { app, calling, failure, id, otherApp, otherToken, shapeOf, stage, token, waba, type Body } from './rig.js';
import { fixture } from './fixtures.js';

const hours = { status: 'ENABLED', timezone_id: 'Europe/London', weekly_operating_hours: [{ day_of_week: 'MONDAY', open_time: '0900', close_time: '1730' }] };
const day = (open_time: string, close_time: string, day_of_week = 'MONDAY'): object => ({ day_of_week, open_time, close_time });
const next = new Date(Date.now() + 40 * 86_400_000).toISOString().slice(0, 10);

const settingsOf = (body: Body): Record<string, Record<string, unknown>> => (body['calling'] ?? {}) as Record<string, Record<string, unknown>>;

t.test("Meta's own sample is taken, and read back as Meta's sample shows it", async (t) => {
  const { ask, graph } = await stage(t);
  const sample = structuredClone(fixture('settings-change').request) as { calling: { call_hours: { holiday_schedule: { date: string }[] } } };
  for (const holiday of sample.calling.call_hours.holiday_schedule) holiday.date = next;
  t.same(await ask('POST', `${id}/settings`, sample), { status: 200, body: fixture('settings-change').response });
  graph.world.numbers[0]!.restrictions = [{ type: 'RESTRICTED_BUSINESS_INITIATED_CALLING', reason: 'quality', expiration: Math.floor(Date.now() / 1000) + 60 }];
  graph.world.numbers[0]!.set('voicemail', { status: 'ENABLED', triggers: ['REJECT'], audio: { default: { announcement_media_id: 900000000000001, timeout_seconds: 20 } } });
  const { body } = await ask('GET', `${id}/settings?include_sip_credentials=true`);
  const wanted = shapeOf(fixture('settings').response) as { calling: { sip: { servers: object[] } } };
  const told = shapeOf(body) as { calling: Record<string, unknown> & { sip: { servers: Record<string, unknown>[] } } };
  delete told.calling['call_icons'];
  delete told.calling.sip.servers[0]?.['request_uri_user_params'];
  t.same(told, wanted, 'the same names and types');
});

t.test('each rule of the page: what is taken, and what is refused with a word that says why', async (t) => {
  const rows: readonly [what: string, change: object, wrong: RegExp | null][] = [
    ['status', { status: 'ON' }, /status/], ['icon', { call_icon_visibility: 'SMALL' }, /call_icon_visibility/], ['icon of the FAQ', { call_icon_visibility: 'HIDE_IN_CHAT' }, null],
    ['icons off', { call_icon_visibility: 'DISABLE_ALL' }, null],
    ['callback', { callback_permission_status: 'YES' }, /callback/], ['srtp', { srtp_key_exchange_protocol: 'ZRTP' }, /srtp/],
    ['countries', { call_icons: { restrict_to_user_countries: ['GB', 'gb'] } }, /countries/], ['no countries', { call_icons: { restrict_to_user_countries: [] } }, null],
    ['codecs', { audio: { additional_codecs: ['G722'] } }, /codecs/], ['no codecs', { audio: { additional_codecs: [] } }, null],
    ['hours without status', { call_hours: { ...hours, status: undefined } }, /status/], ['zone', { call_hours: { ...hours, timezone_id: 'Moon/Base' } }, /timezone/],
    ['empty week', { call_hours: { ...hours, weekly_operating_hours: [] } }, /empty/], ['no week', { call_hours: { status: 'DISABLED', timezone_id: 'Europe/London' } }, /empty/],
    ['day', { call_hours: { ...hours, weekly_operating_hours: [day('0900', '1000', 'Monday')] } }, /day_of_week/],
    ['closes before it opens', { call_hours: { ...hours, weekly_operating_hours: [day('1000', '0900')] } }, /schedule/], ['25 o\'clock', { call_hours: { ...hours, weekly_operating_hours: [day('0900', '2500')] } }, /schedule/],
    ['overlap', { call_hours: { ...hours, weekly_operating_hours: [day('0900', '1200'), day('1159', '1300')] } }, /overlap/],
    ['touching', { call_hours: { ...hours, weekly_operating_hours: [day('0900', '1200'), day('1200', '1300')] } }, null],
    ['with a colon', { call_hours: { ...hours, weekly_operating_hours: [day('04:00', '05:00')] } }, null],
    ['three a day', { call_hours: { ...hours, weekly_operating_hours: [day('0100', '0200'), day('0300', '0400'), day('0500', '0600')] } }, /more than 2/],
    ['past holiday', { call_hours: { ...hours, holiday_schedule: [{ date: '2020-12-25', start_time: '0000', end_time: '2359' }] } }, /past/],
    ['holiday date', { call_hours: { ...hours, holiday_schedule: [{ date: '25.12.2030', start_time: '0000', end_time: '2359' }] } }, /date/],
    ['21 holidays', { call_hours: { ...hours, holiday_schedule: Array.from({ length: 21 }, () => ({ date: next, start_time: '0000', end_time: '2359' })) } }, /20/],
    ['holiday in the words of the table', { call_hours: { ...hours, holiday_schedule: [{ date: next, open_time: '0000', close_time: '2359' }] } }, null],
    ['three spans of a holiday', { call_hours: { ...hours, holiday_schedule: ['01', '03', '05'].map((hour) => ({ date: next, start_time: `${hour}00`, end_time: `${hour}59` })) } }, /more than 2/],
    ['overlap on a holiday', { call_hours: { ...hours, holiday_schedule: [{ date: next, start_time: '0900', end_time: '1200' }, { date: next, start_time: '1159', end_time: '1300' }] } }, /overlap/],
    ['two spans of a holiday', { call_hours: { ...hours, holiday_schedule: [{ date: next, start_time: '0900', end_time: '1200' }, { date: next, start_time: '1200', end_time: '1300' }] } }, null],
    ['two servers', { sip: { servers: [{ hostname: 'a.example.net' }, { hostname: 'b.example.net' }] } }, /one/], ['no hostname', { sip: { servers: [{ port: 5061 }] } }, /hostname/],
    ['port', { sip: { servers: [{ hostname: 'a.example.net', port: '5061' }] } }, /port/], ['long parameter', { sip: { servers: [{ hostname: 'a.example.net', request_uri_user_params: { tgrp: 'x'.repeat(129) } }] } }, /params/],
    ['delivery', { sip: { webhook_delivery: true } }, /delivery/], ['SIP without a server', { sip: { status: 'ENABLED' } }, /server/], ['sip status', { sip: { status: 1 } }, /status/],
    ['a password is not set', { sip: { servers: [{ hostname: 'a.example.net', sip_user_password: 'mine' }] } }, /sip_user_password/], ['nor an app', { sip: { servers: [{ hostname: 'a.example.net', app_id: 1 }] } }, /app_id/],
    ['nor a restriction lifted', { restrictions: { restrictions_list: [] } }, /restrictions/],
    ['voicemail without trigger', { voicemail: { status: 'ENABLED', triggers: [] } }, /trigger/], ['voicemail off', { voicemail: { status: 'DISABLED' } }, null],
    ['voicemail id as text', { voicemail: { status: 'ENABLED', triggers: ['REJECT'], audio: { default: { announcement_media_id: '9' } } } }, /number/],
    ['voicemail after 31 s', { voicemail: { status: 'ENABLED', triggers: ['TIMEOUT'], audio: { default: { announcement_media_id: 9, timeout_seconds: 31 } } } }, /0 to 30/],
  ];
  const { ask } = await stage(t);
  for (const [what, change, wrong] of rows) {
    const { status, body } = await ask('POST', `${id}/settings`, { calling: change });
    if (wrong === null) t.same([status, body], [200, { success: true }], what);
    else t.match([status, body.error?.code, body.error?.error_data?.details ?? ''], [400, 100, wrong], what);
  }
  t.equal((await ask('POST', `${id}/settings`, {})).body.error?.code, 100);
});

t.test('calling needs a messaging limit of 2000, and SIP or a webhook', async (t) => {
  const low = await stage(t, { numbers: [{ number: '+447700900001', id, tier: 'TIER_1K' }] });
  t.match(await failure(low.client.changeSettings(id, calling)), { metaCode: 138015, httpStatus: 400 });
  const { client } = await stage(t);
  t.match(await failure(client.changeSettings(id, { status: 'ENABLED' })), { metaCode: 138018 });
  await client.changeSettings(id, calling);
  t.equal((await client.settings(id)).status, 'ENABLED');
  const unlimited = await stage(t, { numbers: [{ number: '+447700900001', id, tier: 'TIER_UNLIMITED' }], webhooks: { url: 'http://127.0.0.1:9/', secret: '' } });
  await unlimited.client.changeSettings(id, { status: 'ENABLED' });
  t.equal((await unlimited.client.settings(id)).sip, 'DISABLED', 'with webhooks it needs no SIP');
});

t.test('only what is sent changes, but for hours, which are replaced whole with their holidays', async (t) => {
  const { client, ask } = await stage(t);
  const { body: before } = await ask('GET', `${id}/settings`);
  t.notOk('calling' in before, 'a number that never had calling has no settings of it');
  await client.changeSettings(id, { ...calling, call_hours: { ...hours, holiday_schedule: [{ date: next, start_time: '0000', end_time: '2359' }] } });
  await client.changeSettings(id, { callback_permission_status: 'ENABLED' });
  let now = await client.settings(id);
  t.match(now, { status: 'ENABLED', callback: 'ENABLED', srtp: 'SDES', hours: { holidays: { [next]: ['0000-2359'] } } });
  await client.changeSettings(id, { call_hours: hours });
  now = await client.settings(id);
  t.same(now.hours?.holidays, {}, 'holidays that were not sent are gone');
  await client.changeSettings(id, { sip: { status: 'DISABLED' } });
  now = await client.settings(id);
  t.match([now.sip, now.servers], ['DISABLED', [{ hostname: 'sbc.example.net' }]], 'without SIP the server stays');
});

t.test('SRTP is not told until it was set, and a change of servers may set it back', async (t) => {
  const { client, graph } = await stage(t, { numbers: [{ number: '+447700900001', id, calling: { status: 'DISABLED' } }] });
  t.equal((await client.settings(id)).srtp, null);
  await client.changeSettings(id, calling);
  t.equal((await client.settings(id)).srtp, 'SDES');
  graph.behave('resets');
  await client.changeSettings(id, calling);
  t.equal((await client.settings(id)).srtp, 'DTLS', 'whatever the same request says');
  await client.changeSettings(id, { srtp_key_exchange_protocol: 'SDES' });
  t.equal((await client.settings(id)).srtp, 'SDES');
});

t.test('the password: made by Meta, told when asked for, another one after the server was taken away', async (t) => {
  const { client, ask } = await stage(t);
  await client.changeSettings(id, calling);
  t.notOk(JSON.stringify((await ask('GET', `${id}/settings`)).body).includes('sip_user_password'));
  const first = await client.sipPassword(id, app);
  t.ok((first ?? '').length >= 16);
  await client.changeSettings(id, calling);
  t.equal(await client.sipPassword(id, app), first, 'the same while the server stays');
  await client.changeSettings(id, { status: 'DISABLED', sip: { status: 'DISABLED', servers: [] } });
  t.equal(await client.sipPassword(id, app), null);
  await client.changeSettings(id, calling);
  t.not(await client.sipPassword(id, app), first);
});

t.test("another app's server: told beside ours, its password too, and ours to leave alone", async (t) => {
  const { client, ask } = await stage(t);
  await ask('POST', `${id}/settings`, { calling: { ...calling, sip: { status: 'ENABLED', servers: [{ hostname: 'other.example.net' }] } } }, otherToken);
  await client.changeSettings(id, calling);
  const { body } = await ask('GET', `${id}/settings`);
  t.same(settingsOf(body)['sip']?.['servers'], [{ app_id: Number(otherApp), hostname: 'other.example.net', port: 5061 }, { app_id: Number(app), hostname: 'sbc.example.net', port: 5061 }]);
  await client.changeSettings(id, { sip: { servers: [] } });
  t.same((await client.settings(id)).servers.map(({ hostname }) => hostname), ['other.example.net'], 'an empty list takes ours away alone');
});

t.test('health, limit, subscriptions, media, and what is not there', async (t) => {
  const { client, ask, code, graph } = await stage(t, { subscribed: false });
  t.same((await client.health(id)).map(({ type, sip, errors }) => [type, sip, errors[0]?.code]), [['PHONE_NUMBER', 'BLOCKED', 138024], ['WABA', null, undefined], ['BUSINESS', null, undefined], ['APP', 'BLOCKED', 138025]]);
  const sample = (fixture('health').response?.['health_status'] as { entities: object[] }).entities;
  const told = ((await ask('GET', `${id}?fields=health_status`)).body['health_status'] as { entities: object[] }).entities;
  for (const [i, entity] of told.entries()) for (const [key, one] of Object.entries(entity)) if (key !== 'errors') t.equal(typeof one, typeof (sample[i] as Record<string, unknown>)[key], `${i} ${key}`);
  await client.changeSettings(id, calling);
  t.same((await client.health(id)).map(({ sip }) => sip), ['AVAILABLE', null, null, 'AVAILABLE']);
  t.same(await client.messagingLimit(id), { tier: 'TIER_2K', conversations: 2000 });
  t.same(await client.subscribedApps(waba), []);
  await client.subscribe(waba);
  t.same(await client.subscribedApps(waba), [app]);
  t.same(shapeOf((await ask('GET', `${waba}/subscribed_apps`)).body), shapeOf(fixture('subscribed-apps').response));
  graph.world.media.set('900000000000004', { bytes: Buffer.from('hello'), mimeType: 'audio/ogg; codecs=opus' });
  t.same(shapeOf((await ask('GET', '900000000000004')).body), shapeOf(fixture('media').response));
  t.same((await client.media('900000000000004')).bytes.toString(), 'hello');
  const form = new FormData();
  form.set('messaging_product', 'whatsapp');
  form.set('use_case', 'call_voicemail_announcement');
  form.set('file', new Blob(['OggS'], { type: 'audio/ogg' }), 'hello.ogg');
  const uploaded = await fetch(`${graph.url}/v25.0/${id}/media`, { method: 'POST', body: form, headers: { authorization: `Bearer ${token}` } });
  t.equal((await client.media((await uploaded.json() as { id: string }).id)).bytes.toString(), 'OggS');
  t.equal(await code('GET', '1/settings'), 100);
  t.equal(await code('POST', `${id}/calls`, {}), 131055, 'no call by the Graph API while SIP is on');
  t.equal((await ask('GET', `${id}/settings`, undefined, 'EAAwrong')).status, 401);
});
