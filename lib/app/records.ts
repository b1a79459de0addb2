import { analyticsDefaults, type RecordsSource } from '../http/api/records.js';
import type { PickUp } from '../records/analytics.js';
import type { Logger } from '../observe/logger.js';
import { readRateCard } from '../records/rateCard.js';
import { RecordsThread, RecordsUnavailable } from '../records/thread.js';
import type { Config } from '../config/types.js';
import type { Start } from './start.js';
import type { State } from './state.js';

/** The calls of a new service come first: the index is looked at so much later, milliseconds. */
const firstLookMs = 10_000;
/** A thread that has died, as another process had the index, begins again so much later. */
const againMs = 60_000;

/** Search and analytics of the records that the service writes, and the watch over users' calls that nobody takes. */
export interface RecordsAccess extends RecordsSource {
  /** Users' calls of the last days, by number of ours: 0 to 1. */
  pickUpRates(): Readonly<Record<string, number>>;
}

/** The folder of the index and what else `cdr` says of it; null: there are no records. */
export function recordsPlace({ cdr: { file, index, rates } }: Config): { readonly file: string; readonly index: string; readonly rates: string | null } | null {
  return file === null ? null : { file, index: index ?? `${file}.index`, rates };
}

/** Null where no records are written. A rate card that cannot be used is told of, and nothing is priced. */
export async function openRecords({ config, log, faults, undo }: Start, state: Pick<State, 'rules'>): Promise<RecordsAccess | null> {
  const files = recordsPlace(config);
  if (files === null) return null;
  const { warnBelow, days, calls } = config.cdr.pickUp;
  const part = log.child({ part: 'cdr' });
  const place = { ...files, rates: await usable(files.rates, part) };
  let latest: Readonly<Record<string, number>> = {};
  const thread = new RecordsThread({
    place, days: warnBelow === 0 ? null : days,
    onNews: ({ level, text }) => part[level](text),
    onPickUps: (found) => faults.spawn('the rate of calls taken', judge(found)),
  });
  undo.push(() => thread.close());
  if (warnBelow > 0) {
    const begin = (): void => thread.begin();
    const timers = [setTimeout(begin, firstLookMs).unref(), setInterval(begin, againMs).unref()];
    undo.push(() => { for (const timer of timers) clearTimeout(timer); });
  }

  /** Of numbers of ours alone: what else a file may name is nobody's. */
  async function judge(found: readonly PickUp[]): Promise<void> {
    const ours = found.filter((one) => Object.hasOwn(state.rules.config.numbers, one.number));
    latest = Object.fromEntries(ours.map(({ number, ...one }) => [number, one.answered / one.calls]));
    for (const { number, ...one } of ours) {
      const percent = (100 * one.answered) / one.calls;
      if (one.calls < calls || percent >= warnBelow || !await mayTell(number)) continue;
      part.warn({ number, calls: one.calls, answered: one.answered, days, percent: Math.round(percent * 10) / 10, warnBelow },
        'few of the calls of WhatsApp users to this number are answered: Meta warns, then hides the call button, where a significant part is not (it does not say which)');
    }
  }

  /** Where it cannot be found out now the next look does. */
  async function mayTell(number: string): Promise<boolean> {
    return thread.mayTell(number).catch((error: unknown) => {
      if (error instanceof RecordsUnavailable) return false;
      throw error;
    });
  }

  const business = (full: boolean): readonly string[] | null => (full ? null : Object.keys(state.rules.config.numbers));
  return {
    search: (query, full) => thread.search(query, business(full)),
    analyse: (query) => thread.analyse(analyticsDefaults(query, Date.now())),
    pickUpRates: () => latest,
  };
}

async function usable(rates: string | null, log: Logger): Promise<string | null> {
  if (rates === null) return null;
  try {
    await readRateCard(rates);
    return rates;
  } catch (error) {
    log.error({ err: (error as Error).message }, 'the rate card cannot be used: calls are not priced');
    return null;
  }
}
