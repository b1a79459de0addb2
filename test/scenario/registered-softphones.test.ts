import t, { type Test } from 'tap';
import { startPeer, type PeerOptions, type SimulatedPeer } from '../../lib/simulator/index.js';
import { engines } from '../helpers/engines.js';
import { domain, number, plainListener } from '../helpers/service.js';
import { openStage, pause, type Stage, type StageOptions } from './harness.js';

const accounts = { 6001: { password: 'pw-6001' }, 6002: { password: 'pw-6002' } };

/** A service whose only peer has registered users; a route to 6001. */
async function stageWithPhones(t: Test, more: { phones?: object; overlay?: StageOptions['overlay']; external?: StageOptions['external'] } = {}): Promise<Stage> {
  const stage = await openStage({
    external: more.external ?? {},
    overlay: {
      peers: { phones: { register: true, pstn: 'none', accounts, mayCall: [number], codecs: ['PCMU'], ...more.phones } },
      routes: [{ name: 'main', number, to: [{ peer: 'phones', user: '6001' }], ringTimeout: 5 }],
      ...more.overlay,
    },
  });
  t.teardown(() => stage.close());
  return stage;
}

async function phone(t: Test, options: PeerOptions = {}): Promise<SimulatedPeer> {
  const peer = await startPeer({ codecs: ['PCMU'], user: '6001', ...options });
  t.teardown(() => peer.close());
  return peer;
}

const registrarOf = ({ running }: Stage, transport: 'udp' | 'tcp' | 'tls' = 'udp'): string =>
  `${transport}:${transport === 'tls' ? `127.0.0.1:${running.tls.port}` : plainListener(running, transport)}`;
const auth = (user: string, password = `pw-${user}`) => ({ username: user, password });
const status = async (stage: Stage): Promise<{ registrations: { user: string; from: string }[]; peers: { peer: string; state: string }[]; bans: { who: string }[] }> =>
  (await fetch(`http://${stage.running.service.http}/status`)).json() as never;

t.test('registers, is called, calls, unregisters', async (t) => {
  const stage = await stageWithPhones(t);
  const meta = await stage.answerAsMeta();
  const softphone = await phone(t);
  const registrar = registrarOf(stage);

  const unregistered = await stage.call();
  t.equal(unregistered.status, 480, 'nobody is there yet');

  const first = await softphone.register({ registrar, domain, auth: auth('6001'), expires: 600 });
  t.equal(first.status, 200);
  t.match(first.contacts[0], new RegExp(`^<sip:6001@127.0.0.1:${softphone.port}>;expires=600$`));
  t.match(first.header('date'), /GMT$/);
  t.match(await status(stage), { registrations: [{ peer: 'phones', user: '6001', from: `udp:127.0.0.1:${softphone.port}` }] });

  const called = await stage.call();
  t.equal(called.status, 200);
  t.same(called.violations, []);
  t.ok(called.audio!.toneHeard);

  const out = await softphone.call(`sip:+447700900101@${domain}`, { via: registrar, auth: auth('6001'), from: `<sip:6001@${domain}>` });
  t.equal(await out.final, 200);
  await pause(1000);
  await out.bye();
  await stage.running.records(3);
  t.equal(meta.reports.length, 1, 'one call reached Meta');
  t.same(meta.reports.flatMap((r) => r.violations), []);

  t.equal((await softphone.register({ registrar, domain, auth: auth('6001'), expires: 0 })).contacts.length, 0);
  t.equal((await stage.call()).status, 480);
  const [gone, inbound, outbound, after] = await stage.running.records(4);
  t.match(gone!.termination, { by: 'us', reason: 'nobodyThere', status: 480, text: /user 6001 of peer phones has no device registered/ });
  t.match(inbound, { peer: 'phones', target: '6001', termination: { by: 'user', reason: 'hangup' } });
  t.match(outbound, { peer: 'phones', account: '6001', number, direction: 'business-initiated', termination: { by: 'peer', reason: 'hangup' } });
  t.match(after!.termination, { reason: 'nobodyThere' });
});

