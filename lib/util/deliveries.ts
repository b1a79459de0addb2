import { after } from './after.js';
import { withTimeout } from './withTimeout.js';

/** What may come of a letter: taken; given up; never tried, as there was no room. */
export const deliveryOutcomes = ['delivered', 'failed', 'dropped'] as const;
export type DeliveryOutcome = (typeof deliveryOutcomes)[number];

/** Something that is to be posted. */
export interface Letter {
  readonly body: Buffer;
  readonly headers: Readonly<Record<string, string>>;
}

export interface DeliveriesOptions {
  /** Milliseconds one attempt may take. */
  readonly attemptMs: number;
  /** Milliseconds before each further attempt; with `lifetimeMs` the last is that before all that follow. */
  readonly pausesMs: readonly number[];
  /** For so long a letter is tried; null: as often as there are pauses. */
  readonly lifetimeMs: number | null;
  /** Letters, and bytes of them, that wait or are on their way; beyond, further ones are dropped. */
  readonly most: { readonly letters: number; readonly bytes: number; readonly atOnce: number };
  /** Milliseconds between attempts while nothing gets through at all; 0: as ever. */
  readonly restMs: number;
  /** Whether a letter that is answered with this status is given up at once; left out: none is. */
  readonly isFinal?: (status: number) => boolean;
  readonly onOutcome: (outcome: DeliveryOutcome) => void;
  /** Why it does not get through, once for each kind of trouble and minute; null: it does again. */
  readonly onTrouble: (why: string | null) => void;
}

interface Kept { readonly letter: Letter; readonly since: number }

/** Letters of one kind, one after the other. */
interface Lane {
  readonly name: string;
  readonly kept: Kept[];
  /** Failed attempts of the first. */
  tries: number;
  /** When the first, and the latest, of them failed; what it waits for. */
  failedAt: number;
  failedLast: number;
  timer: NodeJS.Timeout | null;
}

/** So many failures in a row mean that nothing gets through. */
const downAfter = 8;
/** Trouble of one kind is told so often at most, milliseconds: a receiver may refuse one letter in ten for ever. */
const tellEveryMs = 60_000;

/**
 * Posts letters to one URL, at least once each: again after a pause where it did not take one, those of one lane in their order, and no lane waits for
 * another. A URL that is dead costs bounded memory and now and then an attempt. Any 2xx means taken.
 */
export class Deliveries {
  readonly url: string;
  readonly #options: DeliveriesOptions;
  readonly #lanes = new Map<string, Lane>();
  /** Lanes whose first letter is due. */
  readonly #due: Lane[] = [];
  readonly #closed = new AbortController();
  #lanesMade = 0;
  #bytes = 0;
  #letters = 0;
  #underWay = 0;
  #failures = 0;
  #lastTaken = -Infinity;
  #resting: NodeJS.Timeout | null = null;
  #trouble: string | null = null;
  /** Kind of trouble → when it was told last. */
  readonly #toldAt = new Map<string, number>();
  /** What has been told since it worked last. */
  #told: string | null = null;
  #rested: () => void = () => undefined;

  constructor(url: string, options: DeliveriesOptions) {
    this.url = url;
    this.#options = options;
  }

