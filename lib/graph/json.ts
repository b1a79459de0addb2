// JSON as Meta writes it: ids are strings in one place and numbers in another, and a time is a string here and an integer there.

export type Json = Readonly<Record<string, unknown>>;

/**
 * Reads JSON. An integer of sixteen digits or more becomes its text: as a number it would lose its last digits, and Meta's ids are that long. Linear.
 * @throws SyntaxError without any of the text
 */
export function parseJson(text: string): unknown {
  const kept = text.replace(/"(?:[^"\\]|\\[\s\S])*\\?(?:"|$)|(?<![\d.eE+-])-?\d{16,}(?![\d.eE])/g, (part) => (part.startsWith('"') ? part : `"${part}"`));
  try {
    return JSON.parse(kept) as unknown;
  } catch {
    throw new SyntaxError('no JSON');
  }
}

/** A mapping; an empty one for anything else. */
export function record(value: unknown): Json {
  return isRecord(value) ? value : {};
}

export function isRecord(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The items of a list; none for anything else. */
export function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** Text, or the digits of a number, as ids and codes are written; null for anything else. */
export function text(value: unknown): string | null {
  return typeof value === 'string' ? value : typeof value === 'number' && Number.isFinite(value) ? String(value) : null;
}

/** A whole number, or its digits as text; null for anything else. */
export function whole(value: unknown): number | null {
  const read = typeof value === 'string' && /^-?\d{1,15}$/.test(value) ? Number(value) : value;
  return typeof read === 'number' && Number.isSafeInteger(read) ? read : null;
}

/** The end of the year 9999, in seconds since 1970: what is beyond is no time in seconds. */
const endOfTime = 253_402_300_799;

/** A time in seconds since 1970, as a number or as text, in milliseconds; null for anything else. */
export function time(value: unknown): number | null {
  const seconds = whole(value);
  return seconds === null || seconds <= 0 || seconds > endOfTime ? null : seconds * 1000;
}

/** Characters of an id; Meta's have some 80. */
const maxIdLength = 512;

/** An id, as text or as a number; null for anything else. What is longer than any id of Meta's is none: ids are kept. */
export function identity(value: unknown): string | null {
  const id = text(value);
  return id === null || id === '' || id.length > maxIdLength ? null : id;
}