t.test('every device of the user rings; one answers, the others stop', async (t) => {
  const stage = await stageWithPhones(t);
  const registrar = registrarOf(stage);
  const [desk, mobile, other] = [await phone(t, { answer: 'ring' }), await phone(t, { answer: 'delay=0.5' }), await phone(t)];
  for (const device of [desk, mobile]) t.equal((await device.register({ registrar, domain, auth: auth('6001') })).status, 200);
  await other.register({ registrar, domain, auth: auth('6002') });
  const report = await stage.call({}, 800);
  t.equal(report.status, 200);
  t.same(report.violations, []);
  await stage.running.records(1);
  t.match(desk.reports[0]!.endReason, /SIP;cause=200/);
  t.equal(mobile.reports.length, 1);
  t.equal(other.reports.length, 0, 'another user is not disturbed');

  desk.answer = 'busy';
  mobile.answer = 'decline';
  t.equal((await stage.call()).status, 603, 'the most telling answer');
  mobile.answer = 'ring';
  desk.answer = 'decline';
  const begun = Date.now();
  t.equal((await stage.call()).status, 603, 'a 6xx is the answer on all devices');
  t.ok(Date.now() - begun < 2000, 'at once');
});

t.test('over TCP and TLS calls come down the connection the phone registered by, whatever its Contact says', async (t) => {
  const stage = await stageWithPhones(t);
  for (const transport of ['tcp', 'tls'] as const) {
    const { ca } = stage.running.certificates;
    // On an address of its own: TLS from 127.0.0.1 is Meta here.
    const softphone = await phone(t, { listen: `${transport}:127.0.2.1:0`, tls: { cert: stage.running.certificates.metaCert, key: stage.running.certificates.metaKey, ca, serverName: domain } });
    const registrar = registrarOf(stage, transport);
    const contact = `<sip:6001@192.168.77.7:5060;transport=${transport}>`;
    t.equal((await softphone.register({ registrar, domain, auth: auth('6001'), contact })).status, 200);
    const report = await stage.call({}, 700);
    t.equal(report.status, 200, transport);
    t.same(report.violations, []);
    await softphone.close();
    const begun = Date.now();
    t.equal((await stage.call()).status, 480, 'its connection is gone');
    t.ok(Date.now() - begun < 2000, 'at once');
    t.same((await status(stage)).registrations, [], 'and the registration with it');
  }
});

t.test('a phone behind NAT is reached where it registered from, and dropped when it stops answering', async (t) => {
  const stage = await stageWithPhones(t, { phones: { registration: { keepAlive: 1 } } });
  const registrar = registrarOf(stage);
  const softphone = await phone(t);
  t.equal((await softphone.register({ registrar, domain, auth: auth('6001'), contact: '<sip:6001@10.77.77.7:5060>' })).status, 200);
  t.equal((await stage.call({}, 500)).status, 200);
  await pause(2500);
  softphone.vanish();
  for (let i = 0; i < 100 && (await status(stage)).registrations.length > 0; i++) await pause(200);
  t.same((await status(stage)).registrations, []);
  t.ok(stage.running.log.some((line) => line.includes('no answer to 3 keep-alives')));
});

t.test('a phone behind an edge proxy is called by its Path; one that says nothing more is gone when its time is over', async (t) => {
  const stage = await stageWithPhones(t, { phones: { registration: { minExpires: 10 } } });
  const registrar = registrarOf(stage);
  // The socket of the edge; the phone's own Via is below the edge's.
  const edge = await phone(t);
  const path = `<sip:127.0.0.1:${edge.port};lr>`;
  const behind = { Via: 'SIP/2.0/UDP 192.168.77.7:5060;branch=z9hG4bKphone', Path: path, Supported: 'path' };
  const registered = await edge.register({ registrar, domain, auth: auth('6001'), contact: '<sip:6001@192.168.77.7:5060>', expires: 10, headers: behind });
  const at = Date.now();
  t.equal(registered.status, 200);
  t.equal(registered.header('path'), path, 'RFC 3327 §5.3: repeated in the 200');
  const called = await stage.call({}, 500);
  t.equal(called.status, 200);
  t.same(called.violations, []);
  await stage.running.records(1);
  t.match(edge.reports[0]!.message, /^INVITE sip:6001@192\.168\.77\.7:5060 SIP/, 'its Contact');
  // drachtio-server 0.9.10 leaves Route out where it is told a proxy.
  if (engines.sip === 'embedded') t.match(edge.reports[0]!.message, new RegExp(`\\r\\nRoute: <sip:127\\.0\\.0\\.1:${edge.port};lr>\\r\\n`), 'RFC 3327 §5.3: its Path as Route');
  while ((await status(stage)).registrations.length > 0 && Date.now() - at < 15_000) await pause(100);
  t.ok(Date.now() - at >= 9900, `there for ${Date.now() - at} ms`);
  t.equal((await stage.call()).status, 480);
});

