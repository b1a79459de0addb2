import { createRequire } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import '../../../lib/media/index.js';
import { Link, PROFILE_PATTERN } from '../../../lib/media/freeswitch/link.js';
import { isRefused, reach } from '../../../lib/media/freeswitch/reach.js';
import { eventOf, fakeEventSocket, reply, response, sofiaStatus, type Answer, type FakeEventSocket } from './fakeEventSocket.js';

const loaded = (): boolean => Object.keys(createRequire(import.meta.url).cache).some((path) => path.includes('drachtio-fsmrf'));
const fsmrfLoadedAtStart = loaded();

async function linked(t: Test, answer?: Answer): Promise<{ fake: FakeEventSocket; link: Link }> {
  const fake = await fakeEventSocket(answer);
  t.teardown(() => fake.close());
  const link = await Link.open(fake.address, 3000);
  t.teardown(() => link.close());
  return { fake, link };
}

/** The handles that hold a process: what listens, and what is connected. */
const handles = (kind: string): number => process.getActiveResourcesInfo().filter((name) => name === kind).length;

t.test('the profile, as drachtio-fsmrf puts it into its expression: found in any line, on IPv6 too, and never without a match', async (t) => {
  const find = (status: string): string | undefined => {
    const found = new RegExp(`^\\s*${PROFILE_PATTERN}\\s.*sip:mod_sofia@((?:[0-9]{1,3}\\.){3}[0-9]{1,3}:\\d+)`, 'm').exec(status);
    t.ok(found, 'it throws where there is no match');
    return found?.[1];
  };
  const ours = '                 wa-b2bua\tprofile\t              sip:mod_sofia@10.0.0.6:5080';
  const other = '                 internal\tprofile\t              sip:mod_sofia@10.0.0.6:5060';
  t.equal(find(sofiaStatus(ours)), '10.0.0.6:5080');
  t.equal(find(sofiaStatus(other, ours)), '10.0.0.6:5080');
  t.equal(find(sofiaStatus(ours.replace('10.0.0.6', '[2001:db8::6]'))), '[2001:db8::6]:5080');
  t.equal(find(sofiaStatus(other)), undefined);
  t.equal(find(sofiaStatus(ours.replace('wa-b2bua', 'not-wa-b2bua'))), undefined);
  t.equal(find(''), undefined);
});

t.test('loaded with the first connection, not with the program', async (t) => {
  t.notOk(fsmrfLoadedAtStart);
  const { link } = await linked(t);
  t.ok(loaded());
  t.equal(link.sip, '127.0.0.1:5080');
});

t.test('commands: their answers, -ERR, a line break that would begin another one', async (t) => {
  const { fake, link } = await linked(t, (command) => (command === 'api bad' ? response('-ERR no such thing\n') : null));
  t.equal(await link.api('uptime'), 'api uptime');
  t.equal(await link.api('uuid_kill a\n\napi shutdown'), 'api uuid_kill a api shutdown');
  await t.rejects(link.api('bad'), { code: 'MEDIA_REFUSED', detail: 'FreeSWITCH answers bad with: -ERR no such thing' });
  t.notOk(fake.heard.includes('api shutdown'));
});

t.test('health is of the last heartbeat; events of what was subscribed to', async (t) => {
  const { fake, link } = await linked(t);
  t.same(link.health, { sessions: 0, maxSessions: Infinity, idleCpu: 100 });
  const seen: unknown[] = [];
  link.on('event', (name, event) => seen.push([name, event.getHeader('DTMF-Digit'), link.health]));
  await link.subscribe(['HEARTBEAT', 'DTMF']);
  const core = { 'Core-UUID': 'c' };
  fake.connections[0]?.write(eventOf({ 'Event-Name': 'HEARTBEAT', ...core, 'Session-Count': '7', 'Max-Sessions': '1000', 'Idle-CPU': '61.5' }) + eventOf({ 'Event-Name': 'DTMF', ...core, 'Unique-ID': 'u', 'DTMF-Digit': '5' }));
  for (let left = 100; left > 0 && seen.length < 2; left -= 1) await sleep(10);
  const health = { sessions: 7, maxSessions: 1000, idleCpu: 61.5 };
  t.same(seen, [['HEARTBEAT', null, health], ['DTMF', '5', health]]);
});

