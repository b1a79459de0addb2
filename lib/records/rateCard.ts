import { readFile } from 'node:fs/promises';
import { parse } from 'yaml';
import { fine, poor, type Judgement } from '../config/judgement.js';
import { WabError } from '../errors.js';

/** Prices of business-initiated calls, as Meta's rate cards have them: a rate a minute by market of the called number and by tier of the minutes of a month. */
export interface RateCard {
  /** ISO 4217. */
  readonly currency: string;
  /** Where each tier ends, in minutes of a month and market, rising; the last tier has no end. */
  readonly tiers: readonly number[];
  /** Market → rates a minute, one a tier; null: not known. */
  readonly markets: Readonly<Record<string, readonly (number | null)[]>>;
  /** Country → its market. */
  readonly countries: Readonly<Record<string, string>>;
}

const mostMarkets = 500;
/** A card is a page or two. */
const mostBytes = 1_000_000;

/** Reads a card, YAML or JSON. @throws WabError FILE_UNREADABLE with what is wrong in it */
export async function readRateCard(path: string): Promise<RateCard> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw new WabError('FILE_UNREADABLE', `cdr.rates: ${path}: ${(error as NodeJS.ErrnoException).code ?? (error as Error).message}`, { cause: error });
  }
  if (text.length > mostBytes) throw new WabError('FILE_UNREADABLE', `cdr.rates: ${path} is larger than any rate card`);
  try {
    return rateCardOf(parse(text, { maxAliasCount: 0 }));
  } catch (error) {
    throw new WabError('FILE_UNREADABLE', `cdr.rates: ${path}: ${(error as Error).message}`, { cause: error });
  }
}

/** What check and the doctor say of the card: the service starts with one that cannot be used, and prices nothing. */
export async function judgeRates({ file, rates }: { readonly file: string | null; readonly rates: string | null }): Promise<readonly Judgement[]> {
  if (file === null || rates === null) return [];
  try {
    await readRateCard(rates);
    return [fine('cdr.rates', rates)];
  } catch (error) {
    return [poor('cdr.rates', error instanceof WabError ? error.detail.replace('cdr.rates: ', '') : (error as Error).message, 'calls are not priced')];
  }
}

/** @throws Error that says what is wrong */
export function rateCardOf(value: unknown): RateCard {
  const { currency, tiers, markets } = mapping(value, 'the card');
  if (typeof currency !== 'string' || !/^[A-Z]{3}$/.test(currency)) throw new Error('currency must be three capital letters such as USD');
  if (!Array.isArray(tiers) || tiers.length > 20) throw new Error('tiers must be a list of minutes such as [50000, 250000]; []: there is one tier');
  const ends = tiers.map((end: unknown, i) => {
    if (typeof end !== 'number' || !(end > (i === 0 ? 0 : Number(tiers[i - 1]))) || end > 1e12) throw new Error('tiers must be minutes that rise');
    return end;
  });
  const countries: Record<string, string> = {};
  const rates: Record<string, readonly (number | null)[]> = {};
  const entries = Object.entries(mapping(markets, 'markets'));
  if (entries.length === 0 || entries.length > mostMarkets) throw new Error('markets must name at least one market');
  for (const [name, entry] of entries) {
    const market = mapping(entry, `markets.${name}`);
    rates[name] = ratesOf(name, market['rates'], ends.length + 1);
    if (!Array.isArray(market['countries'])) throw new Error(`markets.${name}.countries must be a list such as [GB], or ["*"] for every other country`);
    for (const country of market['countries']) {
      if (typeof country !== 'string' || !/^(?:[A-Z]{2}|\*)$/.test(country)) throw new Error(`markets.${name}.countries must be ISO 3166 countries of two capital letters`);
      if (Object.hasOwn(countries, country)) throw new Error(`${country} is in two markets, ${countries[country]} and ${name}`);
      countries[country] = name;
    }
  }
  return { currency, tiers: ends, markets: rates, countries };
}

function ratesOf(market: string, value: unknown, wanted: number): (number | null)[] {
  if (!Array.isArray(value) || value.length !== wanted) throw new Error(`markets.${market}.rates must be ${wanted} rates a minute, one a tier; null for one that is not known`);
  return value.map((rate: unknown) => {
    if (rate !== null && !(typeof rate === 'number' && rate >= 0 && rate < 1000)) throw new Error(`markets.${market}.rates must be numbers from 0, or null`);
    return rate;
  });
}

function mapping(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error(`${what} must be a mapping`);
  return value as Readonly<Record<string, unknown>>;
}

/** The market of a country; null: the card has none for it. */
export function marketOf({ countries }: RateCard, country: string | null): string | null {
  if (country !== null && Object.hasOwn(countries, country)) return countries[country] ?? null;
  return Object.hasOwn(countries, '*') ? countries['*'] ?? null : null;
}

/** The tier that so many minutes of a month have reached. */
export function tierOf({ tiers }: RateCard, minutes: number): number {
  const at = tiers.findIndex((end) => minutes <= end);
  return at < 0 ? tiers.length : at;
}
