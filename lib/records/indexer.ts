import { existsSync } from 'node:fs';
import { deflateRawSync } from 'node:zlib';
import { RecordsDatabase } from './database.js';
import { readLine, type RecordFacts } from './line.js';
import { headOf, linesOf, sourceFiles, type SourceFile } from './sources.js';
import { Tally } from './tally.js';

/** Lines that are taken together: what is asked meanwhile waits for one such portion. */
const portion = 500;
/** Records are packed together until they are so large, in octets. */
const blockBytes = 65_536;
/** Names that may be indexed; what others have put into records beyond is left out of the groups. */
const mostNames = 100_000;

/** What the log is told. */
export interface IndexNews { readonly level: 'info' | 'warn'; readonly text: string }

/** The index of the records in `file` and what was rotated away from it. Its folder may be thrown away at any time: it is made anew. */
export class RecordsIndex {
  readonly #file: string;
  readonly #folder: string;
  readonly #tell: (news: IndexNews) => void;
  #database: RecordsDatabase;
  #names = new Map<string, number>();
  #block = 1;
  /** What could not be read is told once, by path and reason. */
  readonly #told = new Set<string>();
  #isNew = false;
  #bad = 0;

  private constructor(file: string, folder: string, tell: (news: IndexNews) => void, database: RecordsDatabase) {
    this.#file = file;
    this.#folder = folder;
    this.#tell = tell;
    this.#database = database;
    this.#load();
  }

  /** The folder is the caller's alone. @throws when no index can be made there */
  static async open(file: string, folder: string, tell: (news: IndexNews) => void): Promise<RecordsIndex> {
    const { database, damaged } = await RecordsDatabase.open(folder);
    if (damaged !== null) tell({ level: 'warn', text: `the index of the records could not be used and is made anew: ${damaged}` });
    return new RecordsIndex(file, folder, tell, database);
  }

  get database(): RecordsDatabase {
    return this.#database;
  }

  /** It has been thrown away since the last piece of work began. */
  get isNew(): boolean {
    return this.#isNew;
  }

  /** The number that a name has in the tables; null: no record has it. */
  idOf(name: string): number | null {
    return this.#names.get(name) ?? null;
  }

