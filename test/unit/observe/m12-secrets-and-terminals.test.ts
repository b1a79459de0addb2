import t from 'tap';
import { printable, printableJson } from '../../../lib/observe/printable.js';
import { redactSip } from '../../../lib/observe/redact.js';

const message = (header: string, body = ''): string => `INVITE sip:6001@pbx.example.net SIP/2.0\r\nCall-ID: 1\r\n${header}\r\n\r\n${body}`;

t.test('M12: no secret shows, however its parameter or line is written', (t) => {
  for (const [what, text] of Object.entries({
    unquoted: message('Authorization: Digest username="6001", response=HUSH, uri="sip:x"'),
    spaced: message('Authorization: Digest response = "HUSH", nc=00000001'),
    'with an escaped quote': message('Authorization: Digest response="a\\"HUSH", nc=00000001'),
    'never closed': message('Authorization: Digest response="HUSH'),
    folded: message('Authorization: Digest response=\r\n HUSH, nc=00000001'),
    'folded inside its quotes': message('Authorization: Digest response="a\r\n HUSH", nc=00000001'),
    cnonce: message('proxy-authorization: digest CNONCE=HUSH'),
    nonces: message('WWW-Authenticate: Digest nonce=HUSH, opaque="HUSH"\r\nAuthentication-Info: nextnonce=HUSH, rspauth="HUSH"'),
    'a Basic scheme': message('Authorization: Basic aHUSHVzaA=='),
    'a Bearer scheme, folded': message('Authorization:\r\n Bearer HUSH.HUSH'),
    'a second scheme': message('Authorization: Digest realm="x", Basic HUSH'),
    'a URI': message('Refer-To: <sip:6001@pbx.example.net?Authorization=Digest%20response%3D%22HUSH%22>'),
    'a password in a URI': message('Contact: <sip:6001:HUSH@10.0.0.7:5060>'),
    crypto: message('X: y', 'v=0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:HUSH|2^20|1:4;inline:HUSH\r\n'),
    'crypto with tabs, in capitals': message('X: y', 'v=0\nA=Crypto:\t1\tAES_CM_128_HMAC_SHA1_80\tinline:HUSH\n'),
    'crypto without a suite': message('X: y', 'v=0\r\na=crypto:1 inline:HUSH\r\n'),
    'crypto without anything': message('X: y', 'v=0\r\na=crypto:inline:HUSH\r\n'),
    k: message('X: y', 'v=0\r\nk=base64:HUSH\r\nk=clear:HUSH\r\nk=HUSH\r\n'),
    mikey: message('X: y', 'v=0\r\na=key-mgmt:mikey HUSH\r\n'),
    ice: message('X: y', 'v=0\r\na=ice-pwd:HUSH\r\na=ice-pwd: HUSH\r\n'),
  })) {
    const shown = redactSip(text);
    t.notMatch(shown, /HUSH/, what);
    t.match(shown, /^INVITE sip:6001@pbx\.example\.net SIP\/2\.0\r\nCall-ID: 1\r\n/, `${what}: the rest stays`);
  }
  t.end();
});

t.test('M12: what is no secret stays', (t) => {
  const text = message('Authorization: Digest username="6001", realm="x", nc=00000001, algorithm=MD5\r\nReason: Q.850;cause=57;text="Bearer capability not authorized"\r\nContact: <sip:6001@10.0.0.7:5060;transport=udp>',
    'v=0\r\nk=prompt\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80\r\na=fingerprint:sha-256 AB:CD\r\na=ice-ufrag:abcd\r\n');
  t.equal(redactSip(text), text);
  t.end();
});

t.test('M12: hiding is linear in the length', (t) => {
  for (const piece of ['a=crypto:', 'response="', 'response=', 'nonce ', 'sip:', 'sip:a:', 'Authorization: Basic ', 'Authorization: x\r\n ', 'basic ', 'k=', ' \t', '"\\', '\r\n ']) {
    const text = piece.repeat(Math.ceil(200_000 / piece.length));
    const begin = performance.now();
    redactSip(text);
    t.ok(performance.now() - begin < 1000, `${JSON.stringify(piece)}: ${Math.round(performance.now() - begin)} ms`);
  }
  t.end();
});

t.test('M12: a terminal prints what others wrote and does nothing else', (t) => {
  t.equal(printable('a\u001b[2Jb\u009b31mc\u0007\rd\u202ee\u007f\n\tf é 本'), 'a\\x1b[2Jb\\x9b31mc\\x07\\x0dd\\u202ee\\x7f\n\tf é 本');
  const value = { name: 'a\u001b[2J\u009b\u202e\u2028é' };
  const json = printableJson(JSON.stringify(value));

  t.notMatch(json, /[\u0000-\u001f\u007f-\u009f\u2028\u202e]/);
  t.same(JSON.parse(json), value);
  t.end();
});
