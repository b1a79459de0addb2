import type { RecordsDatabase } from './database.js';
import type { RecordFacts } from './line.js';
import type { Grouping } from './types.js';

export const hourMs = 3_600_000;

/** What the hours are added up by. */
const dimensions = ['all', 'number', 'peer', 'reason', 'country'] as const;
type Dimension = typeof dimensions[number];

/** Stands in `hours` for any number, peer or reason. */
export const whichever = -1;

/** The number of the dimension that a grouping goes by, and the column of `tally` and `charged` that has its groups. */
export function dimensionOf(by: Grouping): { readonly dimension: number; readonly column: string } {
  if (by === 'hour' || by === 'day') return { dimension: dimensions.indexOf('all'), column: by === 'hour' ? 'hour' : 'hour - hour % 86400000' };
  return { dimension: dimensions.indexOf(by), column: 'name' };
}

/** The same of a row of `calls`. */
export function callColumn(by: Grouping): string {
  if (by === 'hour' || by === 'day') return `time - time % ${by === 'hour' ? hourMs : 24 * hourMs}`;
  return by;
}

function hourOf(time: number): number {
  return time - (time % hourMs);
}

interface Sums { calls: number; answered: number; ms: number; longest: number; setup: number }

/** Adds up records before they are stored: many of them are of one hour. */
export class Tally {
  readonly #sums = new Map<string, Sums>();
  readonly #charged = new Map<string, number>();
  readonly #hours = new Set<string>();

  count(facts: RecordFacts, idOf: (name: string | null) => number): void {
    const hour = hourOf(facts.time);
    const business = Number(facts.businessInitiated);
    const names: Readonly<Record<Dimension, number>> = { all: 0, number: idOf(facts.number), peer: idOf(facts.peer), reason: idOf(facts.reason), country: idOf(facts.country) };
    for (const [dimension, word] of dimensions.entries()) {
      this.#add([dimension, hour, names[word], business].join(' '), facts);
      if (facts.pulses === 0) continue;
      const key = [dimension, hour, names.country, names[word]].join(' ');
      this.#charged.set(key, (this.#charged.get(key) ?? 0) + facts.pulses);
    }
    const { number, peer, reason } = names;
    for (let which = 1; which < 8; which += 1) this.#hours.add([which & 1 ? number : whichever, which & 2 ? peer : whichever, which & 4 ? reason : whichever, hour].join(' '));
  }

  store(database: RecordsDatabase): void {
    for (const [key, { calls, answered, ms, longest, setup }] of this.#sums) {
      database.run(
        `INSERT INTO tally VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET calls = calls + excluded.calls, answered = answered + excluded.answered, ms = ms + excluded.ms,
         longest = max(longest, excluded.longest), setup = setup + excluded.setup`, [...numbersOf(key), calls, answered, ms, longest, setup],
      );
    }
    for (const [key, pulses] of this.#charged) database.run('INSERT INTO charged VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET pulses = pulses + excluded.pulses', [...numbersOf(key), pulses]);
    for (const key of this.#hours) database.run('INSERT OR IGNORE INTO hours VALUES (?, ?, ?, ?)', numbersOf(key));
  }

  #add(key: string, { durationMs, setupMs }: RecordFacts): void {
    const sums = this.#sums.get(key) ?? { calls: 0, answered: 0, ms: 0, longest: 0, setup: 0 };
    sums.calls += 1;
    if (durationMs !== null) {
      sums.answered += 1;
      sums.ms += durationMs;
      sums.longest = Math.max(sums.longest, durationMs);
      sums.setup += setupMs;
    }
    this.#sums.set(key, sums);
  }
}

function numbersOf(key: string): number[] {
  return key.split(' ').map(Number);
}
