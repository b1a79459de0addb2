import { basename } from 'node:path';
import { webAddress } from '../../config/checks.js';
import type { Logger } from '../../observe/logger.js';
import { after } from '../../util/after.js';
import { shownUrl } from '../../util/shownUrl.js';
import { contentTypeOf, postJson, putFile, type PutTarget } from './put.js';
import { sidecarOf, type RecordingStore } from './store.js';

/** Milliseconds before each further attempt; then hourly, for as long as the file is there. */
const pausesMs = [1000, 5000, 30_000, 120_000, 600_000, 3_600_000];
/** Files on their way at once. */
const mostAtOnce = 2;

/** recording.upload. */
export interface UploadConfig {
  readonly url: string | null;
  readonly presign: string | null;
  readonly authorization: string | null;
  readonly keepLocal: boolean;
}

export interface UploaderOptions {
  readonly store: RecordingStore;
  readonly config: () => UploadConfig | null;
  readonly log: Logger;
  readonly onOutcome: (outcome: 'uploaded' | 'failed') => void;
  /** Instead of pausesMs; for tests. */
  readonly pauses?: readonly number[];
}

/**
 * Sends recordings and their sidecars away, the sidecar last: where it is, the recording is too. What is to be sent is known by a file beside the
 * recordings until it has been, so that a restart goes on with it.
 */
export class Uploader {
  readonly #options: UploaderOptions;
  readonly #waiting: { readonly file: string; readonly tries: number }[] = [];
  readonly #known = new Set<string>();
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #closed = new AbortController();
  #underWay = 0;
  #trouble: string | null = null;

  constructor(options: UploaderOptions) {
    this.#options = options;
  }

  /** What waits or is on its way. */
  get waiting(): number {
    return this.#known.size;
  }

  /** Goes on with what the process before has not sent. Never rejects. */
  async resume(): Promise<void> {
    for (const file of await this.#options.store.toUpload()) this.#enqueue(file, 0);
  }

  /** A recording is whole. Never rejects. */
  async add(file: string): Promise<void> {
    if (this.#options.config() === null) return;
    await this.#options.store.wantUpload(file).catch((error: Error) => this.#options.log.warn({ file, err: error.message }, 'it is not kept on the disk that this recording is to be uploaded: a restart forgets it'));
    this.#enqueue(file, 0);
  }

  /** May be called twice. */
  close(): void {
    this.#closed.abort();
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    this.#waiting.length = 0;
  }

  #enqueue(file: string, tries: number): void {
    if (this.#closed.signal.aborted || (tries === 0 && this.#known.has(file))) return;
    this.#known.add(file);
    this.#waiting.push({ file, tries });
    this.#work();
  }

  #work(): void {
    while (this.#underWay < mostAtOnce) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      this.#underWay += 1;
      void this.#try(next.file, next.tries).finally(() => {
        this.#underWay -= 1;
        this.#work();
      });
    }
  }

  /** Never rejects. */
  async #try(file: string, tries: number): Promise<void> {
    const { store, config, onOutcome } = this.#options;
    const to = config();
    if (to === null) return void this.#known.delete(file);
    try {
      await this.#put(file, file, to);
      await this.#put(sidecarOf(file), file, to);
      await store.uploaded(file);
      if (!to.keepLocal) await store.remove(file);
      this.#known.delete(file);
      onOutcome('uploaded');
      this.#tell(null, to);
    } catch (error) {
      if (this.#closed.signal.aborted) return;
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
        // Removed, by hand or by keepDays, before it could be sent.
        await store.uploaded(file);
        this.#known.delete(file);
        return;
      }
      onOutcome('failed');
      this.#tell((error as NodeJS.ErrnoException).code ?? (error as Error).message, to);
      const pauses = this.#options.pauses ?? pausesMs;
      const timer = after(pauses[Math.min(tries, pauses.length - 1)] ?? 3_600_000, () => {
        this.#timers.delete(timer);
        this.#enqueue(file, tries + 1);
      });
      timer.unref();
      this.#timers.add(timer);
    }
  }

  async #put(name: string, file: string, to: UploadConfig): Promise<void> {
    await putFile(this.#options.store.path(name), await this.#target(name, file, to), this.#closed.signal);
  }

  async #target(name: string, file: string, { url, presign, authorization }: UploadConfig): Promise<PutTarget> {
    const headers: Record<string, string> = authorization === null ? {} : { authorization };
    const [day = ''] = file.split('/');
    const words: Readonly<Record<string, string>> = { name: basename(name), date: day, call: basename(file).slice(0, 36) };
    if (presign === null) return { url: filled(url ?? '', words), headers };
    return readTarget(await postJson(presign, { ...words, contentType: contentTypeOf(name) }, headers, this.#closed.signal));
  }

  /** Once for each kind of trouble. */
  #tell(why: string | null, { url, presign }: UploadConfig): void {
    if (this.#trouble === why) return;
    this.#trouble = why;
    const to = shownUrl((presign ?? url ?? '').replace(/\{[a-z]+\}/g, '-'));
    if (why === null) this.#options.log.info({ to }, 'recordings are uploaded again');
    else this.#options.log.warn({ to, why }, 'recordings cannot be uploaded; they wait, and stay here');
  }
}

/** Each word in its braces, as a URL can have it. */
function filled(template: string, words: Readonly<Record<string, string>>): string {
  return template.replace(/\{([a-z]+)\}/g, (whole, word: string) => (Object.hasOwn(words, word) ? encodeURIComponent(words[word] ?? '') : whole));
}

/** What a presigner answers: { url, headers? }. @throws Error */
function readTarget(answer: unknown): PutTarget {
  const { url, headers = {} } = (answer ?? {}) as { readonly url?: unknown; readonly headers?: Record<string, unknown> };
  if (typeof url !== 'string' || webAddress(url) !== null) throw new Error('recording.upload.presign gives no URL that begins with https://, or with http:// on loopback');
  return { url, headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), String(value)])) };
}
