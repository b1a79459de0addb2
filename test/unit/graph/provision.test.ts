// provision against the stand-in: what differs, one request that makes it so, what is read back, and what is left alone.
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { stringify } from 'yaml';
import { parseConfig } from '../../../lib/config/load.js';
import { ConfigFaults } from '../../../lib/config/faults.js';
import type { Config } from '../../../lib/config/types.js';
import { announcementSeconds } from '../../../lib/graph/announcement.js';
import { applyNumber, verifyNumber, type NumberReport } from '../../../lib/graph/provision/provision.js';
import { portAtMeta, wantedOf } from '../../../lib/graph/provision/wanted.js';
import type { GraphOptions } from '../../../lib/simulator/index.js';
import { Command } from '../../helpers/command.js';
import { app, calling, id, number, otherApp, stage, token, waba, type Stage } from './rig.js';

const day = 86_400_000;
const nextYear = new Date(Date.now() + 300 * day).toISOString().slice(0, 10);
const dayAfter = new Date(Date.now() + 301 * day).toISOString().slice(0, 10);

type Tree = Record<string, unknown>;

interface Wishes { readonly number?: Tree; readonly graph?: Tree; readonly file?: Tree }

function configText(url: string, passwordFile: string | null, { number: own, graph, file }: Wishes = {}): string {
  return stringify({
    domain: 'sbc.example.net', sip: { listen: ['tls:127.0.0.1:5061'], tls: { cert: 'cert.pem', key: 'key.pem' } }, graph: { url, token, waba, ...graph }, http: { listen: null }, cdr: { file: null },
    numbers: { [number]: { ...(passwordFile === null ? { password: 'of our own' } : { passwordFile }), id, settings: {}, ...own } },
    peers: { pbx: { uri: 'sip:127.0.0.1:5060', pstn: 'none', users: ['6001'], sources: ['127.0.0.1'] } }, routes: [{ name: 'all', number, to: [{ peer: 'pbx', user: '6001' }] }], ...file,
  });
}

interface Provision extends Stage {
  readonly passwordFile: string;
  readonly config: (wishes?: Wishes) => Config;
  readonly verify: (wishes?: Wishes) => Promise<NumberReport>;
  readonly apply: (wishes?: Wishes) => Promise<NumberReport>;
  /** Bodies of changes of settings so far. */
  readonly changes: () => Tree[];
}

async function provision(t: Test, options: Partial<GraphOptions> = {}): Promise<Provision> {
  const all = await stage(t, options);
  const passwordFile = join(t.testdir(), 'password');
  const config = (wishes?: Wishes): Config => parseConfig(configText(all.graph.url, passwordFile, wishes), { env: {}, path: 'c.yaml' });
  const with_ = (wishes?: Wishes): { client: Stage['client']; config: Config; now: () => number } => ({ client: all.client, config: config(wishes), now: () => all.graph.world.clock.now() });
  return {
    ...all, passwordFile, config, verify: (wishes) => verifyNumber(with_(wishes), number), apply: (wishes) => applyNumber(with_(wishes), number),
    changes: () => all.graph.requests.filter(({ method, path }) => method === 'POST' && path.endsWith('/settings')).map(({ body }) => (JSON.parse(body) as { calling: Tree }).calling),
  };
}

const keys = ({ differences }: NumberReport): string[] => differences.map(({ key }) => key);

const everything = {
  number: { g711: true, settings: { callback: true, hours: 'office', icon: 'DISABLE_ALL', countries: ['GB', 'BR'] } },
  file: { hours: { office: { timezone: 'Europe/London', week: { 'mon-tue': ['09:00-12:30', '13:30-17:30'], fri: ['09:00-24:00'] }, holidays: ['2020-12-25', { date: dayAfter, spans: ['14:00-15:00', '09:00-12:00'] }, nextYear] } } },
};

