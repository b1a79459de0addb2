import t from 'tap';
import { answerDigest, parseDigest, provesPassword } from '../../../lib/simulator/sip/digest.js';
import { parseMetaBehaviour } from '../../../lib/simulator/meta/metaBehaviour.js';
import { answerDirection } from '../../../lib/simulator/peer/sdp.js';
import { parseBehaviour } from '../../../lib/simulator/peer/behaviour.js';

t.test('words of a peer\'s answer', async (t) => {
  t.match(parseBehaviour('tone,delay=2,hangup=5'), { source: 'tone', ringMs: 2000, hangUpMs: 5000, status: undefined });
  t.match(parseBehaviour('busy'), { status: 486 });
  t.match(parseBehaviour('ring'), { ringMs: Infinity });
  t.match(parseBehaviour('redirect=sip:6002@127.0.0.1:5070'), { status: 302, redirect: 'sip:6002@127.0.0.1:5070' });
  for (const bad of ['', 'eco', 'delay', 'delay=x', 'status=200', 'tone,nope']) t.throws(() => parseBehaviour(bad), /unknown answer/, bad);
});

t.test('words of Meta\'s behaviour', async (t) => {
  t.match(parseMetaBehaviour('echo,challenge=md5,ring=2,passive'), { source: 'echo', challenge: 'md5', ringMs: 2000, setup: 'passive' });
  t.match(parseMetaBehaviour('noPermission'), { refuse: 'noPermission' });
  for (const bad of ['', 'toString', 'challenge=sha1', 'ring=x']) t.throws(() => parseMetaBehaviour(bad), /unknown behaviour/, bad);
});

t.test('digest: RFC 7616 §3.9.1, both algorithms', async (t) => {
  const given = (algorithm: string, response: string) => ({
    username: 'Mufasa', realm: 'http-auth@example.org', nonce: '7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v', uri: '/dir/index.html', qop: 'auth', nc: '00000001',
    cnonce: 'f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ', algorithm, response,
  });
  t.equal(provesPassword(given('MD5', '8ca523f5e9506fed4657c9700eebdbec'), 'GET', 'Circle of Life'), true);
  t.equal(provesPassword(given('SHA-256', '753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1'), 'GET', 'Circle of Life'), true);
  t.equal(provesPassword(given('MD5', '8ca523f5e9506fed4657c9700eebdbec'), 'GET', 'Circle of Strife'), false);
});

t.test('a challenge is answered in kind', async (t) => {
  const who = { username: 'u', password: 'p' };
  const challenge = parseDigest('Digest realm="wa.meta.vc",nonce="n",opaque="a, b",algorithm=SHA-256,qop="auth,auth-int"') ?? {};
  t.equal(challenge['opaque'], 'a, b');
  const answer = parseDigest(answerDigest(challenge, who, 'INVITE', 'sip:x') ?? '') ?? {};
  t.match(answer, { opaque: 'a, b', algorithm: 'SHA-256', qop: 'auth', nc: '00000001' });
  t.equal(provesPassword(answer, 'INVITE', 'p'), true);
  t.equal(provesPassword(answer, 'BYE', 'p'), false);
  t.notOk('algorithm' in (parseDigest(answerDigest({ realm: 'r', nonce: 'n' }, who, 'INVITE', 'sip:x') ?? '') ?? {}), 'no algorithm where none was named');
  t.equal(answerDigest({ realm: 'r', nonce: 'n', algorithm: 'SHA-512' }, who, 'INVITE', 'sip:x'), undefined);
  t.equal(parseDigest('Basic abc'), undefined);
});

t.test('directions answer each other (RFC 3264 §6.1)', async (t) => {
  t.equal(answerDirection('sendrecv', 'sendrecv'), 'sendrecv');
  t.equal(answerDirection('sendonly', 'sendrecv'), 'recvonly');
  t.equal(answerDirection('recvonly', 'sendrecv'), 'sendonly');
  t.equal(answerDirection('inactive', 'sendrecv'), 'inactive');
  t.equal(answerDirection('sendonly', 'sendonly'), 'inactive');
});
