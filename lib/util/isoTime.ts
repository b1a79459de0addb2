/**
 * Milliseconds since 1970 of a date, which begins at midnight UTC, or of a date and time with its zone (ISO 8601); null for anything else: a time without a zone
 * would be another one on each machine, and Date.parse takes 31 February for 3 March.
 */
export function readIsoTime(text: string): number | null {
  const date = /^(\d{4}-\d{2}-\d{2})(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:\d{2}))?$/.exec(text)?.[1];
  const day = date === undefined ? NaN : Date.parse(date);
  const ms = Date.parse(text);
  return date === undefined || Number.isNaN(day) || Number.isNaN(ms) || !new Date(day).toISOString().startsWith(date) ? null : ms;
}