t.test('from nothing to calling by SIP: one request, read back, the password in its file and nowhere else', async (t) => {
  const { verify, apply, changes, passwordFile, graph, client } = await provision(t, { subscribed: false });
  const before = await verify(everything);
  t.same(keys(before), ['calling', 'icon', 'countries', 'hours', 'callback', 'sip', 'server', 'srtp', 'codecs', 'subscription']);
  t.same(changes(), [], 'looking changes nothing');
  t.same(before.differences.find(({ key }) => key === 'server'), { key: 'server', is: 'none', wanted: 'sbc.example.net:5061' });
  t.same(before.differences.find(({ key }) => key === 'hours'), { key: 'hours', is: 'none', wanted: `Europe/London, Mon 09:00-12:30 13:30-17:30, Tue 09:00-12:30 13:30-17:30, Fri 09:00-23:59; ${nextYear} closed, ${dayAfter} 09:00-12:00 14:00-15:00` });
  const after = await apply(everything);
  t.same([after.fault, after.differences], [null, []]);
  t.same(changes(), [{
    status: 'ENABLED', call_icon_visibility: 'DISABLE_ALL', call_icons: { restrict_to_user_countries: ['BR', 'GB'] }, callback_permission_status: 'ENABLED',
    call_hours: {
      status: 'ENABLED', timezone_id: 'Europe/London', weekly_operating_hours: ['MONDAY', 'TUESDAY'].flatMap((day_of_week) => [{ day_of_week, open_time: '0900', close_time: '1230' }, { day_of_week, open_time: '1330', close_time: '1730' }])
        .concat([{ day_of_week: 'FRIDAY', open_time: '0900', close_time: '2359' }]), holiday_schedule: [
        { date: nextYear, start_time: '0000', end_time: '0001' }, { date: dayAfter, start_time: '0900', end_time: '1200' }, { date: dayAfter, start_time: '1400', end_time: '1500' },
      ],
    },
    sip: { status: 'ENABLED', servers: [{ hostname: 'sbc.example.net', port: 5061 }] }, srtp_key_exchange_protocol: 'SDES', audio: { additional_codecs: ['PCMA', 'PCMU'] },
  }], 'all in one');
  t.ok(['calling', 'server', 'srtp', 'hours', 'password', 'subscription'].every((key) => after.changed.includes(key)), after.changed.join());
  t.same([before, after].map(({ facts }) => facts.filter(({ level }) => level === 'warn').map(({ text }) => /\d{6}/.exec(text)?.[0])), [['138024', '138025'], []], 'what the change put right is told of no more');
  const password = graph.world.numbers[0]!.servers.get(app)?.password ?? '';
  t.equal(readFileSync(passwordFile, 'utf8'), `${password}\n`);
  t.equal(statSync(passwordFile).mode & 0o777, 0o600);
  t.notOk(JSON.stringify([before, after]).includes(password));
  t.same(await client.subscribedApps(waba), [app]);
  t.same((await verify(everything)).differences, []);
  t.same((await apply(everything)).changed, [], 'once more changes nothing');
  t.equal(changes().length, 1);
  graph.world.clock.advance(302 * day);
  t.same((await verify(everything)).differences, [], 'a holiday that is over differs from nothing');
});

t.test('each setting by itself: told in words, changed alone, and back', async (t) => {
  const { graph, verify, apply, changes } = await provision(t);
  await apply(everything);
  const rows: readonly [key: string, name: string, value: unknown, is: string, sent: string][] = [
    ['calling', 'status', 'DISABLED', 'DISABLED', 'status'], ['icon', 'call_icon_visibility', 'DEFAULT', 'DEFAULT', 'call_icon_visibility'],
    ['countries', 'call_icons', { restrict_to_user_countries: [] }, 'all', 'call_icons'], ['callback', 'callback_permission_status', 'DISABLED', 'DISABLED', 'callback_permission_status'],
    ['hours', 'call_hours', { status: 'DISABLED', timezone_id: 'Europe/London', weekly_operating_hours: [{ day_of_week: 'MONDAY', open_time: '0900', close_time: '1000' }] }, 'always', 'call_hours'],
    ['sip', 'sip', { status: 'DISABLED' }, 'DISABLED', 'sip'], ['srtp', 'srtp_key_exchange_protocol', 'DTLS', 'DTLS', 'srtp_key_exchange_protocol'], ['codecs', 'audio', { additional_codecs: ['PCMA'] }, 'PCMA', 'audio'],
  ];
  for (const [key, name, value, is, sent] of rows) {
    graph.world.numbers[0]!.set(name, value);
    t.match((await verify(everything)).differences, [{ key, is }], key);
    const before = changes().length;
    t.same((await apply(everything)).differences, [], key);
    t.same(changes().slice(before).map((change) => Object.keys(change)), [[sent]], `${key} alone is sent`);
  }
});

