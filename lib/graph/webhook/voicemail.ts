import { createHash } from 'node:crypto';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Remembered } from '../../state/index.js';
import type { MediaFile } from '../media.js';

/** Milliseconds before each further attempt to fetch one. */
const pausesMs = [2000, 10_000, 60_000];
/** Milliseconds after which one that could not be fetched is tried again, behind all others, and how often. Meta keeps media for 30 days; we know of it for 10. */
const laterMs = 1_800_000;
const mostRounds = 20;

/** A message that a user left, as a webhook told of it. */
export interface LeftVoicemail {
  /** Business number and user, E.164 with '+', or a BSUID. */
  readonly number: string;
  readonly user: string;
  readonly wacid: string;
  readonly mediaId: string;
  /** Milliseconds since 1970. */
  readonly at: number | null;
}

export interface VoicemailOptions {
  readonly directory: string;
  /** Gives null where there is no Graph API to fetch from. */
  readonly api: () => { media(id: string): Promise<MediaFile> } | null;
  /** A line for each; holds the state file's content already. */
  readonly store: Remembered;
  readonly log: { info(fields: object, message: string): void; error(fields: object, message: string): void };
  /** One is stored, in `file`. */
  readonly stored: (left: LeftVoicemail, file: string) => void;
  /** Milliseconds before each further attempt; for tests. */
  readonly pauses?: readonly number[];
  readonly later?: number;
}

/** Fetches messages that users left at Meta, one after the other, and stores each once: NAME.ogg, then NAME.json. What was not fetched when the process ends is fetched at the next start. */
export class Voicemails {
  readonly #options: VoicemailOptions;
  readonly #waiting: { readonly left: LeftVoicemail; readonly round: number }[] = [];
  readonly #later = new Set<NodeJS.Timeout>();
  readonly #closed = new AbortController();
  #working = false;

  constructor(options: VoicemailOptions) {
    this.#options = options;
  }

  /** Fetches what the process before has not. */
  resume(): void {
    for (const wacid of this.#options.store.names()) {
      const left = readLeft(this.#options.store.get(wacid) ?? '');
      if (left !== null) this.#enqueue(left);
    }
  }

  /** Resolves when it would survive the death of this process. One that has come before changes nothing. */
  take(told: LeftVoicemail): Promise<void> {
    const { store } = this.#options;
    if (store.get(told.wacid) !== null) return store.stored;
    // Its files are named by it: the same names when it is fetched by the next process.
    const left = { ...told, at: told.at ?? Date.now() };
    const stored = store.set(left.wacid, JSON.stringify(left));
    this.#enqueue(left);
    return stored;
  }

  /** May be called twice. */
  close(): void {
    this.#closed.abort();
    this.#waiting.length = 0;
    for (const timer of this.#later) clearTimeout(timer);
    this.#later.clear();
  }

  #enqueue(left: LeftVoicemail, round = 1): void {
    this.#waiting.push({ left, round });
    if (!this.#working) void this.#work();
  }

  async #work(): Promise<void> {
    this.#working = true;
    for (let next = this.#waiting.shift(); next !== undefined && !this.#closed.signal.aborted; next = this.#waiting.shift()) await this.#fetch(next.left, next.round);
    this.#working = false;
  }

  async #fetch(left: LeftVoicemail, round: number): Promise<void> {
    const { number, user, wacid } = left;
    let why = '';
    for (const wait of [...this.#options.pauses ?? pausesMs, null]) {
      try {
        const api = this.#options.api();
        if (api === null) throw new Error('there is no graph in the configuration');
        const file = await this.#keep(left, await api.media(left.mediaId));
        void this.#options.store.set(wacid, 'kept');
        this.#options.log.info({ number, user, wacid, file }, 'a user has left a voicemail');
        this.#options.stored(left, file);
        return;
      } catch (error) {
        why = (error as Error).message;
      }
      if (this.#closed.signal.aborted) return;
      if (wait !== null) await pause(wait, undefined, { ref: false, signal: this.#closed.signal }).catch(() => undefined);
    }
    const again = round < mostRounds;
    this.#options.log.error({ number, user, wacid, err: why, round }, `a voicemail could not be fetched or stored; it is tried again ${again ? 'in half an hour, and ' : ''}at the next start`);
    if (!again) return;
    const timer = setTimeout(() => {
      this.#later.delete(timer);
      this.#enqueue(left, round + 1);
    }, this.#options.later ?? laterMs).unref();
    this.#later.add(timer);
  }

  async #keep(left: LeftVoicemail, { bytes, mimeType }: MediaFile): Promise<string> {
    const { directory } = this.#options;
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const time = new Date(left.at ?? Date.now()).toISOString();
    // A wacid has characters that a file name cannot have.
    const name = `${time.replace(/[-:]|\.\d+/g, '')}-${createHash('sha256').update(left.wacid).digest('hex').slice(0, 16)}`;
    const write = async (file: string, content: Buffer | string): Promise<void> => {
      await writeFile(join(directory, `.${file}.part`), content, { mode: 0o600 });
      await rename(join(directory, `.${file}.part`), join(directory, file));
    };
    const file = `${name}.ogg`;
    await write(file, bytes);
    const { number, user, wacid } = left;
    await write(`${name}.json`, `${JSON.stringify({ number, user, wacid, time, mimeType, bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex'), file })}\n`);
    return join(directory, file);
  }
}

function readLeft(text: string): LeftVoicemail | null {
  try {
    const left = JSON.parse(text) as Partial<LeftVoicemail>;
    const { number, user, wacid, mediaId, at = null } = left;
    return typeof number === 'string' && typeof user === 'string' && typeof wacid === 'string' && typeof mediaId === 'string' ? { number, user, wacid, mediaId, at } : null;
  } catch {
    return null;
  }
}
