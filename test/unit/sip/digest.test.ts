import t from 'tap';
import { digestResponse, parseAuthValues } from '../../../lib/sip/digest.js';
import { answerChallenge } from '../../../lib/sip/digestClient.js';
import { DigestServer } from '../../../lib/sip/digestServer.js';

const credentials = { username: '447700900001', password: 's3cret' };
const request = { method: 'INVITE', uri: 'sip:+447700900101@wa.meta.vc;transport=tls' };

t.test('the examples of RFC 7616 §3.9.1 come out', (t) => {
  const common = {
    username: 'Mufasa', realm: 'http-auth@example.org', password: 'Circle of Life', method: 'GET', uri: '/dir/index.html',
    nonce: '7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v',
    qop: { value: 'auth' as const, cnonce: 'f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ', nc: '00000001' },
  };
  t.equal(digestResponse({ ...common, algorithm: 'MD5' }), '8ca523f5e9506fed4657c9700eebdbec');
  t.equal(digestResponse({ ...common, algorithm: 'SHA-256' }), '753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1');
  t.end();
});

t.test('several challenges in one value, commas and escapes inside quotes', (t) => {
  const values = parseAuthValues('Digest realm="a, \\"b\\"", qop="auth,auth-int", nonce="1" , Digest realm="c",algorithm=SHA-256,nonce=2');
  t.equal(values.length, 2);
  t.equal(values[0]!.params.get('realm'), 'a, "b"');
  t.equal(values[0]!.params.get('qop'), 'auth,auth-int');
  t.equal(values[1]!.params.get('nonce'), '2');
  t.same(parseAuthValues('Digest realm="never closed'), []);
  t.same(parseAuthValues('=='), []);
  const mixed = parseAuthValues('Basic dHJ1bms6c2VjcmV0cw==, Negotiate, Digest realm="c", nonce=2, nonce=3');
  t.same(mixed.map(({ scheme, params, repeated }) => [scheme, params.get('nonce'), repeated]), [['Basic', undefined, false], ['Negotiate', undefined, false], ['Digest', '3', true]]);
  t.end();
});

