import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rmdir, stat, statfs, unlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { repairRecording } from '../../media/recording/repair.js';
import { isDay, isOurs, isPlace, readOpen, recovered, type OpenSidecar, type Sidecar } from './sidecar.js';

/** Below recording.directory: what is known of files that are written, and what is to be uploaded. */
const OPEN = '.open';
const UPLOAD = '.upload';
const FOLDER_MODE = 0o700;
const FILE_MODE = 0o600;
/** A file that was written to within so many milliseconds may have a process that writes it: it does so twice a second. */
const STILL_MS = 10_000;
const DAY_MS = 86_400_000;

/** The folder of the recordings: a folder a day, in it NAME.ogg or NAME.wav with NAME.json. All of it is readable by its owner alone. */
export class RecordingStore {
  readonly directory: string;

  constructor(directory: string) {
    this.directory = directory;
  }

  /** Where a recording that begins now is written, below the folder. `index`: of those of one call, from 1 on. */
  place(call: string, index: number, format: 'ogg' | 'wav', at: number): string {
    return `${new Date(at).toISOString().slice(0, 10)}/${call}${index === 1 ? '' : `-${index}`}.${format}`;
  }

  path(file: string): string {
    return join(this.directory, file);
  }

  /** Bytes that a file may still take. @throws as statfs(2) */
  async free(): Promise<number> {
    const { bavail, bsize } = await statfs(this.directory);
    return bavail * bsize;
  }

  /** @throws as mkdir(2) */
  async make(): Promise<void> {
    await mkdir(this.directory, { recursive: true, mode: FOLDER_MODE });
  }

  /** Keeps what is known of a file that is written, anew each time it changes. @throws as write(2) */
  async keepOpen(open: OpenSidecar): Promise<void> {
    await this.#replace(this.#open(open.file), `${JSON.stringify(open)}\n`);
  }

  /** It is not to be: nothing of it stays. Never rejects. */
  async abandon(file: string): Promise<void> {
    await Promise.all([this.#remove(this.#open(file)), this.#remove(this.path(file))]);
  }

  /** Writes the sidecar. @throws as write(2) */
  async finish(sidecar: Sidecar): Promise<void> {
    await this.#replace(this.path(sidecarOf(sidecar.file)), `${JSON.stringify(sidecar, null, 1)}\n`);
    await this.#remove(this.#open(sidecar.file));
  }

  /** Files that the process before has left as they were, made whole: each gets its sidecar. `active`: those of this one. Never rejects. */
  async recover(active: ReadonlySet<string>, now: number, onFault: (file: string, error: Error) => void): Promise<Sidecar[]> {
    const found: Sidecar[] = [];
    for (const name of await this.#list(OPEN)) {
      const path = join(this.directory, OPEN, name);
      if (!name.endsWith('.json')) {
        if (await this.#older(path, now)) await this.#remove(path);
        continue;
      }
      const open = await readFile(path, 'utf8').then(readOpen, () => null);
      // What is no sidecar is left behind by a disk that was full, or was never ours.
      if (open === null || active.has(open.file)) continue;
      try {
        const { mtimeMs } = await stat(this.path(open.file));
        if (Math.abs(now - mtimeMs) < STILL_MS) continue;
        const sidecar = recovered(open, await repairRecording(this.path(open.file)));
        await this.finish(sidecar);
        found.push(sidecar);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT' && await this.#older(path, now)) await this.#remove(path);
        else if ((error as NodeJS.ErrnoException).code !== 'ENOENT') onFault(open.file, error as Error);
      }
    }
    return found;
  }

  /** Removes recordings of days that are over for more than `days`. Gives how many files. Never rejects. */
  async sweep(days: number, now: number, onFault: (error: Error) => void): Promise<number> {
    let removed = 0;
    const oldest = new Date(now - days * DAY_MS).toISOString().slice(0, 10);
    for (const day of await this.#list('.')) {
      if (!isDay(day) || day >= oldest) continue;
      for (const name of await this.#list(day)) {
        if (!isOurs(name)) continue;
        try {
          await unlink(join(this.directory, day, name));
          removed += /\.(ogg|wav)$/.test(name) ? 1 : 0;
        } catch (error) {
          onFault(error as Error);
        }
      }
      // What is not ours stays, and its folder.
      await rmdir(join(this.directory, day)).catch(() => undefined);
    }
    return removed;
  }

  /** @throws as write(2) */
  async wantUpload(file: string): Promise<void> {
    await this.#replace(join(this.directory, UPLOAD, `${basename(file)}.todo`), `${file}\n`);
  }

  async uploaded(file: string): Promise<void> {
    await this.#remove(join(this.directory, UPLOAD, `${basename(file)}.todo`));
  }

  /** What is still to be uploaded. Never rejects. */
  async toUpload(): Promise<string[]> {
    const names = await this.#list(UPLOAD);
    const files = await Promise.all(names.filter((name) => name.endsWith('.todo')).map((name) => readFile(join(this.directory, UPLOAD, name), 'utf8').catch(() => '')));
    return files.map((text) => text.trim()).filter(isPlace);
  }

  /** Removes a recording and its sidecar. Never rejects. */
  async remove(file: string): Promise<void> {
    await Promise.all([this.#remove(this.path(file)), this.#remove(this.path(sidecarOf(file)))]);
  }

  #open(file: string): string {
    return join(this.directory, OPEN, `${basename(file)}.json`);
  }

  async #older(path: string, now: number): Promise<boolean> {
    return await stat(path).then(({ mtimeMs }) => Math.abs(now - mtimeMs) > STILL_MS, () => false);
  }

  async #list(folder: string): Promise<string[]> {
    return await readdir(join(this.directory, folder)).catch(() => []);
  }

  async #remove(path: string): Promise<void> {
    await unlink(path).catch(() => undefined);
  }

  async #replace(path: string, text: string): Promise<void> {
    await mkdir(dirname(path), { recursive: true, mode: FOLDER_MODE });
    const part = `${path}.${randomBytes(4).toString('hex')}.part`;
    try {
      await writeFile(part, text, { mode: FILE_MODE, flag: 'wx' });
      await rename(part, path);
    } catch (error) {
      await this.#remove(part);
      throw error;
    }
  }
}

/** "2026-11-29/ID.ogg" → "2026-11-29/ID.json". */
export function sidecarOf(file: string): string {
  return file.replace(/\.[a-z]+$/, '.json');
}
