import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import { DailyCounters } from '../../../lib/state/daily.js';
import { runnable } from '../../helpers/runnable.js';

const day = 86_400_000;
const noon = Date.UTC(2026, 10, 21, 12);

interface Bench { now: number; readonly said: string[]; readonly file: string; open(file?: string | null): Promise<DailyCounters> }

async function bench(t: Test): Promise<Bench> {
  const dir = await mkdtemp(join(tmpdir(), 'wab-state-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  const log = { warn: (_: object, text: string) => { said.push(text); }, error: (_: object, text: string) => { said.push(text); } };
  const said: string[] = [];
  const made: Bench = { now: noon, said, file: join(dir, 'state'), open: (file = made.file) => DailyCounters.open({ file, now: () => made.now, log }) };
  return made;
}

t.test('an event counts for 24 hours, and not a moment less', async (t) => {
  const b = await bench(t);
  const counters = await b.open(null);
  counters.add('a');
  b.now += 3_600_500;
  counters.add('a');
  counters.add('b');
  t.equal(counters.count('a'), 2);
  t.equal(counters.freeAt('a', 3), null);
  t.equal(counters.freeAt('a', 2), noon + day);
  t.equal(counters.freeAt('a', 1), noon + 3_601_000 + day);
  b.now = noon + day - 1;
  t.equal(counters.count('a'), 2);
  b.now = noon + day;
  t.equal(counters.count('a'), 1);
  b.now = noon + 3_601_000 + day;
  t.equal(counters.count('a'), 0);
  for (let i = 0; i < 4; i++) counters.add('c');
  t.equal(counters.size, 1, 'what has lapsed is swept out');
});

t.test('what did not happen does not count', async (t) => {
  const b = await bench(t);
  const counters = await b.open();
  const [first, second] = [counters.add('a'), counters.add('a')];
  first.undo();
  first.undo();
  t.equal(counters.count('a'), 1);
  await second.store();
  await counters.close();
  const again = await b.open();
  t.equal(again.count('a'), 1, 'nor after a restart');
  b.now += day + 1000;
  second.undo();
  t.equal(again.count('a'), 0, 'undone after it lapsed');
  await again.close();
});

t.test('a restart finds what was stored; half a line of a killed process is left out', async (t) => {
  const b = await bench(t);
  const counters = await b.open();
  for (let i = 0; i < 500; i++) {
    b.now += 700;
    void counters.add(`n +4477009000${i % 3}`).store();
  }
  await counters.add('p x').store();
  const killed = await readFile(b.file, 'utf8');
  await writeFile(b.file, `${killed}n +44770090`);
  const again = await b.open();
  t.same(['n +44770090000', 'n +44770090001', 'n +44770090002', 'p x'].map((key) => again.count(key)), [167, 167, 166, 1]);
  t.match(b.said, ['lines of the state file could not be read and were left out']);
  await again.close();
  await counters.close();
  b.now += day;
  const later = await b.open();
  t.equal((await readFile(b.file, 'utf8')), 'wa-b2bua state 1\n', 'what has lapsed is not written again');
  await later.close();
});

t.test('the file is written anew now and then while counting goes on, and loses nothing', async (t) => {
  const b = await bench(t);
  const counters = await b.open();
  const keys = 400;
  const expected = new Map<string, number>();
  const count = (i: number): Promise<void> => {
    const key = `p ${i % keys}`;
    const counted = counters.add(key);
    const stored = counted.store();
    if (i % 10 === 9) counted.undo();
    else expected.set(key, (expected.get(key) ?? 0) + 1);
    return stored;
  };
  // Enough lines for several whole files; each wave comes while the one before is being written.
  for (let wave = 0; wave < 120; wave++) {
    b.now += 200;
    let stored: Promise<void> = Promise.resolve();
    for (let i = 0; i < 1000; i++) stored = count(wave * 997 + i);
    await stored;
  }
  const lines = (await readFile(b.file, 'utf8')).split('\n').length;
  t.ok(lines < 132_000, `${lines} lines for 132,000 changes`);
  await counters.close();
  const again = await b.open();
  t.same([...expected.keys()].filter((key) => again.count(key) !== expected.get(key)), []);
  t.equal([...again.keys()].length, expected.size);
  await again.close();
  t.same(b.said, []);
});

t.test('a file that is none of ours is refused and left as it is', async (t) => {
  const b = await bench(t);
  await writeFile(b.file, 'root:x:0:0\n');
  await t.rejects(b.open(), { code: 'FILE_UNREADABLE', message: /is not a state file of wa-b2bua/ });
  t.equal(await readFile(b.file, 'utf8'), 'root:x:0:0\n');
  await t.rejects(b.open(join(b.file, 'below')), { code: 'FILE_UNREADABLE' });
  await t.rejects(b.open(dirname(b.file)), { code: 'FILE_UNREADABLE', message: /is not a file/ });
});

t.test('a disk that fails is told once; counting goes on in memory and the file is made good', async (t) => {
  const b = await bench(t);
  // A child whose files may not grow beyond 1 KiB for a while (setrlimit(2), RLIMIT_FSIZE, as a full disk would do).
  const script = `
    import { DailyCounters } from ${JSON.stringify(new URL(runnable('../../../lib/state/daily.ts'), import.meta.url).href)};
    import { execFileSync } from 'node:child_process';
    const said = [];
    const say = (_, text) => { said.push(text); };
    const counters = await DailyCounters.open({ file: process.argv[1], now: Date.now, log: { warn: say, error: say } });
    const grow = (bytes) => execFileSync('prlimit', ['--pid', String(process.pid), '--fsize=' + bytes + ':unlimited']);
    process.on('SIGXFSZ', () => {});
    grow(1000);
    for (let i = 0; i < 200; i++) await counters.add('a').store();
    const full = counters.count('a');
    grow('unlimited');
    await counters.add('a').store();
    await counters.close();
    process.stdout.write(JSON.stringify({ full, said: [...new Set(said)] }));
  `;
  const child = spawnSync(process.execPath, [`--import=${new URL('../../helpers/loader.js', import.meta.url).href}`, '--input-type=module', '-e', script, b.file], { encoding: 'utf8' });
  t.equal(child.status, 0, child.stderr);
  const { full, said } = JSON.parse(child.stdout) as { full: number; said: string[] };
  t.equal(full, 200);
  t.same(said, ['the state file cannot be written: counts are kept in memory alone']);
  const again = await b.open();
  t.equal(again.count('a'), 201);
  await again.close();
});
