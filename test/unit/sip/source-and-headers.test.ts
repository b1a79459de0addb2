import t from 'tap';
import { cleanHeaderValue, formatReason, parseReason, peerHeaders, quotedString, readMetaHeaders } from '../../../lib/sip/headers.js';
import { addressMatcher, sourceJudge } from '../../../lib/sip/source.js';

t.test('a source address decides who it is; Meta only over TLS, first matching peer wins', (t) => {
  const judge = sourceJudge({
    metaSources: ['31.13.24.0/21', '2a03:2880::/32'],
    peers: { pbx: { sources: ['10.0.0.7/32', '31.13.24.1'], transports: ['udp', 'tcp', 'tls'] }, secure: { sources: ['10.2.0.0/16'], transports: ['tls'] }, all: { sources: ['10.0.0.0/8'], transports: ['tcp', 'tls'] } },
  });
  t.same(judge('31.13.25.1', 'tls'), { kind: 'meta' });
  t.same(judge('::ffff:31.13.25.1', 'TLS'), { kind: 'meta' });
  t.same(judge('2a03:2880::1', 'tls'), { kind: 'meta' });
  t.same(judge('31.13.25.1', 'udp'), { kind: 'stranger' });
  t.same(judge('31.13.24.1', 'udp'), { kind: 'peer', peer: 'pbx' });
  t.same(judge('10.0.0.7', 'tcp'), { kind: 'peer', peer: 'pbx' });
  t.same(judge('10.1.1.1', 'tcp'), { kind: 'peer', peer: 'all' });
  t.same(judge('10.1.1.1', 'udp'), { kind: 'stranger' }, 'M1: whoever writes its address into a datagram is not the peer');
  t.same(judge('10.2.1.1', 'TLS'), { kind: 'peer', peer: 'secure' });
  t.same(judge('10.2.1.1', 'tcp'), { kind: 'peer', peer: 'all' });
  t.same(judge('10.2.1.1', 'udp'), { kind: 'stranger' });
  t.same(judge('192.0.2.1', 'tls'), { kind: 'stranger' });
  t.same(judge('not an address', 'tls'), { kind: 'stranger' });
  t.ok(addressMatcher(['::1'])('[::1]'));
  t.end();
});

t.test('Reason headers as they are seen', (t) => {
  t.same(parseReason('Q.850;cause=16;text="NORMAL_CLEARING"'), { protocol: 'Q.850', cause: 16, text: 'NORMAL_CLEARING' });
  t.same(parseReason('SIP ; cause=200 ; text="Call completed \\"elsewhere\\""'), { protocol: 'SIP', cause: 200, text: 'Call completed "elsewhere"' });
  t.same(parseReason('SIP'), { protocol: 'SIP', cause: null, text: null });
  t.equal(parseReason(undefined), null);
  t.equal(parseReason(';;;'), null);
  const text = 'a "b" \\ c';
  t.equal(parseReason(formatReason('SIP', 480, text))!.text, text);
  t.end();
});

t.test('nothing can be injected through a header value', (t) => {
  t.equal(cleanHeaderValue('a\r\nVia: evil\0b'), 'a Via: evil b');
  t.equal(quotedString('x"\r\n\\'), '"x\\" \\\\"');
  t.equal(cleanHeaderValue('y'.repeat(70000)).length, 1024);
  t.end();
});

t.test("Meta's headers in every spelling, handed on under our names", (t) => {
  const message = (headers: Record<string, string>): { get(name: string): string | undefined } => ({ get: (name) => headers[name] });
  const read = readMetaHeaders(message({
    'x-wa-meta-wacid': 'wacid.A==', 'x-wa_meta-parent-user-id': 'GB.P1', 'x-wa-meta-username': 'Ann\r\nB', 'x-wa-meta-country-code': 'GB',
    'x-wa-meta-call-duration': '12',
  }));
  t.match(read, { wacid: 'wacid.A==', parentUserId: 'GB.P1', userName: 'Ann B', countryCode: 'GB', callDuration: 12, ctaPayload: null });
  t.same(peerHeaders(read, '+447700900001'), {
    'X-WA-Number': '+447700900001', 'X-WA-Wacid': 'wacid.A==', 'X-WA-Parent-User-Id': 'GB.P1', 'X-WA-User-Name': 'Ann B', 'X-WA-Country-Code': 'GB',
  });
  t.equal(readMetaHeaders(message({ 'x-wa-meta-call-duration': '-3' })).callDuration, null);
  t.end();
});
