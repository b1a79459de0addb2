import { after } from '../../util/after.js';
import type { RecordStore, SharedLine } from './recordStore.js';
import type { StatePart } from '../remembered.js';

/** Makes a line of the one that is there now; null: there is none, or it is to go. */
export type Redo = (line: string | null) => string | null;

/** A change of ours that the store may not have yet. */
interface Pending {
  /** Done anew where somebody has come between; `plain`: it stands whatever is there. */
  readonly steps: { readonly redo: Redo; readonly plain: boolean }[];
  /** Of the newest. */
  line: string | null;
  readonly settled: (() => void)[];
  sending: boolean;
  /** What was sent and not answered: it may stand there. `length`: how many of the steps it has done. */
  readonly doubtful: { readonly line: string | null; readonly length: number }[];
}

export interface SharedRecordsOptions {
  readonly store: RecordStore;
  readonly parts: readonly StatePart[];
  readonly log: { warn(fields: object, message: string): void };
  /** Milliseconds between attempts while the store is gone. */
  readonly again: number;
}

/** That they are not heard is told once in so long, milliseconds. */
const tellEveryMs = 60_000;
/** Changed lines that are asked for anew at most, where others keep coming between. */
const mostTries = 20;
/** Lines of one key that were sent without an answer and are remembered. */
const mostDoubtful = 8;
/** Lines that are given to a store without memory at a time. */
const givenAtOnce = 200;

/**
 * What nodes remember together: each has all of it, reads it where it stands, and hears of the others' changes within milliseconds. What is changed is changed here
 * at once and then in the store, by compare and set: where another node was first, the change is done anew on what that one has made. While the store is gone each
 * node goes on with its own, and gives what it has changed when it is back.
 */
export class SharedRecords {
  readonly #options: SharedRecordsOptions;
  readonly #versions = new Map<string, number>();
  readonly #pending = new Map<string, Pending>();
  #process: string | null = null;
  /** From where the others' changes are followed; null: everything is to be read first. */
  #position: string | null = null;
  #closed = false;
  #toldAt = -Infinity;
  /** Ends the wait before the next attempt. */
  #wake: () => void = () => undefined;
  #following: Promise<void> = Promise.resolve();