t.test('a connection that is lost: what waits is told, once, and nothing connects anew or speaks on the console', async (t) => {
  const { fake, link } = await linked(t, (command) => (command === 'api never' ? '' : null));
  const said: unknown[] = [];
  for (const name of ['error', 'info', 'log', 'warn'] as const) t.intercept(console, name, { value: (...args: unknown[]) => said.push(args) });
  const closed: string[] = [];
  link.on('close', (reason) => closed.push(reason));
  const waiting = link.api('never');
  waiting.catch(() => undefined);
  while (!fake.heard.includes('api never')) await sleep(5);
  fake.connections[0]?.destroy();
  await t.rejects(waiting, { code: 'MEDIA_UNAVAILABLE' });
  await t.rejects(link.api('uptime'), { code: 'MEDIA_UNAVAILABLE' });
  await t.rejects(link.subscribe(['DTMF']), { code: 'MEDIA_UNAVAILABLE' });
  await sleep(1200);
  t.same(closed.length, 1);
  t.equal(fake.connections.length, 1);
  t.same(said, []);
  link.close();
});

t.test('it listens for nothing once it is there: nobody connects to us', async (t) => {
  const before = handles('TCPServerWrap');
  const { link } = await linked(t);
  t.equal(handles('TCPServerWrap'), before + 1, 'the stand-in');
  link.close();
});

t.test('a wrong secret, an address that is refused, nobody there, one that says nothing: told why, tried once', async (t) => {
  const refusing = await fakeEventSocket((command) => (command.startsWith('auth ') ? reply('-ERR invalid') : null));
  const rude = await fakeEventSocket(() => '', 'Content-Type: text/rude-rejection\nContent-Length: 24\n\nAccess Denied, go away.\n');
  const mute = await fakeEventSocket(() => '');
  const halfway = await fakeEventSocket((command) => (command === 'api sofia status' ? '' : null));
  const fakes = [refusing, rude, mute, halfway];
  t.teardown(() => Promise.all(fakes.map((one) => one.close())));
  await t.rejects(Link.open(refusing.address, 1000), { code: 'MEDIA_UNAVAILABLE', message: /refuses our secret: compare media\.freeswitch\[\]\.secret/ });
  await t.rejects(Link.open(rude.address, 1000), { code: 'MEDIA_UNAVAILABLE', message: /refuses this address: see its event_socket ACL/ });
  await t.rejects(Link.open(mute.address, 300), { code: 'MEDIA_UNAVAILABLE', message: /no answer within 300 ms/ });
  await t.rejects(Link.open(halfway.address, 300), { code: 'MEDIA_UNAVAILABLE', message: /no answer within 300 ms/ }, 'before MediaServer is ready');
  await t.rejects(Link.open(halfway.address, 3000), { code: 'MEDIA_UNAVAILABLE', message: /MediaServer not ready/ }, 'its own second');
  const gone = await fakeEventSocket();
  await gone.close();
  const error: unknown = await Link.open(gone.address, 1000).catch((reason: unknown) => reason);
  t.match(error, { code: 'MEDIA_UNAVAILABLE' });
  t.ok(isRefused(error), 'nobody listens there');
  const again = await fakeEventSocket();
  t.teardown(() => again.close());
  await sleep(1200);
  t.same(fakes.map(({ connections }) => connections.length), [1, 1, 1, 2], 'no attempt after the one that failed');
});

t.test('what is no event socket ends as a connection: an escape that is none, a frame without end', async (t) => {
  const odd = await fakeEventSocket(() => '', 'a: %zz\n\n');
  const endless = await fakeEventSocket(() => '', 'x'.repeat(5 << 20));
  t.teardown(() => Promise.all([odd, endless].map((one) => one.close())));
  await t.rejects(Link.open(odd.address, 3000), { code: 'MEDIA_UNAVAILABLE', message: /URI malformed/ });
  await t.rejects(Link.open(endless.address, 20_000), { code: 'MEDIA_UNAVAILABLE', message: /more than can be an answer/ });
});

t.test('reach: one without our SIP profile, and one whose public address is a name, are refused', async (t) => {
  const bare = await fakeEventSocket((command) => (command === 'api sofia status' ? response(sofiaStatus()) : null));
  const named = await fakeEventSocket((command) => (command === 'api global_getvar wab_ext_rtp_ip' ? response('stun:stun.example') : null));
  const right = await fakeEventSocket((command) => (command.startsWith('api global_getvar') ? response(command.endsWith('core_uuid') ? 'core\n' : '203.0.113.6') : command === 'api version' ? response('FreeSWITCH Version 1.10.12-release') : null));
  t.teardown(() => Promise.all([bare, named, right].map((one) => one.close())));
  await t.rejects(reach(bare.address), { code: 'MEDIA_REFUSED', message: /has no SIP profile wa-b2bua/ });
  await t.rejects(reach(named.address), { code: 'MEDIA_REFUSED', message: /WAB_EXT_RTP_IP .* "stun:stun\.example"/ });
  const { link, ...facts } = await reach(right.address);
  t.same(facts, { sip: '127.0.0.1:5080', core: 'core', version: '1.10.12', publicAddress: '203.0.113.6' });
  link.close();
});
