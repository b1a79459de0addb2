import type { CountryCode, PhoneNumber } from 'libphonenumber-js/max';
import { isSupportedCountry, parsePhoneNumberFromString, validatePhoneNumberLength } from 'libphonenumber-js/max';
// Lengths are all that is asked of an international number; the tables of types cost most of the time.
import { parsePhoneNumberFromString as parseInternational } from 'libphonenumber-js/min';
import { isPlainlyPossible } from './dialling.js';
import { canonicalUser } from './pattern/users.js';

/** A WhatsApp user as dialled: E.164 with '+' or a BSUID, or why it is neither. */
export type Dialled = { readonly user: string } | { readonly problem: string };

/**
 * META-SIP.md §7 and §4.1: a BSUID, or a parent BSUID (its ENT form), may stand for the number:
 * ISO 3166 country, a dot, up to 128 letters and digits.
 */
export function isBsuid(user: string): boolean {
  return /^[A-Z]{2}\.(?:ENT\.)?[A-Za-z0-9]{1,128}$/.test(user);
}

/**
 * Reads what a peer dialled: +E164, E164, 00 and the country's own international prefix, or a national number of `country`.
 * Digits alone are E.164 unless they are no valid number so, and a valid national one.
 */
export function readDialled(text: string, country: string | null): Dialled {
  const user = canonicalUser(text.replaceAll(' ', ''));
  if (isBsuid(user)) return { user };
  if (!/^\+?[0-9]{1,32}$/.test(user)) return { problem: `${JSON.stringify(text.slice(0, 40))} is neither a number nor a BSUID` };
  const home = isCountry(country) ? country : undefined;
  if (user.startsWith('+')) return isPlainlyPossible(user) && e164.test(user) ? { user } : possible(parseInternational(user), user, undefined);
  if (user.startsWith('0')) {
    if (home !== undefined) return possible(parsePhoneNumberFromString(user, home), user, home);
    if (user.startsWith('00')) return possible(parseInternational(`+${user.slice(2)}`), user, undefined);
    return { problem: `${user} is a national number, and the peer has no country` };
  }
  const international = parsePhoneNumberFromString(`+${user}`);
  const national = home === undefined ? undefined : parsePhoneNumberFromString(user, home);
  if (national?.isValid() && !international?.isValid()) return { user: national.number };
  if (international?.isPossible()) return { user: international.number };
  return possible(national ?? international, user, home);
}

// ITU-T E.164 §6: a calling code does not start with 0, and there are at most 15 digits.
const e164 = /^\+[1-9][0-9]{6,14}$/;

/** INTEROP.md "Packages": isPossible, as isValid refuses numbers that WhatsApp has, such as +5559800000693. */
function possible(number: PhoneNumber | undefined, dialled: string, country: CountryCode | undefined): Dialled {
  if (number?.isPossible() && e164.test(number.number)) return { user: number.number };
  const why = validatePhoneNumberLength(dialled, country) ?? 'NOT_A_NUMBER';
  return { problem: `${dialled} ${problems[why] ?? 'is not a possible number'}${country === undefined ? '' : ` in ${country}`}` };
}

const problems: Readonly<Record<string, string>> = {
  TOO_SHORT: 'is too short for a telephone number', TOO_LONG: 'is too long for a telephone number',
  INVALID_COUNTRY: 'begins with no country code', INVALID_LENGTH: 'has a length that no telephone number has', NOT_A_NUMBER: 'is not a possible number',
};

/** ISO 3166 country of an E.164 number; of several that share a code the main one when the number does not tell; null: none. */
export function countryOf(number: string): string | null {
  const parsed = parsePhoneNumberFromString(number);
  return parsed?.country ?? parsed?.getPossibleCountries()[0] ?? null;
}

function isCountry(country: string | null): country is CountryCode {
  return country !== null && isSupportedCountry(country);
}

/**
 * Places under sanctions where a business may not call (issue "Business-initiated calls"), by prefix. The Ukrainian regions have
 * Ukrainian and, since 2014 and 2022, Russian codes; a region's code is refused as a whole, on whichever side of a front it is.
 */
const sanctioned: readonly (readonly [prefix: string, place: string])[] = [
  ['+53', 'Cuba'], ['+98', 'Iran'], ['+850', 'North Korea'], ['+963', 'Syria'],
  ['+38065', 'Crimea'], ['+380692', 'Crimea'], ['+7365', 'Crimea'], ['+7869', 'Crimea'], ['+7978', 'Crimea'],
  ['+38062', 'Donetsk'], ['+7856', 'Donetsk'], ['+7949', 'Donetsk'],
  ['+38064', 'Luhansk'], ['+7857', 'Luhansk'], ['+7959', 'Luhansk'],
];
const sanctionedCountries: Readonly<Record<string, string>> = { CU: 'Cuba', IR: 'Iran', KP: 'North Korea', SY: 'Syria' };

/** The sanctioned place a user is in by number or BSUID, or null. */
export function sanctionedPlace(user: string): string | null {
  if (!user.startsWith('+')) return sanctionedCountries[user.slice(0, 2)] ?? null;
  return sanctioned.find(([prefix]) => user.startsWith(prefix))?.[1] ?? null;
}
