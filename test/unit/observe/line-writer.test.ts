import { spawn, spawnSync } from 'node:child_process';
import { mkdir, readFile, rename, rm, symlink, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import t from 'tap';
import { openLineWriter } from '../../../lib/observe/lineWriter.js';

const quiet = { onTrouble: (message: string) => { throw new Error(message); }, onRecovered: () => undefined };
const lines = async (path: string): Promise<number[]> => (await readFile(path, 'utf8')).split('\n').filter((l) => l !== '').map((l) => (JSON.parse(l) as { n: number }).n);
const upTo = (count: number): number[] => Array.from({ length: count }, (_, n) => n);

t.test('lines stand in the order given and are on disk when close() resolves', async (t) => {
  const path = join(t.testdir(), 'cdr.jsonl');
  const writer = await openLineWriter(path, quiet);
  for (const n of upTo(5000)) writer.write({ n });
  await Promise.all([writer.close(), writer.close()]);
  writer.write({ n: -1 });
  t.same(await lines(path), upTo(5000));
  const again = await openLineWriter(path, quiet);
  again.write({ n: 5000 });
  await again.close();
  t.same(await lines(path), upTo(5001), 'an existing file is continued');
});

t.test('reopen() after a rotation: what was written before is in the old file, the rest in the new', async (t) => {
  const path = join(t.testdir(), 'cdr.jsonl');
  const writer = await openLineWriter(path, quiet);
  writer.write({ n: 0 });
  await writer.reopen();
  await rename(path, `${path}.1`);
  writer.write({ n: 1 });
  await writer.reopen();
  writer.write({ n: 2 });
  await writer.close();
  t.same(await lines(`${path}.1`), [0, 1]);
  t.same(await lines(path), [2]);
});

t.test('a full disk: told once, lines kept, written when there is room, told once again', async (t) => {
  const dir = t.testdir();
  const path = join(dir, 'cdr.jsonl');
  const said: string[] = [];
  let recovered!: () => void;
  const back = new Promise<void>((resolve) => { recovered = resolve; });
  let troubled!: () => void;
  const trouble = new Promise<void>((resolve) => { troubled = resolve; });
  // Every write to /dev/full fails with ENOSPC.
  await symlink('/dev/full', path);
  const writer = await openLineWriter(path, {
    retry: 20, kept: 3,
    onTrouble: (message) => { said.push(message); troubled(); },
    onRecovered: (message) => { said.push(message); recovered(); },
  });
  for (const n of upTo(5)) writer.write({ n });
  await trouble;
  await unlink(path);
  await back;
  writer.write({ n: 5 });
  await writer.close();
  t.same(await lines(path), [2, 3, 4, 5], 'the newest lines that were kept');
  t.match(said, [/cannot be written: ENOSPC/, /can be written again/]);
  t.equal(said.length, 2);
});

t.test('a disk that takes half of a batch: no line is torn, none stands twice', async (t) => {
  const path = join(t.testdir(), 'cdr.jsonl');
  const program = `process.on('SIGXFSZ', () => undefined);
import { openLineWriter } from './lib/observe/lineWriter.js';
const writer = await openLineWriter(${JSON.stringify(path)}, { retry: 20, onTrouble: (m) => console.log(m), onRecovered: async (m) => { console.log(m); await writer.close(); } });
for (let n = 0; n < 1000; n++) writer.write({ n });`;
  // A soft limit of four blocks on the size of files stands for the room that a disk has left; with the signal caught a write fails with EFBIG.
  const child = spawn('bash', ['-c', 'ulimit -S -f 4; exec "$@"', 'bash', process.execPath, '--import=./test/helpers/loader.js', '--input-type=module', '-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => { child.kill('SIGKILL'); });
  const said: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    said.push(line);
    if (said.length > 1) continue;
    t.equal((await readFile(path)).length, 4096, 'as much as there was room for');
    t.equal(spawnSync('prlimit', ['--pid', String(child.pid), '--fsize=unlimited']).status, 0);
  }
  t.match(said, [/cannot be written: EFBIG/, /can be written again/]);
  t.same(await lines(path), upTo(1000));
});

t.test('a disk that never comes back does not keep close() waiting', async (t) => {
  const dir = t.testdir();
  const path = join(dir, 'there', 'cdr.jsonl');
  await mkdir(join(dir, 'there'));
  const said: string[] = [];
  const writer = await openLineWriter(path, { retry: 20, onTrouble: (message) => said.push(message), onRecovered: (message) => said.push(message) });
  await rm(join(dir, 'there'), { recursive: true });
  await writer.reopen();
  writer.write({ n: 0 });
  await writer.close();
  t.match(said, [/cannot be written: ENOENT/, /1 lines for .* are lost/]);
});

t.test('a file that cannot be opened is said at once', async (t) => {
  await t.rejects(openLineWriter(join(t.testdir(), 'none', 'cdr.jsonl'), quiet), { code: 'FILE_UNREADABLE', message: /ENOENT/ });
});
