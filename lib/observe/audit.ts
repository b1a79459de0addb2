import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { setTimeout as wait } from 'node:timers/promises';
import { WabError } from '../errors.js';
import { printableJson } from './printable.js';
import { AppendFile } from '../util/appendFile.js';

/** The hash before the first line of a new log. */
export const auditStart = '0'.repeat(64);

/** After a failed write. */
const retryMs = 1000;
/** Bytes of records that wait while the disk does not take them; beyond it the newest are lost, and counted in the log itself. */
const maxWaitingBytes = 16_000_000;
const maxBatch = 500;
const tailChunk = 65_536;

/**
 * A log of JSON lines, each chained to the one before: `prev` is its hash, `hash` that of the line itself up to there (SHA-256).
 * A line that is changed, missing, added or moved shows. The hash of the last line, kept elsewhere, shows a cut end too.
 */
export interface AuditLog {
  /** Hash of the last line that is in the file. */
  readonly head: string;
  /** Takes a record; never blocks, never throws. Lines come in the order of the calls. */
  write(record: object): void;
  /** Opens the file anew, for one that was moved away; the chain goes on in the new one. */
  reopen(): Promise<void>;
  /** Everything that the disk takes is on it when it resolves. May be called twice. */
  close(): Promise<void>;
}

/**
 * Opens a log, or goes on with one: the chain continues after its last line. The rest of a line that a crash cut short stays,
 * and the next line vouches for it.
 * @throws WabError FILE_UNREADABLE when the file cannot be opened
 */
export async function openAudit(path: string, onError: (error: Error) => void): Promise<AuditLog> {
  const log = new ChainedFile(path, onError);
  try {
    await log.start();
  } catch (error) {
    throw new WabError('FILE_UNREADABLE', `audit log ${path}: ${(error as Error).message}`, { cause: error });
  }
  return log;
}

/** One line, without its end. */
export function chainLine(record: object, prev: string): { readonly line: string; readonly hash: string } {
  return chainText(JSON.stringify(record), prev);
}

/** The same for a record that is JSON already, of one member at least. */
function chainText(json: string, prev: string): { readonly line: string; readonly hash: string } {
  const body = printableJson(`${json.slice(0, -1)},"prev":"${prev}"}`);
  const hash = createHash('sha256').update(body).digest('hex');
  return { line: `${body.slice(0, -1)},"hash":"${hash}"}`, hash };
}

class ChainedFile implements AuditLog {
  head = auditStart;
  readonly #file: AppendFile;
  readonly #onError: (error: Error) => void;
  /** JSON of the records. */
  readonly #waiting: string[] = [];
  #waitingBytes = 0;
  readonly #stop = new AbortController();
  #lost = 0;
  /** Hashes of a batch while it is being written. */
  #unsure: string[] = [];
  #writing = false;
  #closing: Promise<void> | null = null;

  constructor(path: string, onError: (error: Error) => void) {
    this.#file = new AppendFile(path, 'a+');
    this.#onError = onError;
  }

  async start(): Promise<void> {
    const file = await this.#file.open();
    const tail = await readTail(file);
    if (tail.head !== null) this.head = tail.head;
    // Of a batch that failed, these lines are there after all.
    this.#taken(this.#unsure.indexOf(this.head) + 1);
    this.#unsure = [];
    if (tail.torn === '') return;
    // Ends the torn line; the record after it names its hash, so that it does not read as a change.
    if (!tail.ended) await file.appendFile('\n');
    await this.#append([JSON.stringify({ time: new Date().toISOString(), kind: 'resumed', torn: sha256(tail.torn) })]);
  }

