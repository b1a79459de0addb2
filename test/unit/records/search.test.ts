import t from 'tap';
import { randomBytes } from 'node:crypto';
import { appendFile, writeFile } from 'node:fs/promises';
import type { RecordQuery } from '../../../lib/records/types.js';
import { userKeyOf } from '../../../lib/records/userKey.js';
import { any, line, numbersOf, stage, start, uuid } from './records.js';

const reasons = [{ by: 'user', reason: 'hangup' }, { by: 'peer', reason: 'hangup' }, { by: 'peer', reason: 'busy' }, { by: 'us', reason: 'overload' }];
const secret = randomBytes(32).toString('hex');
const userKey = userKeyOf(secret);
const rows = Array.from({ length: 600 }, (_, i) => ({
  // Some at the same millisecond, so that pages are cut between equals.
  time: new Date(start + Math.floor(i / 3) * 1_800_000).toISOString(), number: `+44770090000${1 + (i % 3)}`, peer: ['pbx', 'sales', null][i % 5] ?? null, termination: reasons[(i * 7) % 4],
  user: '+4477******01', userKey: userKey(`+4477009001${String(i % 50).padStart(2, '0')}`),
}));

/** What a reader without an index would find. */
function plain({ from, to, number, user, peer, reason }: RecordQuery): number[] {
  return rows.map((row, i) => ({ ...row, i })).filter((row) => {
    const time = Date.parse(row.time);
    return (from === null || time >= from) && (to === null || time < to) && (number === null || row.number === number) && (peer === null || row.peer === peer)
      && (user === null || row.userKey === userKey(user)) && (reason === null || reason === row.termination?.reason || reason === `${row.termination?.by} ${row.termination?.reason}`);
  }).sort((a, b) => Date.parse(b.time) - Date.parse(a.time) || (uuid(b.i) < uuid(a.i) ? -1 : 1)).map(({ i }) => i);
}

t.test('every question finds what a reader of the whole file would, page by page', async (t) => {
  const { file, open } = await stage(t);
  await writeFile(file, rows.map((row, i) => `${line(i, row)}\n`).join(''));
  await writeFile(`${file}.key`, `${secret}\n`);
  const records = await open();
  await records.catchUp(60_000);
  const choices: readonly (readonly [keyof RecordQuery, readonly (string | number | null)[]])[] = [
    ['from', [null, start + 12_345_678]], ['to', [null, start + 90_000_000, start + 91_800_000]], ['number', [null, '+447700900002', '+447700900009']],
    ['user', [null, '+447700900107', '447700900107']], ['peer', [null, 'pbx', 'nobody']], ['reason', [null, 'hangup', 'peer busy', 'none']],
  ];
  let asked: RecordQuery[] = [{ ...any, limit: 37 }];
  for (const [key, values] of choices) asked = asked.flatMap((query) => values.map((value) => ({ ...query, [key]: value })));
  for (const query of asked) {
    const found: number[] = [];
    let cursor: string | null = null;
    do {
      const page: { records: readonly string[]; next: string | null } = await records.search({ ...query, cursor }, null);
      found.push(...numbersOf(page.records));
      cursor = page.next;
    } while (cursor !== null && found.length < 1000);
    const wanted = plain(query);
    if (JSON.stringify(found) !== JSON.stringify(wanted)) t.same(found, wanted, JSON.stringify(query));
  }
  t.ok(asked.length > 400, `${asked.length} questions`);
});

t.test('a page holds what it is asked to hold, 200 at most, and a made-up cursor opens nothing', async (t) => {
  const { file, open } = await stage(t);
  await writeFile(file, rows.map((row, i) => `${line(i, row)}\n`).join(''));
  const records = await open();
  await records.catchUp(60_000);
  const count = async (limit: number): Promise<number> => (await records.search({ ...any, limit }, null)).records.length;
  t.same([await count(1), await count(0), await count(-5), await count(1e9), await count(Infinity), await count(2.9)], [1, 1, 1, 200, 200, 2]);
  const made = (text: string): string => Buffer.from(text).toString('base64url');
  for (const cursor of ['', 'x', made('1761955200000.00'), made(`1761955200000.${'0'.repeat(32)}' OR 1`), made(`17619552000x0.${'0'.repeat(32)}`), '..%2f', `${made(`1761955200000.${'0'.repeat(32)}`)}=`]) {
    await t.rejects(records.search({ ...any, cursor }, null), { code: 'cursor.invalid' }, cursor);
  }
  t.same((await records.search({ ...any, cursor: made(`9999999999999.${'f'.repeat(32)}`) }, null)).records.length, 50, 'of the far future: the first page');
  t.same((await records.search({ ...any, cursor: made(`0000000000001.${'f'.repeat(32)}`) }, null)).records.length, 0);
});

