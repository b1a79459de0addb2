import t from 'tap';
import { drawLadder } from '../../../lib/observe/ladder.js';
import { createLogger } from '../../../lib/observe/logger.js';
import { hideDigits, maskIds, maskLine, maskUser, maskUsers, redactSip } from '../../../lib/observe/redact.js';
import { headerValue, TraceStore, type TraceEntry } from '../../../lib/observe/trace.js';

t.test('users are masked, business numbers are not, secrets never show', (t) => {
  t.equal(maskUser('+447700900101'), '+4477******01');
  t.equal(maskUser('short'), '*****');
  t.equal(maskUsers('INVITE sip:+447700900001@x, from +447700900101', new Set(['+447700900001']), null), 'INVITE sip:+447700900001@x, from +4477******01');
  const text = redactSip('Authorization: Digest nonce="n1", response="abcdef"\r\n\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:KEYKEYKEY\r\na=ice-pwd:hush\r\n');
  t.notMatch(text, /abcdef|KEYKEY|hush|n1/);
  t.end();
});

t.test("ids of Meta's hold a number, which is hidden in them; a number without its plus is hidden where it is known whose it is", (t) => {
  const rest = 'FQIAEhggQTBCMUMyRDNFNEY1AA==';
  const wacid = `wacid.HBgM${Buffer.from('447700900101').toString('base64')}${rest}`;
  const hidden = `wacid.HBgM${'*'.repeat(16)}${rest}`;
  t.equal(maskIds(`Call-ID: outgoing:${wacid}\r\n`), `Call-ID: outgoing:${hidden}\r\n`, 'the length stays, and what tells it from others');
  t.equal(maskLine(`{"wacid":"${wacid}","n":"+447700900101"}`, new Set()), `{"wacid":"${hidden}","n":"+4477******01"}`);
  t.equal(maskIds(wacid, new Set(['+447700900101'])), wacid, 'a business number is no secret');
  // One of 11 digits, of Meta's sample, and one of 13: what stands for the last digit stands for what follows it too.
  t.notMatch(Buffer.from(maskIds('wacid.HBgLMTIxODU1NTI4MjgVAgARGCAw').slice(6).replaceAll('*', 'A'), 'base64').toString('latin1'), /[0-9]{2}/);
  const thirteen = maskIds('wamid.HBgNNTUxMjM0NTY3ODkwMRUCABEYEjgxQkVFRDVBQTVDODFDOTg3MQA=');
  t.match(thirteen, /^wamid\.HBgN\*{18}UCABEY/);
  t.equal(maskIds('wacid.ABGGFjFVU2AfAgo6V-Hc5eCgK5Gh'), `wacid.AB${'*'.repeat(13)}6V-Hc5eCgK5Gh`, 'the older form');
  for (const other of ['wacid.A', 'wacid.SAMPLE1', 'wacid.HBgM6V/Hc5eCgK5Gh6V/Hc5eCgK5Gh', 'a wacid. is an id']) t.equal(maskIds(other), other);

  const keep = new Set(['+447700900001']);
  t.equal(maskUsers('"447700900101" <sip:447700900101@x> to 447700900001', keep, '+447700900101'), '"44770*****01" <sip:44770*****01@x> to 447700900001');
  t.equal(maskUsers('GB.13491208655302741918 GB.ABCDEFGHIJ', keep, 'GB.ABCDEFGHIJ'), 'GB.13****************18 GB.AB******IJ');
  t.equal(maskUsers('of +4477******01', keep, '+4477******01'), 'of +4477******01');
  t.end();
});

