import type { Cells } from './database.js';
import type { RecordsIndex } from './indexer.js';
import { pricesOf } from './price.js';
import type { RateCard } from './rateCard.js';
import { callColumn, dimensionOf, hourMs } from './tally.js';
import { QueryError, type Analytics, type AnalyticsQuery, type Figures, type Price } from './types.js';

const dayMs = 24 * hourMs;
/** Hours, and days, that may be asked for at once, and groups of any other kind that are shown. */
const mostHours = 24 * 62;
const mostDays = 1100;
const mostGroups = 500;

/** The calls of a time, added up. @throws QueryError range.invalid; SQLite3Error */
export function analyse(index: RecordsIndex, query: AnalyticsQuery, card: RateCard | null): Analytics {
  const { from, to, by } = query;
  const hours = (to - from) / hourMs;
  if (!(hours > 0)) throw new QueryError('range.invalid', '`to` must be after `from`');
  if (hours > mostDays * 24) throw new QueryError('range.invalid', `at most ${mostDays} days can be asked for at once`);
  if (by === 'hour' && hours > mostHours) throw new QueryError('range.invalid', `at most ${mostHours / 24} days can be asked for by the hour`);
  const prices = card === null ? null : pricesOf(index, card, query);
  const groups = sumsOf(index, query);
  const byTime = by === 'day' || by === 'hour';
  const shown = [...groups].sort(([a, x], [b, y]) => (byTime ? a - b : callsOf(y) - callsOf(x) || a - b)).slice(0, byTime ? Infinity : mostGroups);
  const names = byTime ? null : new Map(index.database.all('SELECT id, text FROM names').map(({ id, text }) => [Number(id), String(text)]));
  const key = (group: number): string | null => (names === null ? new Date(group).toISOString() : names.get(group) ?? null);
  return {
    from: new Date(from).toISOString(), to: new Date(to).toISOString(), by,
    total: figuresOf(added([...groups.values()].flat()), prices === null || card === null ? null : addedPrices([...prices.values()], card.currency)),
    groups: shown.map(([group, sums]) => ({ key: key(group), ...figuresOf(added(sums), card === null ? null : addedPrices([prices?.get(group) ?? []].flat(), card.currency)) })),
    leftOut: groups.size - shown.length,
  };
}

interface Sums { readonly business: boolean; readonly calls: number; readonly answered: number; readonly ms: number; readonly longest: number; readonly setup: number }

/** Whole hours stand in the tally; what is before the first and after the last is added up call by call. */
function sumsOf(index: RecordsIndex, { from, to, by }: AnalyticsQuery): ReadonlyMap<number, Sums[]> {
  const first = Math.ceil(from / hourMs) * hourMs;
  const last = Math.floor(to / hourMs) * hourMs;
  const edges = first >= last ? [[from, to]] : [[from, first], [last, to]];
  const sums = 'sum(calls) AS calls, sum(answered) AS answered, sum(ms) AS ms, max(longest) AS longest, sum(setup) AS setup';
  const { dimension, column } = dimensionOf(by);
  const rows: Cells[] = first >= last ? [] : index.database.all(
    `SELECT ${column} AS grouped, business, ${sums} FROM tally WHERE dimension = ? AND hour >= ? AND hour < ? GROUP BY grouped, business`, [dimension, first, last],
  );
  for (const [begin = 0, end = 0] of edges) {
    if (begin >= end) continue;
    rows.push(...index.database.all(
      `SELECT ${callColumn(by)} AS grouped, business, count(*) AS calls, count(ms) AS answered, coalesce(sum(ms), 0) AS ms, coalesce(max(ms), 0) AS longest,
         coalesce(sum(CASE WHEN ms IS NULL THEN 0 ELSE setup END), 0) AS setup
       FROM calls WHERE time >= ? AND time < ? GROUP BY grouped, business`, [begin, end],
    ));
  }
  const groups = new Map<number, Sums[]>();
  for (const row of rows) {
    const group = Number(row['grouped']);
    const [calls = 0, answered = 0, ms = 0, longest = 0, setup = 0] = ['calls', 'answered', 'ms', 'longest', 'setup'].map((name) => Number(row[name]));
    groups.set(group, [...groups.get(group) ?? [], { business: Number(row['business']) === 1, calls, answered, ms, longest, setup }]);
  }
  return groups;
}

interface Both { readonly user: Sums; readonly business: Sums }

function callsOf(sums: readonly Sums[]): number {
  return sums.reduce((sum, { calls }) => sum + calls, 0);
}

function added(all: readonly Sums[]): Both {
  const of = (business: boolean): Sums => all.filter((one) => one.business === business).reduce((sum, one) => ({
    business, calls: sum.calls + one.calls, answered: sum.answered + one.answered, ms: sum.ms + one.ms, longest: Math.max(sum.longest, one.longest), setup: sum.setup + one.setup,
  }), { business, calls: 0, answered: 0, ms: 0, longest: 0, setup: 0 });
  return { user: of(false), business: of(true) };
}

function figuresOf({ user, business }: Both, price: Price | null): Figures {
  const calls = user.calls + business.calls;
  const answered = user.answered + business.answered;
  const ms = user.ms + business.ms;
  return {
    calls, answered, answerRate: ratio(answered, calls),
    userInitiated: { calls: user.calls, answered: user.answered, pickUpRate: ratio(user.answered, user.calls) },
    businessInitiated: { calls: business.calls, answered: business.answered, estimatedPrice: price },
    seconds: { total: Math.round(ms / 1000), average: answered === 0 ? null : Math.round(ms / answered / 100) / 10, longest: Math.round(Math.max(user.longest, business.longest) / 1000) },
    setupSeconds: answered === 0 ? null : Math.round((user.setup + business.setup) / answered) / 1000,
  };
}

/** To four decimals. */
function ratio(part: number, whole: number): number | null {
  return whole === 0 ? null : Math.round((part / whole) * 10_000) / 10_000;
}

/** Rounded once, so that the total is the same whatever the groups are. */
function addedPrices(prices: readonly Price[], currency: string): Price {
  const sum = (of: (price: Price) => number): number => Math.round(prices.reduce((total, price) => total + of(price), 0) * 10_000) / 10_000;
  return { amount: sum(({ amount }) => amount), currency, minutes: sum(({ minutes }) => minutes), minutesWithoutRate: sum(({ minutesWithoutRate }) => minutesWithoutRate) };
}

export interface PickUp { readonly number: string; readonly calls: number; readonly answered: number }

/** How many of the users' calls of the last `days` were answered, by number. Of whole hours: the one that runs is in it. */
export function pickUps(index: RecordsIndex, now: number, days: number): PickUp[] {
  const from = Math.floor((now - days * dayMs) / hourMs) * hourMs;
  return index.database.all(
    'SELECT names.text AS number, sum(calls) AS calls, sum(answered) AS answered FROM tally JOIN names ON names.id = tally.name WHERE dimension = ? AND hour >= ? AND hour <= ? AND business = 0 GROUP BY tally.name',
    [dimensionOf('number').dimension, from, now],
  ).map(({ number, calls, answered }) => ({ number: String(number), calls: Number(calls), answered: Number(answered) }));
}
