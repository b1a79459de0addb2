import { rmSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import sqlite from 'node-sqlite3-wasm';

/** A value of a row. */
export type Cell = number | bigint | string | Uint8Array | null;
export type Cells = Readonly<Record<string, Cell>>;
/** What a question is asked with. */
export type Given = readonly (number | string | Uint8Array | null)[];

/** The form of the tables: an index of another form is thrown away. */
const form = 1;
const fileName = 'records.sqlite';

/** A journal holds what a process that is killed leaves half done. The disk is never waited for: what a power cut spoils is thrown away. */
const settings = 'PRAGMA journal_mode = TRUNCATE; PRAGMA synchronous = OFF; PRAGMA locking_mode = EXCLUSIVE; PRAGMA cache_size = -65536; PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF;';

/**
 * Names stand once, in `names`; 0 is none. `at` and `length` are octets of the unpacked block. Times are milliseconds since 1970. `tally` and `charged` add
 * up the hours by one dimension each (lib/records/tally.ts), `hours` says in which of them there are calls of a number, peer and reason; -1: whichever.
 */
const tables = `
CREATE TABLE names (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
CREATE TABLE blocks (id INTEGER PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE calls (
  id INTEGER PRIMARY KEY, uuid BLOB NOT NULL UNIQUE, time INTEGER NOT NULL, business INTEGER NOT NULL, number INTEGER NOT NULL, peer INTEGER NOT NULL, reason INTEGER NOT NULL,
  country INTEGER NOT NULL, who TEXT, ms INTEGER, setup INTEGER NOT NULL, pulses INTEGER NOT NULL, block INTEGER NOT NULL, at INTEGER NOT NULL, length INTEGER NOT NULL
);
CREATE INDEX calls_time ON calls (time);
CREATE INDEX calls_who ON calls (who, time) WHERE who IS NOT NULL;
CREATE TABLE tally (
  dimension INTEGER NOT NULL, hour INTEGER NOT NULL, name INTEGER NOT NULL, business INTEGER NOT NULL,
  calls INTEGER NOT NULL, answered INTEGER NOT NULL, ms INTEGER NOT NULL, longest INTEGER NOT NULL, setup INTEGER NOT NULL, PRIMARY KEY (dimension, hour, name, business)
) WITHOUT ROWID;
CREATE TABLE charged (
  dimension INTEGER NOT NULL, hour INTEGER NOT NULL, country INTEGER NOT NULL, name INTEGER NOT NULL, pulses INTEGER NOT NULL, PRIMARY KEY (dimension, hour, country, name)
) WITHOUT ROWID;
CREATE TABLE hours (number INTEGER NOT NULL, peer INTEGER NOT NULL, reason INTEGER NOT NULL, hour INTEGER NOT NULL, PRIMARY KEY (number, peer, reason, hour)) WITHOUT ROWID;
CREATE TABLE sources (head TEXT PRIMARY KEY, offset INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE seen (path TEXT PRIMARY KEY, size INTEGER NOT NULL, modified INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE told (number TEXT PRIMARY KEY, day INTEGER NOT NULL) WITHOUT ROWID;
PRAGMA user_version = ${form};
`;

/** The tables of the index in a folder that is ours alone: whoever opens it has its lock. */
export class RecordsDatabase {
  readonly path: string;
  readonly #statements = new Map<string, sqlite.Statement>();
  readonly #file: sqlite.Database;

  private constructor(path: string, file: sqlite.Database) {
    this.path = path;
    this.#file = file;
  }

  /** `damaged`: what was there could not be used and has been thrown away. @throws as mkdir(2), or when no file can be made there */
  static async open(folder: string): Promise<{ readonly database: RecordsDatabase; readonly damaged: string | null }> {
    await mkdir(folder, { recursive: true, mode: 0o750 });
    const path = join(folder, fileName);
    // SQLite's own lock: of a process that was killed, since ours is held.
    rmSync(`${path}.lock`, { recursive: true, force: true });
    try {
      return { database: RecordsDatabase.#at(path), damaged: null };
    } catch (error) {
      remove(path);
      return { database: RecordsDatabase.#at(path), damaged: (error as Error).message };
    }
  }

  static #at(path: string): RecordsDatabase {
    const file = new sqlite.Database(path);
    try {
      file.exec(settings);
      const version = file.get('PRAGMA user_version')?.['user_version'];
      if (version === 0 && file.get('SELECT count(*) AS n FROM sqlite_master')?.['n'] === 0) file.exec(tables);
      else if (version !== form) throw new Error(`it is of form ${String(version)}, not ${form}`);
      // Cheap, and reads the first pages of every table.
      for (const table of ['names', 'blocks', 'calls', 'tally', 'charged', 'hours', 'sources', 'seen', 'told']) file.get(`SELECT * FROM ${table} LIMIT 1`);
      return new RecordsDatabase(path, file);
    } catch (error) {
      close(file);
      throw error;
    }
  }

  /** Rows in full. `sql` is one of a few texts of this program; what others have written is in `given`. @throws SQLite3Error */
  all(sql: string, given: Given = []): Cells[] {
    return this.#prepared(sql).all([...given]) as Cells[];
  }

  get(sql: string, given: Given = []): Cells | null {
    return this.all(sql, given)[0] ?? null;
  }

  /** Rows that it has changed. */
  run(sql: string, given: Given = []): number {
    return this.#prepared(sql).run([...given]).changes;
  }

  /** All of it or nothing. */
  together<T>(work: () => T): T {
    this.#file.exec('BEGIN');
    try {
      const result = work();
      this.#file.exec('COMMIT');
      return result;
    } catch (error) {
      try {
        this.#file.exec('ROLLBACK');
      } catch { /* it has rolled back by itself */ }
      throw error;
    }
  }

  /** May be called twice. */
  close(): void {
    for (const statement of this.#statements.values()) statement.finalize();
    this.#statements.clear();
    close(this.#file);
  }

  /** Closes it and throws its files away. */
  remove(): void {
    this.close();
    remove(this.path);
  }

  #prepared(sql: string): sqlite.Statement {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    const statement = this.#file.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }
}

function close(file: sqlite.Database): void {
  try {
    if (file.isOpen) file.close();
  } catch { /* of a damaged file nothing is kept */ }
}

function remove(path: string): void {
  for (const end of ['', '-journal', '.lock']) rmSync(`${path}${end}`, { recursive: true, force: true });
}
