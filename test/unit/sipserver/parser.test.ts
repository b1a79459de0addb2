import assert from 'node:assert/strict';
import t from 'tap';
import fc from 'fast-check';
import {
  branchOf, paramOf, parseCSeq, parseMessage, parseNameAddr, parseParams, parseUri, parseVia, responseTo, SipMessage, splitList, tagOf, uriParam,
  uriToString, withParam,
} from '../../../lib/sipserver/parser/index.js';

const META_INVITE = [
  'INVITE sip:+447700900001;tgrp=wacall;trunk-context=byoc.example.com@sbc.example.net;transport=tls SIP/2.0',
  'Via: SIP/2.0/TLS [2803:6080:ab00::1]:38915;rport;branch=z9hG4bKPj-1;alias',
  'Record-Route: <sip:wa.meta.vc;transport=tls;lr>',
  'Record-Route: <sip:onevc-sip-proxy.fbinfra.net:8191;transport=tls;lr>',
  'Via: SIP/2.0/TLS [2803:6080:ab00::2]:8191;branch=z9hG4bK-2;rport=1234;received=2803:6080::3;alias',
  'v: SIP/2.0/TLS 31.13.66.1:5061;branch=z9hG4bK-3;alias',
  'Max-Forwards: 69',
  'From: "447700900100" <sip:US.13491208655302741918@wa.meta.vc>;tag=7c0d1f4e-5a3b',
  'To: <sip:+447700900001@sbc.example.net>',
  'Contact: <sip:+447700900100@wa.meta.vc;transport=tls;ob;X-FB-Sip-Smc-Tier=collaboration.sip_gateway>;isfocus',
  'Call-ID: outgoing:wacid.HBgLMTIxODU1NTI4MjgVAgARGCAw==',
  'CSeq: 19340 INVITE',
  'Content-Type: application/sdp',
  'Content-Length: 4',
  '', 'v=0\n',
].join('\r\n');

function parsed(text: string): SipMessage {
  const { message, fault } = parseMessage(text);
  if (message === undefined || fault !== undefined) throw new Error(`does not parse: ${fault?.reason}`);
  return message;
}

t.test("Meta's INVITE is read and written back byte for byte but for the compact name", async (t) => {
  const m = parsed(META_INVITE);
  t.equal(m.toString(), META_INVITE);
  t.equal(m.method, 'INVITE');
  t.equal(m.get('call-id'), 'outgoing:wacid.HBgLMTIxODU1NTI4MjgVAgARGCAw==');
  t.equal(m.lines('via').length, 3);
  const uri = parseUri(m.uri);
  t.equal(uri?.user, '+447700900001;tgrp=wacall;trunk-context=byoc.example.com');
  t.equal(uri?.host, 'sbc.example.net');
  const contact = parseNameAddr(m.get('contact') ?? '');
  t.equal(contact?.params, ';isfocus');
  t.equal(uriParam(parseUri(contact?.uri ?? '') ?? t.fail('no uri') as never, 'ob'), '');
});

t.test('a response carries Vias and Record-Routes in their order and spelling', async (t) => {
  const res = responseTo(parsed(META_INVITE), 200, 'OK', 'our-tag');
  const lines = META_INVITE.split('\r\n');
  t.same(res.toString().split('\r\n').slice(1, 6), lines.slice(1, 6));
  t.equal(tagOf(res.get('to') ?? ''), 'our-tag');
  t.equal(responseTo(parsed(META_INVITE), 407, 'x', 'y').count('record-route'), 0);
  t.equal(tagOf(responseTo(parsed(META_INVITE), 100, 'Trying', 'y').get('to') ?? ''), undefined);
});

