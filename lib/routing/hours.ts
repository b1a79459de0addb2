// Whether a business is open at a time, by its hours. Pure.
import { readHolidays, readWeek, weekdays, type Span } from '../config/hours.js';
import type { HoursConfig } from '../config/types.js';

/** Whether it is open, and why, for a person. */
export interface Opening {
  readonly open: boolean;
  readonly why: string;
}

/** Hours that can be asked often. `time` in milliseconds since 1970. */
export type OpenAt = (time: number) => Opening;

/** What clocks and calendars of a time zone show. */
interface WallClock {
  /** "2026-12-25". */
  readonly date: string;
  readonly day: string;
  /** Minutes since midnight. */
  readonly minute: number;
}

function clockOf(timezone: string): (time: number) => WallClock {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: timezone, calendar: 'gregory', numberingSystem: 'latn', hourCycle: 'h23', weekday: 'short', year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit',
  });
  return (time) => {
    const parts = new Map(format.formatToParts(time).map(({ type, value }) => [type, value]));
    const of = (type: Intl.DateTimeFormatPartTypes): string => parts.get(type) ?? '';
    return { date: `${of('year').padStart(4, '0')}-${of('month')}-${of('day')}`, day: of('weekday').toLowerCase(), minute: Number(of('hour')) * 60 + Number(of('minute')) };
  };
}

const shown = (minute: number): string => `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`;

/**
 * Clocks decide: an hour that a clock shows twice in the night in which summer time ends counts twice, one that it leaves out does not come. The spans of
 * a date with hours of its own stand instead of those of the week; the end of a span is not in it.
 */
export function compileHours(name: string, hours: HoursConfig): OpenAt {
  const clock = clockOf(hours.timezone);
  const week = readWeek(hours);
  const holidays = new Map(readHolidays(hours).map(({ date, spans }) => [date, spans]));
  return (time) => {
    const { date, day, minute } = clock(time);
    const own = holidays.get(date);
    const weekday = weekdays.find((known) => known === day);
    const spans: readonly Span[] = own ?? (weekday === undefined ? [] : week[weekday]);
    const span = spans.find(({ from, to }) => minute >= from && minute < to);
    const when = `${day} ${date} ${shown(minute)} in ${hours.timezone}`;
    const of = own === undefined ? day : `the holiday ${date}`;
    const said = spans.length === 0 ? `${of} has no hours` : `${of} has ${spans.map(({ from, to }) => `${shown(from)}-${shown(to)}`).join(', ')}`;
    return { open: span !== undefined, why: `${name} is ${span === undefined ? 'closed' : 'open'}: it is ${when}, and ${said}` };
  };
}

/**
 * The time of a text in ISO 8601, in milliseconds since 1970; without a zone it is the time that clocks in `timezone` show: of two such times the first, of a time that they
 * leave out the one that they would have shown. Null: it is none.
 */
export function timeOf(text: string, timezone: string): number | null {
  const [, date, clock, zone] = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?)(Z|[+-]\d\d:?\d\d)?)?$/i.exec(text) ?? [];
  if (date === undefined) return null;
  const wanted = Date.parse(`${date}T${clock ?? '00:00'}${zone ?? 'Z'}`);
  const midnight = Date.parse(`${date}T00:00Z`);
  // The 30th of February is read as the 2nd of March.
  if (Number.isNaN(wanted) || Number.isNaN(midnight) || !new Date(midnight).toISOString().startsWith(date)) return null;
  if (zone !== undefined) return wanted;
  const offsetAt = offsetOf(timezone);
  // Of the offsets around it, the one that is in force at the time that it gives; the larger one gives the earlier time.
  const offsets = [...new Set([offsetAt(wanted - 86_400_000), offsetAt(wanted + 86_400_000)])].sort((a, b) => b - a);
  const fits = offsets.map((offset) => wanted - offset).find((time) => wanted - time === offsetAt(time));
  return fits ?? wanted - (offsets.at(-1) ?? 0);
}

/** By how many milliseconds clocks of a time zone are ahead of UTC at a time. */
function offsetOf(timezone: string): (time: number) => number {
  const clock = clockOf(timezone);
  return (time) => {
    const { date, minute } = clock(time);
    return Date.parse(`${date}T00:00Z`) + minute * 60_000 - Math.floor(time / 60_000) * 60_000;
  };
}
