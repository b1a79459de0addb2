import { open, type FileHandle } from 'node:fs/promises';
import { Serial } from './serial.js';

/** Read and written by its owner, read by its group: logs may name people. */
const MODE = 0o640;

/**
 * A file that is only ever appended to, and opened by its name when it is needed: after release() the next use opens it anew, so that it can
 * be moved away, and a disk can come back. What a write that failed has left in the file is for its owner to know: the log of lines goes on
 * where the disk stopped, the audit log reads the end of the file. The state file shares no more than the order of its work: it is replaced as a whole.
 */
export class AppendFile {
  readonly path: string;
  readonly #flags: 'a' | 'a+';
  readonly #work = new Serial();
  #file: FileHandle | null = null;

  /** `flags`: 'a+' for one whose end is read too. */
  constructor(path: string, flags: 'a' | 'a+') {
    this.path = path;
    this.#flags = flags;
  }

  get isOpen(): boolean {
    return this.#file !== null;
  }

  /** Does a piece of work on the file after everything given before. Gives what it comes to. */
  run<T>(work: () => Promise<T>): Promise<T> {
    return this.#work.run(work);
  }

  /** Resolves when the work given so far is done. */
  idle(): Promise<void> {
    return this.#work.idle();
  }

  /** The file, opened where it is not. @throws as open(2) */
  async open(): Promise<FileHandle> {
    return this.#file ??= await open(this.path, this.#flags, MODE);
  }

  /** Writes once; gives what the disk did not take of it, null when it took everything. @throws as open(2), write(2) */
  async write(bytes: Buffer): Promise<Buffer | null> {
    const { bytesWritten } = await (await this.open()).write(bytes);
    return bytesWritten < bytes.length ? bytes.subarray(bytesWritten) : null;
  }

  /** Closes it until its next use. @throws as close(2); it is released all the same */
  async release(): Promise<void> {
    const file = this.#file;
    this.#file = null;
    await file?.close();
  }
}
