// RFC 8599: an app whose connection is gone is woken by push, told by an event, and rings once it has registered anew.
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import t, { type Test } from 'tap';
import type { Told } from '../helpers/apiClient.js';
import { engines } from '../helpers/engines.js';
import { RawPhone } from '../helpers/rawPhone.js';
import { domain, listener, number } from '../helpers/service.js';
import { openStage, type Stage } from './harness.js';

/** drachtio-server tells of no connection that has closed. */
const skip = engines.sip === 'embedded' ? false : 'needs the embedded SIP server';
const token = 'ABCDEF0123:voip';
const contact = (phone: RawPhone): string => `<sip:6001@${phone.here};transport=tcp;pn-provider=apns;pn-prid=${token};pn-param=TEAM.org.example.app>`;

interface Woken { readonly stage: Stage; readonly pushes: readonly Told[]; phone(): Promise<RawPhone> }

/** `onPush` is called for each event phone.push. */
async function stageOf(t: Test, onPush: (event: Told) => void, pushWait = 2): Promise<Woken> {
  const pushes: Told[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (data: Buffer) => chunks.push(data));
    request.on('end', () => {
      const event = JSON.parse(Buffer.concat(chunks).toString('utf8')) as Told;
      pushes.push(event);
      onPush(event);
      response.writeHead(204).end();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => { server.closeAllConnections(); server.close(); });
  const { port } = server.address() as AddressInfo;
  const stage = await openStage({
    overlay: {
      events: { webhooks: [{ url: `http://127.0.0.1:${port}/`, secret: 'the secret of events', types: ['phone.push'], users: true }] },
      peers: { apps: { register: true, pstn: 'none', accounts: { 6001: { password: 'pw' }, 6002: { password: 'pw' } }, registration: { push: ['apns', 'fcm'], pushWait } } },
      routes: [{ name: 'apps', number, to: [{ peer: 'apps', user: '6001' }], ringTimeout: 5 }],
    },
  });
  t.teardown(() => stage.close());
  return { stage, pushes, phone: () => RawPhone.open(domain, 'tcp', listener(stage.running.service, 'tcp')) };
}

const register = (phone: RawPhone, named: string, user = '6001') => phone.authenticated({ user, contact: named, expires: 600 }, { username: user, password: 'pw' });

async function asleep(stage: Stage): Promise<void> {
  for (;;) {
    const { registrations } = await (await fetch(`http://${stage.running.service.http}/status`)).json() as { registrations: { asleep: boolean; contact: string }[] };
    t.notOk(JSON.stringify(registrations).includes(token), 'the token is on no page');
    if (registrations.some((one) => one.asleep)) return;
    await new Promise((resolve) => { setTimeout(resolve, 20); });
  }
}

t.test('an app that sleeps is woken for a call, registers and rings', { skip }, async (t) => {
  let wake: () => void = () => undefined;
  const pushed = new Promise<void>((resolve) => { wake = resolve; });
  const { stage, pushes, phone } = await stageOf(t, () => wake());
  const before = await phone();
  const registered = await register(before, contact(before));
  t.equal(registered.status, 200);
  t.equal(registered.get('feature-caps'), '*;+sip.pns="apns", *;+sip.pns="fcm"');
  before.close();
  await asleep(stage);
  const caller = stage.user();
  const placed = caller.place();
  await pushed;
  const after = await phone();
  t.teardown(() => after.close());
  // As apps do it after a change of network: the old address first, which wakes nobody.
  t.equal((await register(after, `${contact(before)};expires=0`)).status, 200);
  t.equal((await register(after, contact(after))).status, 200);
  while (!after.heard.some((one) => one.method === 'INVITE')) await new Promise((resolve) => { setTimeout(resolve, 20); });
  const invite = after.heard.find((one) => one.method === 'INVITE')!;
  t.match(invite.uri, /^sip:6001@.*pn-prid=ABCDEF0123:voip/);
  t.match(pushes, [{ type: 'phone.push', data: { direction: 'user-initiated', number, user: /^\+44/, peer: 'apps', account: '6001', provider: 'apns', prid: token, param: 'TEAM.org.example.app', wait: 2 } }]);
  t.equal(pushes.length, 1);
  await caller.hangUp().catch(() => undefined);
  await placed.catch(() => undefined);
  caller.close();
  const [{ id } = { id: '' }] = await stage.running.records(1);
  const ladder = await (await fetch(`http://${stage.running.service.http}/calls/${id}/sip`)).text();
  t.match(ladder, /pn-prid=/);
  t.notMatch(ladder, token, 'nor in what the messages are shown as');
  t.notOk(stage.running.log.some((line) => line.includes(token)), 'nor in the log');
  const { registrations } = await (await fetch(`http://${stage.running.service.http}/status`)).json() as { registrations: { asleep: boolean }[] };
  t.match(registrations, [{ asleep: false }], 'one app, at one place');
  t.equal(registrations.length, 1);
});

t.test('one that does not wake up is not waited for longer; providers that nobody serves, and apps that do not sleep', { skip }, async (t) => {
  const { stage, pushes, phone } = await stageOf(t, () => undefined);
  const first = await phone();
  t.equal((await register(first, contact(first).replace('apns', 'webpush'))).status, 555);
  t.equal((await register(first, contact(first))).status, 200);
  first.close();
  await asleep(stage);
  const began = Date.now();
  const caller = stage.user();
  t.equal(await caller.place(), 480);
  t.ok(Date.now() - began >= 1900, 'after the time it was given');
  t.match((await stage.running.records(1))[0], { termination: { status: 480, text: /no device registered/ } });
  t.equal(pushes.length, 1);
  caller.close();
  // Without a token nobody can be woken: it is as it was before.
  const other = await phone();
  const asks = await register(other, `<sip:6002@${other.here};transport=tcp;pn-provider=apns>`, '6002');
  t.match([asks.status, asks.get('feature-caps')], [200, /apns/]);
});

t.test('a user who hangs up while an app is woken keeps nobody waiting', { skip, timeout: 20_000 }, async (t) => {
  let wake: () => void = () => undefined;
  const pushed = new Promise<void>((resolve) => { wake = resolve; });
  const { stage, phone } = await stageOf(t, () => wake(), 30);
  const app = await phone();
  t.equal((await register(app, contact(app))).status, 200);
  app.close();
  await asleep(stage);
  const caller = stage.user();
  const placed = caller.place();
  await pushed;
  const calls = stage.running.service.table.all();
  t.equal(calls.length, 1);
  await caller.cancel();
  t.equal(await placed, 487);
  // Within the test's time: the app has thirty seconds.
  await Promise.all(calls.map((call) => call.ended));
  caller.close();
});
