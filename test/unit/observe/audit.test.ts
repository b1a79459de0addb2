import { appendFile, readFile, rename, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { auditStart, chainLine, openAudit } from '../../../lib/observe/audit.js';
import { verifyAudit } from '../../../lib/observe/auditVerify.js';

const fail = (error: Error): void => { throw error; };

/** A log of `count` lines. */
async function written(t: Test, count: number): Promise<string> {
  const file = join(t.testdir(), 'audit.jsonl');
  const log = await openAudit(file, fail);
  for (let i = 0; i < count; i++) log.write({ i, text: `line ${i} \u2028 "quoted"` });
  await log.close();
  return file;
}

const linesOf = async (file: string): Promise<string[]> => (await readFile(file, 'utf8')).split('\n').slice(0, -1);
const rewrite = (file: string, lines: readonly string[]): Promise<void> => writeFile(file, `${lines.join('\n')}\n`);

t.test('a log is good, and goes on after a restart', async (t) => {
  const file = await written(t, 1200);
  const first = await verifyAudit([file]);
  t.match(first, { ok: true, lines: 1200, start: auditStart, torn: 0, fault: null });
  const log = await openAudit(file, fail);
  t.equal(log.head, first.head);
  log.write({ i: 'after' });
  await log.close();
  log.write({ i: 'too late' });
  t.match(await verifyAudit([file]), { ok: true, lines: 1201, start: auditStart });
  const lines = (await linesOf(file)).map((line) => JSON.parse(line) as { i: unknown });
  t.same(lines.slice(0, 1200).map(({ i }) => i), [...Array(1200).keys()], 'in order');
});

t.test('each tampering shows, with its line', async (t) => {
  const rows: readonly (readonly [what: string, tamper: (lines: string[]) => string[], line: number, why: RegExp])[] = [
    ['a changed value', (l) => l.with(4, l[4]!.replace('line 4', 'line X')), 5, /was changed/], ['a changed hash', (l) => l.with(4, l[4]!.replace(/"hash":"./, '"hash":"x')), 5, /.*/],
    ['a line taken out', (l) => l.toSpliced(4, 1), 5, /lines are missing/], ['a line put in', (l) => l.toSpliced(4, 0, chainLine({ i: 'x' }, auditStart).line), 5, /missing, added or moved/],
    ['a line doubled', (l) => l.toSpliced(4, 0, l[4]!), 6, /missing, added or moved/], ['two lines changed places', (l) => l.with(4, l[5]!).with(5, l[4]!), 5, /missing, added or moved/],
    ['a line with a new hash of its own', (l) => l.with(4, chainLine({ i: 'x' }, (JSON.parse(l[3]!) as { hash: string }).hash).line), 6, /missing, added or moved/],
    ['a space', (l) => l.with(4, l[4]!.replace(':', ': ')), 5, /was changed/], ['rubbish', (l) => l.toSpliced(4, 0, 'rubbish'), 6, /follows a line that was changed/], ['rubbish at the end', (l) => [...l, 'rubbish'], 11, /no line of an audit log/],
    ['a line cut to pieces', (l) => l.with(4, l[4]!.slice(0, 20)), 6, /.*/],
  ];
  for (const [what, tamper, line, why] of rows) {
    const file = await written(t, 10);
    await rewrite(file, tamper(await linesOf(file)));
    const { ok, fault } = await verifyAudit([file]);
    t.notOk(ok, what);
    t.match(fault, { file, why }, what);
    t.ok(fault!.line === line || fault!.line === line - 1 || fault!.line === line + 1, `${what}: line ${fault!.line}`);
  }
});

t.test('a cut end shows against the hash that was noted', async (t) => {
  const file = await written(t, 10);
  const { head } = await verifyAudit([file]);
  await rewrite(file, (await linesOf(file)).slice(0, 8));
  const cut = await verifyAudit([file]);
  t.ok(cut.ok);
  t.not(cut.head, head);
});

t.test('a line that a crash cut short is vouched for by the next', async (t) => {
  for (const left of [1, 30, 200]) {
    const file = await written(t, 5);
    const bytes = await readFile(file);
    const start = bytes.lastIndexOf('\n', bytes.length - 2) + 1;
    await truncate(file, Math.min(start + left, bytes.length - 2));
    t.match((await verifyAudit([file])).fault, { why: /is cut short/ });
    const log = await openAudit(file, fail);
    log.write({ i: 'after' });
    await log.close();
    t.match(await verifyAudit([file]), { ok: true, lines: 6, torn: 1 }, 'four lines, the note, one more');
    const lines = await linesOf(file);
    await rewrite(file, lines.with(4, '{"i":"something else'));
    t.match((await verifyAudit([file])).fault, { why: /follows a line that was changed/ }, 'and only that one');
  }
});

t.test('a line behind a crash whose end was written, a file of rubbish, an empty file', async (t) => {
  const file = await written(t, 2);
  await appendFile(file, '{"i":"half\n');
  const log = await openAudit(file, fail);
  await log.close();
  t.match(await verifyAudit([file]), { ok: true, lines: 3, torn: 1 });
  const empty = join(t.testdir(), 'empty.jsonl');
  await writeFile(empty, '');
  t.match(await verifyAudit([empty]), { ok: true, lines: 0, head: auditStart });
  await t.rejects(verifyAudit([join(t.testdir(), 'none')]), { code: 'FILE_UNREADABLE' });
  await t.rejects(openAudit(join(t.testdir(), 'no', 'such', 'folder'), fail), { code: 'FILE_UNREADABLE' });
});

t.test('a log that is moved away goes on in a new file, and the two are one chain', async (t) => {
  const dir = t.testdir();
  const [old, file] = [join(dir, 'audit.jsonl.1'), join(dir, 'audit.jsonl')];
  const log = await openAudit(file, fail);
  log.write({ i: 1 });
  await log.reopen();
  await rename(file, old);
  await log.reopen();
  log.write({ i: 2 });
  await log.close();
  t.match(await verifyAudit([old, file]), { ok: true, lines: 2, start: auditStart });
  const alone = await verifyAudit([file]);
  t.ok(alone.ok);
  t.equal(alone.start, (await verifyAudit([old])).head);
  t.notOk((await verifyAudit([file, old])).ok, 'the wrong way round');
});

t.test('a disk that is full holds nothing up, is told, and loses no line once there is room again', { skip: process.platform !== 'linux' }, async (t) => {
  // /dev/full takes nothing: every write fails with ENOSPC. The log is a link to it that is turned to a file later.
  const { symlink, unlink } = await import('node:fs/promises');
  const file = join(t.testdir(), 'audit.jsonl');
  await symlink('/dev/full', file);
  let told!: () => void;
  const failed = new Promise<void>((resolve) => { told = resolve; });
  const log = await openAudit(file, (error) => { t.match(error.message, /ENOSPC/); told(); });
  const before = performance.now();
  for (let i = 0; i < 1000; i++) log.write({ i });
  t.ok(performance.now() - before < 500, 'write() does not wait');
  await failed;
  await unlink(file);
  log.write({ i: 1000 });
  const deadline = Date.now() + 10_000;
  while ((await readFile(file, 'utf8').catch(() => '')).split('\n').length < 1002 && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 20));
  await log.close();
  t.match(await verifyAudit([file]), { ok: true, lines: 1001, start: auditStart, torn: 0 });
});
