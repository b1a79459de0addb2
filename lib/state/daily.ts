import type { JournalContent } from './journal.js';
import { Journal } from './journal.js';
import type { StatePart } from './remembered.js';

const secondsPerDay = 86_400;

/** Events of one second. */
interface Run { readonly second: number; count: number }

export interface DailyOptions {
  /** Where the counts outlive the process; null: they do not. */
  readonly file: string | null;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly log: { warn(fields: object, message: string): void; error(fields: object, message: string): void };
  /** What else the file holds. */
  readonly beside?: readonly StatePart[];
}

/** One counted event; it counts from the start, and outlives the process once it has been stored. */
export interface Counted {
  /** Resolves when the file has it, so that a killed process finds it again; at once without a file. May be called twice. */
  store(): Promise<void>;
  /** It did not happen after all. May be called twice. */
  undo(): void;
}

/**
 * Events of the last 24 hours by key, counted exactly. An event is held to the second it ends in, so it leaves up to a second late,
 * never early. What has lapsed is swept out bit by bit as new events come, so that memory holds a day's keys and no more.
 */
export class DailyCounters implements JournalContent {
  readonly #now: () => number;
  readonly #runs = new Map<string, Run[]>();
  #sweep: Iterator<[string, Run[]]> = this.#runs.entries();
  #journal: Journal | null = null;

  private constructor(now: () => number) {
    this.#now = now;
  }

  /** @throws WabError 'FILE_UNREADABLE' when the file cannot be used, or is not one of ours. */
  static async open({ file, now, log, beside = [] }: DailyOptions): Promise<DailyCounters> {
    const counters = new DailyCounters(now);
    if (file === null) return counters;
    const journal = counters.#journal = await Journal.open(file, together([counters, ...beside]), log);
    for (const part of beside) part.attach((key, line) => journal.append(key, line));
    return counters;
  }

  count(key: string): number {
    return this.#current(key).reduce((sum, run) => sum + run.count, 0);
  }

  /** When fewer than `limit` will be left of the events of all these keys together, in milliseconds since 1970; null when it is so now. */
  freeAt(keys: string | readonly string[], limit: number): number | null {
    const runs = (typeof keys === 'string' ? [keys] : keys).flatMap((key) => this.#current(key));
    let over = runs.reduce((sum, run) => sum + run.count, 0) - limit;
    if (over < 0) return null;
    for (const { second, count } of runs.sort((a, b) => a.second - b.second)) {
      over -= count;
      if (over < 0) return (second + secondsPerDay) * 1000;
    }
    return null;
  }

  add(key: string): Counted {
    const second = Math.ceil(this.#now() / 1000);
    this.#put(key, second, 1);
    this.#tidy();
    let undone = false;
    let stored: Promise<void> | null = null;
    return {
      store: () => stored ??= undone ? Promise.resolve() : this.#journal?.append(key, lineOf(key, second, 1)) ?? Promise.resolve(),
      undo: () => {
        if (undone) return;
        undone = true;
        this.#put(key, second, -1);
        if (stored !== null) void this.#journal?.append(key, lineOf(key, second, -1));
      },
    };
  }

  async close(): Promise<void> {
    await this.#journal?.close();
  }

  /** Keys in memory, for tests of the sweep. */
  get size(): number {
    return this.#runs.size;
  }

  keys(): Iterable<string> {
    return this.#runs.keys();
  }

  linesOf(key: string): readonly string[] {
    return this.#current(key).map(({ second, count }) => lineOf(key, second, count));
  }

  take(line: string): boolean {
    const match = /^([^\t]+)\t(\d{1,12})\t(-?\d{1,9})$/.exec(line);
    if (match === null) return false;
    // Of a clock that ran ahead: as if it were now, so that it lapses in a day.
    const second = Math.min(Number(match[2]), this.#latest());
    if (second > this.#lapsed()) this.#put(match[1] ?? '', second, Number(match[3]));
    return true;
  }

  #put(key: string, second: number, count: number): void {
    const runs = this.#runs.get(key) ?? [];
    // Nearly always the last; a clock set back, or an undo, finds its place further up.
    let at = runs.length;
    while (at > 0 && (runs[at - 1]?.second ?? 0) > second) at -= 1;
    const run = runs[at - 1];
    if (run?.second === second) {
      run.count += count;
      if (run.count <= 0) runs.splice(at - 1, 1);
    } else if (count > 0) {
      runs.splice(at, 0, { second, count });
      this.#runs.set(key, runs);
    }
  }

  #current(key: string): readonly Run[] {
    const runs = this.#runs.get(key);
    if (runs === undefined) return [];
    this.#pullBack(runs);
    const lapsed = this.#lapsed();
    const first = runs.findIndex(({ second }) => second > lapsed);
    if (first !== 0) runs.splice(0, first < 0 ? runs.length : first);
    if (runs.length === 0) this.#runs.delete(key);
    return runs;
  }

  /** What the clock counted while it ran ahead, before it was set back, becomes now. */
  #pullBack(runs: Run[]): void {
    const latest = this.#latest();
    while (runs.length > 0 && (runs[runs.length - 1] as Run).second > latest) {
      const { count } = runs.pop() as Run;
      const last = runs[runs.length - 1];
      if (last !== undefined && last.second >= latest) last.count += count;
      else runs.push({ second: latest, count });
    }
  }

  /** The second that an event of now is held to. */
  #latest(): number {
    return Math.ceil(this.#now() / 1000);
  }

  #lapsed(): number {
    return Math.floor(this.#now() / 1000) - secondsPerDay;
  }

  #tidy(): void {
    for (let i = 0; i < 2; i += 1) {
      const next = this.#sweep.next();
      if (next.done === true) this.#sweep = this.#runs.entries();
      else this.#current(next.value[0]);
    }
  }
}

function lineOf(key: string, second: number, count: number): string {
  return `${key}\t${second}\t${count}`;
}

/** Several contents in one file; each knows its own lines and keys. */
function together(parts: readonly JournalContent[]): JournalContent {
  return {
    take: (line) => parts.some((part) => part.take(line)),
    *keys() {
      for (const part of parts) yield* part.keys();
    },
    linesOf: (key) => parts.flatMap((part) => part.linesOf(key)),
  };
}