  write(record: object): void {
    if (this.#closing !== null) return;
    const json = JSON.stringify(record);
    if (this.#waitingBytes + json.length > maxWaitingBytes) {
      this.#lost += 1;
    } else {
      if (this.#lost > 0) this.#wait(JSON.stringify({ time: new Date().toISOString(), kind: 'lost', lines: this.#lost }));
      this.#lost = 0;
      this.#wait(json);
    }
    this.#begin();
  }

  #wait(json: string): void {
    this.#waiting.push(json);
    this.#waitingBytes += json.length;
  }

  #taken(count: number): void {
    for (const json of this.#waiting.splice(0, count)) this.#waitingBytes -= json.length;
  }

  reopen(): Promise<void> {
    return this.#inTurn(() => this.#file.release());
  }

  close(): Promise<void> {
    this.#closing ??= (async () => {
      this.#stop.abort();
      await this.#file.idle();
      // What a failing disk has not taken gets one more chance.
      if (this.#waiting.length > 0) await this.#inTurn(() => this.#drainOnce().then(() => undefined));
      if (!this.#file.isOpen) return;
      await (await this.#file.open()).sync().catch(this.#onError);
      await this.#file.release().catch(this.#onError);
    })();
    return this.#closing;
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    return this.#file.run(work).catch((error: Error) => this.#onError(error));
  }

  #begin(): void {
    if (this.#writing) return;
    this.#writing = true;
    void this.#inTurn(async () => {
      while (this.#waiting.length > 0 && !(await this.#drainOnce())) {
        if (this.#stop.signal.aborted) break;
        await wait(retryMs, undefined, { signal: this.#stop.signal }).catch(() => undefined);
      }
      this.#writing = false;
    });
  }

  /** Writes what waits, batch by batch; false when the disk did not take it. */
  async #drainOnce(): Promise<boolean> {
    try {
      if (!this.#file.isOpen) await this.start();
      while (this.#waiting.length > 0) {
        const batch = this.#waiting.slice(0, maxBatch);
        await this.#append(batch);
        this.#taken(batch.length);
      }
      return true;
    } catch (error) {
      this.#onError(error as Error);
      // Nobody knows how much of it is there: the file itself says, when it is opened again.
      await this.#file.release().catch(() => undefined);
      return false;
    }
  }

  async #append(records: readonly string[]): Promise<void> {
    let { head } = this;
    const chained = records.map((record) => {
      const made = chainText(record, head);
      head = made.hash;
      return made;
    });
    this.#unsure = chained.map(({ hash }) => hash);
    await (await this.#file.open()).appendFile(`${chained.map(({ line }) => line).join('\n')}\n`);
    this.head = head;
    this.#unsure = [];
  }
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

interface Tail {
  /** Hash of the last whole line; null: there is none. */
  readonly head: string | null;
  /** What stands after it, and whether its line is ended. */
  readonly torn: string;
  readonly ended: boolean;
}

async function readTail(file: FileHandle): Promise<Tail> {
  const { size } = await file.stat();
  let text: Buffer = Buffer.alloc(0);
  for (let at = size; at > 0;) {
    const length = Math.min(tailChunk, at);
    at -= length;
    const chunk = Buffer.alloc(length);
    await file.read(chunk, 0, length, at);
    text = Buffer.concat([chunk, text]);
    const found = lastLine(text.toString('utf8'), at === 0);
    if (found !== null) return found;
  }
  return { head: null, torn: text.toString('utf8').replace(/\n$/, ''), ended: text.at(-1) === 10 };
}

/** Searches the end of a file for a line with a hash; null when more of it must be read. */
function lastLine(text: string, whole: boolean): Tail | null {
  const lines = text.split('\n');
  const rest = lines.pop() ?? '';
  for (let i = lines.length - 1; i >= (whole ? 0 : 1); i -= 1) {
    const hash = auditLine.exec(lines[i] ?? '')?.[2];
    if (hash === undefined) continue;
    const after = lines.slice(i + 1);
    return { head: hash, torn: [...after, ...(rest === '' ? [] : [rest])].join('\n'), ended: rest === '' };
  }
  return null;
}

/** A line: what is hashed but for its closing brace, and the hash. */
export const auditLine = /^(\{.*),"hash":"([0-9a-f]{64})"\}$/s;
