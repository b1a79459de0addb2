// Records as of a year of a contact centre, rotated by the day, some of them packed; how long their index takes, and what is asked of it. Prints JSON.
import { createHash } from 'node:crypto';
import { closeSync, mkdtempSync, openSync, rmSync, statSync, writeSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

const base = process.env['RECORDS_LIB'] ?? '../../dist/lib';
const { RecordsIndex } = await import(`${base}/records/indexer.js`);
const { search } = await import(`${base}/records/search.js`);
const { analyse } = await import(`${base}/records/analytics.js`);
const { rateCardOf } = await import(`${base}/records/rateCard.js`);

const count = Number(process.argv[2] ?? 1_000_000);
const days = 90;
const dir = mkdtempSync(join(tmpdir(), 'wa-b2bua-records-'));
let seed = 1;
const random = () => (seed = (seed * 1103515245 + 12345) % 2147483648) / 2147483648;
const pick = (list) => list[Math.floor(random() * list.length)];
const numbers = ['+447700900001', '+447700900002', '+447700900003', '+447700900004'];
const peers = ['pbx', 'sales', 'support', 'agents', 'night'];
const users = ['+4477', '+5511', '+9198', '+4917', '+3366', '+5255', '+2347', '+6281'];
const countries = ['GB', 'BR', 'IN', 'DE', 'FR', 'MX', 'NG', 'ID'];
const failures = [['peer', 'busy'], ['peer', 'noAnswer'], ['user', 'cancelled'], ['policy', 'limit.number'], ['us', 'overload'], ['meta', 'noPermission'], ['peer', 'unreachable']];
const leg = { codec: 'opus', keying: 'sdes', packetsIn: 3051, packetsOut: 3052, bytesIn: 244080, bytesOut: 244160, lost: 0, silentMs: 0, jitterMs: 2.1, roundTripMs: 38, mos: 4.3 };

function uuid(i) {
  const hex = createHash('md5').update(String(i)).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20)}`;
}

function record(i, time) {
  const business = random() < 0.4;
  const answered = random() < 0.8;
  const at = Math.floor(random() * users.length);
  const [by, reason] = answered ? [pick(['user', 'peer']), 'hangup'] : pick(failures);
  const who = Math.floor(random() * 100_000);
  const id = uuid(i);
  return JSON.stringify({
    id, time: new Date(time).toISOString(), direction: business ? 'business-initiated' : 'user-initiated', number: pick(numbers), user: `${users[at]}*****${String(who % 100).padStart(2, '0')}`,
    userKey: createHash('md5').update(`u${who}`).digest('hex'), wacid: `wacid.HBgM${id}`, callIds: { meta: `outgoing:wacid.${id}==`, peer: uuid(-i) }, route: 'support', peer: pick(peers), account: null, target: '6001',
    rule: 'peers.pbx.users[0]', payload: null, country: business ? null : countries[at], permission: null,
    termination: { by, reason, result: 'success', status: 200, text: 'the user hung up' }, tries: [{ peer: 'pbx', user: '6001', callId: uuid(-i), status: 200, reason: 'answered', text: '', ringSeconds: 1.9 }],
    setupMs: 2310, durationMs: answered ? Math.floor(random() * 600_000) : null, metaDuration: null, transfers: [], media: { meta: leg, peer: leg },
  });
}

const start = Date.UTC(2026, 8, 1);
const file = join(dir, 'cdr.jsonl');
for (let day = 0, i = 0; day < days; day++) {
  const lines = [];
  const until = Math.round(((day + 1) * count) / days);
  const first = i;
  for (; i < until; i++) lines.push(record(i, start + (day + (i - first) / (until - first)) * 86_400_000));
  const name = day === days - 1 ? file : `${file}-${new Date(start + day * 86_400_000).toISOString().slice(0, 10).replaceAll('-', '')}`;
  const text = `${lines.join('\n')}\n`;
  if (day % 2 === 0 && name !== file) await writeFile(`${name}.gz`, gzipSync(text, { level: 1 }));
  else await writeFile(name, text);
}

/** Takes in what is new; gives the longest step, in milliseconds. */
async function takeIn(index) {
  const steps = index.update();
  let slowest = 0;
  for (let done = false; !done;) {
    const began = performance.now();
    done = (await steps.next()).done === true;
    slowest = Math.max(slowest, performance.now() - began);
  }
  return slowest;
}

const time = (work) => {
  const began = performance.now();
  work();
  return Math.round((performance.now() - began) * 10) / 10;
};
/** The slowest and the median of ten, in milliseconds. */
const asked = (work) => {
  const all = Array.from({ length: 10 }, () => time(work)).sort((a, b) => a - b);
  return { medianMs: all[5], slowestMs: all[9] };
};

try {
  let began = performance.now();
  const index = await RecordsIndex.open(file, join(dir, 'index'), ({ text }) => console.error(text));
  const slowest = await takeIn(index);
  const builtS = Math.round((performance.now() - began) / 100) / 10;
  const rows = Number(index.database.get('SELECT count(*) AS n FROM calls').n);
  const [tally, charged, hours] = ['tally', 'charged', 'hours'].map((table) => Number(index.database.get(`SELECT count(*) AS n FROM ${table}`).n));
  began = performance.now();
  await takeIn(index);
  const nothingNewMs = Math.round(performance.now() - began);
  const fd = openSync(file, 'a');
  for (let i = 0; i < 100; i++) writeSync(fd, `${record(count + i, start + days * 86_400_000 - 1)}\n`);
  closeSync(fd);
  began = performance.now();
  await takeIn(index);
  const hundredMoreMs = Math.round(performance.now() - began);

  const any = { from: null, to: null, number: null, user: null, peer: null, reason: null, limit: 50, cursor: null };
  const key = (user) => createHash('md5').update(user).digest('hex');
  const whole = { from: start, to: start + days * 86_400_000 };
  const card = rateCardOf({ currency: 'USD', tiers: [50000, 250000], markets: { all: { countries: ['*'], rates: [0.03, 0.02, 0.01] } } });
  const pages = (query, n) => { for (let i = 0, cursor = null; i < n; i++) cursor = search(index, { ...query, cursor }, null).next; };
  const figures = {
    node: process.version, records: rows, tally, charged, hours,
    indexMB: Math.round(statSync(index.database.path).size / 1e6), builtS, slowestPortionMs: Math.round(slowest), nothingNewMs, hundredMoreMs,
    search: {
      latest: asked(() => search(index, any, null)), twoHundred: asked(() => search(index, { ...any, limit: 200 }, null)),
      aUser: asked(() => search(index, { ...any, user: `u${Math.floor(random() * 100_000)}` }, key)),
      aNumber: asked(() => search(index, { ...any, number: numbers[2] }, null)), peerAndReason: asked(() => search(index, { ...any, peer: 'night', reason: 'limit.number' }, null)),
      aDay: asked(() => search(index, { ...any, from: start + 10 * 86_400_000, to: start + 11 * 86_400_000, number: numbers[1], reason: 'busy' }, null)),
      nothingFits: asked(() => search(index, { ...any, peer: 'pbx', reason: 'nothing' }, null)), tenPages: asked(() => pages({ ...any, reason: 'busy' }, 10)),
    },
    analytics: Object.fromEntries(['day', 'number', 'peer', 'reason', 'country'].map((by) => [by, asked(() => analyse(index, { ...whole, by }, card))])),
    lastWeekByHour: asked(() => analyse(index, { from: whole.to - 7 * 86_400_000 + 1234, to: whole.to - 999, by: 'hour' }, card)),
  };
  index.close();
  console.log(JSON.stringify(figures, null, 2));
} finally {
  rmSync(dir, { recursive: true, force: true });
}
