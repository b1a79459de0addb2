import { createReadStream } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { open, rename, stat, unlink } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { WabError } from '../errors.js';
import { Serial } from '../util/serial.js';

/** What a journal holds, as its owner has it in memory. */
export interface JournalContent {
  /** Takes a line of the file back in; false when it cannot be read. */
  take(line: string): boolean;
  /** Every key there is, also those that come while it is gone through. */
  keys(): Iterable<string>;
  /** The lines that stand for a key now. */
  linesOf(key: string): readonly string[];
}

interface Log { warn(fields: object, message: string): void; error(fields: object, message: string): void }

const header = 'wa-b2bua state 1';
/** Lines appended beyond what is there before the file is written anew. */
const slack = 10_000;
/** Lines of a new file written at a time; between them everything else gets its turn. */
const batch = 1000;

/** A new file in the making, beside the one whose place it takes: the header, then the lines of every key that has been gone through. */
class Copy {
  readonly done = new Set<string>();
  /** Lines that are not in the file yet. */
  tail: string[] = [header];
  /** Lines that are. */
  lines = 0;

  readonly #path: string;

  private constructor(readonly file: FileHandle, path: string) {
    this.#path = path;
  }

  /** The new file of the one at `path`. @throws Error of the file system. */
  static async begin(path: string): Promise<Copy> {
    const beside = `${path}.new`;
    // Whatever is there is of a process that died, or a trap: it is neither written to nor followed.
    await unlink(beside).catch(() => undefined);
    return new Copy(await open(beside, 'wx', 0o600), beside);
  }

  /** Goes through all of it, and sees it on the disk. */
  async take(content: JournalContent): Promise<void> {
    for (const key of content.keys()) {
      // A key that lapsed meanwhile and came again is gone through twice.
      if (this.done.has(key)) continue;
      this.done.add(key);
      for (const line of content.linesOf(key)) this.tail.push(line);
      if (this.tail.length >= batch) await this.flush();
    }
    await this.flush();
    await this.file.datasync();
  }

  async flush(): Promise<void> {
    if (this.tail.length === 0) return;
    const lines = this.tail;
    this.tail = [];
    this.lines += lines.length;
    await this.file.appendFile(`${lines.join('\n')}\n`);
  }

