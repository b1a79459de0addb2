/** Which records; what is null does not count. Times are milliseconds since 1970: `from` is in it, `to` is not. */
export interface RecordQuery {
  readonly from: number | null;
  readonly to: number | null;
  readonly number: string | null;
  readonly user: string | null;
  readonly peer: string | null;
  /** A reason (`busy`), or by whom and why (`peer busy`). */
  readonly reason: string | null;
  readonly limit: number;
  readonly cursor: string | null;
}

/** Records that fit, the latest first, each as it stands in its file. */
export interface RecordPage {
  readonly records: readonly string[];
  /** What the next page is asked for with; null: there is none. */
  readonly next: string | null;
}

export const groupings = ['day', 'hour', 'number', 'peer', 'reason', 'country'] as const;
export type Grouping = typeof groupings[number];

export interface AnalyticsQuery {
  readonly from: number;
  readonly to: number;
  readonly by: Grouping;
}

/** Calls added up. Rates are from 0 to 1, null of no calls; seconds. */
export interface Figures {
  readonly calls: number;
  readonly answered: number;
  readonly answerRate: number | null;
  readonly userInitiated: { readonly calls: number; readonly answered: number; readonly pickUpRate: number | null };
  readonly businessInitiated: { readonly calls: number; readonly answered: number; readonly estimatedPrice: Price | null };
  readonly seconds: { readonly total: number; readonly average: number | null; readonly longest: number };
  readonly setupSeconds: number | null;
}

/** An estimate by a rate card. */
export interface Price {
  /** Rounded to 4 decimals, of what the card has a rate for. */
  readonly amount: number;
  readonly currency: string;
  /** Minutes that were charged for by the pulse, priced or not. */
  readonly minutes: number;
  /** Those of countries and tiers that the card has no rate for; they are not in `amount`. */
  readonly minutesWithoutRate: number;
}

export interface Analytics {
  readonly from: string;
  readonly to: string;
  readonly by: Grouping;
  readonly total: Figures;
  /** `key`: ISO 8601 of the beginning of a day or hour (UTC), number, peer, `by reason`, or country; null: the record has none. */
  readonly groups: readonly ({ readonly key: string | null } & Figures)[];
  /** Groups with the fewest calls that were left out for their number; they are in `total`. */
  readonly leftOut: number;
}

/** What was asked cannot be answered: `code` is stable. */
export class QueryError extends Error {
  readonly code: 'cursor.invalid' | 'range.invalid';

  constructor(code: QueryError['code'], message: string) {
    super(message);
    this.code = code;
  }
}
