// PBX users against each other: transports, SRTP, answers, holds, transfers.
import t from 'tap';
import type { Test } from 'tap';
import { startPeer } from '../../../lib/simulator/index.js';
import type { PeerOptions, SimulatedPeer } from '../../../lib/simulator/index.js';
import { makeCertificates } from '../../helpers/certificates.js';

const files = await makeCertificates(t.testdir(), { domain: 'pbx.example.net' });
const wait = (ms: number): Promise<void> => new Promise((resolve) => { setTimeout(resolve, ms); });

async function two(t: Test, called: PeerOptions = {}, caller: PeerOptions = {}): Promise<{ a: SimulatedPeer; b: SimulatedPeer; uri: string }> {
  const b = await startPeer({ user: '6001', ...called });
  const a = await startPeer({ user: 'caller', ...caller });
  t.teardown(async () => {
    await a.close();
    await b.close();
  });
  return { a, b, uri: b.uri.replace('sip:', 'sip:6001@') };
}

t.test('audio both ways on each transport, codec and keying', async (t) => {
  const tls = { cert: files.cert, key: files.key, ca: files.ca, serverName: 'pbx.example.net' };
  const cases: [string, PeerOptions][] = [
    ['udp:127.0.0.1:0', { codecs: ['PCMU'] }], ['tcp:127.0.0.1:0', { codecs: ['PCMA'] }], ['tls:127.0.0.1:0', { codecs: ['opus'], srtp: 'sdes', tls }],
    ['udp:[::1]:0', { codecs: ['G722'] }],
  ];
  for (const [listen, options] of cases) {
    const { a, b, uri } = await two(t, { ...options, listen, answer: 'tone' }, { ...options, listen });
    const call = await a.call(uri);
    t.equal(await call.final, 200, listen);
    await wait(600);
    call.press('7');
    await wait(400);
    await call.bye('Q.850;cause=16');
    t.match(call.report(), { ok: true, faults: { length: 0 }, codec: options.codecs?.[0] }, `${listen}: caller`);
    t.match(b.reports[0], { ok: true, faults: { length: 0 }, digits: '7', endedBy: 'far', endReason: 'Q.850;cause=16' }, `${listen}: called`);
    t.strictSame([...a.strays, ...b.strays], []);
  }
});

t.test('answers that refuse, redirect or never come', async (t) => {
  const { a, b, uri } = await two(t, { timers: { t1: 30 } }, { timers: { t1: 30 } });
  for (const [answer, status] of [['busy', 486], ['decline', 603], ['unavailable,delay=0.1', 480], ['error', 500], ['redirect=sip:x@127.0.0.1', 302], ['vanish', 0], ['badsdp', 200], ['nosdp', 200]] as const) {
    b.answer = answer;
    const call = await a.call(uri);
    t.equal(await call.final, status, answer);
    if (answer.startsWith('redirect')) t.match(call.report().message, /Contact: <sip:x@127\.0\.0\.1>/);
    if (answer.endsWith('sdp')) t.equal(call.report().faults.length, 1, call.report().faults.join());
    await call.bye();
  }
});

t.test('a challenge, a delayed offer, and both phones of a fork', async (t) => {
  const challenge = { status: 401 as const, algorithms: ['SHA-256' as const], realm: 'pbx', username: 'u', password: 'p' };
  const { a, b, uri } = await two(t, { answer: { challenge } });
  t.equal(await (await a.call(uri)).final, 401, 'no credentials');
  t.equal(await (await a.call(uri, { auth: { username: 'u', password: 'x' } })).final, 403, 'wrong ones');
  const proved = await a.call(uri, { auth: { username: 'u', password: 'p' } });
  t.equal(await proved.final, 200);
  await proved.bye();
  b.answer = 'echo';
  const delayed = await a.call(uri, { delayedOffer: true });
  t.equal(await delayed.final, 200);
  await wait(500);
  await delayed.bye();
  t.match(b.reports.at(-1), { ok: true, toneHeard: true });
  b.answer = 'fork';
  const coming = b.nextCall();
  const forked = await a.call(uri);
  await forked.final;
  const phone = await coming;
  await wait(200);
  t.notOk(phone.ended, 'the first phone talks');
  await forked.bye();
  t.match(b.reports.at(-1), { endedBy: 'far', faults: { length: 0 } });
});

t.test('hold, resume, a change of source, mute, REFER', async (t) => {
  const { a, b, uri } = await two(t, { answer: 'tone' });
  const call = await a.call(uri, { source: 'tone' });
  await call.final;
  await wait(100);
  for (const how of ['sendonly', 'inactive', 'zero'] as const) {
    t.equal(await b.hold(how), 200, how);
    t.equal(await b.resume('tone'), 200);
  }
  b.lastCall?.changeSource();
  await wait(200);
  b.lastCall?.mute(true);
  await wait(400);
  b.lastCall?.mute(false);
  await wait(100);
  t.equal((await call.ask('INFO', { 'Content-Type': 'application/dtmf-relay' }, 'Signal=5\r\nDuration=160\r\n'))?.status, 200);
  t.equal(await b.refer('sip:6002@127.0.0.1'), 200, 'a peer takes any request inside the dialog');
  await call.bye();
  const report = call.report();
  t.equal(report.theirDirections.join(), 'sendrecv,sendonly,sendrecv,inactive,sendrecv,sendrecv,sendrecv');
  t.equal(report.media?.received.ssrcs.length, 2);
  t.ok((report.media?.received.maxGapMs ?? 0) > 350, `${report.media?.received.maxGapMs} ms of silence`);
  t.equal(b.reports[0]?.infoDigits, '5');
});

t.test('CANCEL, a hang-up by itself, and a peer that vanishes', async (t) => {
  const { a, b, uri } = await two(t, { answer: 'ring', timers: { t1: 30 } }, { timers: { t1: 30 } });
  const ringing = await a.call(uri);
  ringing.once('ringing', () => { ringing.cancel(); });
  t.equal(await ringing.final, 487);
  b.answer = 'echo,hangup=0.2';
  const short = await a.call(uri);
  await short.final;
  await new Promise((resolve) => { short.once('ended', resolve); });
  t.equal(short.report().endedBy, 'far');
  b.answer = 'echo';
  const lost = await a.call(uri);
  await lost.final;
  b.vanish();
  await lost.bye();
  t.match(lost.report().faults, ['BYE was answered not at all']);
  b.comeBack();
  t.equal(await (await a.call(uri)).final, 200);
});