t.test('voicemail, and parameters of the user part: told in words, sent as Meta has them, kept where they are not named', async (t) => {
  const { apply, verify, changes, client, graph } = await provision(t);
  await apply();
  const announcement = await client.uploadAnnouncement(id, oggOpus(3), 'hello');
  const wishes = (voicemail: Tree | null, userParams: Tree = {}): Wishes => ({ number: { settings: { voicemail, userParams } } });
  const both = wishes({ announcement }, { tgrp: 'wacall', 'trunk-context': 'byoc.example.net' });
  t.same((await verify(both)).differences, [
    { key: 'server', is: 'sbc.example.net:5061', wanted: 'sbc.example.net:5061;tgrp=wacall;trunk-context=byoc.example.net' }, { key: 'voicemail', is: 'off', wanted: `on REJECT, TIMEOUT after 20 s, announcement ${announcement}` },
  ]);
  const password = graph.world.numbers[0]!.servers.get(app)?.password;
  t.same((await apply(both)).differences, []);
  t.match(changes().at(-1), {
    sip: { servers: [{ hostname: 'sbc.example.net', port: 5061, request_uri_user_params: { tgrp: 'wacall', 'trunk-context': 'byoc.example.net' } }] }, srtp_key_exchange_protocol: 'SDES',
    voicemail: { status: 'ENABLED', triggers: ['REJECT', 'TIMEOUT'], audio: { default: { announcement_media_id: Number(announcement), timeout_seconds: 20 } } },
  });
  t.equal(graph.world.numbers[0]!.servers.get(app)?.password, password, 'a server that is there keeps its password');
  t.same((await verify(wishes(null))).differences, [], 'what is not named is left alone');
  graph.world.numbers[0]!.servers.set(app, { hostname: 'old.example.net', port: 5061, params: { tgrp: 'wacall' }, password: password ?? '' });
  await apply(wishes(null));
  t.match(changes().at(-1), { sip: { servers: [{ hostname: 'sbc.example.net', request_uri_user_params: { tgrp: 'wacall' } }] } }, 'also when the server changes');
  t.match((await verify(wishes({ announcement, triggers: ['REJECT'] }))).differences, [{ key: 'voicemail', is: /TIMEOUT after 20 s/, wanted: `on REJECT, announcement ${announcement}` }]);
  await apply(wishes({ announcement, triggers: ['REJECT'] }));
  t.same((changes().at(-1)?.['voicemail'] as Tree)['audio'], { default: { announcement_media_id: Number(announcement) } }, 'no seconds without TIMEOUT');
  await apply(wishes({ status: 'DISABLED' }));
  t.same(changes().at(-1), { voicemail: { status: 'DISABLED' } });
  t.same((await verify(wishes({ status: 'DISABLED' }))).differences, []);
});

