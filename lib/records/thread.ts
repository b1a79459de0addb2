import { Worker } from 'node:worker_threads';
import { withTimeout } from '../util/withTimeout.js';
import type { PickUp } from './analytics.js';
import type { IndexNews } from './indexer.js';
import type { RecordsPlace } from './service.js';
import { QueryError, type AnalyticsQuery, type RecordQuery } from './types.js';

export interface ThreadOptions {
  readonly place: RecordsPlace;
  /** Over how many days users' calls are counted; null: they are not. */
  readonly days: number | null;
  /** Milliseconds between two looks at what is new; for tests. */
  readonly lookEvery?: number;
}

type Question =
  | { readonly kind: 'search'; readonly query: RecordQuery; readonly business: readonly string[] | null }
  | { readonly kind: 'analyse'; readonly query: AnalyticsQuery }
  | { readonly kind: 'mayTell'; readonly number: string };

export type ToRecords = (Question & { readonly id: number }) | { readonly kind: 'close' };

export type FromRecords =
  | { readonly kind: 'ready' }
  | { readonly kind: 'answer'; readonly id: number; readonly json: string }
  | { readonly kind: 'failed'; readonly id: number; readonly code: QueryError['code'] | null; readonly text: string }
  | { readonly kind: 'pickUps'; readonly pickUps: readonly PickUp[] }
  | ({ readonly kind: 'log' } & IndexNews);

interface Waiting { readonly resolve: (json: string) => void; readonly reject: (why: Error) => void }

/** Questions that wait at once. */
const mostWaiting = 100;
/** Patience with a thread that is to end, milliseconds. */
const partingMs = 5000;

/** There is no answer now: too many ask, or the index cannot be used. */
export class RecordsUnavailable extends Error {}

export interface RecordsThreadOptions extends ThreadOptions {
  readonly onNews: (news: IndexNews) => void;
  readonly onPickUps: (pickUps: readonly PickUp[]) => void;
}

/** The index in a thread of its own, which begins with the first question. One that dies is made anew with the next. */
export class RecordsThread {
  readonly #options: RecordsThreadOptions;
  readonly #waiting = new Map<number, Waiting>();
  #worker: Worker | null = null;
  #last = 0;
  #trouble: string | null = null;
  #closed = false;

  constructor(options: RecordsThreadOptions) {
    this.#options = options;
  }

  /** A page as JSON: `records`, `next`, `upToDate`. `business`: numbers that are not masked; null: nothing is. @throws QueryError, RecordsUnavailable */
  search(query: RecordQuery, business: readonly string[] | null): Promise<string> {
    return this.#ask({ kind: 'search', query, business });
  }

  /** As JSON. @throws QueryError, RecordsUnavailable */
  analyse(query: AnalyticsQuery): Promise<string> {
    return this.#ask({ kind: 'analyse', query });
  }

  /** Whether a warning about a number may go out today. @throws RecordsUnavailable */
  async mayTell(number: string): Promise<boolean> {
    return await this.#ask({ kind: 'mayTell', number }) === 'true';
  }

  /** Begins, where nothing has been asked yet: what is new is taken in from now on. */
  begin(): void {
    if (!this.#closed) this.#worker ??= this.#start();
  }

  /** May be called twice. */
  async close(): Promise<void> {
    this.#closed = true;
    const worker = this.#worker;
    if (worker === null) return;
    worker.ref();
    const gone = new Promise<void>((resolve) => { worker.once('exit', () => resolve()); });
    this.#post(worker, { kind: 'close' });
    await withTimeout(gone, partingMs, () => undefined);
    await worker.terminate();
  }

  #ask(question: Question): Promise<string> {
    if (this.#closed) return Promise.reject(new RecordsUnavailable('the service ends'));
    if (this.#waiting.size >= mostWaiting) return Promise.reject(new RecordsUnavailable('too many questions about records at once'));
    this.begin();
    const id = this.#last += 1;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      if (this.#worker === null) return;
      // Who waits for an answer keeps the process up, the thread alone does not.
      this.#worker.ref();
      this.#post(this.#worker, { ...question, id });
    });
  }

  #post(worker: Worker, message: ToRecords): void {
    worker.postMessage(message);
  }

  #start(): Worker {
    const { place, days, lookEvery } = this.#options;
    const worker = new Worker(new URL('./threadMain.js', import.meta.url), { workerData: { place, days, ...(lookEvery === undefined ? {} : { lookEvery }) } satisfies ThreadOptions });
    let why = 'the thread of the records has ended';
    worker.on('error', (error: Error) => { why = error.message; });
    worker.on('exit', () => {
      if (this.#worker === worker) this.#worker = null;
      if (!this.#closed) this.#lament(why);
      for (const answer of this.#waiting.values()) answer.reject(new RecordsUnavailable(why));
      this.#waiting.clear();
    });
    worker.on('message', (message: FromRecords) => this.#hear(message));
    worker.unref();
    return worker;
  }

  /** Once for each reason, however often it is asked in vain. */
  #lament(why: string): void {
    if (this.#trouble !== why) this.#options.onNews({ level: 'warn', text: `records cannot be searched: ${why}` });
    this.#trouble = why;
  }

  #hear(message: FromRecords): void {
    switch (message.kind) {
      case 'ready':
        this.#trouble = null;
        return;
      case 'log': return this.#options.onNews(message);
      case 'pickUps': return this.#options.onPickUps(message.pickUps);
      case 'answer': return this.#take(message.id)?.resolve(message.json);
      case 'failed': return this.#take(message.id)?.reject(message.code === null ? new RecordsUnavailable(message.text) : new QueryError(message.code, message.text));
    }
  }

  #take(id: number): Waiting | undefined {
    const answer = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (this.#waiting.size === 0 && !this.#closed) this.#worker?.unref();
    return answer;
  }
}