t.test('URIs', async (t) => {
  for (const [text, host, user, port] of [
    ['sip:h', 'h', undefined, undefined], ['SIPS:u:p@H:5061;a=b?c=d', 'h', 'u', 5061], ['sip:[::1]:5060;lr', '[::1]', undefined, 5060],
    ['sip:u;isub=1@[2001:db8::1]', '[2001:db8::1]', 'u;isub=1', undefined], ['sip:1_unusual.URI~(to-be!sure)&isn\'t+it$/crazy?,/;;*:&it@h', 'h', "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*", undefined],
  ] as const) {
    const u = parseUri(text);
    t.match({ host: u?.host, user: u?.user, port: u?.port }, { host, user, port }, text);
    t.equal(u && uriToString(u).toLowerCase(), text.toLowerCase());
  }
  for (const bad of ['sip:', 'tel:+1', 'sip:@h', 'sip:u@', 'sip:u@h:', 'sip:u@h:99999', 'sip:u@h:5o', 'sip:[::1', 'sip:u @h', 'sip:u@h>', 'sip:u@a@b', 'x', 'sip:u@h:-1']) {
    t.equal(parseUri(bad), undefined, bad);
  }
});

t.test('name-addr, tag, Via, CSeq and lists', async (t) => {
  t.match(parseNameAddr('"Joe <x>, \\"Q\\"" <sip:a@b;p=1>;tag=9;q="a;b"'), { uri: 'sip:a@b;p=1', params: ';tag=9;q="a;b"' });
  t.match(parseNameAddr('sip:a@b;tag=1'), { uri: 'sip:a@b', params: ';tag=1' });
  for (const bad of ['"Joe <sip:a@b>', 'sip:a@b?x=y', 'sip:a,b@c', '<sip:a@b', '<>', '<sip:a b@c>', '<sip:a@b> x']) t.equal(parseNameAddr(bad), undefined, bad);
  t.equal(tagOf('<sip:a@b;tag=no>;x;TAG=yes'), 'yes');
  t.equal(tagOf('"tag=;no" <sip:a@b>'), undefined);
  const via = parseVia('SIP  / 2.0  / udp  [2001:db8::1] : 5070 ; branch = z9hG4bK7 ;rport');
  t.match(via, { transport: 'UDP', host: '[2001:db8::1]', port: 5070 });
  t.equal(via && branchOf(via), 'z9hG4bK7');
  for (const bad of ['SIP/2.0/UDP', 'SIP/3.0/UDP h', 'SIP/2.0/UDP h:x', 'h:5060']) t.equal(parseVia(bad), undefined, bad);
  t.same(parseCSeq('9 INVITE'), { seq: 9, method: 'INVITE' });
  for (const bad of ['INVITE 9', '9', '36893488147419103232 REGISTER', '-1 INVITE', '1 IN VITE']) t.equal(parseCSeq(bad), undefined, bad);
  t.same(splitList('<sip:a,b>, "x,\\",y" <sip:c> , ,d'), ['<sip:a,b>', '"x,\\",y" <sip:c>', 'd']);
  t.equal(withParam(';a=1;rport;b', 'rport', '5'), ';a=1;rport=5;b');
  t.equal(paramOf(';x="a;b=c";b', 'b'), '');
});

t.test('headers are found by any name and changed in place', async (t) => {
  const m = parsed('OPTIONS sip:h SIP/2.0\r\nv: SIP/2.0/UDP a;branch=1, SIP/2.0/UDP b;branch=2\r\nX-Thing: 1\r\nVIA: SIP/2.0/UDP c\r\n\r\n');
  t.equal(m.list('Via').length, 3);
  t.equal(m.shift('via'), 'SIP/2.0/UDP a;branch=1');
  t.equal(m.get('via'), 'SIP/2.0/UDP b;branch=2');
  m.shift('via');
  t.equal(m.get('via'), 'SIP/2.0/UDP c');
  m.prepend('Via', 'SIP/2.0/UDP d').set('x-thing', '2').set('New', '3').remove('via');
  t.equal(m.toString(), 'OPTIONS sip:h SIP/2.0\r\nx-thing: 2\r\nNew: 3\r\nContent-Length: 0\r\n\r\n');
});

