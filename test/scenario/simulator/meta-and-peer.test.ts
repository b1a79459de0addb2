// The stand-in of wa.meta.vc against a PBX user that plays the business.
import { connect } from 'node:tls';
import { readFile } from 'node:fs/promises';
import t from 'tap';
import type { Test } from 'tap';
import { startMeta, startPeer } from '../../../lib/simulator/index.js';
import type { CallOptions, MetaOptions, PeerOptions, SimulatedMeta, SimulatedPeer } from '../../../lib/simulator/index.js';
import { makeCertificates } from '../../helpers/certificates.js';

const domain = 'sbc.example.net';
const number = '+447700900001';
const user = 'sip:+447700900101@wa.meta.vc;transport=tls';
const from = `<sip:${number}@${domain}>`;
const files = await makeCertificates(t.testdir(), { domain });

interface Stage { meta: SimulatedMeta; business: SimulatedPeer; call: (uri?: string, options?: CallOptions) => ReturnType<SimulatedPeer['call']> }

async function stage(t: Test, options: Partial<MetaOptions> = {}, peer: PeerOptions = {}): Promise<Stage> {
  const meta = await startMeta({
    listen: '127.0.0.1:0', cert: files.metaCert, key: files.metaKey, numbers: [{ number, password: 'secret', hostname: domain }], behaviour: { ringMs: 50 }, ...options,
  });
  const business = await startPeer({
    listen: 'udp:127.0.0.1:0', srtp: 'sdes', codecs: ['opus'], dtmf: 126, contact: `sip:${number}@${domain}:5061;transport=tls`, answer: 'echo',
    auth: { username: number.slice(1), password: 'secret' }, timers: { t1: 50 }, ...peer, tls: { ca: files.ca, serverName: 'wa.meta.vc' },
  });
  t.teardown(async () => {
    await business.close();
    await meta.close();
  });
  const call = (uri = user, more: CallOptions = {}): ReturnType<SimulatedPeer['call']> => business.call(uri, { from, via: `tls:127.0.0.1:${meta.port}`, source: 'echo', ...more });
  return { meta, business, call };
}

const wait = (ms: number): Promise<void> => new Promise((resolve) => { setTimeout(resolve, ms); });

t.test('each form of challenge is met and the call is heard both ways', async (t) => {
  for (const behaviour of ['challenge=sha256-md5', 'challenge=md5-sha256', 'challenge=md5', 'challenge=sha256', 'auth-int', 'noqop', 'commas', 'challenge=none']) {
    const { meta, call } = await stage(t, { behaviour: `echo,ring=0.05,${behaviour}`, source: 'tone', expect: [] });
    const placed = await call();
    t.equal(await placed.final, 200, behaviour);
    await wait(behaviour.startsWith('commas') ? 1200 : 300);
    await placed.bye();
    const report = meta.reports[0];
    t.strictSame(report?.violations.map((v) => v.detail), [], `${behaviour}: nothing broken`);
    t.match(report, { ok: true, status: 200, acknowledged: true, endedBy: 'business', answer: { codec: 'opus' } });
    t.strictSame(report?.steps, behaviour === 'challenge=none' ? [100, 180] : [407, 100, 180]);
  }
});

t.test('a stale nonce is answered once more', async (t) => {
  const { meta, call } = await stage(t, { behaviour: 'stale,ring=0' });
  const placed = await call();
  t.equal(await placed.final, 200);
  await placed.bye();
  t.match(meta.reports[0], { steps: [407, 407, 100, 180], violations: { length: 0 } });
});

t.test('refusals carry Meta\'s words in status line and Warning', async (t) => {
  const rows = { noPermission: 403, dayLimit: 403, declined: 486, unreachable: 480, rtpTimeout: 408, overload: 503, unknownNumber: 400 };
  for (const [name, status] of Object.entries(rows)) {
    const { business, call } = await stage(t, { behaviour: `${name},ring=0` });
    const placed = await call();
    t.equal(await placed.final, status, name);
    const message = business.reports[0]?.message ?? '';
    const text = /^SIP\/2\.0 \d+ (.*)\r/.exec(message)?.[1];
    t.ok(message.includes(`Warning: 399 wa.meta.vc "${text}"`), text ?? 'no text');
    t.match(message, /Record-Route: <sip:onevc-sip-proxy[^\r]*\r\nRecord-Route: <sip:wa\.meta\.vc;transport=tls;lr>/);
  }
});

t.test('what Meta does not take is refused', async (t) => {
  const { meta, call } = await stage(t);
  const cases: [string, string, CallOptions, number][] = [
    ['an address in the Request-URI', 'sip:+447700900101@127.0.0.1;transport=tls', {}, 404],
    ['sips:', 'sips:+447700900101@wa.meta.vc', {}, 404],
    ['no + in the Request-URI', 'sip:447700900101@wa.meta.vc;transport=tls', {}, 500],
    ['another From host', user, { from: `<sip:${number}@other.example.org>` }, 403],
    ['wa.meta.vc as From host', user, { from: `<sip:${number}@wa.meta.vc>` }, 403],
    ['an unknown number', user, { from: `<sip:+447700900009@${domain}>` }, 400],
    ['a wrong password', user, { auth: { username: number.slice(1), password: 'no' } }, 403],
    ['a username with +', user, { auth: { username: number, password: 'secret' } }, 403],
    ['no SDP', user, { delayedOffer: true }, 403],
    ['no Opus', user, { codecs: ['PCMU'] }, 403],
  ];
  for (const [what, uri, options, status] of cases) t.equal(await (await call(uri, options)).final, status, what);
  t.equal(await (await call(user, { from: `<sip:${number}@example.net>` })).final, 200, 'the parent domain is taken');
  t.ok(meta.attempts.length >= 7);
});

