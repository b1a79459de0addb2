// A call's messages for Wireshark: nothing secret in them, nothing malformed.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { placesOf } from '../../../lib/observe/capture/datagram.js';
import { capture } from '../../../lib/observe/capture/pcapng.js';
import { shownMessage } from '../../../lib/observe/capture/shown.js';
import { maskUsers } from '../../../lib/observe/redact.js';
import type { TraceEntry } from '../../../lib/observe/trace.js';

const KEY = 'WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz';
const sdp = [
  'v=0', 'o=- 1 1 IN IP4 127.0.0.1', 's=-', 'c=IN IP4 127.0.0.1', 't=0 0', 'm=audio 4000 RTP/SAVP 0', `a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:${KEY}|2^20`, 'a=ice-ufrag:abcd',
  'a=ice-pwd:0123456789abcdefghijkl', 'a=rtpmap:0 PCMU/8000', '',
].join('\r\n');
const invite = (body = sdp, length: number | string = body.length): string => ['INVITE sip:6001@127.0.0.1 SIP/2.0', 'Via: SIP/2.0/TLS 127.0.0.1:5061;branch=z9hG4bK1', 'From: "J\u00c3\u00b6rg" <sip:+447700900123@wa.meta.vc>;tag=1',
  'To: <sip:6001@127.0.0.1>', 'Call-ID: a==', 'CSeq: 1 INVITE', 'Contact: <sip:wa.meta.vc>', 'Max-Forwards: 70', 'Authorization: Digest username="x", realm="r", nonce="n0nce", uri="sip:6001@127.0.0.1", response="0123456789abcdef"', `Content-Length: ${length}`,
  'Content-Type: application/sdp', '', body].join('\r\n');

t.test('what is shown has no secret, and its lengths are true', (t) => {
  const mask = (text: string): string => maskUsers(text, new Set(), null);
  const shown = shownMessage(invite(), mask);
  for (const secret of [KEY, '0123456789abcdef', 'n0nce', '900123']) t.notMatch(shown, secret, secret);
  const [head = '', body = ''] = shown.split('\r\n\r\n');
  t.equal(Number(/Content-Length: (\d+)/.exec(head)![1]), body.length);
  t.match(body, /a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:A{40}\r\n/);
  t.match(body, /a=ice-pwd:A{24}\r\n/);
  t.notMatch(shown, /[^\x00-\xff]/, 'a byte a character');
  const lied = shownMessage(invite(sdp, sdp.length + 7), mask);
  t.equal(Number(/Content-Length: (\d+)/.exec(lied)![1]), lied.split('\r\n\r\n')[1]!.length + 7, 'what was wrong is wrong by as much');
  t.match(shownMessage(invite(sdp, 'x')), /Content-Length: x/);
  t.equal(shownMessage('OPTIONS sip:a SIP/2.0\r\nCall-ID: b\r\n\r\n'), 'OPTIONS sip:a SIP/2.0\r\nCall-ID: b\r\n\r\n');
  t.end();
});

t.test('addresses of both families', (t) => {
  const bytes = (source: string, destination: string): string[] => { const p = placesOf(source, destination); return [`${p.source.address.toString('hex')} ${p.source.port}`, `${p.destination.address.toString('hex')} ${p.destination.port}`]; };
  t.same(bytes('127.0.0.1:5060', '10.0.0.7:5061'), ['7f000001 5060', '0a000007 5061']);
  t.same(bytes('[2a03:2880::25]:5061', '[::1]:5061'), ['2a032880000000000000000000000025 5061', '00000000000000000000000000000001 5061']);
  t.same(bytes('[::ffff:10.0.0.7]:1', '10.0.0.8:2'), ['0a000007 1', '0a000008 2']);
  t.same(bytes('[64:ff9b::10.0.0.7]:1', '10.0.0.8:2'), ['0064ff9b00000000000000000a000007 1', '00000000000000000000ffff0a000008 2']);
  t.same(bytes('[fe80::1%eth0]:5060', ''), ['fe800000000000000000000000000001 5060', '00000000000000000000000000000000 0'], 'our own address is not always known');
  t.same(bytes('', 'pbx.example.net:5060'), ['00000000 0', '00000000 5060']);
  t.end();
});

t.test('tshark reads every packet, and finds nothing malformed', { skip: hasTshark() ? false : 'no tshark' }, (t) => {
  const at = Date.UTC(2026, 10, 29, 19, 30, 0, 250);
  const entry = (direction: 'in' | 'out', local: string, remote: string, text: string, i: number, transport = 'tls'): TraceEntry => ({ time: at + i * 0.125, direction, transport, local, remote, text });
  const entries = [
    entry('in', '127.0.0.1:5061', '127.0.0.2:40000', invite(), 0), entry('out', '[2001:db8::1]:5061', '[2001:db8::2]:5060', invite(), 1, 'udp'),
    entry('out', '127.0.0.1:5061', '[2001:db8::2]:5061', invite(`${sdp}a=x\r\n`), 2, 'tcp'), entry('out', '', '10.0.0.7:5060', invite(`${sdp}${'a=x\r\n'.repeat(14_000)}`), 3, 'udp'),
  ];
  const dir = mkdtempSync(join(tmpdir(), 'wab-pcapng-'));
  t.teardown(() => rmSync(dir, { recursive: true }));
  const file = join(dir, 'a.pcapng');
  writeFileSync(file, capture(entries, { program: 'wa-b2bua 1', nameOf: () => 'Meta', mask: (text) => text }));
  const fields = ['frame.time_epoch', 'ip.src', 'ipv6.src', 'udp.srcport', 'sip.Method', 'sip.Call-ID', 'sdp.media', 'frame.comment', 'ip.checksum.status', 'udp.checksum.status', '_ws.malformed', '_ws.expert.message'];
  const out = execFileSync('tshark', ['-r', file, '-o', 'ip.check_checksum:TRUE', '-o', 'udp.check_checksum:TRUE', '-T', 'fields', '-E', 'separator=|', ...fields.flatMap((name) => ['-e', name])], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  const rows = out.trimEnd().split('\n').map((line) => Object.fromEntries(line.split('|').map((value, i) => [fields[i], value])));
  t.equal(rows.length, 4);
  for (const [i, row] of rows.entries()) {
    t.match(row, { 'sip.Method': 'INVITE', 'sip.Call-ID': 'a==', 'udp.checksum.status': '1', '_ws.malformed': '' }, `${i}`);
    if (i < 3) t.match(row['sdp.media'], /audio 4000 RTP\/SAVP 0/);
    t.notMatch(row['_ws.expert.message'], /malformed|bad checksum|truncat/i);
    t.equal(Math.round(Number(row['frame.time_epoch']) * 1e6), Math.round((at + i * 0.125) * 1000));
  }
  t.match(rows[0], { 'ip.src': '127.0.0.2', 'udp.srcport': '40000', 'ip.checksum.status': '1', 'frame.comment': 'from Meta, by TLS; secrets hidden' });
  t.match(rows[1], { 'ipv6.src': '2001:db8::1', 'frame.comment': 'to Meta, by UDP; secrets hidden' });
  t.match(rows[2], { 'ipv6.src': '::ffff:127.0.0.1' });
  t.end();
});

function hasTshark(): boolean {
  try {
    execFileSync('tshark', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
