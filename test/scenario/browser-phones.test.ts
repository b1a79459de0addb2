import { readFileSync } from 'node:fs';
import t, { type Test } from 'tap';
import { engines } from '../helpers/engines.js';
import { domain, listener, number } from '../helpers/service.js';
import { WebrtcMedia } from '../helpers/webrtcMedia.js';
import { WebSocketPhone } from '../helpers/webSocketPhone.js';
import { openStage, pause, type Stage } from './harness.js';

const skip: string | false = engines.media === 'embedded' && engines.sip === 'embedded' ? false : 'webrtc: true wants our own engine and SIP server';
const accounts = { 6001: { password: 'pw-6001' }, 6002: { password: 'pw-6002' } };

async function stageOfBrowsers(t: Test, more: { codecs?: string[] } = {}): Promise<Stage> {
  const stage = await openStage({
    external: {},
    overlay: {
      sip: { listen: ['tls:127.0.0.1:0', 'udp:127.0.0.1:0', 'tcp:127.0.0.1:0', 'wss:127.0.0.1:0'] },
      peers: { agents: { register: true, webrtc: true, pstn: 'none', accounts, mayCall: [number], codecs: more.codecs ?? ['opus', 'PCMU'] } },
      routes: [{ name: 'main', number, to: [{ peer: 'agents', user: '6001' }], ringTimeout: 10 }],
    },
  });
  t.teardown(() => stage.close());
  return stage;
}

async function browser(t: Test, { running }: Stage, user: string, instance?: string): Promise<WebSocketPhone> {
  const phone = await WebSocketPhone.open(`wss://127.0.0.1:${listener(running.service, 'wss').port}`, user, domain, { ca: readFileSync(running.certificates.ca), servername: domain, instance });
  t.teardown(() => phone.close());
  t.equal((await phone.register(`pw-${user}`)).status, 200, `${user} registers over WSS`);
  return phone;
}

async function media(t: Test): Promise<WebrtcMedia> {
  const one = await WebrtcMedia.open();
  t.teardown(() => one.close());
  return one;
}

const until = async (what: string, done: () => boolean, seconds = 10): Promise<void> => {
  const deadline = Date.now() + seconds * 1000;
  while (!done()) {
    if (Date.now() > deadline) throw new Error(`not within ${seconds} s: ${what}`);
    await pause(20);
  }
};

t.test('a WhatsApp call to a browser: both ways in Opus, hold and resume, another network, a blind transfer to a second browser', { skip }, async (t) => {
  const stage = await stageOfBrowsers(t);
  const [first, second] = [await browser(t, stage, '6001', '00000000-0000-4000-8000-000000006001'), await browser(t, stage, '6002')];
  const [ears, others] = [await media(t), await media(t)];
  const caller = stage.user();
  const placed = caller.place();
  const invite = await first.next('an INVITE', (one) => one.method === 'INVITE');
  t.match(invite.body, /^m=audio \d+ UDP\/TLS\/RTP\/SAVPF 111 0 101 110\r$/m);
  t.match(invite.body, /^a=setup:actpass\r$[^]*^a=candidate:\S+ 1 udp /m);
  const answer = first.answer(invite, 200, {}, ears.answer(invite.body));
  t.equal(await placed, 200);
  await first.next('an ACK', (one) => one.method === 'ACK');
  await until('audio at the browser', () => ears.packets > 50);
  t.ok((ears.heard.get(111) ?? 0) > 40, 'Opus, passed through');

  // Hold and resume: the same stream, no new ICE.
  const held = await first.ask(first.follow('INVITE', invite, answer, true, {}, ears.offer('sendonly')));
  first.send(first.ack(first.follow('INVITE', invite, answer, true), held));
  t.match([held.status, held.body], [200, /a=recvonly/]);
  ears.take(held.body);
  const quiet = ears.packets;
  await pause(400);
  t.ok(ears.packets - quiet < 10, 'nothing is sent to who holds');
  const resumed = await first.ask(first.follow('INVITE', invite, answer, true, {}, ears.offer('sendrecv')));
  ears.take(resumed.body);
  const before = ears.packets;
  await until('audio again', () => ears.packets > before + 25);

  // The network is another, and the WebSocket with it: the browser comes back by a new one, under the same instance.
  first.socket.terminate();
  const again = await browser(t, stage, '6001', '00000000-0000-4000-8000-000000006001');
  await until('the old registration is gone', () => stage.running.log.some((line) => line.includes('6001') && line.includes('unregistered')));
  const restart = await again.ask(again.follow('INVITE', invite, answer, true, {}, await ears.moves()));
  t.equal(restart.status, 200);
  t.not(/a=ice-ufrag:(\S+)/.exec(restart.body)![1], /a=ice-ufrag:(\S+)/.exec(resumed.body)![1], 'RFC 8839 §4.4.1.1.1: we restart, too');
  t.equal(/a=fingerprint:.*/.exec(restart.body)![0], /a=fingerprint:.*/.exec(resumed.body)![0]);
  ears.take(restart.body);
  const there = ears.packets;
  await until('audio at the new place', () => ears.packets > there + 25);
  t.same(ears.faults, []);

  // REFER to the other browser.
  const referred = await again.ask(again.follow('REFER', invite, answer, true, { 'Refer-To': `<sip:6002@${domain}>` }));
  t.equal(referred.status, 202);
  const transferred = await second.next('an INVITE', (one) => one.method === 'INVITE');
  second.answer(transferred, 200, {}, others.answer(transferred.body));
  await second.next('an ACK', (one) => one.method === 'ACK');
  await until('audio at the second browser', () => others.packets > 50);
  await caller.hangUp();
  const bye = await second.next('a BYE', (one) => one.method === 'BYE');
  second.answer(bye, 200);
  const report = caller.report();
  t.same(report.violations, []);
  t.ok(report.audio!.toneHeard, 'the user heard what the browsers said');
  caller.close();
  const [record] = await stage.running.records(1);
  t.match(record, { peer: 'agents', termination: { by: 'user', reason: 'hangup' }, media: { peer: { codec: 'opus', keying: 'dtls' } } });
});

