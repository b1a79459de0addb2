import t from 'tap';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { mock } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { openRecords } from '../../../lib/app/records.js';
import { compileRules } from '../../../lib/app/rules.js';
import type { Undo } from '../../../lib/app/undo.js';
import { parseConfig } from '../../../lib/config/load.js';
import { createLogger } from '../../../lib/observe/logger.js';
import type { PickUp } from '../../../lib/records/analytics.js';
import { RecordsThread } from '../../../lib/records/thread.js';
import { lockFile } from '../../../lib/state/lock.js';
import { Guard } from '../../../lib/util/guard.js';
import { env } from '../config/documents.js';
import { line, stage } from './records.js';

const text = (file: string, index: string, pickUp: string): string => `
domain: sbc.example.net
sip: { listen: ["tls:127.0.0.1:0"], tls: { cert: c.pem, key: k.pem } }
numbers: { "+447700900001": { password: p }, "+447700900002": { password: p }, "+447700900003": { password: p } }
peers: { pbx: { uri: "sip:127.0.0.1:5060", pstn: none, users: ["6001"] } }
routes: [{ name: main, number: "+447700900001", to: [{ peer: pbx, user: "6001" }] }]
cdr: { file: ${JSON.stringify(file)}, index: ${JSON.stringify(index)}, pickUp: ${pickUp} }
`;

t.test('few calls of users taken: told once a day and number, of numbers of ours with calls enough', async (t) => {
  const { dir, file } = await stage(t);
  const now = Date.now();
  const calls = (number: string, from: number, all: number, answered: number, ageDays = 0): string => Array.from({ length: all }, (_, i) => `${line(from + i, {
    number, time: new Date(now - ageDays * 86_400_000 - 60_000).toISOString(), durationMs: i < answered ? 1000 : null,
  })}\n`).join('');
  await writeFile(file, [
    calls('+447700900001', 0, 20, 13), calls('+447700900001', 100, 50, 0, 9), // 65 % of this week's 20; older ones do not count
    calls('+447700900002', 200, 20, 14), // 70 % is enough
    calls('+447700900003', 300, 19, 0), // too few to say
    calls('+447700900009', 400, 50, 0), // not ours
  ].join(''));
  const open = async (pickUp: string) => {
    const log: { msg: string; number?: string; percent?: number }[] = [];
    const config = parseConfig(text(file, join(dir, 'index'), pickUp), { env, path: 'test.yaml' });
    const undo: Undo = [];
    const faults = new Guard(() => undefined, (place, error) => { throw new Error(`${place}: ${String(error)}`); });
    const records = await openRecords({ config, version: '1', log: createLogger('info', { write: (one: string) => { log.push(JSON.parse(one) as { msg: string }); } }), faults, undo }, { rules: await compileRules(config) });
    if (records === null) throw new Error('there are none');
    return { records, log, close: async () => { for (const step of undo.reverse()) await step(); } };
  };
  const until = async (holds: () => boolean): Promise<void> => { for (const end = Date.now() + 20_000; !holds() && Date.now() < end;) await pause(20); };

  const first = await open('{ warnBelow: 70, days: 7, calls: 20 }');
  await first.records.search({ from: null, to: null, number: null, user: null, peer: null, reason: null, limit: 1, cursor: null }, false);
  await until(() => first.log.length > 0);
  await first.records.analyse({ from: null, to: null, by: null });
  t.match(first.log, [{ level: 40, number: '+447700900001', calls: 20, answered: 13, percent: 65, warnBelow: 70, msg: /few of the calls of WhatsApp users/ }]);
  t.same(first.records.pickUpRates(), { '+447700900001': 0.65, '+447700900002': 0.7, '+447700900003': 0 });
  await first.close();

  const second = await open('{ warnBelow: 100, days: 7, calls: 20 }');
  await second.records.analyse({ from: null, to: null, by: null });
  await until(() => second.log.length > 0);
  t.same(second.log.map(({ number }) => number), ['+447700900002'], 'the other number was told of today, before the restart');
  await second.close();

  const third = await open('{ warnBelow: 0 }');
  await third.records.analyse({ from: null, to: null, by: null });
  await pause(300);
  t.same([third.log, third.records.pickUpRates()], [[], {}]);
  await third.close();
  await t.rejects(third.records.analyse({ from: null, to: null, by: null }), /the service ends/);
});

