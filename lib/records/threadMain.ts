// What runs in the thread that RecordsThread makes: reading, indexing and adding up, away from the calls.
import { setPriority } from 'node:os';
import { setImmediate } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { printableJson } from '../observe/printable.js';
import { Serial } from '../util/serial.js';
import { Records } from './service.js';
import type { FromRecords, ThreadOptions, ToRecords } from './thread.js';
import { QueryError } from './types.js';

/** Behind everything that has to do with calls. */
const niceness = 10;
/** What is new is taken in so often, and users' calls are counted, milliseconds. */
const lookEveryMs = 60_000;
/** One portion of work, after which a question has its turn. */
const turnMs = 40;

if (parentPort === null) throw new Error('threadMain.ts runs as a worker thread only');
const port = parentPort;
const { place, days, lookEvery = lookEveryMs } = workerData as ThreadOptions;
const tell = (message: FromRecords): void => { port.postMessage(message); };
try {
  // Of the calling thread alone, on Linux.
  if (process.platform === 'linux') setPriority(0, niceness);
} catch { /* it may not: then it shares alike */ }

const serial = new Serial();
let behind = false;
let closed = false;

const records = await Records.open(place, ({ level, text }) => tell({ kind: 'log', level, text }));

/** Goes on taking in what a question did not wait for; false: somebody else does. */
async function follow(): Promise<boolean> {
  if (behind) return false;
  behind = true;
  try {
    while (!closed && !await serial.run(() => records.catchUp(turnMs))) await setImmediate();
  } finally {
    behind = false;
  }
  return true;
}

async function look(): Promise<void> {
  // Of a part of the records the rate may be anything.
  if (!await follow() || closed || days === null) return;
  const now = Date.now();
  tell({ kind: 'pickUps', pickUps: await serial.run(() => records.pickUps(now, days)) });
}

function troubled(error: unknown): void {
  tell({ kind: 'log', level: 'warn', text: `records cannot be taken into the index: ${(error as Error).message}` });
}

const timer = setInterval(() => { look().catch(troubled); }, lookEvery);
look().catch(troubled);

port.on('message', (message: ToRecords) => {
  if (message.kind === 'close') {
    closed = true;
    clearInterval(timer);
    void serial.run(() => records.close()).finally(() => process.exit(0));
    return;
  }
  const { id } = message;
  serial.run(() => answer(message)).then((json) => tell({ kind: 'answer', id, json }), (error: unknown) => {
    tell({ kind: 'failed', id, code: error instanceof QueryError ? error.code : null, text: (error as Error).message });
  });
});
tell({ kind: 'ready' });

async function answer(message: Exclude<ToRecords, { kind: 'close' }>): Promise<string> {
  if (message.kind === 'mayTell') return JSON.stringify(await records.mayTell(message.number, Date.now()));
  if (message.kind === 'analyse') {
    const analytics = await records.analyse(message.query);
    if (!analytics.upToDate) follow().catch(troubled);
    return printableJson(JSON.stringify(analytics));
  }
  const page = await records.search(message.query, message.business === null ? null : new Set(message.business));
  if (!page.upToDate) follow().catch(troubled);
  return printableJson(`{"records":[${page.records.join(',')}],"next":${JSON.stringify(page.next)},"upToDate":${page.upToDate}}`);
}
