import { mkdtemp, readFile, rename, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { AppendFile } from '../../../lib/util/appendFile.js';

async function place(t: Test): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'wab-append-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  return join(dir, 'log');
}

t.test('it is opened when it is first needed, appended to, and not for others to read', async (t) => {
  const path = await place(t);
  const file = new AppendFile(path, 'a');
  t.notOk(file.isOpen);
  t.equal(await file.write(Buffer.from('one\n')), null, 'all of it was taken');
  t.ok(file.isOpen);
  await file.write(Buffer.from('two\n'));
  await file.release();
  t.equal(await readFile(path, 'utf8'), 'one\ntwo\n');
  t.equal((await stat(path)).mode & 0o007, 0);
});

t.test('released, it can be moved away: the next use opens a new one by its name', async (t) => {
  const path = await place(t);
  const file = new AppendFile(path, 'a');
  await file.write(Buffer.from('old\n'));
  await rename(path, `${path}.1`);
  await file.write(Buffer.from('old still\n'));
  await file.release();
  t.notOk(file.isOpen);
  await file.release();
  await file.write(Buffer.from('new\n'));
  await file.release();
  t.same([await readFile(`${path}.1`, 'utf8'), await readFile(path, 'utf8')], ['old\nold still\n', 'new\n']);
});

t.test('a file that cannot be opened rejects each time, and is opened once it can', async (t) => {
  const path = await place(t);
  const file = new AppendFile(join(path, 'below'), 'a');
  await t.rejects(file.open(), { code: 'ENOENT' });
  await t.rejects(file.write(Buffer.from('x')), { code: 'ENOENT' });
  t.notOk(file.isOpen);
});

t.test('with a+ its end can be read', async (t) => {
  const path = await place(t);
  const file = new AppendFile(path, 'a+');
  await file.write(Buffer.from('line\n'));
  const end = Buffer.alloc(5);
  await (await file.open()).read(end, 0, 5, 0);
  t.equal(end.toString(), 'line\n');
  await file.release();
});

t.test('work on it is done in order', async (t) => {
  const path = await place(t);
  const file = new AppendFile(path, 'a');
  const done = Promise.all(['a', 'b', 'c'].map((letter) => file.run(() => file.write(Buffer.from(letter)))));
  await file.idle();
  t.equal(await readFile(path, 'utf8'), 'abc');
  t.same(await done, [null, null, null]);
  await file.release();
});