t.test('what a registrar must refuse', async (t) => {
  const stage = await stageWithPhones(t, { phones: { registration: { minExpires: 60, maxExpires: 120, maxContacts: 2 } }, external: { pbx: { port: 5999, uri: 'sip:pbx.example.net' } } });
  const registrar = registrarOf(stage);
  const softphone = await phone(t);
  const register = (options: Partial<Parameters<SimulatedPeer['register']>[0]>) => softphone.register({ registrar, domain, auth: auth('6001'), ...options });
  const brief = await register({ expires: 30 });
  t.equal(brief.status, 423);
  t.equal(brief.header('min-expires'), '60');
  t.match((await register({ expires: 7200 })).contacts, [/expires=120$/]);
  t.equal((await register({ contact: '*', expires: 60 })).status, 400);
  t.equal((await register({ contact: 'mailto:a@b.example' })).status, 400);
  t.equal((await register({ headers: { Require: 'gruu' } })).status, 420);
  for (const contact of [
    '<sip:+447700900199@127.0.0.1:5060>', '<sip:6002@127.0.0.1:5060;user=phone>', '<sip:6001;phone-context=+44@127.0.0.1>', '<sip:6001@pbx.example.net>', '<sip:+447700900101@wa.meta.vc;transport=tls>',
    '<sip:6001@127.0.0.1;maddr=192.0.2.1>', '<sip:6001@127.0.0.1?Route=%3Csip:x%3E>',
  ]) t.equal((await register({ contact })).status, 403, contact);
  t.equal((await register({ user: '6002' })).status, 403, "somebody else's address of record");
  t.equal((await register({ contact: '' })).contacts.length, 1, 'without Contact: only a question');
  await register({ contact: '<sip:6001@127.0.0.1:6001>' });
  t.match((await register({ contact: '<sip:6001@127.0.0.1:6002>' })).contacts, [/:6001>/, /:6002>/], 'the oldest gives way');
  t.equal((await register({ contact: '*', expires: 0 })).contacts.length, 0);
});

t.test('guessing is slowed, then banned; the phone that is known goes on', async (t) => {
  const stage = await stageWithPhones(t, { overlay: { limits: { ban: { after: 4, first: 60, longest: 3600 } } } });
  const registrar = registrarOf(stage);
  const good = await phone(t);
  t.equal((await good.register({ registrar, domain, auth: auth('6001') })).status, 200);
  const guesser = await phone(t, { user: '6002' });
  const times: number[] = [];
  for (let i = 0; i < 4; i++) {
    const begun = Date.now();
    t.equal((await guesser.register({ registrar, domain, auth: auth('6002', `guess-${i}`) })).status, 403);
    times.push(Date.now() - begun);
  }
  t.ok(times[0]! < 500 && times[1]! >= 990 && times[2]! >= 1990 && times[3]! >= 3990, `slower each time: ${times.join(', ')} ms`);
  const begun = Date.now();
  t.equal((await guesser.register({ registrar, domain, auth: auth('6002') })).status, 403, 'banned, even with the right password');
  t.ok(Date.now() - begun < 500);
  t.match((await status(stage)).bans, [{ who: '127.0.0.1' }, { who: 'user 6002' }]);
  t.equal((await good.register({ registrar, domain, auth: auth('6001') })).status, 200, 'known at this address');
  t.equal((await stage.call({}, 500)).status, 200);
});