t.test('digits of an INFO are hidden, and nothing else is', (t) => {
  const info = (type: string, body: string): string => `INFO sip:6001@x SIP/2.0\r\nCSeq: 5 INFO\r\n${type}\r\nContent-Length: 9\r\n\r\n${body}`;
  for (const [type, body, shown] of [
    ['Content-Type: application/dtmf-relay', 'Signal=5\r\nDuration=160\r\n', 'Signal=*\r\nDuration=160\r\n'], ['c : Application/DTMF-Relay;x=y', ' signal = 11\nDuration=160', ' signal = **\nDuration=160'],
    ['Content-Type: application/dtmf', '#', '*'], ['Content-Type:application/dtmf', '12 34\r\n', '** **\r\n'],
  ] as const) t.equal(hideDigits(info(type, body)), info(type, shown));
  for (const message of [info('Content-Type: application/sdp', 'v=0\r\ns=5\r\n'), info('X: application/dtmf', '5'), info('Content-Type: application/dtmf-relays', 'Signal=5'), 'Content-Type: application/dtmf', '']) t.equal(hideDigits(message), message);
  t.equal(hideDigits('INFO x\nContent-Type: application/dtmf-relay\n\nSignal=7'), 'INFO x\nContent-Type: application/dtmf-relay\n\nSignal=*');
  t.end();
});

t.test('the logger replaces secrets at every depth our lines have', (t) => {
  const lines: string[] = [];
  const log = createLogger('info', { write: (line: string) => { lines.push(line); } });
  log.info({ password: 'p1', peer: { secret: 'p2', auth: { password: 'p3' } } }, 'x');
  t.notMatch(lines.join(''), /p[123]/);
  t.match(lines.join(''), /"msg":"x"/);
  t.end();
});

t.test('C10: a field is hidden for where it stands, not for being called key or response', (t) => {
  const lines: string[] = [];
  const log = createLogger('info', { write: (line: string) => { lines.push(line); } });
  log.info({ key: 'sip.listen', response: '486 Busy', crypto: 'AES_CM_128_HMAC_SHA1_80', authorization: 'by address' }, 'shown');
  t.match(JSON.parse(lines[0] ?? ''), { key: 'sip.listen', response: '486 Busy', crypto: 'AES_CM_128_HMAC_SHA1_80', authorization: 'by address' });
  log.info({
    headers: { authorization: 'HUSH', 'proxy-authorization': 'HUSH' }, request: { headers: { authorization: 'HUSH' } }, digest: { response: 'HUSH' }, crypto: { key: 'HUSH' },
    a: { password: 'HUSH', b: { secret: 'HUSH' } }, api: { token: 'HUSH' }, icePwd: 'HUSH',
  }, 'hidden');
  t.notMatch(lines[1], /HUSH/);
  t.end();
});

const message = (direction: 'in' | 'out', remote: string, time: number, text: string): TraceEntry =>
  ({ direction, remote, time, text, transport: 'udp', local: '127.0.0.1:5060' });

t.test('the trace keeps the latest calls and a bounded number of messages', (t) => {
  const store = new TraceStore({ calls: 2, messages: 2, bytes: 100_000, messageBytes: 1000 });
  for (const id of ['a', 'b', 'c']) for (let i = 0; i < 3; i++) store.record(message('in', 'r', i, `OPTIONS sip:x SIP/2.0\r\ni: ${id}\r\n\r\n`));
  t.same(store.messages(['a']), []);
  t.equal(store.messages(['b', 'c']).length, 4);
  store.record(message('in', 'r', 9, 'no call id\r\n\r\nCall-ID: body\r\n'));
  t.equal(headerValue('A\r\nCall-Id : x y \r\n\r\n', 'call-id', 'i'), 'x y');
  t.end();
});

