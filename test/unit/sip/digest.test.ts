import t from 'tap';
import { digestResponse, parseAuthValues } from '../../../lib/sip/digest.js';
import { answerChallenge } from '../../../lib/sip/digestClient.js';
import { DigestServer } from '../../../lib/sip/digestServer.js';

const credentials = { username: '447700900001', password: 's3cret' };
const here = { callId: 'id', place: '192.0.2.1' };
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
    const both = server(() => 0).challenge(here);
    t.equal(both.length, 2);
    for (const challenges of [both, [...both].reverse(), [both.join(',')]]) t.match(answer(challenges), /algorithm=SHA-256/);
    t.end();
  });
  /** What comes of values shown for a Call-ID at a place. */
  const judge = (s: DigestServer, values: string[], bound = here, passwordOf = password) => {
    const shown = s.read(values, bound);
    return shown.judgeable ? `${shown.proven ? '' : 'unproven '}${s.verify(shown, 'INVITE', passwordOf)}` : shown.reason;
  };
  t.test('a right answer is taken once; a nonce count that comes again needs a new nonce, and is nobody\'s fault', (t) => {
    const s = server(() => 0);
    const value = answer(s.challenge(here));
    t.equal(judge(s, [value]), 'right');
    t.equal(judge(s, [value]), 'replayed');
    t.equal(judge(s, [value], here, () => 'other'), 'wrongResponse', 'a wrong password is one all the same');
    t.end();
  });
  t.test('a nonce serves its own Call-ID and place only; elsewhere, or made up, a right digest is stale and a wrong one wrong, and neither proves anything', (t) => {
    const s = server(() => 0);
    const value = answer(s.challenge(here));
    for (const bound of [{ ...here, callId: 'other' }, { ...here, place: '192.0.2.2' }]) {
      t.equal(judge(s, [value], bound), 'unproven stale');
      t.equal(judge(s, [value], bound, () => 'other'), 'unproven wrongResponse');
    }
    const made = answer(['Digest realm="sbc.example.net", nonce="made.up.nonce", qop="auth"']);
    t.equal(judge(s, [made]), 'unproven stale');
    t.equal(judge(server(() => 0), [value]), 'unproven stale', 'of before a restart');
    t.end();
  });
  t.test('an old nonce is stale where the digest is right, and proves for a while that a wrong one came from there', (t) => {
    let now = 0;
    const s = server(() => now);
    const value = answer(s.challenge(here));
    now = 1001;
    t.equal(judge(s, [value]), 'stale');
    t.equal(judge(s, [value], here, () => 'other'), 'wrongResponse');
    now = 10_001;
    t.equal(judge(s, [value], here, () => 'other'), 'unproven wrongResponse');
    t.match(s.challenge(here, true)[0], /stale=true/);
    t.end();
  });
  t.test('wrong password, user, realm, nonsense', (t) => {
    const s = server(() => 0);
    const value = answer(s.challenge(here));
    t.equal(judge(s, [value], here, () => 'other'), 'wrongResponse');
    t.equal(judge(s, [value], here, () => null), 'wrongUser');
    t.equal(judge(s, [value.replace('sbc.example.net', 'elsewhere')]), 'otherRealm');
    t.equal(judge(s, [value.replace(/qop=auth, /, '')]), 'malformed');
    t.equal(judge(s, [value.replace('algorithm=SHA-256', 'algorithm=SHA-512-256')]), 'unsupported');
    t.equal(judge(s, ['Digest']), 'otherRealm');
    t.equal(judge(s, ['"']), 'malformed');
    t.equal(judge(s, []), 'missing');
    t.end();
  });
  t.test('the user is that of the one value for our realm; two such values, or a parameter twice, are nobody', (t) => {
    const s = server(() => 0);
    const other = 'Digest username="other", realm="elsewhere", nonce="1", uri="sip:x", response="0"';
    for (const values of [(v: string) => [`${other}, ${v}`], (v: string) => [v, other], (v: string) => ['Basic b3RoZXI6eA==', v], (v: string) => [`Basic b3RoZXI6eA==, ${v}, ${other}`]]) {
      const shown = values(answer(s.challenge(here)));
      t.match(s.read(shown, here), { judgeable: true, username: credentials.username, proven: true });
      t.equal(judge(s, shown), 'right');
    }
    const value = answer(s.challenge(here));
    for (const shown of [[value, other.replace('elsewhere', 'sbc.example.net')], [`${value}, ${value}`], [`${value}, username="other"`]]) t.equal(judge(s, shown), 'ambiguous');
    t.end();
  });
  t.test('Meta\'s own form: MD5 unnamed, uri without transport (META-SIP §5.2)', (t) => {
    const s = server(() => 0, ['MD5']);
    const nonce = /nonce="([^"]+)"/.exec(s.challenge(here)[0]!)![1]!;
    const uri = 'sip:+447700900001@sbc.example.net';
    const qop = { value: 'auth' as const, cnonce: 'abc', nc: '00000001' };
    const response = digestResponse({ algorithm: 'MD5', ...credentials, realm: 'sbc.example.net', method: 'INVITE', uri, nonce, qop });
    const value = `Digest username="447700900001", realm="sbc.example.net", nonce="${nonce}", uri="${uri}", response="${response}", cnonce="abc", qop=auth, nc=00000001`;
    t.equal(judge(s, [value]), 'right');
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
