// Opening hours as the file has them: days and ranges of days, each with spans of the clock.
import type { HoursConfig } from './types.js';

export const weekdays = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;

export type Weekday = (typeof weekdays)[number];

/** A span of a day, in minutes since midnight; the end is not in it. */
export interface Span { readonly from: number; readonly to: number }

/** The days of "fri", "mon-thu", or "sat-mon", which goes over the week's end; null for anything else. */
export function readDays(text: string): readonly Weekday[] | null {
  const [first = '', last = first, ...rest] = text.split('-');
  const [from, to] = [first, last].map((day) => weekdays.findIndex((known) => known === day));
  if (from === undefined || to === undefined || from < 0 || to < 0 || rest.length > 0) return null;
  const count = ((to - from + 7) % 7) + 1;
  return Array.from({ length: count }, (_, i) => weekdays[(from + i) % 7] ?? 'mon');
}

/** The span of "09:00-12:30", at most to 24:00 and never over midnight; null for anything else. */
export function readSpan(text: string): Span | null {
  const [, ...parts] = /^(\d\d):([0-5]\d)-(\d\d):([0-5]\d)$/.exec(text) ?? [];
  const [fromHour = 99, fromMinute = 0, toHour = 99, toMinute = 0] = parts.map(Number);
  const span = { from: fromHour * 60 + fromMinute, to: toHour * 60 + toMinute };
  return parts.length === 4 && span.from < span.to && span.to <= 24 * 60 ? span : null;
}

/** The spans of each day, in order. What cannot be read is left out: the file was checked. */
export function readWeek({ week }: Pick<HoursConfig, 'week'>): Readonly<Record<Weekday, readonly Span[]>> {
  const all = Object.entries(week).flatMap(([days, texts]) => {
    const spans = texts.map(readSpan).filter((span) => span !== null);
    return (readDays(days) ?? []).flatMap((day) => spans.map((span) => ({ day, span })));
  });
  const of = (day: Weekday): readonly Span[] => all.filter((one) => one.day === day).map(({ span }) => span).sort((a, b) => a.from - b.from);
  return Object.fromEntries(weekdays.map((day) => [day, of(day)])) as Record<Weekday, readonly Span[]>;
}

/** Dates with hours of their own, in order, each with its spans in order; none: nobody is there. */
export function readHolidays({ holidays }: Pick<HoursConfig, 'holidays'>): readonly { readonly date: string; readonly spans: readonly Span[] }[] {
  const read = holidays.map(({ date, spans }) => ({ date, spans: spans.map(readSpan).filter((span) => span !== null).sort((a, b) => a.from - b.from) }));
  return read.sort((a, b) => (a.date < b.date ? -1 : 1));
}

/** Whether two of spans in order are at once. */
export function overlap(spans: readonly Span[]): boolean {
  return spans.some(({ from }, i) => i > 0 && from < (spans[i - 1]?.to ?? 0));
}

/** "2026-11-29", the date in a time zone at a time in milliseconds since 1970. */
export function dateIn(timezone: string, now: number): string {
  return new Intl.DateTimeFormat('en-CA', { timeZone: timezone, year: 'numeric', month: '2-digit', day: '2-digit' }).format(now);
}
