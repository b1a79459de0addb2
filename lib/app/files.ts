import { open } from 'node:fs/promises';
import { LiveCalls } from '../call/liveCalls.js';
import type { CallRecord } from '../call/record.js';
import { stateFile } from '../config/files.js';
import type { Config } from '../config/types.js';
import { WabError } from '../errors.js';
import { openAudit, type AuditLog } from '../observe/audit.js';
import { noWriter, openLineWriter, type LineWriter } from '../observe/lineWriter.js';
import type { Logger } from '../observe/logger.js';
import { DailyCounters, type StatePart } from '../state/index.js';
import { Journal } from '../state/journal.js';
import { lockFile } from '../state/lock.js';
import type { UserKey } from '../records/userKey.js';
import { openKey } from './userKey.js';
import type { Undo } from './undo.js';

/** What the service writes. */
export interface Files {
  readonly cdr: LineWriter;
  /** How users are found in the records; null: they are not. */
  readonly userKey: UserKey | null;
  readonly audit: Pick<AuditLog, 'write' | 'reopen' | 'close'>;
  readonly daily: DailyCounters;
  readonly live: LiveCalls;
  /** Records of calls that the process before left behind; they are in the CDR already. */
  readonly left: readonly CallRecord[];
}

/** How much of the end of the CDR is looked through for calls that have their record: more than the last seconds of a busy service. */
const tailBytes = 8_000_000;

/**
 * Opens every file that will be written, so that one that cannot be is told at the start.
 * @throws WabError FILE_UNWRITABLE or FILE_IN_USE with the key of the configuration that names it
 */
export async function openFiles(config: Config, log: Logger, beside: readonly StatePart[], undo: Undo): Promise<Files> {
  const cdr = config.cdr.file === null ? noWriter : await opened('cdr.file', config.cdr.file, (path) => openLineWriter(path, {
    onTrouble: (message) => log.error({ part: 'cdr' }, message), onRecovered: (message) => log.info({ part: 'cdr' }, message),
  }));
  undo.push(() => cdr.close());

  const auditFile = config.policy.audit;
  if (auditFile !== null) await locked('policy.audit', auditFile, undo);
  const audit: Files['audit'] = auditFile === null ? noWriter : await opened('policy.audit', auditFile, (path) => openAudit(path,
    (error) => log.error({ err: error.message }, `the audit log ${path} cannot be written; its lines wait`)));
  undo.push(() => audit.close());

  const state = stateFile(config.state.url);
  if (state !== null) await locked('state', state, undo);
  const live = new LiveCalls(Date.now);
  const parts = state !== null && config.cdr.file !== null ? [...beside, live] : beside;
  const open = (file: string | null): Promise<DailyCounters> => DailyCounters.open({ file, now: Date.now, log: log.child({ part: 'state' }), beside: parts });
  const daily = state === null ? await open(null) : await opened('state', state, open);
  undo.push(() => daily.close());
  if (state === null && config.cdr.file !== null) await keepBeside(`${config.cdr.file}.live`, live, log, undo);
  undo.push(() => live.close());
  // Calls that end with the service leave the file when their records are in theirs.
  undo.push(async () => { await cdr.flushed(); });
  const userKey = await openKey(config.cdr.file, log);
  return { cdr, userKey, audit, daily, live, left: config.cdr.file === null ? [] : await recover(config.cdr.file, live, cdr) };
}

/** The live calls in a file beside the CDR. A service that cannot have one works without. */
async function keepBeside(path: string, live: LiveCalls, log: Logger, undo: Undo): Promise<void> {
  try {
    await locked('cdr.file', path, undo);
    const journal = await Journal.open(path, live, log.child({ part: 'state' }));
    live.attach((key, line) => journal.append(key, line));
    undo.push(() => journal.close());
  } catch (error) {
    log.warn({ file: path, err: (error as Error).message }, 'calls that are up when this process dies will have no record: the file that keeps them cannot be used');
  }
}

/** Writes the records of the calls that the process before left behind: each once, also when it died between record and journal. */
async function recover(file: string, live: LiveCalls, cdr: LineWriter): Promise<readonly CallRecord[]> {
  const left = live.left();
  if (left.length === 0) return [];
  const known = await idsAtEnd(file);
  const records = left.filter(({ id }) => !known.has(id));
  for (const record of records) cdr.write(record);
  if (await cdr.flushed()) live.forget();
  return records;
}

async function idsAtEnd(path: string): Promise<ReadonlySet<string>> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const length = Math.min(size, tailBytes);
    const { buffer } = await file.read(Buffer.alloc(length), 0, length, size - length);
    return new Set([...buffer.toString('latin1').matchAll(/^\{"id":"([0-9a-f-]{36})"/gm)].map(([, id = '']) => id));
  } finally {
    await file.close();
  }
}

async function opened<T>(key: string, path: string, work: (path: string) => Promise<T>): Promise<T> {
  try {
    return await work(path);
  } catch (error) {
    const { code } = ((error as Error).cause ?? {}) as NodeJS.ErrnoException;
    // Not a file of ours, or damaged: it says so itself.
    if (code === undefined) throw error instanceof WabError ? new WabError(error.code, `${key}: ${error.detail}`, { cause: error }) : error;
    throw new WabError('FILE_UNWRITABLE', `${key}: ${path}: ${code}: the user of the service must be able to write there`, { cause: error });
  }
}

async function locked(key: string, path: string, undo: Undo): Promise<void> {
  try {
    const lock = await lockFile(path);
    undo.push(() => lock.release());
  } catch (error) {
    if (error instanceof WabError) throw new WabError(error.code, `${key}: ${error.detail}`, { cause: error });
    throw new WabError('FILE_UNWRITABLE', `${key}: ${path}: ${(error as NodeJS.ErrnoException).code ?? (error as Error).message}: the user of the service must be able to write there`, { cause: error });
  }
}
