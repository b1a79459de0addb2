import { lstat, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { DailyCounters } from '../../../lib/state/daily.js';
import { lockFile } from '../../../lib/state/lock.js';

const day = 86_400_000;
const noon = Date.UTC(2026, 10, 21, 12);
const log = { warn: () => undefined, error: () => undefined };

async function folder(t: Test): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'wab-l7-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

t.test('L7: lines of a clock that ran ahead lapse a day after they are read', async (t) => {
  const file = join(await folder(t), 'state');
  const in2028 = Date.UTC(2028, 0, 1) / 1000;
  await writeFile(file, `wa-b2bua state 1\nn +447700900001\t${in2028}\t3\nn +447700900001\t${in2028 + 7}\t2\n`);
  let now = noon;
  const counters = await DailyCounters.open({ file, now: () => now, log });
  t.equal(counters.count('n +447700900001'), 5, 'they count');
  t.equal(counters.freeAt('n +447700900001', 5), noon + day);
  now = noon + day - 1000;
  t.equal(counters.count('n +447700900001'), 5);
  now = noon + day;
  t.equal(counters.count('n +447700900001'), 0);
  await counters.close();
  t.notMatch(await readFile(file, 'utf8'), new RegExp(String(in2028)), 'nor does the file keep that time');
});

t.test('L7: the same for a clock that is set back while the service runs', async (t) => {
  let now = noon + 30 * day;
  const counters = await DailyCounters.open({ file: null, now: () => now, log });
  counters.add('p x');
  now += 5000;
  counters.add('p x');
  now = noon;
  t.equal(counters.count('p x'), 2);
  counters.add('p x');
  now = noon + day;
  t.equal(counters.count('p x'), 0);
});

t.test('L7: what stands where the new file is to be is neither followed nor written to', async (t) => {
  const dir = await folder(t);
  const file = join(dir, 'state');
  const victim = join(dir, 'victim');
  await writeFile(victim, 'precious');
  await symlink(victim, `${file}.new`);
  const counters = await DailyCounters.open({ file, now: () => noon, log });
  await counters.add('a').store();
  await counters.close();
  t.equal(await readFile(victim, 'utf8'), 'precious');
  t.ok((await lstat(file)).isFile());
  t.equal((await lstat(file)).mode & 0o777, 0o600);
});

t.test('E14: a lock is had once, by one of many that ask at the same time, and follows no link', async (t) => {
  const dir = await folder(t);
  const file = join(dir, 'state');
  await writeFile(`${file}.lock`, '999999999 1\n');
  const asked = await Promise.allSettled(Array.from({ length: 20 }, () => lockFile(file)));
  const had = asked.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  t.equal(had.length, 1, 'a lock of a process that is gone is taken over, once');
  await had[0]?.release();
  await had[0]?.release();
  const again = await lockFile(file);
  await again.release();

  const victim = join(dir, 'victim');
  await writeFile(victim, 'precious');
  await symlink(victim, `${file}.lock`);
  const taken = await lockFile(file);
  t.equal(await readFile(victim, 'utf8'), 'precious');
  await taken.release();
});