t.test('an announcement: uploaded as Meta has it, its id given for the file; what Meta would refuse is not sent', async (t) => {
  const { graph, passwordFile, client } = await provision(t);
  const dir = t.testdir();
  const file = join(dir, 'c.yaml');
  writeFileSync(file, configText(graph.url, passwordFile));
  const run = async (bytes: Buffer, ...args: string[]): Promise<{ code: number | null; out: string; err: string }> => {
    writeFileSync(join(dir, 'hello.ogg'), bytes);
    const command = new Command('provision', 'announcement', '-c', file, '--number', number, '--file', join(dir, 'hello.ogg'), ...args);
    return { code: await command.exit, out: command.out.join('\n'), err: command.err.join('\n') };
  };
  const good = await run(oggOpus(2.5), '--json');
  t.equal(good.code, 0, good.err);
  const { announcement, seconds } = JSON.parse(good.out) as { announcement: string; seconds: number };
  t.equal(seconds, 2.5);
  t.same((await client.media(announcement)).bytes, oggOpus(2.5));
  t.match((await client.media(announcement)).mimeType, /^audio\/ogg/);
  const body = graph.requests.find(({ path }) => path.endsWith('/media'))?.body ?? '';
  for (const part of [/name="messaging_product"\r\n\r\nwhatsapp\r\n/, /name="use_case"\r\n\r\ncall_voicemail_announcement\r\n/, /name="description"\r\n\r\n\S/, /filename="[^"]+\.ogg"\r\ncontent-type: audio\/ogg/i]) t.match(body, part);
  const uploads = (): number => graph.requests.filter(({ path }) => path.endsWith('/media')).length;
  t.equal(uploads(), 1);
  for (const [bytes, why] of [[Buffer.from('RIFF'), /not an Ogg Opus|no page/], [oggOpus(60), /lasts 60 s/], [oggOpus(0), /lasts 0 s/]] as const) t.throws(() => announcementSeconds(bytes), { message: why });
  t.match(await run(oggOpus(60)), { code: 1, err: /lasts 60 s/ });
  t.equal(uploads(), 1, 'nothing of it was sent');
});

/** An Ogg file of one stream: OpusHead with a pre-skip of 312, OpusTags, and silence that ends after so many seconds (RFC 7845 §3 to §5). */
function oggOpus(seconds: number): Buffer {
  const page = (granule: number, sequence: number, packet: Buffer): Buffer => {
    const head = Buffer.alloc(28);
    head.write('OggS');
    head.writeBigInt64LE(BigInt(granule), 6);
    head.writeUInt32LE(7, 14);
    head.writeUInt32LE(sequence, 18);
    head[26] = 1;
    head[27] = packet.length;
    return Buffer.concat([head, packet]);
  };
  const opusHead = Buffer.alloc(19);
  opusHead.write('OpusHead\x01\x01');
  opusHead.writeUInt16LE(312, 10);
  return Buffer.concat([page(0, 0, opusHead), page(0, 1, Buffer.from('OpusTags\0\0\0\0\0\0\0\0')), page(312 + seconds * 48_000, 2, Buffer.from([0xf8, 0xff, 0xfe]))]);
}

t.test('what the file does not name stays as it is at Meta', async (t) => {
  const { verify, apply, changes } = await provision(t, { numbers: [{
    number, id, servers: { [app]: { hostname: 'sbc.example.net', port: 5061 } }, calling: { ...calling, callback_permission_status: 'ENABLED', call_icon_visibility: 'DISABLE_ALL', call_icons: { restrict_to_user_countries: ['GB'] } },
  }] });
  t.same(keys(await verify()), ['password']);
  await apply();
  t.same(changes(), []);
  t.same(keys(await verify({ number: { settings: { countries: [] } } })), ['countries'], 'an empty list is a wish');
  t.same(keys(await verify({ number: { settings: { status: 'DISABLED' } } })), ['calling']);
  t.same(keys(await verify({ number: { keying: 'dtls' } })), ['srtp']);
});

t.test('Meta drops the keying with the servers: it is sent once more, by itself', async (t) => {
  const { apply, changes } = await provision(t, { behaviour: 'resets' });
  const report = await apply();
  t.same([report.fault, report.differences], [null, []]);
  t.same(changes().map((change) => Object.keys(change)), [['status', 'sip', 'srtp_key_exchange_protocol'], ['srtp_key_exchange_protocol']]);
});

t.test('webhooks of SIP are wanted where we take them; that Meta does not tell of them is no difference', async (t) => {
  const { apply, verify, changes, graph } = await provision(t);
  const wishes = { file: { webhooks: { listen: '127.0.0.1:8443', appSecret: 'app secret', verifyToken: 'verify' } } };
  await apply();
  t.notOk(JSON.stringify(changes()).includes('webhook_delivery'));
  t.same(keys(await verify(wishes)), [], 'not told');
  graph.world.numbers[0]!.servers.clear();
  await apply(wishes);
  t.match(changes()[1], { sip: { webhook_delivery: 'ENABLED', servers: [{ hostname: 'sbc.example.net' }] }, srtp_key_exchange_protocol: 'SDES' });
  graph.behave('tells');
  t.same(keys(await verify(wishes)), []);
  graph.world.numbers[0]!.set('sip', { status: 'ENABLED', webhook_delivery: 'DISABLED' });
  t.same(keys(await verify(wishes)), ['webhooks']);
  t.same((await apply(wishes)).differences, []);
});

t.test('another server goes, and only ours: that of another app is told of and left alone', async (t) => {
  const { apply, verify, graph } = await provision(t, { numbers: [{ number, id, calling, servers: { [otherApp]: { hostname: 'sbc.example.net', port: 5061, password: 'theirs' }, [app]: { hostname: 'old.example.net', port: 5061, password: 'ours' } } }] });
  t.same((await verify()).differences.find(({ key }) => key === 'server')?.is, 'old.example.net:5061');
  const report = await apply();
  t.same(report.differences, []);
  t.match(report.facts.filter(({ level }) => level === 'warn'), [{ text: /app 100000000000008 has a SIP server/ }]);
  t.match([...graph.world.numbers[0]!.servers], [[otherApp, { hostname: 'sbc.example.net', password: 'theirs' }], [app, { hostname: 'sbc.example.net', password: 'ours' }]]);
});

t.test('which app is ours: as health tells, as graph.appId says, never by the name of the host', async (t) => {
  const { verify, graph, client } = await provision(t, { numbers: [{ number, id, calling, servers: { [otherApp]: { hostname: 'sbc.example.net', port: 5061 } } }] });
  t.equal((await verify()).differences.find(({ key }) => key === 'server')?.is, 'none');
  t.notOk(keys(await verify({ graph: { appId: otherApp } })).includes('server'));
  const health = client.health.bind(client);
  client.health = async (which) => (await health(which)).filter(({ type }) => type !== 'APP');
  t.match((await verify()).fault, { text: /set graph\.appId/ });
  graph.world.numbers[0]!.servers.clear();
  t.equal((await verify()).fault, null, 'where there is none, none is another\'s');
});

t.test('a password that is not Meta\'s: written to its file, told of where it stands in the configuration', async (t) => {
  const { apply, verify, passwordFile, graph, client } = await provision(t);
  await apply();
  writeFileSync(passwordFile, 'old one\n');
  t.match((await verify()).differences, [{ key: 'password', is: `not that of ${passwordFile}` }]);
  t.same((await apply()).changed, ['password']);
  const inline = parseConfig(configText(graph.url, null), { env: {}, path: 'c.yaml' });
  const report = await applyNumber({ client, config: inline, now: Date.now }, number);
  t.match(report.differences, [{ key: 'password', is: 'not that of numbers.*.password', wanted: "Meta's" }]);
  t.notOk(JSON.stringify(report).includes('of our own'));
});

t.test('limit, health and restrictions are shown and are no difference', async (t) => {
  const { apply, verify, graph } = await provision(t);
  await apply();
  graph.world.numbers[0]!.restrictions = [{ type: 'RESTRICTED_USER_INITIATED_CALLING', reason: 'low pick-up rate', expiration: Math.floor(Date.now() / 1000) + 3600 }];
  graph.world.numbers[0]!.tier = 'TIER_1K';
  const report = await verify();
  t.same(report.differences, []);
  const warned = report.facts.filter(({ level }) => level === 'warn');
  t.match(warned, [{ text: /TIER_1K: calling needs 2000/, todo: /limit/ }, { text: /no calls of users.*low pick-up rate/ }]);
  t.ok(report.facts.some(({ text }) => text === 'the number: messages AVAILABLE, calls by SIP AVAILABLE'));
  graph.world.numbers[0]!.set('sip', { status: 'DISABLED' });
  t.ok((await verify()).facts.some(({ level, text }) => level === 'warn' && text.includes('138024')));
});

t.test('what Meta refuses, and what it does not answer, is a fault that says what to do', async (t) => {
  const low = await provision(t, { numbers: [{ number, id, tier: 'TIER_250' }] });
  t.match((await low.apply()).fault, { text: /138015/, todo: /messaging limit/ });
  for (const [words, text, todo] of [['token', /190/, /graph\.token/], ['html', /web page/, /graph\.url/], ['down', /error 2/, /later/]] as const) {
    const { verify } = await provision(t, { behaviour: words });
    t.match((await verify()).fault, { text, todo }, words);
  }
  const flaky = await provision(t, { behaviour: 'down,times=2' });
  t.equal((await flaky.apply()).fault, null, 'trouble that passes is got over');
});

t.test('the port is the public one, else that of the TLS socket', (t) => {
  const sip = (advertise: string | null, listen: string[]): number => portAtMeta({ sip: { server: 'embedded', listen, advertise: { meta: advertise } } } as never);
  t.same([sip('sbc.example.net:7061', ['tls:0.0.0.0:5061']), sip('sbc.example.net', ['udp:0.0.0.0:5060', 'tls:0.0.0.0:6061']), sip(null, ['udp:0.0.0.0:5060'])], [7061, 6061, 5061]);
  t.end();
});

t.test('hours: ranges go over the week\'s end, spans are put in order', async (t) => {
  const { config } = await provision(t);
  const wishes = { number: { settings: { hours: 'late' } }, file: { hours: { late: { timezone: 'Asia/Tokyo', week: { 'sat-mon': ['13:00-14:00', '09:00-10:00'] } } } } };
  t.same(wantedOf(config(wishes), number, Date.now())?.hours, {
    status: 'ENABLED', timezone: 'Asia/Tokyo', holidays: {}, week: { MONDAY: ['0900-1000', '1300-1400'], SATURDAY: ['0900-1000', '1300-1400'], SUNDAY: ['0900-1000', '1300-1400'] },
  });
});

t.test('faults between the keys are told by their path', async (t) => {
  const { config } = await provision(t);
  const hours = (week: object, more: object = {}): Wishes => ({ number: { settings: { hours: 'office' } }, file: { hours: { office: { timezone: 'Europe/London', week, ...more } } } });
  const rows: readonly [Wishes, path: string, message: RegExp][] = [
    [{ number: { settings: { codecs: ['PCMA'] } } }, `numbers.${number}.settings.codecs`, /g711: false/], [{ number: { settings: { hours: 'offices' } }, file: { hours: { office: { timezone: 'Europe/London', week: { fri: ['09:00-10:00'] } } } } }, `numbers.${number}.settings.hours`, /did you mean office/],
    [{ number: { settings: { voicemail: {} } } }, `numbers.${number}.settings.voicemail.announcement`, /provision announcement/], [{ number: { settings: { voicemail: { announcement: '9', triggers: ['BUSY'] } } } }, `numbers.${number}.settings.voicemail.announcement`, /15 digits/],
    [{ number: { settings: { userParams: { 'a b': 'c' } } } }, `numbers.${number}.settings.userParams.a b`, /letters, digits/], [{ number: { settings: { userParams: { tgrp: 'a;b' } } } }, `numbers.${number}.settings.userParams.tgrp`, /at most 128/],
    [{ number: { id: null } }, `numbers.${number}.id`, /required/], [{ file: { graph: null } }, `numbers.${number}.settings`, /needs graph/],
    [{ number: { password: 'x' } }, `numbers.${number}.passwordFile`, /one of the two/], [{ number: { passwordFile: null } }, `numbers.${number}.password`, /required/],
    [hours({ 'mon-fri': ['09:00-12:00'], fri: ['11:00-13:00'] }), 'hours.office.week', /spans of fri/], [hours({ mon: ['01:00-02:00', '03:00-04:00', '05:00-06:00'] }), 'hours.office.week', /more than two/],
    [hours({}), 'hours.office.week', /empty/], [hours({ mon: ['09:00-10:00'] }, { holidays: Array.from({ length: 21 }, (_, i) => `2030-01-${String(i + 1).padStart(2, '0')}`) }), 'hours.office.holidays', /20/],
    [hours({ mon: ['10:00-09:00'] }), 'hours.office.week.mon[0]', /span/], [hours({ monday: ['09:00-10:00'] }), 'hours.office.week.monday', /day/], [hours({ mon: ['23:00-25:00'] }), 'hours.office.week.mon[0]', /span/],
    [hours({ mon: ['23:59-24:00'] }), 'hours.office', /last minute of mon/], [hours({ mon: ['09:00-10:00'] }, { holidays: [{ date: '2030-12-25', spans: ['23:59-24:00'] }] }), 'hours.office', /last minute of 2030-12-25/],
    [hours({ mon: ['09:00-10:00'] }, { timezone: 'Moon/Base' }), 'hours.office.timezone', /time zone/], [hours({ mon: ['09:00-10:00'] }, { holidays: ['2030-02-30'] }), 'hours.office.holidays[0]', /date/],
    [hours({ mon: ['09:00-10:00'] }, { holidays: ['2030-12-25', { date: '2030-12-25', spans: [] }] }), 'hours.office.holidays[1]', /twice/],
    [hours({ mon: ['09:00-10:00'] }, { holidays: [{ date: '2030-12-25', spans: ['09:00-12:00', '11:00-13:00'] }] }), 'hours.office.holidays', /at once/],
    [hours({ mon: ['09:00-10:00'] }, { holidays: [{ date: '2030-12-25', spans: ['01:00-02:00', '03:00-04:00', '05:00-06:00'] }] }), 'hours.office.holidays', /more than two/],
    [hours({ mon: ['09:00-10:00'] }, { holidays: [{ spans: ['09:00-12:00'] }] }), 'hours.office.holidays[0].date', /required/], [hours({ mon: ['09:00-10:00'] }, { holidays: [{ date: '2030-12-25', spans: ['9-12'] }] }), 'hours.office.holidays[0].spans[0]', /span/],
  ];
  for (const [wishes, path, message] of rows) {
    const faults = ((): ConfigFaults['faults'] => { try { config(wishes); return []; } catch (error) { return (error as ConfigFaults).faults; } })();
    t.match(faults, [{ path, message }], `${path}: ${JSON.stringify(faults)}`);
  }
});

t.test('the command: plan changes nothing, apply does, verify says so; 0, 2 and 1', async (t) => {
  const { graph, changes, passwordFile } = await provision(t);
  const file = join(t.testdir(), 'c.yaml');
  writeFileSync(file, configText(graph.url, passwordFile, everything));
  const run = async (...args: string[]): Promise<{ code: number | null; out: string; err: string }> => {
    const command = new Command('provision', ...args, '-c', file);
    return { code: await command.exit, out: command.out.join('\n'), err: command.err.join('\n') };
  };
  const plan = await run('plan');
  t.equal(plan.code, 2);
  t.match(plan.out, /server\n {4}- none\n {4}\+ sbc\.example\.net:5061/);
  t.match(plan.out, /provision apply makes them so/);
  t.equal(changes().length, 0);
  const apply = await run('apply', '--number', number, '--json');
  t.equal(apply.code, 0);
  t.match(JSON.parse(apply.out), { ok: true, numbers: [{ number, id, differences: [], fault: null }] });
  const verify = await run('verify');
  t.same([verify.code, verify.out.endsWith('Nothing differs.')], [0, true]);
  graph.behave('token');
  const refused = await run('verify');
  t.equal(refused.code, 1);
  t.match(refused.out, /FAULT.*190/);
  const password = readFileSync(passwordFile, 'utf8').trim();
  for (const { out, err } of [plan, apply, verify, refused]) for (const secret of [password, token]) t.notOk(`${out}${err}`.includes(secret));
  t.equal((await run('plan', '--number', '+447700900009')).code, 1);
});