  /** What waits or is on its way. */
  get held(): { readonly bytes: number; readonly count: number } {
    return { bytes: this.#bytes, count: this.#letters };
  }

  /** `lane`: letters of the same are delivered in the order in which they were given; null: it waits for no other. False: it was dropped. */
  send(letter: Letter, lane: string | null): boolean {
    if (this.#closed.signal.aborted) return false;
    const { most, onOutcome } = this.#options;
    if (this.#letters >= most.letters || this.#bytes + letter.body.length > most.bytes) {
      onOutcome('dropped');
      this.#tell('more waits for it than there is room for: what comes is dropped');
      return false;
    }
    this.#bytes += letter.body.length;
    this.#letters += 1;
    const kept = { letter, since: performance.now() };
    const known = lane === null ? undefined : this.#lanes.get(lane);
    if (known !== undefined) {
      known.kept.push(kept);
      return true;
    }
    const made: Lane = { name: lane ?? `\n${(this.#lanesMade += 1)}`, kept: [kept], tries: 0, failedAt: 0, failedLast: 0, timer: null };
    this.#lanes.set(made.name, made);
    this.#due.push(made);
    this.#work();
    return true;
  }

  /** What can be delivered within `ms` milliseconds is; what is to be tried later than that is given up. Nothing may be sent meanwhile. May be called twice. */
  async finish(ms: number): Promise<void> {
    if (!this.#rests) await withTimeout(new Promise<void>((resolve) => { this.#rested = resolve; }), ms, () => undefined);
    this.close();
  }

  /** Nothing is on its way, or would be by itself before a timer has run out. */
  get #rests(): boolean {
    return this.#closed.signal.aborted || (this.#underWay === 0 && (this.#due.length === 0 || this.#resting !== null));
  }

  /** What waits is given up. May be called twice. */
  close(): void {
    this.#closed.abort();
    if (this.#resting !== null) clearTimeout(this.#resting);
    for (const { timer } of this.#lanes.values()) if (timer !== null) clearTimeout(timer);
    this.#lanes.clear();
    this.#due.length = 0;
    this.#bytes = this.#letters = 0;
  }

  #work(): void {
    const { most, restMs } = this.#options;
    while (this.#due.length > 0 && !this.#closed.signal.aborted) {
      const down = restMs > 0 && this.#failures >= downAfter;
      if (this.#underWay >= (down ? 1 : most.atOnce) || this.#resting !== null) return;
      const lane = this.#due.shift();
      if (lane !== undefined) void this.#try(lane);
    }
  }

  /** Never rejects. */
  async #try(lane: Lane): Promise<void> {
    const [first] = lane.kept;
    if (first === undefined) return;
    this.#underWay += 1;
    const { why, final } = await this.#post(first.letter);
    this.#underWay -= 1;
    if (this.#closed.signal.aborted) return;
    if (why === null) this.#taken(lane);
    else if (final) this.#refused(lane, why);
    else this.#failed(lane, first, why);
    this.#work();
    if (this.#rests) this.#rested();
  }

  #taken(lane: Lane): void {
    this.#done(lane, 'delivered');
    const before = this.#lastTaken;
    this.#lastTaken = performance.now();
    this.#failures = 0;
    if (this.#trouble === null) return;
    this.#trouble = null;
    if (this.#told !== null) this.#options.onTrouble(null);
    this.#told = null;
    // It is back: what failed because nothing got through need not wait any longer. What failed while others were taken does, unless it has failed
    // again in a time in which nothing was.
    const wasAway = this.#lastTaken - before >= this.#options.attemptMs;
    for (const other of this.#lanes.values()) {
      if (other.timer === null || (wasAway ? other.failedLast : other.failedAt) < before) continue;
      clearTimeout(other.timer);
      other.timer = null;
      this.#due.push(other);
    }
  }

  /** It is there, and will never take this one. */
  #refused(lane: Lane, why: string): void {
    this.#failures = 0;
    this.#tell(why);
    this.#done(lane, 'failed');
  }

  #failed(lane: Lane, { since }: Kept, why: string): void {
    const { pausesMs, lifetimeMs, restMs } = this.#options;
    this.#failures += 1;
    this.#tell(why);
    if (restMs > 0 && this.#failures >= downAfter) {
      this.#resting ??= after(restMs, () => {
        this.#resting = null;
        this.#work();
      });
      this.#resting.unref();
    }
    lane.failedLast = performance.now();
    if (lane.tries === 0) lane.failedAt = lane.failedLast;
    lane.tries += 1;
    const pause = pausesMs[lane.tries - 1] ?? (lifetimeMs === null ? undefined : pausesMs.at(-1));
    if (pause === undefined || (lifetimeMs !== null && performance.now() - since + pause > lifetimeMs)) return this.#done(lane, 'failed');
    lane.timer = after(pause, () => {
      lane.timer = null;
      this.#due.push(lane);
      this.#work();
    });
    lane.timer.unref();
  }

  /** The first letter of a lane is dealt with. */
  #done(lane: Lane, outcome: 'delivered' | 'failed'): void {
    const kept = lane.kept.shift();
    this.#bytes -= kept?.letter.body.length ?? 0;
    this.#letters -= 1;
    lane.tries = 0;
    if (lane.kept.length > 0) this.#due.push(lane);
    else this.#lanes.delete(lane.name);
    this.#options.onOutcome(outcome);
  }

  /** `why` is null when any 2xx came, else why not. */
  async #post({ body, headers }: Letter): Promise<{ readonly why: string | null; readonly final: boolean }> {
    const { attemptMs, isFinal } = this.#options;
    try {
      const response = await fetch(this.url, {
        method: 'POST', body: new Uint8Array(body), redirect: 'manual', signal: AbortSignal.any([this.#closed.signal, AbortSignal.timeout(attemptMs)]), headers: { 'user-agent': 'wa-b2bua', ...headers },
      });
      await response.body?.cancel();
      return response.ok ? { why: null, final: false } : { why: `it answers ${response.status}`, final: isFinal?.(response.status) ?? false };
    } catch (error) {
      const { name, cause } = error as Error;
      return { why: name === 'TimeoutError' ? `no answer within ${attemptMs / 1000} s` : (cause as NodeJS.ErrnoException | undefined)?.code ?? (error as Error).message, final: false };
    }
  }

  #tell(why: string): void {
    this.#trouble = why;
    const now = performance.now();
    if (this.#told === why || now - (this.#toldAt.get(why) ?? -Infinity) < tellEveryMs) return;
    this.#toldAt.set(why, now);
    this.#told = why;
    this.#options.onTrouble(why);
  }
}
