// The index takes in the CDR file and what was rotated away from it, whatever happens to either.
import t from 'tap';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, mkdir, open, readdir, rename, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { DamagedIndex, RecordsIndex } from '../../../lib/records/indexer.js';
import { headOf, linesOf, sourceFiles } from '../../../lib/records/sources.js';
import { any, line, numbersOf, stage } from './records.js';
import { runnable } from '../../helpers/runnable.js';

const lines = (from: number, to: number): string => Array.from({ length: to - from }, (_, i) => `${line(from + i)}\n`).join('');

t.test('the file, rotated files, dated ones and packed ones are one set of records', async (t) => {
  const { dir, file, open: openRecords, told } = await stage(t);
  await writeFile(`${file}.2.gz`, gzipSync(lines(0, 3)));
  await writeFile(`${file}.1`, lines(3, 6));
  await writeFile(`${file}-20261101`, lines(6, 8));
  await writeFile(join(dir, 'cdr-2026-11-02.jsonl'), lines(8, 9));
  await writeFile(join(dir, 'cdr-2026-11-03.jsonl.gz'), gzipSync(lines(9, 10)));
  await writeFile(file, lines(10, 12));
  // Not records of this file: another's, and what the service keeps beside it.
  await writeFile(join(dir, 'other.jsonl'), lines(20, 21));
  await writeFile(`${file}.live`, lines(21, 22));
  await writeFile(`${file}.key`, 'no key');
  await mkdir(`${file}.3`);
  const records = await openRecords();
  t.equal(await records.catchUp(60_000), true);
  t.same(numbersOf((await records.search(any, null)).records), [11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0]);
  t.same(told, []);
});