t.test('malformed messages carry the status a UAS answers', async (t) => {
  const head = 'Via: SIP/2.0/UDP h\r\nCall-ID: 1\r\n';
  for (const [text, status, usable] of [
    ['INVITE sip:h SIP/7.0\r\n' + head + '\r\n', 505, true],
    ['INVITE sip:h SIP/2.0 \r\n' + head + '\r\n', 400, true],
    ['INVITE  sip:h SIP/2.0\r\n' + head + '\r\n', 400, true],
    ['INVITE <sip:h> SIP/2.0\r\n' + head + '\r\n', 400, true],
    ['INVITE sip:h SIP/2.0\r\n' + head + 'Content-Length: 10\r\n\r\nshort', 400, true],
    ['INVITE sip:h SIP/2.0\r\n' + head + 'Content-Length: -1\r\n\r\n', 400, true],
    ['INVITE sip:h SIP/2.0\r\n' + head + 'no colon here\r\n\r\n', 400, true],
    ['INVITE sip:h SIP/2.0\r\n' + head + 'X: a\nVia: smuggled\r\n\r\n', 400, true],
    ['INVITE sip:h SIP/2.0\r\n' + head, 400, true],
    ['SIP/2.0 99 x\r\n\r\n', 400, false], ['SIP/2.0 4294967301 x\r\n\r\n', 400, false], ['GARBAGE\r\n\r\n', 400, false], ['', 400, false],
  ] as const) {
    const { message, fault } = parseMessage(text);
    t.equal(fault?.status, status, JSON.stringify(text.slice(0, 40)));
    t.equal(message !== undefined, usable);
  }
  t.equal(parseMessage(`A sip:h SIP/2.0\r\n${'X: 1\r\n'.repeat(300)}\r\n`).fault?.reason, 'Too Many Headers');
});

const TOKEN = fc.stringMatching(/^[A-Za-z0-9.!%*_+`'~-]{1,12}$/);
// Anything a value may hold once it is unfolded: any byte but CR and LF, no white space at either end.
const VALUE = fc.uint8Array({ maxLength: 40 }).map((b) => Buffer.from(b).toString('latin1').replace(/[\r\n]/g, '').trim());

t.test('parse(serialize(m)) = m', async () => {
  fc.assert(fc.property(
    fc.boolean(), TOKEN, fc.stringMatching(/^[A-Za-z0-9:@.;=[\]?&+-]{1,30}$/), fc.integer({ min: 100, max: 699 }), VALUE,
    fc.array(fc.tuple(TOKEN.filter((n) => !/^(content-length|l)$/i.test(n)), VALUE), { maxLength: 20 }), fc.uint8Array({ maxLength: 200 }),
    (isRequest, method, uri, status, reason, headers, body) => {
      const m = isRequest ? SipMessage.request(method, uri) : SipMessage.response(status, reason);
      for (const [name, value] of headers) m.add(name, value);
      m.add('Content-Length', String(body.length));
      m.body = Buffer.from(body).toString('latin1');
      const again = parseMessage(m.toBuffer());
      assert.equal(again.fault, undefined);
      assert.deepEqual(again.message, m);
    }), { numRuns: 2000, seed: 3261 });
});

t.test('one parameter, and one element, is found as among all', async () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'A', 'b', ';', '=', '"', '<', '>', ' ', ',', '\\'), maxLength: 24 });
  fc.assert(fc.property(text, (raw) => {
    const all = parseParams(raw).find(({ name }) => name.toLowerCase() === 'a');
    assert.equal(paramOf(raw, 'a'), all === undefined ? undefined : all.value ?? '');
  }), { numRuns: 5000 });
  fc.assert(fc.property(fc.array(text, { maxLength: 3 }), (lines) => {
    const message = SipMessage.request('OPTIONS', 'sip:a@b');
    for (const line of lines) message.add('Via', line);
    assert.equal(message.first('v'), message.list('v')[0]);
  }), { numRuns: 2000 });
});
