import type { Automaton } from './automaton.js';
import { accepts, build, common, longest, shortest } from './automaton.js';
import { PatternError, parsePattern, printableAscii } from './syntax.js';
import { findExtension, readExtensions, type ExtensionRange } from './extensions.js';
import { readsAsNumber, reasonOfNumber, telephone } from './telephone.js';

/** The on-net users of a peer, ready for look-up. */
export interface OnNetUsers {
  /** By the one spelling of a literal: the literal as written, its place in the list, and whether it is a telephone number. */
  readonly literals: ReadonlyMap<string, { readonly written: string; readonly index: number; readonly number: boolean }>;
  readonly patterns: readonly (CompiledPattern & { readonly index: number })[];
  readonly extensions: readonly ExtensionRange[];
}

interface CompiledPattern {
  readonly automaton: Automaton;
  /** A shortest user that it matches. */
  readonly sample: string;
}

/** Patterns compiled so far, by their text: peers often share them. */
export type PatternCache = Map<string, CompiledPattern | Omit<UserFault, 'index'>>;

/** An entry of `users` that is refused: it matches nobody. */
export interface UserFault {
  readonly index: number;
  readonly message: string;
  /** A telephone number that the pattern would let through; null when it is refused for another reason. */
  readonly counterExample: string | null;
}

/** An entry is a literal when it has no sign of the pattern language; dots and a leading + are part of names and numbers. */
function isLiteral(entry: string): boolean {
  return !/[[\]{}()|*?\\^$]/.test(entry) && !entry.slice(1).includes('+');
}

/** What an on-net user is written with (RFC 3261 §25.1 user-unreserved, without what reads as a separator or needs an escape). */
const plainUser = /^[A-Za-z0-9\-_.!~*'()&=+$]{1,128}$/;

/**
 * The one spelling of a user (escapes resolved): visual separators (RFC 3966 §5.1.1) between digits mean nothing,
 * and are taken out where the whole is digits; anything else is as it stands, as a SIP user is case-sensitive (RFC 3261 §19.1.4).
 */
export function canonicalUser(user: string): string {
  return /^[+*]?[0-9\-.()*]+$/.test(user) && /[0-9]/.test(user) ? user.replace(/[-.()]/g, '') : user;
}

export function compileUsers(entries: readonly string[], cache: PatternCache = new Map(), extensions: readonly string[] = []): { readonly users: OnNetUsers; readonly faults: readonly UserFault[] } {
  const literals = new Map<string, { written: string; index: number; number: boolean }>();
  const patterns: (CompiledPattern & { index: number })[] = [];
  const faults: UserFault[] = [];
  entries.forEach((text, index) => {
    if (isLiteral(text)) {
      const complaint = literalFault(text);
      if (complaint !== null) {
        faults.push({ index, message: complaint, counterExample: null });
        return;
      }
      const key = canonicalUser(text);
      const other = literals.get(key);
      if (other === undefined) literals.set(key, { written: text, index, number: readsAsNumber(text) });
      else faults.push({ index, message: `is another spelling of ${other.written}`, counterExample: null });
      return;
    }
    const result = cache.get(text) ?? compileUserPattern(text);
    cache.set(text, result);
    if ('automaton' in result) patterns.push({ index, ...result });
    else faults.push({ index, ...result });
  });
  return { users: { literals, patterns, extensions: readExtensions(extensions) }, faults };
}

function literalFault(text: string): string | null {
  if (!plainUser.test(text)) return 'is no SIP user: letters, digits and - _ . ! ~ * \' ( ) & = + $ only';
  // 6... is more likely meant as a pattern than as a user of that name.
  return /^[0-9]*\.\.+$|^\.+$/.test(text) ? 'has dots for digits: write [0-9] for any digit, or \\. for a dot' : null;
}

/** A pattern is good when its language is finite, has a text, and shares none with the grammar of telephone numbers. */
function compileUserPattern(text: string): CompiledPattern | Omit<UserFault, 'index'> {
  let automaton: Automaton;
  try {
    automaton = build(parsePattern(text, printableAscii), { mode: 'whole', universe: printableAscii });
  } catch (error) {
    if (error instanceof PatternError) return { message: error.message, counterExample: null };
    throw error;
  }
  const length = longest(automaton);
  const number = telephone.map((numbers) => common(automaton, numbers)).find((text) => text !== null) ?? null;
  if (number !== null) return { message: `could match the telephone number ${JSON.stringify(number)}${whyAndHow(text, number)}`, counterExample: number };
  if (length === null) return { message: 'matches users of any length; say how long they can be, e.g. {1,16} for + or *', counterExample: null };
  if (length < 1) return { message: length < 0 ? 'matches nothing' : 'matches the empty user only', counterExample: null };
  if (accepts(automaton, '')) return { message: 'matches the empty user too', counterExample: null };
  return { automaton, sample: shortest(automaton) };
}

/** Why a pattern is refused, and how its users can be on-net all the same. */
function whyAndHow(pattern: string, number: string): string {
  const reason = reasonOfNumber(number);
  const range = rangeOf(pattern);
  const how = range === null ? 'list numbers one by one' : `if all of these are extensions of this peer and never dialled out, state so with extensions: ["${range}"]; else list numbers one by one`;
  return `${reason === null ? '' : ` (${reason})`}; ${how}`;
}

/** A pattern of digits and [0-9] alone, as the range that it is; null when it is another, or longer than extensions can be. */
function rangeOf(pattern: string): string | null {
  const match = /^([1-9][0-9]{0,4})((?:\[0-9\](?:\{[1-5]\})?|\\d(?:\{[1-5]\})?)+)$/.exec(pattern);
  if (match === null) return null;
  const [, first = '', rest = ''] = match;
  const digits = [...rest.matchAll(/(?:\[0-9\]|\\d)(?:\{([1-5])\})?/g)].reduce((sum, [, count]) => sum + Number(count ?? 1), 0);
  return first.length + digits > 6 ? null : `${first}${'0'.repeat(digits)}-${first}${'9'.repeat(digits)}`;
}

/** The entry that makes this user on-net, and the list that it is in; null when there is none. `written` is how the peer knows the user. */
export function findUser(users: OnNetUsers, user: string): { readonly list: 'users' | 'extensions'; readonly index: number; readonly written: string; readonly literal: boolean } | null {
  if (!plainUser.test(user)) return null;
  const canonical = canonicalUser(user);
  const literal = users.literals.get(canonical);
  if (literal !== undefined) return { ...literal, list: 'users', literal: true };
  const extension = findExtension(users.extensions, canonical);
  if (extension !== null) return { list: 'extensions', index: extension.index, written: canonical, literal: false };
  // A pattern never holds a number (see above), but the check stands on its own.
  if (readsAsNumber(canonical)) return null;
  const pattern = users.patterns.find(({ automaton }) => accepts(automaton, canonical));
  return pattern === undefined ? null : { list: 'users', index: pattern.index, written: canonical, literal: false };
}
