// The stand-ins against each other: the peer plays a business that speaks SDES over TLS.
import t from 'tap';
import type { Test } from 'tap';
import { MetaSide, SimulatedUser, simulateUser, startPeer } from '../../../lib/simulator/index.js';
import type { PeerOptions, SimulatedPeer, UserOptions } from '../../../lib/simulator/index.js';
import { makeCertificates } from '../../helpers/certificates.js';

const domain = 'sbc.example.net';
const files = await makeCertificates(t.testdir(), { domain });
const number = '+447700900001';
const challenge = { status: 407 as const, algorithms: ['SHA-256' as const, 'MD5' as const], realm: domain, username: '447700900001', password: 'secret' };

interface Stage { side: MetaSide; business: SimulatedPeer; user: (options?: Partial<UserOptions>) => SimulatedUser }

async function stage(t: Test, options: PeerOptions = {}): Promise<Stage> {
  const side = await MetaSide.open({ to: '', serverName: domain, ca: files.ca, listen: '127.0.0.1:0', cert: files.metaCert, key: files.metaKey });
  const business = await startPeer({
    listen: 'tls:127.0.0.1:0', srtp: 'sdes', codecs: ['opus'], contact: `sip:${number}@${domain}:5061;transport=tls`, outbound: `tls:127.0.0.1:${side.listening?.port}`,
    answer: { challenge }, ...options, tls: { cert: files.cert, key: files.key, ca: files.ca, outboundName: 'wa.meta.vc' },
  });
  side.options.to = `127.0.0.1:${business.port}`;
  t.teardown(async () => {
    await side.close();
    await business.close();
  });
  return { side, business, user: (more = {}) => new SimulatedUser(side, { number, password: 'secret', ...more }) };
}

const wait = (ms: number): Promise<void> => new Promise((resolve) => { setTimeout(resolve, ms); });

t.test('a call with echo is answered, heard and ended by the user', async (t) => {
  const { side, business } = await stage(t);
  const report = await simulateUser({ side, number, password: 'secret', seconds: 3, dtmf: '5#' });
  t.strictSame(report.violations, []);
  t.ok(report.ok);
  t.match(report, { status: 200, endedBy: 'user', byeStatus: 200, answer: { codec: 'opus', payloadType: 111, dtmf: 126 }, audio: { toneHeard: true, packetsLost: 0, digits: '5#' } });
  t.ok((report.audio?.firstPacketMs ?? -1) >= -20);
  t.ok((report.audio?.oneWayMs ?? 999) < 100, `one way ${report.audio?.oneWayMs} ms`);
  const seen = business.reports[0];
  t.match(seen, { digits: '5#', faults: { length: 0 }, headers: { 'x-wa-meta-wacid': report.wacid, 'x-fb-external-domain': 'wa.meta.vc' }, endedBy: 'far' });
  t.match(seen?.message, /^INVITE sip:\+447700900001@sbc\.example\.net;transport=tls SIP\/2\.0\r\nVia: SIP\/2\.0\/TLS \[2803.*\r\nRecord-Route: .*\r\nRecord-Route: .*\r\nVia: .*\r\nVia: /);
  t.equal(seen?.callId, `outgoing:${report.wacid}`);
});

t.test('the business hangs up over a connection to wa.meta.vc', async (t) => {
  const { business, user } = await stage(t);
  const caller = user({ from: 'US.13491208655302741918', displayName: 'Pablo', userParams: 'tgrp=wacall;trunk-context=byoc.example.com', payload: 'order-7' });
  t.equal(await caller.place(), 200);
  await wait(300);
  const ended = new Promise((resolve) => { caller.once('ended', resolve); });
  await business.bye('Q.850;cause=16;text="NORMAL_CLEARING"');
  await ended;
  const report = caller.report();
  t.strictSame(report.violations, []);
  t.match(report, { ok: true, endedBy: 'business', byeReason: 'Q.850;cause=16;text="NORMAL_CLEARING"' });
  t.match(business.reports[0]?.headers, { 'x-wa-meta-cta-payload': 'order-7' });
  t.match(business.reports[0]?.message, /^INVITE sip:\+447700900001;tgrp=wacall;trunk-context=byoc\.example\.com@sbc\.example\.net;transport=tls/);
});

t.test('a wrong password is refused', async (t) => {
  const { user } = await stage(t);
  const caller = user({ password: 'wrong' });
  t.equal(await caller.place(), 403);
  t.match(caller.report(), { ok: false, status: 403, endedBy: 'business' });
});

t.test('a server whose certificate names another host is not called', async (t) => {
  const { side, user } = await stage(t);
  side.options.serverName = 'other.example.net';
  await t.rejects(user().place(), { code: 'SIP_UNAVAILABLE' });
});

t.test('CANCEL while it rings', async (t) => {
  const { business, user } = await stage(t, { answer: 'ring' });
  const caller = user();
  caller.once('ringing', () => { caller.cancel(); });
  t.equal(await caller.place(), 487);
  t.match(caller.report(), { endedBy: 'user', violations: { length: 0 } });
  t.match(business.reports[0], { status: 487, endedBy: 'far' });
});

t.test('refusals come through with their status', async (t) => {
  const { business, user } = await stage(t);
  for (const [answer, status] of [['busy', 486], ['decline', 603], ['status=503', 503], ['redirect=sip:a@b', 302]] as const) {
    business.answer = answer;
    t.equal(await user().place(), status);
  }
});

t.test('silence at the start makes the user hang up', async (t) => {
  const { business, user } = await stage(t, { answer: 'mute' });
  const caller = user({ silence: { startMs: 400 } });
  await caller.place();
  await new Promise((resolve) => { caller.once('ended', resolve); });
  t.match(caller.report(), { ok: false, endedBy: 'meta', violations: [{ rule: 'silence' }] });
  await wait(50);
  t.match(business.reports[0]?.endReason, /not receiving any media/);
});

t.test('breaches are named', async (t) => {
  const cases: [string, PeerOptions, (call: SimulatedPeer, user: SimulatedUser) => unknown, string][] = [
    ['re-INVITE', {}, (b) => b.hold(), 'request-to-meta'],
    ['INFO', {}, (b) => b.lastCall?.ask('INFO'), 'request-to-meta'],
    ['second SSRC', { answer: 'tone' }, (b) => { b.lastCall?.changeSource(); }, 'second-ssrc'],
    ['media before the 200', { answer: 'tone,early,delay=1' }, () => undefined, 'media-before-200'],
    ['no SDP', { answer: 'nosdp' }, () => undefined, 'sdp'],
    ['refused SDP', { answer: 'badsdp' }, () => undefined, 'sdp'],
    ['another Contact', { contact: 'sip:x@10.0.0.1' }, () => undefined, 'contact'],
  ];
  for (const [what, options, act, rule] of cases) {
    const { business, user } = await stage(t, options);
    const caller = user();
    await caller.place();
    await wait(250);
    await act(business, caller);
    await wait(250);
    await caller.hangUp();
    const report = caller.report();
    t.notOk(report.ok, what);
    t.ok(report.violations.some((v) => v.rule === rule), `${what} → ${JSON.stringify(report.violations)}`);
  }
});

t.test('a 200 is repeated until its ACK, and no longer', async (t) => {
  const { business, user } = await stage(t, { timers: { t1: 50 } });
  const caller = user({ ack: 'never' });
  await caller.place();
  await wait(300);
  const repeats = caller.report().messages.filter((m) => m.startsWith('< SIP/2.0 200')).length;
  t.ok(repeats >= 3, `${repeats} times`);
  t.match(business.lastCall?.report().faults, []);
  await caller.hangUp();
});
