// Structured header values: name-addr, Via, CSeq, and the tag of From/To. Each reader gives undefined for malformed text.
import { indexOutside, isBalanced, isToken, toNumber, trimBlanks } from './text.js';
import { paramOf } from './params.js';
import { splitHostPort } from './uri.js';

/** `"Display" <uri>;params`. In the form without brackets the parameters belong to the header (RFC 3261 §20.10). */
export interface NameAddr {
  display: string;   // raw, quotes kept; '' when absent
  uri: string;
  params: string;    // raw header parameters with leading ';', or ''
}

export interface Via {
  transport: string; // upper case
  host: string;      // as sent: an IPv6 address keeps its brackets
  port: number | undefined;
  params: string;    // raw, with leading ';', or ''
}

export interface CSeq { seq: number; method: string }

/** Reads one From, To, Contact, Route, Record-Route or Refer-To element. */
export function parseNameAddr(value: string): NameAddr | undefined {
  const v = trimBlanks(value);
  const open = indexOutside(v, '<');
  if (open < 0) {
    const semi = v.indexOf(';');
    const uri = trimBlanks(semi < 0 ? v : v.slice(0, semi));
    // RFC 3261 §20: an addr-spec without brackets may hold no comma, question mark or space.
    if (uri === '' || /[\s,?"<>]/.test(uri)) return undefined;
    return { display: '', uri, params: semi < 0 ? '' : v.slice(semi) };
  }
  const close = v.indexOf('>', open);
  if (close < 0 || !isBalanced(v)) return undefined;
  const uri = v.slice(open + 1, close);
  const params = trimBlanks(v.slice(close + 1));
  if (uri === '' || /[\s<]/.test(uri) || (params !== '' && !params.startsWith(';'))) return undefined;
  const display = trimBlanks(v.slice(0, open));
  // RFC 3261 §25.1: display-name = *(token LWS) / quoted-string. Unquoted names of other characters are in use; a parameter is none.
  return indexOutside(display, ';') >= 0 ? undefined : { display, uri, params };
}

/**
 * A name-addr whose display name opens a quote and does not close it, with the quote put where it belongs: before the bracket, if there is one
 * bracket only (RFC 4475 §3.1.2.6 allows the inference where it is reasonable). Undefined where nothing is missing or more than one reading is left.
 */
export function closeQuote(value: string): string | undefined {
  const v = trimBlanks(value);
  const open = v.indexOf('<');
  if (open < 0 || v.charCodeAt(0) !== 34 || v.indexOf('"', 1) >= 0 || v.indexOf('\\') >= 0 || v.indexOf('<', open + 1) >= 0) return undefined;
  const repaired = `${trimBlanks(v.slice(0, open))}" ${v.slice(open)}`;
  return parseNameAddr(repaired) === undefined ? undefined : repaired;
}

/** Value of the `tag` parameter of a From or To value, or undefined. A name that cannot be read has its parameters behind the last bracket. */
export function tagOf(value: string): string | undefined {
  const open = indexOutside(value, '<');
  const close = open < 0 ? value.lastIndexOf('>') : value.indexOf('>', open);
  const semi = indexOutside(value, ';', Math.max(close, 0));
  if (semi < 0) return undefined;
  const tag = paramOf(value.slice(semi), 'tag');
  return tag === '' ? undefined : tag;
}

/** Reads one Via element: `SIP/2.0/UDP host:port;params`, with white space wherever the grammar lets it stand. */
export function parseVia(value: string): Via | undefined {
  const m = /^SIP\s*\/\s*2\.0\s*\/\s*([^\s/;]+)\s+/i.exec(value);
  const transport = m?.[1];
  if (m === null || transport === undefined || !isToken(transport)) return undefined;
  let semi = value.indexOf(';', m[0].length);
  if (semi < 0) semi = value.length;
  const hostport = splitHostPort(value.slice(m[0].length, semi).replace(/\s+/g, ''));
  if (hostport === undefined) return undefined;
  return { transport: transport.toUpperCase(), host: hostport.host, port: hostport.port, params: value.slice(semi) };
}

/** The branch parameter of a Via element, or undefined. */
export function branchOf(via: Via): string | undefined {
  const b = paramOf(via.params, 'branch');
  return b === '' ? undefined : b;
}

/** Reads a CSeq value. RFC 3261 §8.1.1.5: the number is below 2**31; for others' larger ones the 32 bits of §20.16 are taken. */
export function parseCSeq(value: string): CSeq | undefined {
  const m = /^(\d+)\s+(\S+)$/.exec(trimBlanks(value));
  const seq = toNumber(m?.[1], 4294967295);
  const method = m?.[2];
  if (seq === undefined || method === undefined || !isToken(method)) return undefined;
  return { seq, method };
}
