import type { Config } from '../config/types.js';
import type { GraphClient } from '../graph/client.js';
import { provisionedNumbers, verifyNumber } from '../graph/provision/provision.js';
import type { Logger } from '../observe/logger.js';
import { after } from '../util/after.js';
import type { Guard } from '../util/guard.js';
import { Serial } from '../util/serial.js';

/** What differs at Meta from the configuration, and what Meta warns of; [] and []: nothing. */
interface SettingsNews {
  readonly differences: readonly { readonly key: string; readonly is: string; readonly wanted: string }[];
  readonly warnings: readonly string[];
}

/**
 * Looks at the settings of each number at Meta, at the start and every graph.verifyEvery seconds, and tells of what differs from the configuration.
 * It changes nothing there.
 */
export class SettingsWatch {
  readonly #config: () => Config;
  readonly #client: () => GraphClient | null;
  readonly #log: Logger;
  readonly #faults: Guard;
  readonly #onNews: (number: string, news: SettingsNews) => void;
  readonly #turn = new Serial();
  /** Numbers whose turn is still to come. */
  readonly #waiting = new Set<string>();
  /** Number → what differs, as it was told last. */
  readonly #told = new Map<string, string>();
  readonly #found = new Map<string, SettingsNews>();
  /** Number → what was found last, in spite of a look that failed since. */
  readonly #known = new Map<string, string>();
  #timer: NodeJS.Timeout | null = null;
  #closed = false;

  /** `onNews` is told where what is found is not what was found before. */
  constructor(config: () => Config, client: () => GraphClient | null, log: Logger, faults: Guard, onNews: (number: string, news: SettingsNews) => void = () => undefined) {
    this.#config = config;
    this.#onNews = onNews;
    this.#client = client;
    this.#log = log;
    this.#faults = faults;
  }

  /** Number → how many of its settings differ; numbers that could not be looked at are not there. */
  drift(): Readonly<Record<string, number>> {
    return Object.fromEntries([...this.#found].map(([number, { differences }]) => [number, differences.length]));
  }

  /** What was found at the last look; null: the number could not be looked at, or was not. */
  found(number: string): SettingsNews | null {
    return this.#found.get(number) ?? null;
  }

  /** Begins, or begins anew with another configuration. */
  start(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const { graph } = this.#config();
    const every = graph?.verifyEvery ?? 0;
    const numbers = provisionedNumbers(this.#config());
    for (const number of this.#found.keys()) if (every === 0 || !numbers.includes(number)) this.#forget(number);
    if (this.#closed || every === 0 || numbers.length === 0) return;
    for (const number of numbers) this.look(number);
    this.#timer = after(every * 1000, () => this.start());
    this.#timer.unref();
  }

  /** Looks at one number now; once, however often that is asked for before its turn. */
  look(number: string): void {
    if (this.#waiting.has(number)) return;
    this.#waiting.add(number);
    this.#faults.spawn('settings at Meta', this.#turn.run(() => {
      this.#waiting.delete(number);
      return this.#look(number);
    }));
  }

  /** Resolves when every look asked for so far is over. */
  idle(): Promise<void> {
    return this.#turn.idle();
  }

  close(): void {
    this.#closed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  async #look(number: string): Promise<void> {
    const [client, config] = [this.#client(), this.#config()];
    if (this.#closed || client === null || !provisionedNumbers(config).includes(number)) return;
    const { differences, facts, fault } = await verifyNumber({ client, config, now: Date.now }, number);
    if (this.#closed) return;
    if (fault !== null) {
      this.#found.delete(number);
      this.#tell(number, `fault ${fault.text}`, () => this.#log.warn({ number, todo: fault.todo }, `settings at Meta could not be looked at: ${fault.text}`));
      return;
    }
    const warnings = facts.filter(({ level }) => level === 'warn').map(({ text }) => text);
    const found = { differences: differences.map(({ key, is, wanted }) => ({ key, is, wanted })), warnings };
    this.#found.set(number, found);
    const what = JSON.stringify([differences, warnings]);
    if (this.#known.get(number) !== what) this.#onNews(number, found);
    this.#known.set(number, what);
    this.#tell(number, what, () => {
      if (differences.length > 0) this.#log.warn({ number, differences }, 'settings at Meta differ: wa-b2bua provision plan shows them, apply makes them so');
      else this.#log.info({ number }, 'settings at Meta are as the configuration wants them');
      for (const { level, text, todo } of facts) if (level === 'warn') this.#log.warn({ number, todo }, text);
    });
  }

  /** The same is told once. */
  #tell(number: string, what: string, say: () => void): void {
    if (this.#told.get(number) === what) return;
    this.#told.set(number, what);
    say();
  }

  #forget(number: string): void {
    this.#found.delete(number);
    this.#known.delete(number);
    this.#told.delete(number);
  }
}
