/**
 * The pattern language of `users` and `payload`: literals, `.`, [classes], \d \w \s, groups, |, ? * + {n,m}, ^ and $.
 * What has no meaning as a regular language (look-around, back references, lazy forms) is not in it.
 */

/** First and last code point, inclusive. */
export type Range = readonly [number, number];

export type PatternNode =
  | { readonly kind: 'set'; readonly ranges: readonly Range[] }
  | { readonly kind: 'sequence'; readonly parts: readonly PatternNode[] }
  | { readonly kind: 'choice'; readonly options: readonly PatternNode[] }
  | { readonly kind: 'repeat'; readonly part: PatternNode; readonly min: number; readonly max: number | null };

/** One alternative of the top level with the relays it was written with. */
export interface Alternative {
  readonly node: PatternNode;
  readonly start: boolean;
  readonly end: boolean;
}

/** A pattern that cannot be used, and why. Thrown inside this folder only. */
export class PatternError extends Error {}

const maxRepeat = 512;
const maxDepth = 32;

/** What `.` and negated classes range over. */
export const anyCodePoint: Range = [0, 0x10ffff];
export const printableAscii: Range = [0x20, 0x7e];

/** @throws PatternError. */
export function parsePattern(text: string, universe: Range): Alternative[] {
  return new PatternReader(text, universe).top();
}

/** Sorted, without overlaps. */
export function normalise(ranges: readonly Range[]): Range[] {
  const merged: [number, number][] = [];
  for (const [first, last] of [...ranges].sort((a, b) => a[0] - b[0])) {
    const previous = merged.at(-1);
    if (previous && first <= previous[1] + 1) previous[1] = Math.max(previous[1], last);
    else merged.push([first, last]);
  }
  return merged;
}

function complement(ranges: readonly Range[], [low, high]: Range): Range[] {
  const rest: Range[] = [];
  let next = low;
  for (const [first, last] of normalise(ranges)) {
    if (first > next) rest.push([next, Math.min(first - 1, high)]);
    next = Math.max(next, last + 1);
  }
  if (next <= high) rest.push([next, high]);
  return rest;
}

const digits: Range[] = [[0x30, 0x39]];
const letters: Range[] = [[0x41, 0x5a], [0x61, 0x7a]];
const wordChars: Range[] = [...digits, ...letters, [0x5f, 0x5f]];
const spaces: Range[] = [[0x09, 0x0d], [0x20, 0x20]];
/** By the letter of the escape; as a capital it is what is not in it. */
const namedClasses: ReadonlyMap<string, readonly Range[]> = new Map([['d', digits], ['w', wordChars], ['s', spaces]]);

/** The one code point of these ranges; null when there is more than one, or none. */
function singleOf(ranges: readonly Range[]): number | null {
  const [range] = ranges;
  return range !== undefined && ranges.length === 1 && range[0] === range[1] ? range[0] : null;
}

class PatternReader {
  readonly #chars: readonly string[];
  readonly #universe: Range;
  #at = 0;

  constructor(text: string, universe: Range) {
    this.#universe = universe;
    this.#chars = [...text];
  }

