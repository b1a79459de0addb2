// A certificate and its key, or any other files that belong together, read again when they change.
import { readFile, stat } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import type { Guard } from '../../util/guard.js';

export interface IdentityFiles { cert: string; key: string }
export interface Pem { cert: Buffer; key: Buffer }

/** What is watched, and who hears of it. */
export interface Watch<T> {
  readonly files: readonly string[];
  /** Reads and judges them; rejects where they do not load. */
  readonly read: () => Promise<T>;
  /** Between two looks, ms. */
  readonly interval: number;
  readonly guard: Guard;
  /** Whether it is the same as before; then nobody is told. */
  readonly same: (before: T, now: T) => boolean;
  readonly changed: (value: T) => void;
  readonly refused: (error: Error) => void;
}

/**
 * Watches files by looking at all of them every `interval` ms. Looking, not listening: it sees a rename, a swapped symbolic
 * link and a network file system alike. What does not load (half written, key of another certificate) leaves the old in use.
 */
export class Watched<T> {
  private timer: NodeJS.Timeout | undefined;
  private busy = false;

  private constructor(private readonly watch: Watch<T>, public value: T, private stamp: string) {
    this.timer = setInterval(() => { watch.guard.spawn('certificate', this.look()); }, watch.interval);
    this.timer.unref();
  }

  /** Reads the files once; rejects when they are missing or do not load. */
  static async load<T>(watch: Watch<T>): Promise<Watched<T>> {
    const stamp = await stampOf(watch.files);
    return new Watched(watch, await watch.read(), stamp);
  }

  close(): void {
    clearInterval(this.timer);
    this.timer = undefined;
  }

  private async look(): Promise<void> {
    if (this.busy) return;
    this.busy = true;
    try {
      const stamp = await stampOf(this.watch.files);
      if (stamp === this.stamp) return;
      // Remembered before reading: what is bad is reported once, and tried again when the files change again.
      this.stamp = stamp;
      const value = await this.watch.read();
      if (this.timer === undefined || this.watch.same(this.value, value)) return;
      this.value = value;
      this.watch.changed(value);
    } catch (error) {
      if (this.timer !== undefined) this.watch.refused(error instanceof Error ? error : new Error(String(error)));
    } finally {
      this.busy = false;
    }
  }
}

/** @throws Error when a file is missing, or the key is that of another certificate */
export async function readPair(files: IdentityFiles): Promise<Pem> {
  const [cert, key] = await Promise.all([readFile(files.cert), readFile(files.key)]);
  createSecureContext({ cert, key });
  return { cert, key };
}

/** Changes whenever one of the files is replaced or rewritten; a missing file counts as a state of its own. */
export async function stampOf(files: readonly string[]): Promise<string> {
  const stamps = await Promise.all(files.map(async (path) => {
    try {
      const s = await stat(path, { bigint: true });
      return `${s.dev}:${s.ino}:${s.size}:${s.mtimeNs}`;
    } catch {
      return 'missing';
    }
  }));
  return stamps.join(' ');
}
