import { setTimeout as pause } from 'node:timers/promises';
import { after } from '../../util/after.js';

/** Records, and octets of them, that wait for one sink; beyond, the oldest are given up. */
const mostRecords = 10_000;
const mostBytes = 16_000_000;
/** Records that go out together. */
const batch = 100;
/** Milliseconds before the next try: it doubles from the first to the longest. */
const firstPauseMs = 1000;
const longestPauseMs = 60_000;
/** What waits has so long to go out when the service ends, milliseconds. */
const partingMs = 2000;

const sinkOutcomes = ['sent', 'refused', 'dropped'] as const;
export type SinkOutcome = (typeof sinkOutcomes)[number];

/** Takes records, one JSON text each; never throws at a call and never waits. */
export interface RecordSink {
  write(record: string): void;
  /** What waits goes out within two seconds, or is given up: the CDR file has it. May be called twice. */
  close(): Promise<void>;
}

/** Sends a batch. Null: it was taken; `refused`: it will never be, or so many of it will not; else why not now. */
export type Send = (records: readonly string[], signal: AbortSignal) => Promise<string | null | Refusal>;

interface Refusal { readonly refused: string; readonly records?: number }

export interface OutboxOptions {
  /** What the log and the metric call it: nothing secret. */
  readonly name: string;
  readonly log: { warn(fields: object, message: string): void; info(fields: object, message: string): void };
  readonly onOutcome: (sink: string, outcome: SinkOutcome, records: number) => void;
  /** Milliseconds before a first further try; for tests. */
  readonly firstPause?: number;
}

/** Records on their way to one sink, in their order. One that is dead costs bounded memory, a try a minute and one line in the log. */
export class Outbox implements RecordSink {
  readonly #send: Send;
  readonly #options: OutboxOptions;
  readonly #closed = new AbortController();
  #waiting: string[] = [];
  #bytes = 0;
  #working: Promise<void> | null = null;
  #troubled = false;
  #refuses = false;
  #full = false;
  #parting = false;

  constructor(send: Send, options: OutboxOptions) {
    this.#send = send;
    this.#options = options;
    // Counted from zero on: what appears with its first event has risen by nothing in the eyes of Prometheus.
    for (const outcome of sinkOutcomes) options.onOutcome(options.name, outcome, 0);
  }

  write(record: string): void {
    if (this.#closed.signal.aborted) return;
    this.#waiting.push(record);
    this.#bytes += record.length;
    let dropped = 0;
    for (let most = mostRecords; this.#waiting.length > most || (this.#bytes > mostBytes && this.#waiting.length > 1); dropped += 1) this.#bytes -= this.#waiting.shift()?.length ?? 0;
    if (dropped > 0) this.#drop(dropped);
    this.#working ??= this.#work();
  }

  async close(): Promise<void> {
    if (this.#closed.signal.aborted) return;
    this.#parting = true;
    const timer = after(this.#troubled ? 0 : partingMs, () => this.#closed.abort());
    await this.#working;
    clearTimeout(timer);
    this.#closed.abort();
    if (this.#waiting.length > 0) this.#drop(this.#waiting.length);
    this.#waiting = [];
  }

  async #work(): Promise<void> {
    // Records of one moment go together.
    await pause(20, undefined, { signal: this.#closed.signal }).catch(() => undefined);
    let wait = this.#options.firstPause ?? firstPauseMs;
    while (this.#waiting.length > 0 && !this.#closed.signal.aborted) {
      // Taken out of those that may be given up: what is under way is not counted twice.
      const records = this.#waiting.splice(0, batch);
      const answer = await this.#try(records);
      if (answer === null || typeof answer === 'object') {
        wait = this.#options.firstPause ?? firstPauseMs;
        this.#bytes -= records.reduce((sum, { length }) => sum + length, 0);
        const refused = answer === null ? 0 : answer.records ?? records.length;
        if (refused > 0) this.#options.onOutcome(this.#options.name, 'refused', refused);
        if (refused < records.length) this.#options.onOutcome(this.#options.name, 'sent', records.length - refused);
        if (answer === null) this.#recovered();
        else this.#tellRefused(answer.refused);
        continue;
      }
      this.#waiting.unshift(...records);
      if (this.#parting) break;
      this.#tell(answer, 'a sink of call records does not take them: they wait');
      await pause(wait, undefined, { ref: false, signal: this.#closed.signal }).catch(() => undefined);
      wait = Math.min(2 * wait, longestPauseMs);
    }
    this.#working = null;
  }

  async #try(records: readonly string[]): ReturnType<Send> {
    try {
      return await this.#send(records, this.#closed.signal);
    } catch (error) {
      return (error as NodeJS.ErrnoException).code ?? (error as Error).message;
    }
  }

  #drop(records: number): void {
    this.#options.onOutcome(this.#options.name, 'dropped', records);
    if (this.#full || this.#closed.signal.aborted) return;
    this.#full = true;
    this.#options.log.warn({ part: 'cdr', sink: this.#options.name }, 'more call records wait for a sink than there is room for: the oldest are given up; the CDR file has them');
  }

  /** Once, until it works again. */
  #tell(why: string, message: string): void {
    if (this.#troubled || this.#closed.signal.aborted) return;
    this.#troubled = true;
    this.#options.log.warn({ part: 'cdr', sink: this.#options.name, why }, message);
  }

  /** Likewise; it is there, so that what comes is sent without a pause. */
  #tellRefused(why: string): void {
    if (this.#troubled) this.#recovered();
    if (this.#refuses || this.#closed.signal.aborted) return;
    this.#refuses = true;
    this.#options.log.warn({ part: 'cdr', sink: this.#options.name, why }, 'a sink of call records refuses them: these are given up');
  }

  #recovered(): void {
    this.#full = this.#refuses = false;
    if (!this.#troubled) return;
    this.#troubled = false;
    this.#options.log.info({ part: 'cdr', sink: this.#options.name }, 'the sink takes call records again');
  }
}