  top(): Alternative[] {
    const alternatives: Alternative[] = [];
    do {
      const start = this.#take('^');
      const node = this.#sequence(0);
      const end = this.#take('$');
      alternatives.push({ node, start, end });
    } while (this.#take('|'));
    if (this.#at < this.#chars.length) throw new PatternError(this.#chars[this.#at] === ')' ? 'has a ) without its (' : '^ and $ stand at the ends of an alternative only');
    return alternatives;
  }

  #take(char: string): boolean {
    if (this.#chars[this.#at] !== char) return false;
    this.#at += 1;
    return true;
  }

  #next(): string {
    const char = this.#chars[this.#at];
    if (char === undefined) throw new PatternError('ends too early');
    this.#at += 1;
    return char;
  }

  #choice(depth: number): PatternNode {
    const first = this.#sequence(depth);
    if (this.#chars[this.#at] !== '|') return first;
    const options = [first];
    while (this.#take('|')) options.push(this.#sequence(depth));
    return { kind: 'choice', options };
  }

  #sequence(depth: number): PatternNode {
    const parts: PatternNode[] = [];
    for (let char = this.#chars[this.#at]; char !== undefined && !'|)$^'.includes(char); char = this.#chars[this.#at]) {
      parts.push(this.#quantified(this.#atom(depth)));
    }
    const [first] = parts;
    return first !== undefined && parts.length === 1 ? first : { kind: 'sequence', parts };
  }

  #atom(depth: number): PatternNode {
    const char = this.#next();
    switch (char) {
      case '(': return this.#group(depth + 1);
      case '[': return this.#charClass();
      case '.': return { kind: 'set', ranges: [this.#universe] };
      case '\\': return { kind: 'set', ranges: this.#escape() };
      case '*': case '+': case '?': throw new PatternError(`has a ${char} with nothing before it`);
      case '{': case '}': case ']': throw new PatternError(`has a ${char} that means nothing there; write \\${char}`);
      default: return { kind: 'set', ranges: [this.#one(char)] };
    }
  }

  #group(depth: number): PatternNode {
    if (depth > maxDepth) throw new PatternError('is nested too deep');
    if (this.#take('?') && !this.#take(':')) throw new PatternError('has a (?…) form other than (?:…)');
    const node = this.#choice(depth);
    if (!this.#take(')')) throw new PatternError(this.#at < this.#chars.length ? '^ and $ stand at the ends of an alternative only' : 'has a ( without its )');
    return node;
  }

  #quantified(part: PatternNode): PatternNode {
    const char = this.#chars[this.#at];
    if (char === undefined || !'*+?{'.includes(char)) return part;
    this.#at += 1;
    const [min, max]: readonly [number, number | null] = char === '*' ? [0, null] : char === '+' ? [1, null] : char === '?' ? [0, 1] : this.#counts();
    const following = this.#chars[this.#at];
    if (following !== undefined && '*+?{'.includes(following)) throw new PatternError('has a quantifier after a quantifier');
    return { kind: 'repeat', part, min, max };
  }

  #counts(): [number, number | null] {
    const close = this.#chars.indexOf('}', this.#at);
    const match = close < 0 ? null : /^([0-9]{1,4})(?:(,)([0-9]{1,4})?)?$/.exec(this.#chars.slice(this.#at, close).join(''));
    if (!match) throw new PatternError('has a { that is not {n}, {n,} or {n,m}');
    this.#at = close + 1;
    const min = Number(match[1]);
    const max = match[2] === undefined ? min : match[3] === undefined ? null : Number(match[3]);
    if (min > maxRepeat || (max !== null && (max > maxRepeat || max < min))) throw new PatternError(`has a {n,m} out of order or over ${maxRepeat}`);
    return [min, max];
  }

  #one(char: string): Range {
    const code = char.codePointAt(0) ?? -1;
    if (code < this.#universe[0] || code > this.#universe[1]) throw new PatternError('has a character other than printable ASCII');
    return [code, code];
  }

  #escape(): Range[] {
    const char = this.#next();
    const lower = char.toLowerCase();
    const named = namedClasses.get(lower);
    if (named !== undefined) {
      const ranges = char === lower ? named : complement(named, this.#universe);
      return ranges.filter(([first, last]) => first >= this.#universe[0] && last <= this.#universe[1]);
    }
    if (/[A-Za-z0-9]/.test(char)) throw new PatternError(`has an escape \\${char} that is not in the language`);
    return [this.#one(char)];
  }

  #charClass(): PatternNode {
    const negated = this.#take('^');
    const ranges: Range[] = [];
    for (let first = true; first || this.#chars[this.#at] !== ']'; first = false) {
      const item = this.#classItem();
      const isRange = this.#chars[this.#at] === '-' && this.#chars[this.#at + 1] !== ']';
      if (!isRange) {
        ranges.push(...item);
        continue;
      }
      this.#at += 1;
      const low = singleOf(item);
      const high = singleOf(this.#classItem());
      if (low === null || high === null || low > high) throw new PatternError('has a range in [ ] that is out of order');
      ranges.push([low, high]);
    }
    this.#at += 1;
    return { kind: 'set', ranges: negated ? complement(ranges, this.#universe) : normalise(ranges) };
  }

  #classItem(): Range[] {
    if (this.#at >= this.#chars.length) throw new PatternError('has a [ without its ]');
    const char = this.#next();
    return char === '\\' ? this.#escape() : [this.#one(char)];
  }
}
