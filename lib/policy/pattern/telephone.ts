import type { Automaton } from './automaton.js';
import { accepts, build } from './automaton.js';
import type { Range } from './syntax.js';
import { parsePattern, printableAscii } from './syntax.js';

/**
 * The grammar of telephone numbers, as dialled or written. It is meant to be wide: a number can still be an on-net user,
 * but only when it is written out; a pattern that shares one text with this grammar is refused. Four to six digits that
 * do not begin like an access code are left to internal numbering: that is what extensions look like everywhere.
 */
const kinds: readonly { readonly pattern: string; readonly is: string }[] = [
  { pattern: '\\++[0-9]+', is: 'an international number' }, // ITU-T E.123
  { pattern: '[0-9]{7,}', is: 'seven digits and more are a telephone number' }, // E.164 and national numbers, and NANP local ones; with any access code (00, 011, 0011, 810, 9 …) before them
  { pattern: '0[0-9]+', is: 'a leading 0 is an outside line or a trunk prefix' }, // and the international prefix 00
  { pattern: '1[0-9]{1,2}', is: 'two and three digits that begin with 1 are emergency and service codes' }, // 15, 17, 18, 110, 112, 118, 119, 190 …
  { pattern: '9[0-9]{2}', is: 'three digits that begin with 9 are emergency codes' }, // 911, 999 …
  { pattern: '[2-8]11', is: 'a service code of North America' }, // N11 of the NANP
  { pattern: '9(112|911|999|000)', is: '9 for an outside line and an emergency code' }, // with 0 for a line, see above
  { pattern: '116[0-9]{3}|118[0-9]{2,3}', is: 'a service code of Europe' }, // harmonised services of social value (EU 116), directory enquiries
  { pattern: '10111|10177', is: 'an emergency code of South Africa' },
];
const grammar = kinds.map(({ pattern }) => pattern);

/** How numbers are written that are to be dialled with something more. */
const dialStrings = [
  '[0-9]{2,}[pPwWtT,;]+[0-9]+', // digits to be sent after a pause or a wait, however short the number before it
  '[0-9]{3,}([xX]|[eE][xX][tT])[0-9]+', // a number with its extension
  '[tT][eE][lL][0-9]{3,}', // a tel URI as a user
];

// Everything that is neither letter nor digit may stand between the digits; after the first digit also the letters that
// dial strings have for pauses, waits and tones (p, w, t; RFC 3601 §2).
const punctuation: Range[] = [[0x20, 0x2a], [0x2c, 0x2f], [0x3a, 0x40], [0x5b, 0x60], [0x7b, 0x7e]];
const pauses: Range[] = [[0x2b, 0x2b], ...[...'pPwWtT'].map((c): Range => [c.charCodeAt(0), c.charCodeAt(0)])];

const ignore = { always: punctuation, inside: pauses };

/** Together they accept what reads as a telephone number, in printable ASCII. Apart they stay small, and plain numbers come first in examples. */
export const telephone: readonly Automaton[] = [
  build(parsePattern(grammar.join('|'), printableAscii), { mode: 'whole', universe: printableAscii, ignore }),
  build(parsePattern(dialStrings.join('|'), printableAscii), { mode: 'whole', universe: printableAscii, ignore }),
  // With DTMF's A to D, which are digits of local numbers (RFC 3966 §3).
  build(parsePattern('[0-9]([A-Da-d]*[0-9]){6,}[A-Da-d]*', printableAscii), { mode: 'whole', universe: printableAscii, ignore }),
  // An international number inside anything else.
  build(parsePattern('\\+([-.() ]*[0-9]){7}', printableAscii), { mode: 'search', universe: printableAscii }),
];

/** Why plain digits read as a telephone number; null when they are written in another way. */
export function reasonOfNumber(digits: string): string | null {
  return kinds.find(({ pattern }) => new RegExp(`^(?:${pattern})$`).test(digits))?.is ?? null;
}

/** Whether a user part (escapes resolved) reads as a telephone number, in whatever script its digits are. */
export function readsAsNumber(user: string): boolean {
  const text = toAscii(user);
  return telephone.some((automaton) => accepts(automaton, text));
}

/** Emergency codes that no PBX gives to an extension. */
export const emergency: ReadonlySet<string> = new Set(['112', '911', '999', '000']);

/**
 * Whether a user reads as a number of the telephone network and not as an extension: short numbers in a From or a
 * Diversion are the PBX's own (100, 201, 6001), but for emergency codes.
 */
export function readsAsFullNumber(user: string): boolean {
  const text = toAscii(user);
  const digits = text.replace(/[^0-9]/g, '');
  return (emergency.has(digits) && !/[A-Za-z]/.test(text)) || ((digits.length >= 7 || /^[^0-9A-Za-z]*\+/.test(user)) && readsAsNumber(user));
}

/** Compatibility forms and digits of other scripts become ASCII; signs and invisible characters become '-'; letters stay. */
function toAscii(text: string): string {
  return /^[\u0000-\u007f]*$/.test(text) ? text : text.normalize('NFKC').replace(/[^\u0020-\u007e]/gu, (char) => {
    if (/\p{Nd}/u.test(char)) return digitValue(char.codePointAt(0) ?? 0);
    return /\p{L}/u.test(char) ? char : '-';
  });
}

/** Decimal digits stand in runs of ten from zero to nine (Unicode, stability of Nd). */
function digitValue(code: number): string {
  let value = 0;
  while (value < 9 && /\p{Nd}/u.test(String.fromCodePoint(code - value - 1))) value += 1;
  return String(value);
}