  /** Names that fit, with their numbers. */
  names(fits: (name: string) => boolean): number[] {
    return [...this.#names].filter(([name]) => fits(name)).map(([, id]) => id);
  }

  /** Does it with the tables; where they turn out to be damaged they are thrown away, and it rejects with what was wrong. */
  async guarded<T>(work: () => T | Promise<T>): Promise<T> {
    this.#isNew = false;
    try {
      return await work();
    } catch (error) {
      if (isDamage(error)) await this.#anew((error as Error).message);
      throw error;
    }
  }

  /**
   * Takes in what is new, a portion at a step: `octets` taken, until there is nothing more. Whoever drives it may leave off at any step.
   * A file that cannot be read is told of, once, and left out.
   */
  async* update(again = true): AsyncGenerator<number> {
    if (!existsSync(this.#database.path)) await this.#anew('its file is gone');
    for (const source of await sourceFiles(this.#file)) {
      const seen = this.#database.get('SELECT size, modified FROM seen WHERE path = ?', [source.path]);
      // What grows within one tick of the clock has another size.
      if (seen?.['size'] === source.size && seen['modified'] === source.modified) continue;
      try {
        yield* this.#take(source);
      } catch (error) {
        if (isDamage(error)) {
          await this.#anew((error as Error).message);
          if (again) yield* this.update(false);
          return;
        }
        this.#tellOnce(source.path, (error as NodeJS.ErrnoException).code ?? (error as Error).message);
        // A packed file that is cut short stays so; it is looked at again when it changes.
        if (source.packed) this.#see(source);
      }
    }
  }

  close(): void {
    this.#database.close();
  }

  async* #take(source: SourceFile): AsyncGenerator<number> {
    const head = await headOf(source);
    if (head === null) return;
    const known = Number(this.#database.get('SELECT offset FROM sources WHERE head = ?', [head])?.['offset'] ?? 0);
    // Shorter than what was read of it: it was cut, and may have grown since. Records that are known count once.
    const from = !source.packed && known > source.size ? 0 : known;
    this.#bad = 0;
    let lines: string[] = [];
    let [at, end] = [from, from];
    const database = this.#database;
    const take = (): number => {
      this.#write(lines, head, end);
      const taken = end - at;
      at = end;
      lines = [];
      return taken;
    };
    try {
      for await (const read of linesOf(source, from, head)) {
        if (read === null) {
          yield 0;
          continue;
        }
        lines.push(read.text);
        end = read.next;
        if (lines.length >= portion) yield take();
      }
    } finally {
      // What was read of a file that is cut short counts too; not in an index that was made anew meanwhile, which does not have what stands before it.
      if (lines.length > 0 && database === this.#database) take();
    }
    this.#see(source);
    if (this.#bad > 0) this.#tell({ level: 'warn', text: `${source.path}: ${this.#bad} lines are no records and are left out of search and analytics` });
  }

  #see({ path, size, modified }: SourceFile): void {
    this.#database.run('INSERT INTO seen VALUES (?, ?, ?) ON CONFLICT (path) DO UPDATE SET size = excluded.size, modified = excluded.modified', [path, size, modified]);
  }

  #write(lines: readonly string[], head: string, offset: number): void {
    const { names, block } = { names: new Map(this.#names), block: this.#block };
    try {
      this.#database.together(() => {
        const tally = new Tally();
        const packer = new Packer(this.#database, () => this.#block++);
        for (const line of lines) {
          const read = readLine(line);
          if (read === null) this.#bad += line.trim() === '' ? 0 : 1;
          else if (this.#insert(read.facts, read.json, packer)) tally.count(read.facts, (name) => this.#nameId(name));
        }
        packer.flush();
        tally.store(this.#database);
        this.#database.run('INSERT INTO sources VALUES (?, ?) ON CONFLICT (head) DO UPDATE SET offset = excluded.offset', [head, offset]);
      });
    } catch (error) {
      this.#names = names;
      this.#block = block;
      throw error;
    }
  }

  #insert(facts: RecordFacts, json: string, packer: Packer): boolean {
    const bytes = Buffer.from(json);
    const { block, at } = packer.place;
    const { id, time, businessInitiated, number, peer, reason, country, who, durationMs, setupMs, pulses } = facts;
    const isNew = this.#database.run('INSERT OR IGNORE INTO calls (uuid, time, business, number, peer, reason, country, who, ms, setup, pulses, block, at, length) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)', [
      id, time, Number(businessInitiated), this.#nameId(number), this.#nameId(peer), this.#nameId(reason), this.#nameId(country), who, durationMs, setupMs, pulses, block, at, bytes.length,
    ]) === 1;
    if (isNew) packer.put(bytes);
    return isNew;
  }

  #nameId(name: string | null): number {
    if (name === null) return 0;
    const known = this.#names.get(name);
    if (known !== undefined) return known;
    if (this.#names.size >= mostNames) return 0;
    const id = this.#names.size + 1;
    this.#database.run('INSERT INTO names VALUES (?, ?)', [id, name]);
    this.#names.set(name, id);
    return id;
  }

  async #anew(why: string): Promise<void> {
    this.#tell({ level: 'warn', text: `the index of the records is made anew: ${why}` });
    this.#isNew = true;
    this.#database.remove();
    this.#database = (await RecordsDatabase.open(this.#folder)).database;
    this.#load();
  }

  #load(): void {
    this.#names = new Map(this.#database.all('SELECT text, id FROM names').map(({ text, id }) => [String(text), Number(id)]));
    this.#block = Number(this.#database.get('SELECT max(id) AS id FROM blocks')?.['id'] ?? 0) + 1;
  }

  #tellOnce(path: string, why: string): void {
    const text = `${path} cannot be read to its end: ${why}; records in it may be missing from search and analytics`;
    if (this.#told.has(text) || this.#told.size > 1000) return;
    this.#told.add(text);
    this.#tell({ level: 'warn', text });
  }
}

/** A sign that the tables are not what was written: SQLite's own word, or ours of a block that cannot be read. */
export class DamagedIndex extends Error {}

function isDamage(error: unknown): boolean {
  return error instanceof DamagedIndex || (error instanceof Error && /malformed|not a database|disk image|no such table|disk I\/O error|UNIQUE constraint failed: (?:names|blocks)/i.test(error.message));
}

/** Packs records together: alike as they are, they take a sixth of the room. */
class Packer {
  readonly #database: RecordsDatabase;
  readonly #next: () => number;
  #parts: Buffer[] = [];
  #block: number;
  #at = 0;

  constructor(database: RecordsDatabase, next: () => number) {
    this.#database = database;
    this.#next = next;
    this.#block = next();
  }

  /** Where the next record goes. */
  get place(): { readonly block: number; readonly at: number } {
    return { block: this.#block, at: this.#at };
  }

  put(record: Buffer): void {
    this.#parts.push(record);
    this.#at += record.length;
    if (this.#at < blockBytes) return;
    this.flush();
    this.#block = this.#next();
    this.#at = 0;
  }

  flush(): void {
    if (this.#parts.length > 0) this.#database.run('INSERT INTO blocks VALUES (?, ?)', [this.#block, deflateRawSync(Buffer.concat(this.#parts), { level: 1 })]);
    this.#parts = [];
  }
}
