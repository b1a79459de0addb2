import t from 'tap';
import fc from 'fast-check';
import { escapeUser, parseNameAddr, parseUri, splitHeaderValues, uriParam } from '../../../lib/sip/uri.js';

t.test('URIs that can be read', (t) => {
  const rows: [string, object][] = [
    ['sip:+447700900101@wa.meta.vc;transport=tls', { scheme: 'sip', user: '+447700900101', host: 'wa.meta.vc', port: null, params: [{ name: 'transport', value: 'tls' }] }],
    ['SIP:Alice@EXAMPLE.com', { user: 'Alice', host: 'example.com', hostKind: 'name' }],
    ['sips:bob@example.com:5061', { scheme: 'sips', port: 5061 }],
    ['sip:example.com.', { user: null, host: 'example.com' }],
    ['sip:+447700900001;tgrp=wacall;trunk-context=byoc.example.com@sbc.example.net', {
      user: '+447700900001', userParams: [{ name: 'tgrp', value: 'wacall' }, { name: 'trunk-context', value: 'byoc.example.com' }], host: 'sbc.example.net' }],
    ['sip:US.1349123456789@wa.meta.vc;transport=tls;ob;X-FB-Sip-Smc-Tier=collaboration.sip_gateway.sip.prod', {
      user: 'US.1349123456789', params: [{ name: 'transport', value: 'tls' }, { name: 'ob', value: null }, { name: 'x-fb-sip-smc-tier', value: 'collaboration.sip_gateway.sip.prod' }] }],
    ['sip:%36001@[2001:DB8::1]:5060;lr', { user: '6001', host: '[2001:db8::1]', hostKind: 'ipv6', port: 5060 }],
    ['sip:alice:s%40crt@192.0.2.4', { user: 'alice', password: 's@crt', host: '192.0.2.4', hostKind: 'ipv4' }],
    ['sip:bob@example.com?Replaces=a%40b%3Bto-tag%3D1&X=', { headers: [{ name: 'replaces', value: 'a@b;to-tag=1' }, { name: 'x', value: '' }] }],
    ['sip:j%C3%BCrgen@example.com', { user: 'jürgen' }],
    ['sip:a/b?c@example.com', { user: 'a/b?c', headers: [] }],
    ['tel:+44-7700-900101;ext=5', { scheme: 'tel', user: '+44-7700-900101', host: '', params: [{ name: 'ext', value: '5' }] }],
    ['tel:999;phone-context=+44', { user: '999', params: [{ name: 'phone-context', value: '+44' }] }],
    ['tel:*21#', { user: '*21#' }],
  ];
  for (const [text, want] of rows) t.match(parseUri(text), want, text);
  t.equal(uriParam(parseUri('sip:a@b.example;lr;x=1')!.params, 'lr'), null);
  t.equal(uriParam(parseUri('sip:a@b.example;lr;x=1')!.params, 'x'), '1');
  t.equal(uriParam(parseUri('sip:a@b.example')!.params, 'x'), undefined);
  t.end();
});

t.test('URIs that cannot', (t) => {
  const bad = ['', 'sip:', 'sip', 'http://example.com', 'mailto:a@b.example', 'sip:@example.com', 'sip:a@', 'sip:a@b@c.example', 'sip:a b@c.example',
    'sip:a@b.example:0', 'sip:a@b.example:65536', 'sip:a@b.example:x', 'sip:a@300.1.1.1', 'sip:a@1.2.3', 'sip:a@010.0.0.1', 'sip:a@[::1', 'sip:a@[1:2]',
    'sip:a@[::1:2::3]', 'sip:a@[fe80::1%25eth0]', 'sip:a%0d%0aX: y@b.example', 'sip:a%00@b.example', 'sip:a%zz@b.example', 'sip:a%@b.example', 'sip:a%ff@b.example',
    'sip:a\r\nVia: x@b.example', 'sip:a@b.example;', 'sip:a@b.example;lr;lr', 'sip:a;x=1;x=2@b.example', 'sip:a@b.example;x="y"', 'sip:a@b..example', 'sip:a@-b.example',
    'sip:a@b.example?', 'sip:a@b.example?x', 'sip:"a"@b.example', 'sip:a#b@c.example', 'sip:é@c.example', 'tel:', 'tel:+', 'tel:xyz', 'tel:()', `sip:${'a'.repeat(5000)}@b.example`, ' sip:a@b.example'];
  for (const text of bad) t.equal(parseUri(text), null, JSON.stringify(text.slice(0, 40)));
  t.end();
});

t.test('name-addr and addr-spec', (t) => {
  t.match(parseNameAddr('"O\\"Neil <x>" <sip:a@b.example;lr>;tag=1'), { displayName: 'O"Neil <x>', uri: { user: 'a', params: [{ name: 'lr', value: null }] }, params: [{ name: 'tag', value: '1' }] });
  t.match(parseNameAddr('Bob <sip:a@b.example> ; tag = 1 ;q="0.5;x"'), { displayName: 'Bob', params: [{ name: 'tag', value: '1' }, { name: 'q', value: '0.5;x' }] });
  t.match(parseNameAddr('sip:a@b.example;tag=1'), { displayName: null, uri: { params: { length: 0 } }, params: [{ name: 'tag', value: '1' }] });
  t.match(parseNameAddr('<sip:+447700900101@wa.meta.vc;transport=tls;ob>;isfocus'), { uri: { user: '+447700900101' }, params: [{ name: 'isfocus', value: null }] });
  for (const bad of ['', '"a <sip:a@b.example>', '"a" sip:a@b.example', '<sip:a@b.example', '<http://x>', 'Bob "x" <sip:a@b.example>', '<sip:a@b.example> tag', '<sip:a@b.example>;']) {
    t.equal(parseNameAddr(bad), null, bad);
  }
  t.same(splitHeaderValues('"a, b" <sip:a@b.example>;x=1 , <sip:c,d@e.example>,sip:f@g.example'), ['"a, b" <sip:a@b.example>;x=1', '<sip:c,d@e.example>', 'sip:f@g.example']);
  t.same(splitHeaderValues('"a\\", b" <sip:a@b.example>'), ['"a\\", b" <sip:a@b.example>']);
  t.same(splitHeaderValues(''), []);
  t.end();
});

t.test('nothing makes it throw, and what it escapes it reads back', (t) => {
  const piece = fc.constantFrom('sip:', 'tel:', '%', '%41', '@', ';', '=', '?', '&', '[', ']', ':', '<', '>', '"', '\\', 'a', '1', '+', '.', '\r\n', ',', 'é');
  fc.assert(fc.property(fc.array(piece, { maxLength: 30 }).map((parts) => parts.join('')), (text) => {
    parseUri(text);
    parseNameAddr(text);
    splitHeaderValues(text);
  }), { numRuns: 3000 });
  const printable = fc.string({ minLength: 1, maxLength: 40, unit: 'grapheme' }).filter((s) => s.isWellFormed() && !/\p{Cc}|[\u2028\u2029]/u.test(s));
  fc.assert(fc.property(printable, (user) => parseUri(`sip:${escapeUser(user)}@b.example`)?.user === user), { numRuns: 2000 });
  t.end();
});