t.test('our client against our server', (t) => {
  const server = (now: () => number, algorithms: ('MD5' | 'SHA-256')[] = ['MD5', 'SHA-256']): DigestServer =>
    new DigestServer({ realm: 'sbc.example.net', algorithms, nonceLifetime: 1000, now });
  const password = (name: string): string | null => (name === credentials.username ? credentials.password : null);
  const answer = (challenges: string[]): string => {
    const reply = answerChallenge(challenges, credentials, request);
    if (!reply.ok) throw new Error(reply.reason);
    return reply.value;
  };

  t.test('SHA-256 is preferred, in whichever order it is offered', (t) => {
    const both = server(() => 0).challenge('id');
    t.equal(both.length, 2);
    for (const challenges of [both, [...both].reverse(), [both.join(',')]]) t.match(answer(challenges), /algorithm=SHA-256/);
    t.end();
  });
  t.test('a right answer is taken once; a replay is refused', (t) => {
    const s = server(() => 0);
    const value = answer(s.challenge('id'));
    const incoming = { method: 'INVITE', callId: 'id' };
    t.match(s.verify([value], incoming, password), { ok: true, username: credentials.username });
    t.match(s.verify([value], incoming, password), { ok: false, challenge: false, reason: 'replayed' });
    t.end();
  });
  t.test('a nonce serves its own Call-ID only', (t) => {
    const s = server(() => 0);
    t.match(s.verify([answer(s.challenge('one'))], { method: 'INVITE', callId: 'other' }, password), { ok: false, challenge: true, stale: false, reason: 'foreignNonce' });
    t.end();
  });
  t.test('an old nonce is stale: asked again, and the new challenge says so', (t) => {
    let now = 0;
    const s = server(() => now);
    const value = answer(s.challenge('id'));
    now = 1001;
    t.match(s.verify([value], { method: 'INVITE', callId: 'id' }, password), { ok: false, challenge: true, stale: true });
    t.match(s.challenge('id', true)[0], /stale=true/);
    t.end();
  });
  t.test('wrong password, user, realm, nonsense', (t) => {
    const s = server(() => 0);
    const incoming = { method: 'INVITE', callId: 'id' };
    const value = answer(s.challenge('id'));
    t.match(s.verify([value], incoming, () => 'other'), { ok: false, challenge: false, reason: 'wrongResponse' });
    t.match(s.verify([value], incoming, () => null), { reason: 'wrongUser' });
    t.match(s.verify([value.replace('sbc.example.net', 'elsewhere')], incoming, password), { reason: 'wrongRealm' });
    t.match(s.verify([value.replace(/qop=auth, /, '')], incoming, password), { reason: 'malformed' });
    t.match(s.verify(['Digest'], incoming, password), { reason: 'wrongRealm' });
    t.match(s.verify(['"'], incoming, password), { reason: 'malformed' });
    t.match(s.verify([], incoming, password), { challenge: true, reason: 'missing' });
    t.end();
  });
  t.test('the user is that of the one value for our realm; two such values, or a parameter twice, are nobody', (t) => {
    const s = server(() => 0);
    const incoming = { method: 'INVITE', callId: 'id' };
    const other = 'Digest username="other", realm="elsewhere", nonce="1", uri="sip:x", response="0"';
    for (const values of [(v: string) => [`${other}, ${v}`], (v: string) => [v, other], (v: string) => ['Basic b3RoZXI6eA==', v], (v: string) => [`Basic b3RoZXI6eA==, ${v}, ${other}`]]) {
      const shown = values(answer(s.challenge('id')));
      t.equal(s.claimed(shown), credentials.username);
      t.match(s.verify(shown, incoming, password), { ok: true, username: credentials.username });
    }
    const value = answer(s.challenge('id'));
    for (const shown of [[value, other.replace('elsewhere', 'sbc.example.net')], [`${value}, ${value}`], [`${value}, username="other"`]]) t.match(s.verify(shown, incoming, password), { ok: false, reason: 'ambiguous' });
    t.equal(s.claimed([value, value]), null);
    t.end();
  });
  t.test('Meta\'s own form: MD5 unnamed, uri without transport (META-SIP §5.2)', (t) => {
    const s = server(() => 0, ['MD5']);
    const nonce = /nonce="([^"]+)"/.exec(s.challenge('id')[0]!)![1]!;
    const uri = 'sip:+447700900001@sbc.example.net';
    const qop = { value: 'auth' as const, cnonce: 'abc', nc: '00000001' };
    const response = digestResponse({ algorithm: 'MD5', ...credentials, realm: 'sbc.example.net', method: 'INVITE', uri, nonce, qop });
    const value = `Digest username="447700900001", realm="sbc.example.net", nonce="${nonce}", uri="${uri}", response="${response}", cnonce="abc", qop=auth, nc=00000001`;
    t.match(s.verify([value], { method: 'INVITE', callId: 'id' }, password), { ok: true, algorithm: 'MD5' });
    t.end();
  });
  t.end();
});

t.test('challenges the client must cope with (META-SIP §4.2)', (t) => {
  const form = (extra: string): string => `Digest realm="wa.meta.vc",nonce="0123456789abcdef",opaque="fedcba9876543210"${extra}`;
  const reply = (challenge: string): string => {
    const answer = answerChallenge([challenge], credentials, request);
    return answer.ok ? answer.value : answer.reason;
  };
  t.match(reply(form(',algorithm=MD5,qop="auth"')), /opaque="fedcba9876543210"/);
  t.match(reply(form(',qop="auth,auth-int"')), /qop=auth,/);
  t.notMatch(reply(form(',algorithm=MD5')), /qop=/);
  t.equal(reply(form(',qop="auth-int"')), 'noneSupported');
  t.equal(reply(form(',algorithm=SHA-512-256,qop="auth"')), 'noneSupported');
  t.equal(reply('Basic realm="x"'), 'unreadable');
  t.equal(reply(''), 'unreadable');
  t.end();
});
