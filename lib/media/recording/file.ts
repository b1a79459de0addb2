import { constants, closeSync, fstatSync, ftruncateSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';

/** Read and written by its owner alone: it is what people said. */
const MODE = 0o600;
const FOLDER_MODE = 0o700;

/** Somebody has removed the file. */
class Removed extends Error {
  readonly code = 'EREMOVED';
}

/** A file that a recorder writes, which is never there half a piece: what the disk did not take whole is taken back. */
export class RecordingFile {
  readonly path: string;
  #bytes = 0;
  readonly #file: number;

  /** Made anew, with its folder where that is not there. @throws as open(2), EEXIST where there is one */
  constructor(path: string) {
    mkdirSync(dirname(path), { recursive: true, mode: FOLDER_MODE });
    this.path = path;
    this.#file = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, MODE);
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Adds a piece at the end. @throws as write(2), or Removed */
  append(piece: Uint8Array): void {
    try {
      this.#write(piece, this.#bytes);
    } catch (error) {
      try { ftruncateSync(this.#file, this.#bytes); } catch { /* the piece is not whole, and a reader leaves it out */ }
      throw error;
    }
    this.#bytes += piece.length;
    if (fstatSync(this.#file).nlink === 0) throw new Removed('the file was removed while it was written');
  }

  /** Writes over what is there. @throws as write(2) */
  replace(piece: Uint8Array, at: number): void {
    this.#write(piece, at);
  }

  #write(piece: Uint8Array, at: number): void {
    for (let done = 0; done < piece.length;) done += writeSync(this.#file, piece, done, piece.length - done, at + done);
  }

  /** May be called twice. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    closeSync(this.#file);
  }

  #closed = false;
}
