import { WabError } from '../errors.js';
import { lockFile, type FileLock } from '../state/lock.js';
import { maskUsers } from '../observe/redact.js';
import { analyse, pickUps, type PickUp } from './analytics.js';
import { RecordsIndex, type IndexNews } from './indexer.js';
import { readRateCard, type RateCard } from './rateCard.js';
import { search } from './search.js';
import type { Analytics, AnalyticsQuery, RecordPage, RecordQuery } from './types.js';
import { keyFileOf, readUserKey, type UserKey } from './userKey.js';

/** What is new may be taken in for so long before a question is answered, milliseconds: a file that is far behind goes on after it. */
const beforeAnswerMs = 60;
const dayMs = 86_400_000;

export interface RecordsPlace {
  /** The CDR file. */
  readonly file: string;
  /** The folder of the index. */
  readonly index: string;
  /** The rate card; null: nothing is priced. */
  readonly rates: string | null;
}

/** Whether everything in the files was in the index when this was answered. */
export interface Answered { readonly upToDate: boolean }

/** Search and analytics over the records of one file. One at a time: its owner asks nothing before the last answer has come. */
export class Records {
  readonly #index: RecordsIndex;
  readonly #lock: FileLock;
  readonly #place: RecordsPlace;
  readonly #card: RateCard | null;
  #userKey: UserKey | null = null;
  #steps: AsyncGenerator<number> | null = null;

  private constructor(index: RecordsIndex, lock: FileLock, place: RecordsPlace, card: RateCard | null) {
    this.#index = index;
    this.#lock = lock;
    this.#place = place;
    this.#card = card;
  }

  /** @throws WabError FILE_IN_USE when another process has the index, FILE_UNWRITABLE, FILE_UNREADABLE of the rate card */
  static async open(place: RecordsPlace, tell: (news: IndexNews) => void): Promise<Records> {
    const card = place.rates === null ? null : await readRateCard(place.rates);
    let lock: FileLock | null = null;
    try {
      lock = await lockFile(place.index);
      return new Records(await RecordsIndex.open(place.file, place.index, tell), lock, place, card);
    } catch (error) {
      await lock?.release();
      throw error instanceof WabError ? error : new WabError('FILE_UNWRITABLE', `${place.index}: ${(error as NodeJS.ErrnoException).code ?? (error as Error).message}`, { cause: error });
    }
  }

  /**
   * Takes in what is new for at most `ms` milliseconds; false: there is more. `onStep` is told the octets of each step.
   * @throws when the files cannot be listed, or no index can be made
   */
  async catchUp(ms: number, onStep: (octets: number) => void = () => undefined): Promise<boolean> {
    const until = performance.now() + ms;
    this.#steps ??= this.#index.update();
    try {
      while (performance.now() < until) {
        const step = await this.#steps.next();
        if (step.done === true) {
          this.#steps = null;
          return true;
        }
        onStep(step.value);
      }
      return false;
    } catch (error) {
      this.#steps = null;
      throw error;
    }
  }

  /** `business`: numbers that are shown in full; null: users' numbers are shown as the files have them. @throws QueryError */
  async search(query: RecordQuery, business: ReadonlySet<string> | null): Promise<RecordPage & Answered> {
    const upToDate = await this.catchUp(beforeAnswerMs);
    // It may have been made since; without one there are no hashes in the records either.
    if (query.user !== null) this.#userKey ??= await readUserKey(keyFileOf(this.#place.file)).catch(() => null);
    const page = await this.#twice(() => search(this.#index, query, this.#userKey));
    return { ...page, records: business === null ? page.records : page.records.map((record) => masked(record, business)), upToDate };
  }

  /** @throws QueryError */
  async analyse(query: AnalyticsQuery): Promise<Analytics & Answered> {
    const upToDate = await this.catchUp(beforeAnswerMs);
    return { ...await this.#twice(() => analyse(this.#index, query, this.#card)), upToDate };
  }

  /** How many of the users' calls of the last `days` were answered, by number. */
  pickUps(now: number, days: number): Promise<PickUp[]> {
    return this.#twice(() => pickUps(this.#index, now, days));
  }

  /** Whether a warning about this number may go out at `now`: once a day, however often the service is started. */
  mayTell(number: string, now: number): Promise<boolean> {
    const day = Math.floor(now / dayMs);
    return this.#twice(() => this.#index.database.run('INSERT INTO told VALUES (?, ?) ON CONFLICT DO UPDATE SET day = excluded.day WHERE day < excluded.day', [number, day]) > 0);
  }

  /** May be called twice. */
  async close(): Promise<void> {
    await this.#steps?.return(undefined);
    this.#index.close();
    await this.#lock.release();
  }

  /** Once more with a new index where the old one turns out to be damaged. */
  async #twice<T>(work: () => T): Promise<T> {
    try {
      return await this.#index.guarded(work);
    } catch (error) {
      if (!this.#index.isNew) throw error;
      // It stands in a file whose beginning the new index does not have.
      await this.#steps?.return(undefined);
      this.#steps = null;
      await this.catchUp(beforeAnswerMs);
      return work();
    }
  }
}

/** A record with users' numbers masked wherever they stand in it. */
function masked(record: string, business: ReadonlySet<string>): string {
  const parsed = JSON.parse(record) as { user?: unknown };
  // Written anew: what stands behind escapes stands there in full then.
  return maskUsers(JSON.stringify(parsed), business, typeof parsed.user === 'string' ? parsed.user : null);
}