  constructor(options: SharedRecordsOptions) {
    this.#options = options;
    for (const part of options.parts) part.attach((key, line, redo) => this.#change(key, isGone(line) ? null : line, redo ?? null));
  }

  /** Reads everything, and follows. Resolves when everything has been read, or the store is not reached. */
  async open(): Promise<void> {
    await this.#read().catch((error: unknown) => this.#lost(error));
    this.#following = this.#follow();
  }

  /** The connection was gone: what is there now may be another memory. */
  reconnected(): void {
    this.#position = null;
  }

  /** What is not in the store yet stays untold. May be called twice. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#wake();
    for (const pending of this.#pending.values()) settle(pending);
    await this.#following;
  }

  /** Resolves when the store has it, or cannot be reached. */
  #change(key: string, line: string | null, redo: Redo | null): Promise<void> {
    if (this.#closed) return Promise.resolve();
    const pending = this.#pending.get(key) ?? { steps: [], line, settled: [], sending: false, doubtful: [] };
    // What was before it is no more.
    if (redo === null && !pending.sending) {
      pending.steps.length = 0;
      pending.doubtful.length = 0;
    }
    pending.steps.push({ redo: redo ?? (() => line), plain: redo === null });
    pending.line = line;
    this.#pending.set(key, pending);
    const done = new Promise<void>((resolve) => { pending.settled.push(resolve); });
    if (!pending.sending) void this.#send(key, pending);
    return done;
  }

  /** One at a time of each key. */
  async #send(key: string, pending: Pending): Promise<void> {
    pending.sending = true;
    try {
      for (let tries = 0; tries < mostTries && this.#pending.get(key) === pending; tries += 1) {
        const { line, steps } = pending;
        const { length } = steps;
        const doubtful = pending.doubtful.splice(0);
        pending.doubtful.push(...doubtful.slice(-mostDoubtful), { line, length });
        const found = await this.#options.store.write(key, steps[0]?.plain === true ? null : this.#versions.get(key) ?? 0, line);
        pending.doubtful.length = 0;
        this.#know({ key, version: found.version, line: found.line });
        // What was sent before, and of which no answer came, stands there.
        const done = found.written ? length : doubtful.findLast(({ line: sent }) => sent === found.line)?.length;
        if (done !== undefined) {
          steps.splice(0, done);
          if (steps.length > 0) continue;
          this.#pending.delete(key);
          settle(pending);
          return;
        }
        // Another node was first.
        pending.line = steps.reduce<string | null>((before, { redo }) => redo(before), found.line);
        this.#take(key, pending.line);
      }
      if (this.#pending.get(key) === pending) this.#lost(new Error(`others have changed ${key} again and again`));
    } catch (error) {
      // It is given when everything has been read anew.
      this.#lost(error);
    } finally {
      pending.sending = false;
      settle(pending);
    }
  }

  async #read(): Promise<void> {
    const { store } = this.#options;
    const process = await store.process();
    const position = await store.last();
    const there = new Set<string>();
    // What is written or heard while everything is read may be missing in it, and is there.
    const before = new Map(this.#versions);
    const lapsed: SharedLine[] = [];
    for await (const lines of store.all()) {
      for (const line of lines) {
        there.add(line.key);
        this.#heard(line);
        // What no part of this version knows may be another version's.
        if (!this.#pending.has(line.key) && this.#lineOf(line.key) === undefined && this.#take(line.key, line.line)) lapsed.push(line);
      }
    }
    for (const { key, version } of lapsed) await store.write(key, version, null);
    const forgot = this.#process !== null && this.#process !== process;
    const missing = [...before].filter(([key, version]) => !there.has(key) && !this.#pending.has(key) && this.#versions.get(key) === version);
    // The same server: it is gone there.
    if (!forgot) for (const [key, version] of missing) this.#heard({ key, version: version + 1, line: null });
    else await this.#giveAnew();
    this.#process = process;
    this.#position = position;
    for (const [key, pending] of this.#pending) if (!pending.sending) void this.#send(key, pending);
  }

  /** The server has lost its memory, or the last of it: of two versions the higher one stands. */
  async #giveAnew(): Promise<void> {
    let some: (SharedLine & { readonly line: string })[] = [];
    for (const [key, version] of [...this.#versions]) {
      const line = this.#lineOf(key);
      if (line === undefined || this.#pending.has(key)) continue;
      some.push({ key, version, line });
      if (some.length < givenAtOnce) continue;
      await this.#options.store.restore(some);
      some = [];
    }
    if (some.length > 0) await this.#options.store.restore(some);
  }

  async #follow(): Promise<void> {
    while (!this.#closed) {
      try {
        if (this.#position === null) await this.#read();
        const from = this.#position;
        if (from === null) continue;
        const { last, lines } = await this.#options.store.changes(from);
        for (const line of lines) this.#heard(line);
        // The connection may have been another one meanwhile.
        if (this.#position === from) this.#position = last;
      } catch (error) {
        this.#lost(error);
        await this.#wait();
      }
    }
  }

  #wait(): Promise<void> {
    return new Promise((resolve) => {
      const timer = after(this.#closed ? 0 : this.#options.again, resolve);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #lost(error: unknown): void {
    this.#position = null;
    const now = performance.now();
    if (now - this.#toldAt < tellEveryMs) return;
    this.#toldAt = now;
    this.#options.log.warn({ err: error instanceof Error ? error.message : String(error) }, 'what the nodes remember together is not heard: this node goes on with what it knows, and tries again');
  }

  /** A line as the store has it, by whoever changed it. */
  #heard(change: SharedLine): void {
    if (this.#pending.has(change.key) || change.version <= (this.#versions.get(change.key) ?? 0)) return;
    this.#know(change);
    this.#take(change.key, change.line);
  }

  #lineOf(key: string): string | undefined {
    for (const part of this.#options.parts) for (const line of part.linesOf(key)) return line;
    return undefined;
  }

  #know({ key, version, line }: SharedLine): void {
    if (line === null) this.#versions.delete(key);
    else this.#versions.set(key, version);
  }

  /** Whether a part knows such lines. */
  #take(key: string, line: string | null): boolean {
    return this.#options.parts.some((part) => part.take(line ?? gone(key)));
  }
}

/** A line that takes a key away, as the state file has it. */
function gone(key: string): string {
  return `${key}\t-\t@0`;
}

function isGone(line: string): boolean {
  return line.endsWith('\t-\t@0');
}

function settle(pending: Pending): void {
  for (const done of pending.settled.splice(0)) done();
}