t.test('rotation, packing and cutting in between count no record twice and lose none', async (t) => {
  const { file, open: openRecords } = await stage(t);
  const records = await openRecords();
  const all = async (): Promise<number[]> => numbersOf((await records.search({ ...any, limit: 200 }, null)).records).reverse();
  await writeFile(file, lines(0, 5));
  t.same(await all(), [0, 1, 2, 3, 4]);
  await appendFile(file, lines(5, 7));
  await rename(file, `${file}.1`);
  await writeFile(file, lines(7, 8));
  t.same(await all(), [0, 1, 2, 3, 4, 5, 6, 7]);
  // Late lines of the service that still writes to the old file.
  await appendFile(`${file}.1`, lines(8, 9));
  t.same(await all(), [0, 1, 2, 3, 4, 5, 6, 7, 8]);
  await writeFile(`${file}.2.gz`, gzipSync(`${lines(0, 7)}${lines(8, 10)}`));
  await rm(`${file}.1`);
  t.same(await all(), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  // copytruncate: the same file begins anew, first shorter, then longer than before.
  await truncate(file, 0);
  await appendFile(file, lines(10, 11));
  t.same((await all()).length, 11);
  await truncate(file, 0);
  await appendFile(file, lines(11, 15));
  t.same((await all()).length, 15);
  t.equal((await records.analyse({ from: Date.UTC(2026, 9, 1), to: Date.UTC(2026, 11, 1), by: 'day' })).total.calls, 15);
});

t.test('a file that is rotated away between two looks at it is not taken for the one in its place', async (t) => {
  const { file } = await stage(t);
  await writeFile(file, lines(0, 3));
  const [source] = await sourceFiles(file);
  if (source === undefined) throw new Error('there is none');
  const head = await headOf(source) ?? '';
  await rename(file, `${file}.1`);
  await writeFile(file, lines(3, 9));
  const read: string[] = [];
  for await (const one of linesOf(source, 0, head)) if (one !== null) read.push(one.text);
  t.same(read, [], 'what is in the new one would count as read of the old');
  for await (const one of linesOf({ ...source, path: `${file}.1` }, 0, head)) if (one !== null) read.push(one.text);
  t.same(numbersOf(read), [0, 1, 2]);
});

t.test('half a line waits for its other half; one that a crash has left costs itself alone', async (t) => {
  const { file, open: openRecords, told } = await stage(t);
  const records = await openRecords();
  const all = async (): Promise<number[]> => numbersOf((await records.search(any, null)).records).reverse();
  const third = line(2);
  await writeFile(file, `${lines(0, 2)}${third.slice(0, 50)}`);
  t.same(await all(), [0, 1]);
  await appendFile(file, `${third.slice(50)}\n`);
  t.same(await all(), [0, 1, 2]);
  await appendFile(file, `${line(3).slice(0, 40)}${line(4)}\n${'x'.repeat(1_200_000)}\n\n[1]\nnull\n{"id":"7"}\n${lines(5, 6)}`);
  t.same(await all(), [0, 1, 2, 4, 5]);
  t.match(told, [/4 lines are no records/]);
});

t.test('a packed file that is cut short gives what is in it, is told of once, and is taken again when it is whole', async (t) => {
  const { file, open: openRecords, told } = await stage(t);
  const whole = gzipSync(Array.from({ length: 1500 }, (_, i) => `${line(i)}\n`).join(''));
  await writeFile(`${file}.1.gz`, whole.subarray(0, Math.floor(whole.length * 0.6)));
  await writeFile(`${file}.2.gz`, 'not packed at all');
  await writeFile(file, lines(1600, 1601));
  const records = await openRecords();
  await records.catchUp(60_000);
  const count = async (): Promise<number> => (await records.analyse({ from: Date.UTC(2026, 9, 1), to: Date.UTC(2026, 11, 1), by: 'number' })).total.calls;
  const some = await count();
  t.ok(some > 300 && some < 1400, `${some} of 1500 records`);
  await records.catchUp(60_000);
  t.same(told.map((text) => /cdr\.jsonl\.\d\.gz/.exec(text)?.[0]).sort(), ['cdr.jsonl.1.gz', 'cdr.jsonl.2.gz']);
  await writeFile(`${file}.1.gz`, whole);
  await records.catchUp(60_000);
  t.equal(await count(), 1501);
});

t.test('a file that unpacks to a great deal of nothing keeps nobody waiting', async (t) => {
  const { file, open: openRecords } = await stage(t);
  await writeFile(`${file}.1.gz`, gzipSync(Buffer.alloc(400_000_000), { level: 1 }));
  await writeFile(file, `  ${line(0)} \r\n`);
  const records = await openRecords();
  let longest = 0;
  for (let done = false; !done;) {
    const began = performance.now();
    done = await records.catchUp(10);
    longest = Math.max(longest, performance.now() - began);
  }
  t.ok(longest < 250, `a turn took ${Math.round(longest)} ms at most`);
  t.same((await records.search(any, null)).records, [line(0)], 'spaces around a record are not of it');
  t.same((await records.search(any, null)).records.length, 1);
});

t.test('an index that is gone is made anew, and one that is damaged is told of', async (t) => {
  const { dir, file, open: openRecords, told } = await stage(t);
  await writeFile(file, lines(0, 1500));
  const index = join(dir, 'index');
  const path = join(index, 'records.sqlite');
  let records = await openRecords();
  await records.catchUp(60_000);
  await rm(index, { recursive: true });
  t.equal((await records.search(any, null)).records.length, 50, 'thrown away while it is in use');
  t.match(told, [/made anew: its file is gone/]);
  await records.catchUp(60_000);
  await records.close();

  told.length = 0;
  await writeFile(path, 'this is no database');
  records = await openRecords();
  await records.catchUp(60_000);
  t.equal((await records.search({ ...any, number: '+447700900001' }, null)).records.length, 50);
  t.match(told, [/could not be used and is made anew/]);
  await records.close();

  told.length = 0;
  const handle = await open(path, 'r+');
  const { size } = await stat(path);
  for (let at = 8192; at < size; at += 4096) await handle.write(Buffer.alloc(4096, 0xa5), 0, 4096, at);
  await handle.close();
  records = await openRecords();
  await records.catchUp(60_000).catch(() => undefined);
  await records.catchUp(60_000);
  t.equal((await records.search({ ...any, limit: 200 }, null)).records.length, 200);
  t.equal((await records.analyse({ from: Date.UTC(2026, 9, 1), to: Date.UTC(2026, 11, 1), by: 'peer' })).total.calls, 1500);
  t.ok(told.some((text) => /made anew/.test(text)), told.join());
});

t.test('what was under way when an index turned out to be damaged does not hide from the new one what stands before it', async (t) => {
  const { dir, file, told } = await stage(t);
  // A line without an end that is longer than what is read at a time, as a disk that lost power may leave it.
  await writeFile(file, `${lines(0, 600)}${'\0'.repeat(900_000)}\n${lines(600, 601)}`);
  const index = await RecordsIndex.open(file, join(dir, 'index'), ({ text }) => { told.push(text); });
  t.teardown(() => index.close());
  const steps = index.update();
  for (let taken = 1; taken > 0;) taken = Number((await steps.next()).value);
  await t.rejects(index.guarded(() => { throw new DamagedIndex('as a test has it'); }));
  await steps.return(undefined);
  for await (const _ of index.update());
  t.equal(Number(index.database.get('SELECT count(*) AS n FROM calls')?.['n']), 601);
});

t.test('two processes do not share an index; one that was killed leaves it free', async (t) => {
  const { dir, file, open: openRecords } = await stage(t);
  await writeFile(file, lines(0, 1000));
  const code = `import { Records } from ${JSON.stringify(new URL(runnable('../../../lib/records/service.ts'), import.meta.url).href)};
    const records = await Records.open(${JSON.stringify({ file, index: join(dir, 'index'), rates: null })}, () => undefined);
    await records.catchUp(60000); console.log('open'); setInterval(() => undefined, 1000);`;
  const other = spawn(process.execPath, ['--import=./test/helpers/loader.js', '--input-type=module', '-e', code], { stdio: ['ignore', 'pipe', 'inherit'] });
  const gone = once(other, 'exit');
  await once(other.stdout, 'data');
  await t.rejects(openRecords(), { code: 'FILE_IN_USE' });
  other.kill('SIGKILL');
  await gone;
  const records = await openRecords();
  t.equal((await records.search({ ...any, limit: 200 }, null)).records.length, 200);
  t.ok((await readdir(join(dir, 'index'))).includes('records.sqlite'));
});
