// The secret by which users are found in records is made once and whole, whoever makes it and whatever kills them.
import t from 'tap';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openUserKey, readUserKey } from '../../../lib/records/userKey.js';

const user = '+447700900101';

t.test('many who make it at the same time have the same one', async (t) => {
  const dir = t.testdir();
  const path = join(dir, 'cdr.jsonl.key');
  const keys = await Promise.all(Array.from({ length: 30 }, () => openUserKey(path)));
  const names = new Set([...keys, await readUserKey(path)].map((key) => key?.(user)));
  t.equal(names.size, 1);
  t.match([...names][0], /^[0-9a-f]{32}$/);
  t.equal(statSync(path).mode & 0o777, 0o600);
  t.same(readdirSync(dir), ['cdr.jsonl.key'], 'nothing is left beside it');
});

t.test('a file with nothing in it, as a process that was killed has left it, is none', async (t) => {
  const path = join(t.testdir({ key: '' }), 'key');
  t.equal(await readUserKey(path), null);
  const key = await openUserKey(path);
  t.match(readFileSync(path, 'utf8'), /^[0-9a-f]{64}\n$/);
  t.equal((await openUserKey(path))(user), key(user));
});

t.test('one that was changed or cut is told of and stays as it is', async (t) => {
  const path = join(t.testdir(), 'key');
  writeFileSync(path, 'abcdef\n');
  await t.rejects(openUserKey(path), { code: 'FILE_UNREADABLE', message: /changed or cut/ });
  t.equal(readFileSync(path, 'utf8'), 'abcdef\n');
});