t.test('a rate that cannot be judged now, as too many ask or the service ends, is no fault: it is looked at again in a minute', async (t) => {
  const { dir, file } = await stage(t);
  await writeFile(file, Array.from({ length: 20 }, (_, i) => `${line(i, { time: new Date(Date.now() - 60_000).toISOString(), durationMs: null })}\n`).join(''));
  const config = parseConfig(text(file, join(dir, 'index'), '{ warnBelow: 70, days: 7, calls: 20 }'), { env, path: 'test.yaml' });
  const undo: Undo = [];
  const faults: string[] = [];
  const records = await openRecords({ config, version: '1', log: createLogger('silent'), faults: new Guard(() => undefined, (place, error) => { faults.push(`${place}: ${error.message}`); }), undo }, { rules: await compileRules(config) });
  if (records === null) throw new Error('there are none');
  // As many as may wait, until the figures of the first look are there.
  const ask = async (): Promise<void> => { while (Object.keys(records.pickUpRates()).length === 0) await records.analyse({ from: null, to: null, by: null }); };
  await Promise.all(Array.from({ length: 100 }, ask));
  t.same(records.pickUpRates(), { '+447700900001': 0 });
  for (const step of undo.reverse()) await step();
  t.same(faults, []);
});

t.test('the watch begins again where somebody else had the index when it was to begin', async (t) => {
  const { dir, file } = await stage(t);
  await writeFile(file, Array.from({ length: 20 }, (_, i) => `${line(i, { time: new Date(Date.now() - 60_000).toISOString(), durationMs: null })}\n`).join(''));
  const log: string[] = [];
  const config = parseConfig(text(file, join(dir, 'index'), '{ warnBelow: 70, days: 7, calls: 20 }'), { env, path: 'test.yaml' });
  const undo: Undo = [];
  const lock = await lockFile(join(dir, 'index'));
  const heard = async (words: string): Promise<boolean> => {
    for (const end = performance.now() + 15_000; performance.now() < end;) {
      if (log.some((one) => one.includes(words))) return true;
      await new Promise((resolve) => { setImmediate(resolve); });
    }
    return false;
  };
  mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  try {
    await openRecords({ config, version: '1', log: createLogger('info', { write: (one: string) => { log.push(one); } }), faults: new Guard(() => undefined, () => undefined), undo }, { rules: await compileRules(config) });
    mock.timers.tick(10_000);
    t.ok(await heard('is in use by process'));
    await lock.release();
    mock.timers.tick(60_000);
    t.ok(await heard('few of the calls of WhatsApp users'));
  } finally {
    mock.timers.reset();
    for (const step of undo.reverse()) await step();
  }
});

t.test('a rate is that of all records: there is none while a look is still at them', async (t) => {
  const { dir, file } = await stage(t);
  const all = 12_000;
  // Those that come first are not answered.
  await writeFile(file, Array.from({ length: all }, (_, i) => `${line(i, { time: new Date(Date.now() - 60_000).toISOString(), durationMs: i < all / 2 ? null : 1000 })}\n`).join(''));
  const found: PickUp[] = [];
  const thread = new RecordsThread({ place: { file, index: join(dir, 'index'), rates: null }, days: 7, lookEvery: 20, onNews: () => undefined, onPickUps: (pickUps) => { found.push(...pickUps); } });
  t.after(() => thread.close());
  await thread.search({ from: null, to: null, number: null, user: null, peer: null, reason: null, limit: 1, cursor: null }, null);
  for (const until = Date.now() + 20_000; found.length === 0 && Date.now() < until;) await pause(20);
  t.same(found[0], { number: '+447700900001', calls: all, answered: all / 2 });
});

t.test('a thread that cannot work says why, and the next question tries again', async (t) => {
  const { dir, file } = await stage(t);
  await writeFile(join(dir, 'index'), 'a file where the folder should be');
  const log: string[] = [];
  const config = parseConfig(text(file, join(dir, 'index'), '{ warnBelow: 0 }'), { env, path: 'test.yaml' });
  const undo: Undo = [];
  const records = await openRecords({ config, version: '1', log: createLogger('info', { write: (one: string) => { log.push(one); } }), faults: new Guard(() => undefined, () => undefined), undo }, { rules: await compileRules(config) });
  t.after(async () => { for (const step of undo.reverse()) await step(); });
  if (records === null) throw new Error('there are none');
  await t.rejects(records.analyse({ from: null, to: null, by: null }), /EEXIST|ENOTDIR/);
  await t.rejects(records.analyse({ from: null, to: null, by: null }), /EEXIST|ENOTDIR/);
  t.equal(log.join('').split('records cannot be searched').length, 2, 'told of once');
  await rm(join(dir, 'index'));
  await writeFile(file, `${line(0, { time: new Date().toISOString() })}\n`);
  t.match(JSON.parse(await records.analyse({ from: null, to: Date.now() + 1000, by: null })), { total: { calls: 1 } });
});
