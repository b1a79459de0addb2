import t from 'tap';
import { randomBytes } from '../../../lib/util/randomBytes.js';

t.test('pieces of all sizes are as long as was asked for, and no two are alike', async (t) => {
  const seen = new Set<string>();
  // Several times what is asked of the system at once, in pieces that do not divide it.
  for (let i = 0; i < 3000; i++) {
    const count = 9 + (i % 24);
    const bytes = randomBytes(count);
    t.equal(bytes.length, count);
    seen.add(bytes.toString('hex'));
  }
  t.equal(seen.size, 3000);
  t.equal(randomBytes(10_000).length, 10_000, 'more than is asked for at once');
  t.equal(randomBytes(0).length, 0);
});

t.test('what was given stays what it was, whatever is asked for later', async (t) => {
  const first = randomBytes(16);
  const text = first.toString('hex');
  for (let i = 0; i < 1000; i++) randomBytes(16);
  t.equal(first.toString('hex'), text);
  t.notSame(first, Buffer.alloc(16), 'and is not wiped with the pool');
});

t.test('every value of a byte comes about as often as any other', async (t) => {
  const counts = new Array<number>(256).fill(0);
  for (let i = 0; i < 8000; i++) for (const byte of randomBytes(32)) counts[byte] = (counts[byte] ?? 0) + 1;
  // 1,000 are expected of each, with a deviation of 32.
  t.ok(Math.min(...counts) > 750 && Math.max(...counts) < 1250, `${Math.min(...counts)} to ${Math.max(...counts)}`);
});
