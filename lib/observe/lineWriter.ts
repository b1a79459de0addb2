import { setTimeout as sleep } from 'node:timers/promises';
import { WabError } from '../errors.js';
import { printableJson } from './printable.js';
import { AppendFile } from '../util/appendFile.js';

/** Lines written at a time. */
const batchLines = 500;
/** Lines of so many milliseconds are written together: each write costs a turn of another thread. */
const together = 20;

/** A writer of JSON lines that never blocks and never throws at a call. */
export interface LineWriter {
  write(record: object): void;
  /** Opens the file anew by its name, for log rotation. Lines already given go to the old file. */
  reopen(): Promise<void>;
  /** Resolves when every line given so far has been written, or cannot be for now: false then. */
  flushed(): Promise<boolean>;
  /** Lines written before are on disk when it resolves, or have been reported as lost. May be called twice. */
  close(): Promise<void>;
}

export interface LineWriterOptions {
  /** Told once when writing begins to fail, and once when it works again. */
  readonly onTrouble: (message: string) => void;
  readonly onRecovered: (message: string) => void;
  /** Milliseconds between tries while writing fails. */
  readonly retry?: number;
  /** Lines kept while writing fails; the oldest are lost first. */
  readonly kept?: number;
}

/**
 * Appends one JSON line a record, several at a time when they come faster than the disk takes them.
 * A disk that is full or gone is tried again until it takes them.
 * @throws WabError FILE_UNREADABLE when the file cannot be opened
 */
export async function openLineWriter(path: string, options: LineWriterOptions): Promise<LineWriter> {
  const writer = new FileLineWriter(path, options);
  await writer.open();
  return writer;
}

/** For a configuration without a file. */
export const noWriter: LineWriter = { write: () => undefined, reopen: () => Promise.resolve(), flushed: () => Promise.resolve(true), close: () => Promise.resolve() };

class FileLineWriter implements LineWriter {
  /** Steps of work on it never reject: #flush and #release report for themselves. */
  readonly #file: AppendFile;
  readonly #options: Required<LineWriterOptions>;
  #lines: string[] = [];
  /** What is left of a batch that a failing disk took a part of: a line must not be torn, nor stand twice. */
  #rest: Buffer | null = null;
  #lost = 0;
  #flushing = false;
  #failing = false;
  #timer: NodeJS.Timeout | null = null;
  #closed = false;
  #next: Promise<void> | null = null;

  constructor(path: string, options: LineWriterOptions) {
    this.#file = new AppendFile(path, 'a');
    this.#options = { retry: 1000, kept: 10_000, ...options };
  }

  async open(): Promise<void> {
    try {
      await this.#file.open();
    } catch (cause) {
      throw new WabError('FILE_UNREADABLE', `${this.#file.path}: ${(cause as Error).message}`, { cause });
    }
  }

  write(record: object): void {
    if (this.#closed) return;
    this.#lines.push(`${printableJson(JSON.stringify(record))}\n`);
    if (this.#lines.length > this.#options.kept) {
      this.#lines.shift();
      this.#lost++;
    }
    if (!this.#flushing && this.#timer === null) this.#soon();
  }

  reopen(): Promise<void> {
    return this.#file.run(async () => {
      await this.#flush();
      await this.#release();
      if (!this.#closed) await this.#flush();
    });
  }

  async flushed(): Promise<boolean> {
    await (this.#next ?? this.#file.run(() => this.#flush()));
    return !this.#failing && this.#rest === null;
  }

  close(): Promise<void> {
    if (this.#closed) return this.#file.idle();
    this.#closed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    return this.#file.run(async () => {
      await this.#flush();
      await this.#release();
      const lost = this.#lost + this.#lines.length + (this.#rest?.toString().split('\n').length ?? 1) - 1;
      if (lost > 0) this.#options.onTrouble(`${lost} lines for ${this.#file.path} are lost`);
    });
  }

  /** What comes within a moment is written at once. */
  #soon(): void {
    this.#next ??= sleep(together).then(() => {
      this.#next = null;
      // After close() there is nothing left, and nothing is to be opened any more.
      return this.#closed ? undefined : this.#file.run(() => this.#flush());
    });
  }

  async #flush(): Promise<void> {
    this.#flushing = true;
    try {
      // It is there to be seen, written or not.
      await this.#file.open();
      while (this.#rest !== null || this.#lines.length > 0) {
        if (this.#rest === null) {
          this.#rest = Buffer.from(this.#lines.splice(0, batchLines).join(''));
        }
        this.#rest = await this.#file.write(this.#rest);
      }
      if (this.#failing) this.#recovered();
    } catch (error) {
      this.#failed(error as Error);
    } finally {
      this.#flushing = false;
    }
  }

  #failed(error: Error): void {
    if (!this.#failing) this.#options.onTrouble(`${this.#file.path} cannot be written: ${error.message}; up to ${this.#options.kept} lines are kept until it can`);
    this.#failing = true;
    if (this.#closed || this.#timer !== null) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      void this.#file.run(async () => {
        // A handle of a disk that went away stays useless.
        await this.#release();
        await this.#flush();
      });
    }, this.#options.retry);
  }

  #recovered(): void {
    this.#failing = false;
    this.#options.onRecovered(`${this.#file.path} can be written again${this.#lost === 0 ? '' : `; ${this.#lost} lines were lost`}`);
    this.#lost = 0;
  }

  async #release(): Promise<void> {
    try {
      await this.#file.release();
    } catch (error) {
      if (!this.#failing) this.#options.onTrouble(`${this.#file.path} could not be closed: ${(error as Error).message}`);
    }
  }
}
