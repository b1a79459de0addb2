import type { StatePart } from '../state/index.js';
import type { Call } from './call.js';
import type { CallRecord } from './record.js';
import { ended } from './termination.js';

/** How a call ended that was up when the process before died. */
const restarted = ended.restarted();

/** While there are calls the file hears so often that we live, milliseconds: until then a call that was cut off had lasted. */
const beat = 10_000;
/** News of so long go to the file together, milliseconds: a call that is killed in its first moments is not told of. */
const together = 50;

/** What the file has of a live call: its record as it would be if it ended now. */
interface Kept {
  readonly record: CallRecord;
  /** Milliseconds since 1970; null: not answered. */
  readonly answeredAt: number | null;
  /** It has ended, and the record is as it must be written. */
  readonly over?: true;
}

/**
 * The calls that are up, in a file, so that each has its record even when the process is killed. The file hears of a call when it begins, when it is
 * offered to somebody, answered or sent on, and when its record is on the disk; nothing waits for that.
 */
export class LiveCalls implements StatePart {
  readonly #now: () => number;
  readonly #lines = new Map<string, string>();
  /** Of the process before. */
  readonly #left = new Map<string, Kept>();
  #alive = 0;
  #append: ((key: string, line: string) => Promise<void>) | null = null;
  #timer: NodeJS.Timeout | null = null;
  /** Calls of which there is news that the file has not heard. */
  readonly #news = new Set<Call>();
  #telling: NodeJS.Timeout | null = null;

  /** `now` in milliseconds since 1970. */
  constructor(now: () => number) {
    this.#now = now;
  }

  attach(append: (key: string, line: string) => Promise<void>): void {
    this.#append = append;
  }

  /** The call begins; what becomes of it is followed. */
  begin(call: Call): void {
    if (this.#append === null) return;
    const note = (): void => {
      this.#news.add(call);
      this.#telling ??= setTimeout(() => { this.#tell(); }, together);
    };
    call.onNews(note);
    note();
    this.#timer ??= this.#beat();
  }

  #tell(): void {
    this.#telling = null;
    for (const call of this.#news) if (!call.over) this.#set(call.id, { record: call.recordOf(restarted, this.#now(), null), answeredAt: call.answeredAt });
    this.#news.clear();
  }

  /** It has ended, and its record is written a moment later. */
  over(call: Call, record: CallRecord): void {
    if (this.#append !== null) this.#set(call.id, { record, answeredAt: call.answeredAt, over: true });
  }

  /** Its record is on the disk. */
  end(id: string): void {
    if (!this.#lines.delete(id)) return;
    void this.#append?.(keyOf(id), `${keyOf(id)}\t-\t@0`);
    if (this.#lines.size === 0) this.close();
  }

  close(): void {
    if (this.#telling !== null) clearTimeout(this.#telling);
    this.#telling = null;
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  /**
   * The records of the calls that the process before left behind, as they must be written now.
   * They stay in the file until `forget`.
   */
  left(): CallRecord[] {
    return [...this.#left.values()].map(({ record, answeredAt, over }) => {
      if (over === true) return record;
      const startedAt = Date.parse(record.time);
      const until = Math.max(this.#alive, answeredAt ?? startedAt);
      return { ...record, termination: restarted, setupMs: (answeredAt ?? until) - startedAt, durationMs: answeredAt === null ? null : until - answeredAt };
    });
  }

  forget(): void {
    for (const id of this.#left.keys()) void this.#append?.(keyOf(id), `${keyOf(id)}\t-\t@0`);
    this.#left.clear();
  }

  take(line: string): boolean {
    const match = /^c ([^\t]+)\t([^\t]+)\t@(\d{1,16})$/.exec(line);
    if (match === null) return false;
    const [, id = '', value = '', at = '0'] = match;
    this.#alive = Math.max(this.#alive, Math.min(Number(at), this.#now()));
    if (id === 'alive') return true;
    if (value === '-') {
      this.#left.delete(id);
      return true;
    }
    const kept = readKept(value);
    if (kept !== null) this.#left.set(id, kept);
    return kept !== null;
  }

  *keys(): Iterable<string> {
    if (this.#lines.size > 0 || this.#left.size > 0) yield keyOf('alive');
    for (const id of [...this.#left.keys(), ...this.#lines.keys()]) yield keyOf(id);
  }

  linesOf(key: string): readonly string[] {
    if (!key.startsWith('c ')) return [];
    const id = key.slice(2);
    // What is left of the process before keeps its time of death.
    if (id === 'alive') return this.#lines.size === 0 && this.#left.size === 0 ? [] : [lineOf('alive', '.', this.#left.size > 0 ? this.#alive : this.#now())];
    const left = this.#left.get(id);
    const line = this.#lines.get(id) ?? (left === undefined ? undefined : lineOf(id, JSON.stringify(left), this.#alive));
    return line === undefined ? [] : [line];
  }

  #set(id: string, kept: Kept): void {
    const line = lineOf(id, JSON.stringify(kept), this.#now());
    this.#lines.set(id, line);
    void this.#append?.(keyOf(id), line);
  }

  #beat(): NodeJS.Timeout {
    return setInterval(() => void this.#append?.(keyOf('alive'), lineOf('alive', '.', this.#now())), beat).unref();
  }
}

function keyOf(id: string): string {
  return `c ${id}`;
}

function lineOf(id: string, value: string, at: number): string {
  return `${keyOf(id)}\t${value}\t@${at}`;
}

function readKept(text: string): Kept | null {
  try {
    const { record, answeredAt, over } = JSON.parse(text) as Partial<Kept>;
    const whole = typeof record?.id === 'string' && typeof record.time === 'string' && (answeredAt === null || typeof answeredAt === 'number');
    return whole ? { record, answeredAt, ...(over === true ? { over } : {}) } : null;
  } catch {
    return null;
  }
}
