import { createHash } from 'node:crypto';
import t from 'tap';
import { Aliases } from '../../../lib/call/aliases.js';
import { Remembered } from '../../../lib/state/index.js';

const remembered = (): Remembered => new Remembered({ prefix: 'a', capacity: 1000, lifetime: 1e12, now: Date.now });
const alias = (user: string, salt: number): string => `999${String(createHash('sha256').update(`${salt} ${user}`).digest().readBigUInt64BE() % 100_000_000_000n).padStart(11, '0')}`;

t.test('an alias is made from the id: the same without any memory', async (t) => {
  const user = 'GB.13491208655302741918';
  t.equal(new Aliases(remembered()).of(user), new Aliases(remembered()).of(user));
  t.equal(new Aliases(remembered()).of('+447700900101'), null);
  t.equal(new Aliases(remembered()).userOf('99912345678901'), null);
});

t.test('where two would have one, the second has another, and keeps it', async (t) => {
  const user = 'GB.13491208655302741918';
  const file = remembered();
  await file.set(alias(user, 0), 'GB.of-somebody-else');
  const aliases = new Aliases(file);
  t.equal(aliases.of(user), alias(user, 1));
  t.equal(aliases.userOf(alias(user, 0)), 'GB.of-somebody-else');
  t.equal(new Aliases(file).of(user), alias(user, 1), 'after a restart');
  t.same(aliases.list('', 10).map((one) => one.user).sort(), ['GB.13491208655302741918', 'GB.of-somebody-else']);
});