t.test('what reads as SQL is a name that nobody has', async (t) => {
  const { file, open } = await stage(t);
  const hostile = ["' OR '1'='1", '"; DROP TABLE calls; --', "') UNION SELECT body FROM blocks --", '%', '_', '\0', '*', '\ud800', 'x'.repeat(100_000)];
  await writeFile(file, `${line(0)}\n${hostile.slice(0, 5).map((text, i) => `${line(i + 1, { peer: text, user: text, number: text, country: text, termination: { by: 'us', reason: text } })}\n`).join('')}`);
  const records = await open();
  await records.catchUp(60_000);
  for (const text of hostile) {
    for (const key of ['number', 'user', 'peer', 'reason'] as const) {
      const found = numbersOf((await records.search({ ...any, [key]: text }, null)).records);
      const mine = hostile.indexOf(text) < 5 && key !== 'number' ? [hostile.indexOf(text) + 1] : [];
      t.same(found, mine, `${key} ${text.slice(0, 30)}`);
    }
  }
  t.equal((await records.search(any, null)).records.length, 6);
});

t.test('lines that somebody else has written are records only where they are ones, and are given as they are', async (t) => {
  const { file, open } = await stage(t);
  const odd = [
    line(0, { time: 'soon' }), line(0, { time: '1970-01-01T00:00:00Z' }), line(0, { time: '+275760-09-13T00:00:00.000Z' }), line(0, { time: 1761955200000 }), line(0, { id: 5 }), line(0, { id: '../../etc/passwd' }),
    line(0, { direction: 'sideways' }), line(0, { termination: null }), line(0, { termination: { by: {}, reason: [] } }), '{"id":"', '[]', '"x"', '12', '{"__proto__":{"id":"x"}}', '\u0000',
  ];
  const good = [
    line(1, { durationMs: -5 }), line(2, { durationMs: 1e300 }), line(3, { durationMs: 'x' }), line(4, { durationMs: null, metaDuration: 1e99 }), line(5, { number: ['+447700900001'], peer: {}, user: 7, country: 'gb' }),
    line(6, { direction: 'business-initiated', metaDuration: -1 }), line(7, { direction: 'business-initiated', metaDuration: 1e12 }), line(8, { peer: '__proto__', user: 'constructor' }),
    line(9, { text: '\u202e\u0007', user: '<script>' }),
  ];
  await writeFile(file, `${[...odd, ...good].join('\n')}\n`);
  const records = await open();
  await records.catchUp(60_000);
  t.same(numbersOf((await records.search(any, null)).records).sort((a, b) => a - b), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
  t.same((await records.search({ ...any, peer: '__proto__' }, null)).records, [good[7]]);
  const { total } = await records.analyse({ from: start, to: start + 86_400_000, by: 'country' });
  t.same([total.calls, total.answered, total.seconds.total], [9, 5, 300]);
});

t.test("users' numbers are masked wherever they stand, business numbers are not", async (t) => {
  const { file, open } = await stage(t);
  await writeFile(file, `${line(0, { user: '+447700900101', account: 'sip:447700900101@x', termination: { by: 'user', reason: 'hangup', text: 'from +447700900101 to +447700900001' } })}\n${line(1, { user: 'GB.13491208655302741918', reference: 'GB.13491208655302741918' })}\n`);
  const records = await open();
  await records.catchUp(60_000);
  const { records: [second = '', first = ''] } = await records.search(any, new Set(['+447700900001']));
  t.notMatch(first + second, /900101|13491208/);
  t.match(JSON.parse(first), { user: '+4477******01', number: '+447700900001', termination: { text: 'from +4477******01 to +447700900001' } });
  t.match(JSON.parse(second), { user: /^GB\.13\*+18$/ });
  t.match((await records.search({ ...any, user: '+447700900101' }, new Set())).records, { length: 1 }, 'found in full without a key');
  await appendFile(file, `${line(2).replace('"+4477******01"', '"\\u002b447700900102"')}\n`);
  t.notMatch((await records.search({ ...any, limit: 1 }, new Set())).records.join(), /900102/, 'behind escapes too');
});