t.test('H2: the trace is bounded in bytes; live calls stay, whatever else comes', (t) => {
  const live = new Set(['live']);
  const store = new TraceStore({ calls: 10, messages: 8, bytes: 20_000, messageBytes: 1000 }, () => live);
  store.record(message('in', 'r', 1, 'INVITE sip:x SIP/2.0\r\nCall-ID: live\r\n\r\n'));
  for (let i = 0; i < 1000; i++) store.record(message('in', 'r', i, `ACK sip:x SIP/2.0\r\nCall-ID: s${i}\r\n\r\n${'x'.repeat(60_000)}`));
  t.ok(store.bytes <= 20_000, `${store.bytes}`);
  t.equal(store.messages(['live']).length, 1, 'not pushed out by others');
  const [last] = store.messages(['s999']);
  t.ok(last !== undefined && last.text.length < 1100);
  t.match(last?.text, /bytes left out\]/);
  for (let i = 0; i < 8; i++) { live.add(`l${i}`); for (let n = 0; n < 8; n++) store.record(message('in', 'r', i, `INFO sip:x SIP/2.0\r\nCall-ID: l${i}\r\n\r\n${'y'.repeat(900)}`)); }
  t.ok(store.bytes <= 20_000, 'live calls alone are bounded too');
  t.equal(store.messages(['live']).length, 1);
  t.end();
});

t.test('H2: a trace full of live calls takes new ones once they are over, though the clock was set back meanwhile', (t) => {
  const live = new Set(['a', 'b']);
  const store = new TraceStore({ calls: 10, messages: 100, bytes: 5000, messageBytes: 1000 }, () => live);
  const info = (callId: string, time: number): void => store.record(message('in', 'r', time, `INFO sip:x SIP/2.0\r\nCall-ID: ${callId}\r\n\r\n${'y'.repeat(900)}`));
  const day = 86_400_000;
  for (let n = 0; n < 10; n++) info(n % 2 === 0 ? 'a' : 'b', day + n);
  live.clear();
  info('c', day + 100);
  t.equal(store.messages(['c']).length, 0, 'it has just been looked for in vain');
  info('c', day - 3_600_000);
  t.equal(store.messages(['c']).length, 1);
  t.end();
});

t.test('a ladder has Meta left, us in the middle, arrows in the direction of travel', (t) => {
  const invite = 'INVITE sip:6001@10.0.0.7 SIP/2.0\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\nContent-Type: application/sdp\r\n\r\n';
  const ok = 'SIP/2.0 200 OK\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n\r\n';
  const drawn = drawLadder([
    message('in', 'meta', 1000, invite), message('out', 'pbx', 1005, invite), message('in', 'pbx', 1010, ok), message('out', 'meta', 1020, ok),
  ], ({ remote }) => (remote === 'meta' ? 'Meta' : remote)).split('\n');
  t.match(drawn[0], /Meta\s+wa-b2bua\s+pbx/);
  t.match(drawn[1], /^ +0\.000 │─* INVITE 6001 \+sdp ─*►│/);
  t.match(drawn[2], /0\.005 │ +│.*►│$/);
  t.match(drawn[3], /│ +│◄.*200 OK \(INVITE\)/);
  t.match(drawn[4], /0\.020 │◄.*200 OK/);
  t.end();
});

t.test('live calls alone are more than are kept besides: they are not gone through for each new one', (t) => {
  let asked = 0;
  const live = new Set<string>();
  const store = new TraceStore({ calls: 10, messages: 10, bytes: 1_000_000, messageBytes: 1000 }, () => { asked += 1; return live; });
  for (let i = 0; i < 500; i++) {
    live.add(`live-${i}`);
    store.record({ time: i, direction: 'in', transport: 'udp', local: 'a:1', remote: 'b:2', text: `INVITE sip:x SIP/2.0\r\nCall-ID: live-${i}\r\n\r\n` });
  }
  t.equal(asked, 1, 'once a second');
  t.equal(store.has('live-499'), true, 'and each is kept');
  live.clear();
  store.record({ time: 2000, direction: 'in', transport: 'udp', local: 'a:1', remote: 'b:2', text: 'INVITE sip:x SIP/2.0\r\nCall-ID: last\r\n\r\n' });
  t.equal(store.has('live-0'), false, 'those that are over go');
  t.equal(store.has('last'), true);
  t.end();
});
