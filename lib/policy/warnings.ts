import { getCountries } from 'libphonenumber-js';
import type { Config } from '../config/types.js';

/** Codes that are written for a country by mistake, with those that are meant (ISO 3166-1, exceptional reservations and field usage). */
const meant: Readonly<Record<string, string>> = { UK: 'GB', EN: 'GB', EL: 'GR', SU: 'RU', YU: 'RS' };

/** Countries that no telephone number is of: two capital letters pass as a country, and are none. */
export function countryWarnings({ peers, policy }: Pick<Config, 'peers' | 'policy'>): { readonly path: string; readonly message: string }[] {
  const known: ReadonlySet<string> = new Set(getCountries());
  const given = [
    ...Object.entries(peers).map(([name, { country }]) => [`peers.${name}.country`, country] as const),
    ...policy.businessInitiatedBlocked.map((country, i) => [`policy.businessInitiatedBlocked[${i}]`, country] as const),
  ];
  return given.flatMap(([path, country]) => {
    if (country === null || known.has(country)) return [];
    const other = Object.hasOwn(meant, country) ? meant[country] : undefined;
    return [{ path, message: `${country} is no country with telephone numbers (ISO 3166)${other === undefined ? '' : `; ${other} is meant?`}` }];
  });
}