t.test('a browser whose keys never come: the call ends within seconds of its answer, and both hear of it', { skip }, async (t) => {
  const stage = await stageOfBrowsers(t);
  const phone = await browser(t, stage, '6001');
  const ears = await media(t);
  const caller = stage.user();
  const placed = caller.place();
  const invite = await phone.next('an INVITE', (one) => one.method === 'INVITE');
  const description = ears.answer(invite.body);
  // Its port answers nothing: what a firewall that lets no UDP through looks like.
  ears.close();
  phone.answer(invite, 200, {}, description);
  t.equal(await placed, 200);
  await phone.next('an ACK', (one) => one.method === 'ACK');
  const bye = await phone.next('a BYE', (one) => one.method === 'BYE', 20_000);
  phone.answer(bye, 200);
  const [record] = await stage.running.records(1);
  t.match(record, { peer: 'agents', termination: { by: 'us', reason: 'peerUnsecured', status: 408, result: 'upstream', text: /ICE has not come to an end within 10 s/ } });
  t.ok(record!.durationMs! > 9000 && record!.durationMs! < 20_000, `after ${record!.durationMs} ms`);
  await until('the user is hung up on', () => caller.report().endedBy !== 'nobody');
  t.ok(stage.running.log.some((line) => line.includes('no keys are agreed on')));
  caller.close();
});

t.test('keys that never come end the call also where a transfer was under way meanwhile, and came to nothing', { skip }, async (t) => {
  const stage = await stageOfBrowsers(t);
  const [phone, other] = [await browser(t, stage, '6001'), await browser(t, stage, '6002')];
  const ears = await media(t);
  const caller = stage.user();
  const placed = caller.place();
  const invite = await phone.next('an INVITE', (one) => one.method === 'INVITE');
  const description = ears.answer(invite.body);
  ears.close();
  const answer = phone.answer(invite, 200, {}, description);
  t.equal(await placed, 200);
  await phone.next('an ACK', (one) => one.method === 'ACK');
  t.equal((await phone.ask(phone.follow('REFER', invite, answer, true, { 'Refer-To': `<sip:6002@${domain}>` }))).status, 202);
  const ringing = await other.next('an INVITE', (one) => one.method === 'INVITE');
  other.answer(ringing, 180);
  await until('no keys are agreed on', () => stage.running.log.some((line) => line.includes('no keys are agreed on')), 20);
  t.equal(caller.report().endedBy, 'nobody', 'who may take the call is still rung');
  other.answer(ringing, 486);
  const bye = await phone.next('a BYE', (one) => one.method === 'BYE', 20_000);
  phone.answer(bye, 200);
  const [record] = await stage.running.records(1);
  t.match(record, { peer: 'agents', termination: { by: 'us', reason: 'peerUnsecured', status: 408 } });
  caller.close();
});

t.test('a browser calls a WhatsApp user, in G.711 too; digits both ways; what a browser may not say', { skip }, async (t) => {
  const stage = await stageOfBrowsers(t, { codecs: ['PCMU'] });
  const meta = await stage.answerAsMeta();
  const phone = await browser(t, stage, '6001');
  const ears = await media(t);
  const uri = `sip:+447700900101@${domain}`;

  const plain = 'v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n';
  const refused = await phone.authenticated(phone.request('INVITE', uri, {}, plain), 'pw-6001');
  t.match([refused.response.status, refused.response.get('warning')], [488, /webrtc: true/]);
  phone.send(phone.ack(refused.sent, refused.response));
  const muxless = await phone.authenticated(phone.request('INVITE', uri, {}, ears.offer().replace('a=rtcp-mux\r\n', '')), 'pw-6001');
  t.match([muxless.response.status, muxless.response.get('warning')], [488, /rtcp-mux/]);
  phone.send(phone.ack(muxless.sent, muxless.response));

  const { sent, response } = await phone.authenticated(phone.request('INVITE', uri, {}, ears.offer()), 'pw-6001');
  t.equal(response.status, 200);
  t.match(response.body, /^m=audio \d+ UDP\/TLS\/RTP\/SAVPF 0 126\r$/m);
  t.match(response.body, /^a=setup:active\r$/m);
  t.match(response.body, /^a=group:BUNDLE 0\r$/m);
  t.match(response.get('contact'), /;transport=ws>/);
  phone.send(phone.ack(sent, response));
  ears.take(response.body);
  await until('audio at the browser', () => ears.packets > 50);
  ears.echoes = false;
  for (let i = 0; i < 8; i++) {
    ears.say(126, Buffer.from([5, i >= 5 ? 0x8a : 0x0a, (160 * Math.min(i + 1, 6)) >> 8, (160 * Math.min(i + 1, 6)) & 0xff]), 777_000, i === 0);
    await pause(20);
  }
  ears.echoes = true;
  await pause(600);
  t.equal((await phone.ask(phone.follow('BYE', sent, response))).status, 200);
  const [record] = await stage.running.records(3).then((all) => all.filter(({ termination }) => termination.reason === 'hangup'));
  t.match(record, { peer: 'agents', account: '6001', media: { peer: { codec: 'PCMU', keying: 'dtls' } }, termination: { by: 'peer' } });
  const [report] = meta.reports;
  t.same(report!.violations, []);
  t.match(JSON.stringify(report), /"digit":"5"|"5"/, 'the digit reached the user');
  t.same(ears.faults, []);
});
