// HMAC-SHA1 of our own beside OpenSSL's, and the vectors of RFC 2202 §3.
import { createHmac, randomBytes } from 'node:crypto';
import t from 'tap';
import { HmacSha1 } from '../../../lib/media/srtp/hmacSha1.js';

const bytes = (byte: number, count: number): Buffer => Buffer.alloc(count, byte);

t.test('the vectors of RFC 2202 whose keys are no longer than a block', async (t) => {
  const vectors: readonly (readonly [key: Buffer, data: Buffer, digest: string])[] = [
    [bytes(0x0b, 20), Buffer.from('Hi There'), 'b617318655057264e28bc0b6fb378c8ef146be00'],
    [Buffer.from('Jefe'), Buffer.from('what do ya want for nothing?'), 'effcdf6ae5eb2fa2d27416d5f184df9c259a7c79'],
    [bytes(0xaa, 20), bytes(0xdd, 50), '125d7342b9ac11cd91a39af48aa17b4f63f175d3'],
    [Buffer.from(Array.from({ length: 25 }, (_, i) => i + 1)), bytes(0xcd, 50), '4c9007f4026250c6bc8414f9bf50c86c2d7235da'],
    [bytes(0x0c, 20), Buffer.from('Test With Truncation'), '4c1a03424b55e07fe7f27be1d58bb9324a9a5a04'],
  ];
  for (const [key, data, digest] of vectors) t.equal(new HmacSha1(key).of(data, data.length).toString('hex'), digest);
});

t.test('packets of every length to 2,000 bytes, and what stands behind the part that counts', async (t) => {
  const key = randomBytes(20);
  const ours = new HmacSha1(key);
  const data = randomBytes(2000);
  for (let length = 0; length <= 2000; length++) {
    const theirs = createHmac('sha1', key).update(data.subarray(0, length)).digest();
    if (!ours.of(data, length).equals(theirs)) t.fail(`${length} bytes`);
  }
});

t.test('keys of every length to a block, two at a time; a longer one is refused', async (t) => {
  const data = randomBytes(172);
  const other = new HmacSha1(randomBytes(20));
  for (let length = 0; length <= 64; length++) {
    const key = randomBytes(length);
    const ours = new HmacSha1(key);
    other.of(data, 99);
    t.ok(ours.of(data, 172).equals(createHmac('sha1', key).update(data).digest()), `a key of ${length} bytes`);
  }
  t.throws(() => new HmacSha1(randomBytes(65)), RangeError);
});