  /** Puts it in the place of the file at `path`. */
  async replace(path: string): Promise<void> {
    await rename(this.#path, path);
  }

  async discard(): Promise<void> {
    await this.file.close().catch(() => undefined);
    await unlink(this.#path).catch(() => undefined);
  }
}

/**
 * A file of lines that is only ever appended to, and now and then written anew without what has lapsed. Lines are in the file, and
 * safe from the death of the process, when append() resolves; the disk has them when the operating system chooses, at the latest at
 * close(). All file work is asynchronous and never holds up the event loop. One process may use a file.
 */
export class Journal {
  readonly #path: string;
  readonly #content: JournalContent;
  readonly #log: Log;
  #file: FileHandle;
  #pending: string[] = [];
  /** One piece of file work after the other. */
  readonly #work = new Serial();
  #next: Promise<void> | null = null;
  #copy: Copy | null = null;
  #compacting: Promise<void> | null = null;
  /** In the file. */
  #lines: number;
  /** That were in it when it was written anew. */
  #live: number;
  /** A write failed: lines are missing, or half of one is there, until the file has been written anew. */
  #broken = false;
  #closing: Promise<void> | null = null;

  private constructor(path: string, content: JournalContent, log: Log, { file, lines }: Copy) {
    this.#path = path;
    this.#content = content;
    this.#log = log;
    this.#file = file;
    this.#lines = this.#live = lines;
  }

  /** Reads the file, if there is one, into `content`, and writes it anew. @throws WabError 'FILE_UNREADABLE'. */
  static async open(path: string, content: JournalContent, log: Log): Promise<Journal> {
    try {
      await load(path, content, log);
      return new Journal(path, content, log, await firstCopy(path, content));
    } catch (error) {
      throw error instanceof WabError ? error : new WabError('FILE_UNREADABLE', `state file ${path}: ${(error as Error).message}`, { cause: error });
    }
  }

  /** Adds a line that belongs to `key`, whose memory has it already. Never rejects: a failing disk is logged, and made good by the next whole file. */
  append(key: string, line: string): Promise<void> {
    if (this.#closing !== null) return Promise.resolve();
    this.#pending.push(line);
    if (this.#copy?.done.has(key) === true) this.#copy.tail.push(line);
    this.#next ??= this.#work.run(() => this.#write());
    return this.#next;
  }

  /** Everything is on the disk when it resolves. May be called twice. */
  close(): Promise<void> {
    this.#closing ??= (async () => {
      await this.#compacting;
      await this.#work.idle();
      await this.#file.datasync().catch(() => undefined);
      await this.#file.close();
    })();
    return this.#closing;
  }

  async #write(): Promise<void> {
    const lines = this.#pending;
    this.#pending = [];
    this.#next = null;
    if (lines.length === 0) return;
    try {
      await this.#file.appendFile(`${this.#broken ? '\n' : ''}${lines.join('\n')}\n`);
      this.#lines += lines.length;
    } catch (error) {
      if (!this.#broken) this.#log.error({ file: this.#path, err: (error as Error).message }, 'the state file cannot be written: counts are kept in memory alone');
      this.#broken = true;
      return;
    }
    // After a failure the first write that succeeds brings the whole file back.
    if (this.#compacting === null && this.#closing === null && (this.#broken || this.#lines > 2 * this.#live + slack)) {
      this.#compacting = this.#rewrite()
        .catch((error: unknown) => this.#log.error({ file: this.#path, err: (error as Error).message }, 'the state file could not be written anew; the old one stays'))
        .finally(() => { this.#compacting = null; });
    }
  }

  /**
   * Writes the whole content to a new file and puts it in the place of the old. Lines that are appended meanwhile go to the old file,
   * and to the new one too when their key has been written there already: whichever is in place is complete at every moment.
   */
  async #rewrite(): Promise<void> {
    const copy = this.#copy = await Copy.begin(this.#path);
    try {
      await copy.take(this.#content);
      await this.#work.run(async () => {
        await copy.flush();
        await copy.replace(this.#path);
        const old = this.#file;
        this.#file = copy.file;
        // Whatever came since the last flush is in the tail, as every key is done; the rest of what was pending is in the new file.
        this.#pending = copy.tail;
        this.#copy = null;
        this.#lines = this.#live = copy.lines;
        this.#broken = false;
        await old.close();
      });
    } catch (error) {
      this.#copy = null;
      await copy.discard();
      throw error;
    }
  }
}

/** The content in a file in its place, before anybody appends. */
async function firstCopy(path: string, content: JournalContent): Promise<Copy> {
  const copy = await Copy.begin(path);
  try {
    await copy.take(content);
    await copy.replace(path);
    return copy;
  } catch (error) {
    await copy.discard();
    throw error;
  }
}

/** Reads the file, if there is one, into `content`. */
/** Reads a file into `content` and leaves it as it is; one that is not there is empty. @throws WabError 'FILE_UNREADABLE'. */
export async function readJournal(path: string, content: Pick<JournalContent, 'take'>): Promise<void> {
  await load(path, content, { warn: () => undefined });
}

async function load(path: string, content: Pick<JournalContent, 'take'>, log: Pick<Log, 'warn'>): Promise<void> {
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (found === null) return;
  if (!found.isFile()) throw new WabError('FILE_UNREADABLE', `state file ${path} is not a file`);
  let lines = 0;
  let unread = 0;
  for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Infinity })) {
    lines += 1;
    // Never touch a file that somebody named by mistake.
    if (lines === 1 && line !== header) throw new WabError('FILE_UNREADABLE', `${path} is not a state file of wa-b2bua`);
    if (lines > 1 && line !== '' && !content.take(line)) unread += 1;
  }
  // A process killed in the middle of a write leaves half a line at the end; more than that is damage.
  if (unread > 0) log.warn({ file: path, lines: unread }, 'lines of the state file could not be read and were left out');
}