t.test('a second call of the pair is refused, another pair is not', async (t) => {
  const { call } = await stage(t);
  const first = await call();
  t.equal(await first.final, 200);
  t.equal(await (await call()).final, 403);
  t.equal(await (await call('sip:+447700900102@wa.meta.vc;transport=tls')).final, 200);
  await first.bye();
  const again = await call();
  t.equal(await again.final, 200);
});

t.test('in the dialog nothing but BYE is taken', async (t) => {
  const { meta, call } = await stage(t);
  const placed = await call();
  await placed.final;
  await wait(50);
  t.equal(await placed.hold(), 500);
  t.equal((await placed.ask('UPDATE'))?.status, 405);
  await placed.bye();
  t.match(meta.reports[0]?.violations.map((v) => v.rule), ['request-to-meta', 'request-to-meta']);
});

t.test('REGISTER gets 403 and OPTIONS 200', async (t) => {
  const { meta } = await stage(t);
  const socket = connect({ host: '127.0.0.1', port: meta.port, servername: 'wa.meta.vc', ca: await readFile(files.ca) });
  t.teardown(() => socket.destroy());
  await new Promise((resolve) => { socket.once('secureConnect', resolve); });
  for (const [method, status] of [['REGISTER', 403], ['OPTIONS', 200]]) {
    socket.write(`${method} sip:wa.meta.vc;transport=tls SIP/2.0\r\nVia: SIP/2.0/TLS ${domain};branch=z9hG4bK${method}\r\nMax-Forwards: 70\r\n`
      + `From: <sip:a@${domain}>;tag=1\r\nTo: <sip:a@${domain}>\r\nCall-ID: ${method}\r\nCSeq: 1 ${method}\r\nContent-Length: 0\r\n\r\n`);
    const [answer] = await new Promise<[Buffer]>((resolve) => { socket.once('data', (bytes: Buffer) => { resolve([bytes]); }); });
    t.match(answer.toString(), new RegExp(`^SIP/2\\.0 ${status} `), String(method));
  }
});

t.test('CANCEL ends the ringing with 487', async (t) => {
  const { meta, call } = await stage(t, { behaviour: 'ring' });
  const placed = await call();
  placed.once('ringing', () => { placed.cancel(); });
  t.equal(await placed.final, 487);
  await wait(20);
  t.match(meta.reports[0], { status: 487, endedBy: 'business' });
});

t.test('Meta hangs up with wacid and duration', async (t) => {
  const { meta, business, call } = await stage(t, { behaviour: 'ring=0,hangup=0.3', userId: 'US.1349', userName: 'Pablo' });
  const placed = await call();
  await placed.final;
  t.match(placed.report().headers, { 'x-fb-external-domain': 'wa.meta.vc', 'x-wa-meta-user-id': 'US.1349' });
  await new Promise((resolve) => { placed.once('ended', resolve); });
  await wait(50);
  t.match(meta.reports[0], { endedBy: 'user' });
  t.match(business.reports[0], { endedBy: 'far', status: 200 });
});

t.test('silence makes the user hang up, and says why', async (t) => {
  const { meta, business, call } = await stage(t, { behaviour: 'ring=0', silence: { startMs: 300 } });
  const placed = await call(user, { source: 'none' });
  await placed.final;
  await new Promise((resolve) => { placed.once('ended', resolve); });
  await wait(50);
  t.match(meta.reports[0], { endedBy: 'meta', violations: [{ rule: 'silence' }] });
  t.match(business.reports[0]?.endReason, /not receiving any media/);
});

t.test('own payload types, a BSUID and digits', async (t) => {
  const { meta, call } = await stage(t, { behaviour: 'tone,own,ring=0' }, { dtmf: 101 });
  const placed = await call('sip:US.13491208655302741918@wa.meta.vc;transport=tls', { source: 'tone' });
  t.equal(await placed.final, 200);
  await wait(100);
  placed.press('42#');
  await wait(900);
  await placed.bye();
  const report = meta.reports[0];
  t.match(report, { user: 'US.13491208655302741918', answer: { payloadType: 111, dtmf: 126 }, audio: { digits: '42#' } });
});

t.test('TLS: a client that offers ALPN gets alert 120, any other the certificate of wa.meta.vc', async (t) => {
  const { meta } = await stage(t);
  const ca = await readFile(files.ca);
  const open = (alpn?: string[]): Promise<string> => new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port: meta.port, servername: 'wa.meta.vc', ca, ...(alpn ? { ALPNProtocols: alpn } : {}) }, () => {
      resolve('connected');
      socket.destroy();
    });
    socket.on('error', (error) => { resolve(error.message); });
  });
  t.equal(await open(), 'connected');
  t.match(await open(['sip']), /no application protocol|alert number 120/);
});
