import type { JournalContent } from './journal.js';
import { BoundedMap } from '../util/boundedMap.js';

/** A content of the state file beside the counters. */
export interface StatePart extends JournalContent {
  /**
   * Gives it the file, or what nodes share; without one it lives as long as the process. `redo`: makes the line of another one, or of none, that somebody else has
   * written meanwhile; left out: the line stands.
   */
  attach(append: (key: string, line: string, redo?: (line: string | null) => string | null) => Promise<void>): void;
}

export interface RememberedOptions {
  /** One letter that its lines begin with; no other content of the file may use it. */
  readonly prefix: string;
  /** Beyond, the entry that was set longest ago is forgotten. */
  readonly capacity: number;
  /** Milliseconds after which an entry that was not set again is forgotten. */
  readonly lifetime: number;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

interface Entry { readonly value: string; readonly second: number; readonly stored: number }

/** Text by key, forgotten when it was not set again for a lifetime; bounded. Keys and values are without tabs and line breaks. */
export class Remembered implements StatePart {
  readonly #options: RememberedOptions;
  /** In the order in which they were last set. */
  readonly #entries: BoundedMap<string, Entry>;
  #append: Parameters<StatePart['attach']>[0] | null = null;
  #stored: Promise<void> = Promise.resolve();
  readonly #watchers: ((key: string) => void)[] = [];

  constructor(options: RememberedOptions) {
    this.#options = options;
    this.#entries = new BoundedMap(options.capacity);
  }

  /** Entries in memory, those that have lapsed too. */
  get size(): number {
    return this.#entries.size;
  }

  /** Resolves when the file has every line that it was given so far; at once without a file. Never rejects. */
  get stored(): Promise<void> {
    return this.#stored;
  }

  get(key: string): string | null {
    const entry = this.#entries.get(key);
    return entry !== undefined && entry.second > this.#lapsed() ? entry.value : null;
  }

  /** Sets it, or says that it is still so. The file hears of a change, and otherwise now and then. Gives `stored`. */
  set(key: string, value: string): Promise<void> {
    if (/[\t\r\n]/.test(key + value)) return this.#stored;
    const second = this.#second();
    const old = this.#entries.get(key);
    const again = old !== undefined && old.value === value && (second - old.stored) * 1000 < this.#options.lifetime / 20;
    this.#put(key, { value, second, stored: again ? old.stored : second });
    if (!again && this.#append !== null) this.#stored = this.#append(this.#fileKey(key), this.#line(key, value, second));
    return this.#stored;
  }

  /** Sets what `change` makes of what is there; where another node has changed it meanwhile, of that. Null: there is none. Gives `stored`. */
  update(key: string, change: (value: string | null) => string): Promise<void> {
    const value = change(this.get(key));
    if (/[\t\r\n]/.test(key + value)) return this.#stored;
    const second = this.#second();
    this.#put(key, { value, second, stored: second });
    if (this.#append !== null) {
      this.#stored = this.#append(this.#fileKey(key), this.#line(key, value, second), (line) => this.#line(key, change(line === null ? null : parsed(line)?.value ?? null), second));
    }
    return this.#stored;
  }

  /** Told of each key that another node has changed. */
  watch(changed: (key: string) => void): void {
    this.#watchers.push(changed);
  }

  delete(key: string): void {
    if (this.#entries.delete(key)) void this.#append?.(this.#fileKey(key), this.#line(key, '-', 0));
  }

  /** Keys of what is remembered now. */
  *names(): Iterable<string> {
    for (const key of this.#entries.keys()) if (this.get(key) !== null) yield key;
  }

  attach(append: Parameters<StatePart['attach']>[0]): void {
    this.#append = append;
  }

  *keys(): Iterable<string> {
    for (const key of this.names()) yield this.#fileKey(key);
  }

  linesOf(fileKey: string): readonly string[] {
    const key = fileKey.slice(2);
    const entry = fileKey.startsWith(`${this.#options.prefix} `) ? this.#entries.get(key) : undefined;
    return entry === undefined || entry.second <= this.#lapsed() ? [] : [this.#line(key, entry.value, entry.second)];
  }

  take(line: string): boolean {
    const read = parsed(line);
    if (read === null || read.prefix !== this.#options.prefix) return false;
    const { key, value } = read;
    // A clock that ran ahead must not keep it for longer.
    const second = Math.min(read.second, this.#second());
    if (second > this.#lapsed()) this.#put(key, { value, second, stored: second });
    else this.#entries.delete(key);
    for (const changed of this.#watchers) changed(key);
    return true;
  }

  #put(key: string, entry: Entry): void {
    this.#entries.set(key, entry);
  }

  #fileKey(key: string): string {
    return `${this.#options.prefix} ${key}`;
  }

  #line(key: string, value: string, second: number): string {
    return `${this.#fileKey(key)}\t${value}\t@${second}`;
  }

  #second(): number {
    return Math.floor(this.#options.now() / 1000);
  }

  #lapsed(): number {
    return this.#second() - Math.floor(this.#options.lifetime / 1000);
  }
}

function parsed(line: string): { readonly prefix: string; readonly key: string; readonly value: string; readonly second: number } | null {
  const [, prefix, key, value, second] = /^([a-z]) ([^\t]+)\t([^\t]+)\t@(\d{1,12})$/.exec(line) ?? [];
  return prefix === undefined || key === undefined || value === undefined ? null : { prefix, key, value, second: Number(second) };
}
