// Suites, keys from and for an a=crypto line, the profiles of DTLS-SRTP.
import t from 'tap';
import { DTLS_PROFILES, keysOf, newKeys, SUITES } from '../../../lib/media/srtp/index.js';
import { SrtpReceiver, SrtpSender } from '../../../lib/media/srtp/index.js';
import { KNOWN_SUITES } from '../../../lib/sdp/index.js';
import { rtp } from './srtp.js';

t.test('every suite that SDP can name is spoken, and no other', async (t) => {
  t.same([...SUITES.keys()].sort(), [...KNOWN_SUITES].sort());
});

t.test('new keys are read back from their line, and are new each time', async (t) => {
  for (const [suite, { keyBytes, saltBytes }] of SUITES) {
    const [{ keys, inline }, other] = [newKeys(suite), newKeys(suite)];
    t.same(keysOf(suite, inline), keys);
    t.equal(`${keys.key.length} ${keys.salt.length}`, `${keyBytes} ${saltBytes}`, suite);
    t.same(Buffer.concat([keys.key, keys.salt]), Buffer.from(inline, 'base64'));
    t.not(other.inline, inline);
  }
});

t.test('an MKI is big-endian in as many bytes as its length says', async (t) => {
  const suite = 'AES_CM_128_HMAC_SHA1_80';
  const { inline } = newKeys(suite);
  for (const [text, bytes] of [['1:1', '01'], ['1:4', '00000001'], ['255:1', 'ff'], ['4294967295:4', 'ffffffff'], ['0:2', '0000'], ['66051:3', '010203']] as const) {
    t.equal(keysOf(suite, inline, text).mki?.toString('hex'), bytes, text);
  }
  t.equal(keysOf(suite, inline, '1:128').mki?.toString('hex'), `${'00'.repeat(127)}01`);
  for (const text of ['256:1', '1:0', '1:129', '4294967296:4', '-1:4', '1', ':4', '1:', 'x:4', '', `${'9'.repeat(311)}:128`]) {
    t.throws(() => keysOf(suite, inline, text), { code: 'SDP_UNACCEPTABLE' }, text);
  }
});

t.test('what does not fit is refused, and no message shows a key', async (t) => {
  const { inline, keys } = newKeys('AES_CM_128_HMAC_SHA1_80');
  for (const [suite, text] of [
    ['AES_CM_128_HMAC_SHA1_80', inline.slice(4)], ['AES_CM_128_HMAC_SHA1_80', `${inline}AAAA`], ['AES_CM_128_HMAC_SHA1_80', inline.replace(/^./, '!')], ['AES_CM_128_HMAC_SHA1_80', ''],
    ['AES_256_CM_HMAC_SHA1_80', inline], ['AEAD_AES_128_GCM', inline], ['NULL_HMAC_SHA1_80', inline], ['', inline], ['toString', inline],
  ] as const) {
    const thrown = t.throws(() => keysOf(suite, text), { code: 'SDP_UNACCEPTABLE' }, suite) as Error;
    t.notOk(thrown.message.includes(inline.slice(8, 24)));
  }
  t.throws(() => newKeys('NULL_HMAC_SHA1_80'), { code: 'SDP_UNACCEPTABLE' });
  for (const wrong of [{ ...keys, key: keys.key.subarray(1) }, { ...keys, salt: Buffer.alloc(12) }, { ...keys, suite: 'AEAD_AES_128_GCM' }, { ...keys, suite: 'none' }, { ...keys, mki: Buffer.alloc(129) }]) {
    t.throws(() => new SrtpSender(wrong), { code: 'SDP_UNACCEPTABLE' });
    t.throws(() => new SrtpReceiver(wrong), { code: 'SDP_UNACCEPTABLE' });
  }
});

t.test('the profiles of DTLS-SRTP name suites, with the lengths of these', async (t) => {
  t.same([...DTLS_PROFILES.keys()], [1, 2, 7, 8]);
  for (const [id, { suite, keyBytes, saltBytes }] of DTLS_PROFILES) {
    t.match(SUITES.get(suite), { keyBytes, saltBytes }, `${id} ${suite}`);
    const exported = { suite, key: Buffer.alloc(keyBytes, id), salt: Buffer.alloc(saltBytes, 1) };
    const packet = rtp({ sequence: 1, payload: Buffer.from('hello') });
    t.same(new SrtpReceiver(exported).unprotect(new SrtpSender(exported).protect(packet)), packet);
  }
});
