import type { RecordsIndex } from './indexer.js';
import { marketOf, tierOf, type RateCard } from './rateCard.js';
import { callColumn, dimensionOf, hourMs } from './tally.js';
import type { Grouping, Price } from './types.js';

/** Six seconds (docs/meta-graph.md, g6b). */
const pulsesAMinute = 10;

interface Sums { amount: number; pulses: number; unpriced: number }

interface Portion { readonly hour: number; readonly country: number; readonly group: number; readonly pulses: number }

/**
 * What the business-initiated calls from `from` on and before `to` cost by a rate card, by group. Minutes of a calendar month (UTC) and market add up
 * through the tiers; the call that reaches a tier is priced by it as a whole (docs/meta-graph.md, g6b), so hours in which one is reached are gone through
 * call by call, as are those that are only partly asked for. Groups without any charged call are left out. Amounts are not rounded: what is added up must not be.
 */
export function pricesOf(index: RecordsIndex, card: RateCard, { from, to, by }: { readonly from: number; readonly to: number; readonly by: Grouping }): ReadonlyMap<number, Price> {
  const names = new Map(index.database.all('SELECT id, text FROM names WHERE length(text) = 2').map(({ id, text }) => [Number(id), String(text)]));
  const marketIn = new Map<number, string | null>();
  const market = (country: number): string | null => {
    const known = marketIn.get(country);
    if (known !== undefined) return known;
    const found = marketOf(card, names.get(country) ?? null);
    marketIn.set(country, found);
    return found;
  };
  const sums = new Map<number, Sums>();
  const used = new Map<string, number>();
  let month = '';
  for (const [hour, portions] of hoursOf(index, { from: monthOf(from), to, by })) {
    const now = new Date(hour).toISOString().slice(0, 7);
    if (now !== month) used.clear();
    month = now;
    const walk = new Set<string | null>();
    for (const [name, pulses] of byMarket(portions, market)) {
      const before = used.get(name ?? '') ?? 0;
      const over = hour + hourMs <= from;
      const isCrossed = tierOf(card, (before + 1) / pulsesAMinute) !== tierOf(card, (before + pulses) / pulsesAMinute);
      if (!over && (isCrossed || hour < from || hour + hourMs > to)) {
        walk.add(name);
        continue;
      }
      used.set(name ?? '', before + pulses);
      if (!over) charge(portions.filter(({ country }) => market(country) === name), name, before + pulses);
    }
    if (walk.size === 0) continue;
    for (const { time, pulses, country, group } of callsOf(index, hour, by)) {
      const name = market(country);
      if (!walk.has(name)) continue;
      const after = (used.get(name ?? '') ?? 0) + pulses;
      used.set(name ?? '', after);
      if (time >= from && time < to) charge([{ hour, country, group, pulses }], name, after);
    }
  }
  return new Map([...sums].map(([group, { amount, pulses, unpriced }]) => [group, {
    amount, currency: card.currency, minutes: pulses / pulsesAMinute, minutesWithoutRate: unpriced / pulsesAMinute,
  }]));

  function charge(portions: readonly Portion[], name: string | null, reached: number): void {
    const rate = name === null ? null : card.markets[name]?.[tierOf(card, reached / pulsesAMinute)] ?? null;
    for (const { group, pulses } of portions) {
      const sum = sums.get(group) ?? { amount: 0, pulses: 0, unpriced: 0 };
      sum.pulses += pulses;
      if (rate === null) sum.unpriced += pulses;
      else sum.amount += (pulses / pulsesAMinute) * rate;
      sums.set(group, sum);
    }
  }
}

function monthOf(time: number): number {
  const date = new Date(time);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth());
}

/** What was charged, by hour, in order. */
function hoursOf(index: RecordsIndex, { from, to, by }: { readonly from: number; readonly to: number; readonly by: Grouping }): ReadonlyMap<number, Portion[]> {
  const { dimension, column } = dimensionOf(by);
  const rows = index.database.all(
    `SELECT hour, country, ${column} AS grouped, sum(pulses) AS pulses FROM charged WHERE dimension = ? AND hour >= ? AND hour < ? GROUP BY hour, country, grouped ORDER BY hour`, [dimension, from, to],
  );
  const hours = new Map<number, Portion[]>();
  for (const row of rows) {
    const hour = Number(row['hour']);
    const portion = { hour, country: Number(row['country']), group: Number(row['grouped']), pulses: Number(row['pulses']) };
    const there = hours.get(hour);
    if (there === undefined) hours.set(hour, [portion]);
    else there.push(portion);
  }
  return hours;
}

function byMarket(portions: readonly Portion[], market: (country: number) => string | null): ReadonlyMap<string | null, number> {
  const sums = new Map<string | null, number>();
  for (const { country, pulses } of portions) sums.set(market(country), (sums.get(market(country)) ?? 0) + pulses);
  return sums;
}

function callsOf(index: RecordsIndex, hour: number, by: Grouping): { readonly time: number; readonly pulses: number; readonly country: number; readonly group: number }[] {
  return index.database.all(
    `SELECT time, pulses, country, ${callColumn(by)} AS grouped FROM calls WHERE time >= ? AND time < ? AND business = 1 AND pulses > 0 ORDER BY time, uuid`, [hour, hour + hourMs],
  ).map(({ time, pulses, country, grouped }) => ({ time: Number(time), pulses: Number(pulses), country: Number(country), group: Number(grouped) }));
}
