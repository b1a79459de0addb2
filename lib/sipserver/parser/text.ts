// Character-level helpers of the SIP grammar (RFC 3261 §25.1). All text is a binary string: one character per byte.

const TOKEN = new Uint8Array(256);
for (const c of "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.!%*_+`'~") TOKEN[c.charCodeAt(0)] = 1;

/** True for a non-empty `token` of RFC 3261 §25.1. */
export function isToken(s: string): boolean {
  for (let i = 0; i < s.length; i++) if (TOKEN[s.charCodeAt(i)] !== 1) return false;
  return s.length > 0;
}

/** True when `s` has digits only, at least one. */
export function isDigits(s: string): boolean {
  for (let i = 0; i < s.length; i++) {
    const c = s.charCodeAt(i);
    if (c < 48 || c > 57) return false;
  }
  return s.length > 0;
}

/** White space of ASCII. `\s` and trim() of JavaScript take 0xA0 for white space too, which is part of many a UTF-8 character. */
export function isBlank(code: number): boolean {
  return code === 32 || (code >= 9 && code <= 13);
}

/** The text without white space at its ends. */
export function trimBlanks(s: string): string {
  let start = 0;
  let end = s.length;
  while (start < end && isBlank(s.charCodeAt(start))) start++;
  while (end > start && isBlank(s.charCodeAt(end - 1))) end--;
  return start === 0 && end === s.length ? s : s.slice(start, end);
}

/** Decimal number of at most `max`, or undefined when it is no number or too large (RFC 4475 §3.1.2.4). */
export function toNumber(s: string | undefined, max: number): number | undefined {
  if (s === undefined || s.length > 20 || !isDigits(s)) return undefined;
  const n = Number(s);
  return n <= max ? n : undefined;
}

/**
 * Index of the first `wanted` character at or after `from` that is outside a quoted string and outside <…>; -1 if there is none.
 * `wanted` must be one character. An unclosed quote or bracket hides the rest of the text.
 */
export function indexOutside(s: string, wanted: string, from = 0): number {
  const w = wanted.charCodeAt(0);
  let quoted = false;
  let angle = false;
  for (let i = from; i < s.length; i++) {
    const c = s.charCodeAt(i);
    if (quoted) {
      if (c === 92) i++;
      else if (c === 34) quoted = false;
    } else if (c === w && !angle) return i;
    else if (c === 34 && !angle) quoted = true;
    else if (c === 60) angle = true;
    else if (c === 62) angle = false;
  }
  return -1;
}

/** Splits at commas outside quotes and <…>; elements are trimmed, empty ones dropped. */
export function splitList(value: string): string[] {
  if (value.indexOf(',') < 0) {
    const only = trimBlanks(value);
    return only === '' ? [] : [only];
  }
  const out: string[] = [];
  let start = 0;
  for (;;) {
    const end = indexOutside(value, ',', start);
    const part = trimBlanks(end < 0 ? value.slice(start) : value.slice(start, end));
    if (part !== '') out.push(part);
    if (end < 0) return out;
    start = end + 1;
  }
}

/** True when every quoted string of the value is closed and no angle bracket is left open or doubled. */
export function isBalanced(value: string): boolean {
  let quoted = false;
  let angle = false;
  for (let i = 0; i < value.length; i++) {
    const c = value.charCodeAt(i);
    if (quoted) {
      if (c === 92) i++;
      else if (c === 34) quoted = false;
    } else if (c === 34 && !angle) quoted = true;
    else if (c === 60) {
      if (angle) return false;
      angle = true;
    } else if (c === 62) {
      if (!angle) return false;
      angle = false;
    }
  }
  return !quoted && !angle;
}

/** Characters of a quoted string without its quotes and escapes; other text is given back as it is. */
export function unquote(s: string): string {
  if (s.length < 2 || s.charCodeAt(0) !== 34 || s.charCodeAt(s.length - 1) !== 34) return s;
  return s.slice(1, -1).replace(/\\([\s\S])/g, '$1');
}

/** Where the first element of a comma-separated value ends. */
export function indexOfListEnd(value: string): number {
  const comma = value.indexOf(',') < 0 ? -1 : indexOutside(value, ',');
  return comma < 0 ? value.length : comma;
}

/** True when separators follow each other with nothing between (`;;`, `,;`, `,,`) or a list ends in a comma: RFC 4475 §3.1.2.1. */
export function hasEmptyPart(value: string): boolean {
  let quoted = false;
  let angle = false;
  let last = 0;             // the separator before, if nothing but white space came since
  for (let i = 0; i < value.length; i++) {
    const c = value.charCodeAt(i);
    if (quoted) {
      if (c === 92) i++;
      else if (c === 34) quoted = false;
    } else if (angle) angle = c !== 62;
    else if (c === 44 || c === 59) {
      if (last !== 0) return true;
      last = c;
    } else if (c !== 32 && c !== 9) {
      last = 0;
      quoted = c === 34;
      angle = c === 60;
    }
  }
  return last === 44;
}
