import fc from 'fast-check';
import t from 'tap';
import { parseAuthValues } from '../../../lib/sip/digest.js';
import { answerChallenge } from '../../../lib/sip/digestClient.js';
import { DigestServer } from '../../../lib/sip/digestServer.js';

const credentials = { username: '447700900001', password: 's3cret' };
const request = { method: 'INVITE', uri: 'sip:+447700900101@wa.meta.vc;transport=tls' };
/** Text with everything that could break out of a quoted string or a header line. */
const hostile = fc.string({ unit: fc.oneof(fc.constantFrom('"', '\\', '\r', '\n', '\r\n', ',', '=', ';', '\0', '%0d%0a', 'é', '💥', ' '), fc.string({ minLength: 1, maxLength: 1 })), maxLength: 200 });
const huge = fc.constantFrom('x'.repeat(65_536), '"'.repeat(65_536), '\\'.repeat(65_535), `${'a,'.repeat(32_000)}`);
const value = fc.oneof({ weight: 20, arbitrary: hostile }, { weight: 1, arbitrary: huge });
const quote = (text: string): string => `"${text.replace(/[\\"]/g, '\\$&')}"`;

t.test('whatever a challenge says, our answer is one line, with our credentials and nothing that was not asked', (t) => {
  fc.assert(fc.property(value, value, fc.option(value), fc.constantFrom('MD5', 'SHA-256', 'sha-256', 'SHA-512-256', ''), fc.constantFrom('auth', 'auth,auth-int', 'auth-int', null), (realm, nonce, opaque, algorithm, qop) => {
    const challenge = [`Digest realm=${quote(realm)}`, `nonce=${quote(nonce)}`, ...(opaque === null ? [] : [`opaque=${quote(opaque)}`]),
      ...(algorithm === '' ? [] : [`algorithm=${algorithm}`]), ...(qop === null ? [] : [`qop="${qop}"`])].join(', ');
    const answer = answerChallenge([challenge], credentials, request);
    if (!answer.ok) return;
    if (/[\r\n\0]/.test(answer.value)) throw new Error('more than one line');
    const read = parseAuthValues(answer.value);
    if (read.length !== 1) throw new Error(`${read.length} values`);
    const { params } = read[0]!;
    const expected = { username: credentials.username, realm, nonce, uri: request.uri, opaque: opaque ?? undefined };
    for (const [name, text] of Object.entries(expected)) if (params.get(name) !== text) throw new Error(`${name} changed`);
  }), { numRuns: 3000 });
  t.end();
});

t.test('any text as a challenge: an answer or a refusal, never a fault', (t) => {
  fc.assert(fc.property(fc.array(value, { maxLength: 4 }), (texts) => {
    const answer = answerChallenge(texts, credentials, request);
    if (answer.ok && /[\r\n\0]/.test(answer.value)) throw new Error('more than one line');
  }), { numRuns: 3000 });
  t.end();
});

t.test('no credentials of any shape get in without the password', (t) => {
  const server = new DigestServer({ realm: 'sbc.example.net', algorithms: ['MD5', 'SHA-256'], nonceLifetime: 60_000, now: () => 0 });
  const passwordOf = (name: string): string | null => (name === credentials.username ? credentials.password : null);
  const own = (name: string, right: string): fc.Arbitrary<string> => fc.oneof(value.map((text) => `${name}=${quote(text)}`), fc.constant(`${name}=${quote(right)}`), hostile);
  fc.assert(fc.property(fc.nat(), (n) => {
    const nonce = parseAuthValues(server.challenge({ callId: `id${n}`, place: '' })[0]!)[0]!.params.get('nonce')!;
    fc.assert(fc.property(
      own('username', credentials.username), own('realm', 'sbc.example.net'), own('nonce', nonce), own('uri', request.uri), own('response', 'd41d8cd98f00b204e9800998ecf8427e'),
      own('qop', 'auth'), own('nc', '00000001'), own('cnonce', 'x'), own('algorithm', 'MD5'), (...parts) => {
        const shown = server.read([`Digest ${parts.join(', ')}`], { callId: `id${n}`, place: '' });
        if (shown.judgeable && ['right', 'stale', 'replayed'].includes(server.verify(shown, 'INVITE', passwordOf))) throw new Error('let in');
      }), { numRuns: 100 });
  }), { numRuns: 30 });
  t.end();
});
