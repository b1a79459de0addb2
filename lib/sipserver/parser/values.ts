// Structured header values: name-addr, Via, CSeq, and the tag of From/To. Each reader gives undefined for malformed text.
import { indexOutside, isBalanced, isToken, toNumber } from './text.js';
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
  const v = value.trim();
  const open = indexOutside(v, '<');
  if (open < 0) {
    const semi = v.indexOf(';');
    const uri = (semi < 0 ? v : v.slice(0, semi)).trim();
    // RFC 3261 §20: an addr-spec without brackets may hold no comma, question mark or space.
    if (uri === '' || /[\s,?"<>]/.test(uri)) return undefined;
    return { display: '', uri, params: semi < 0 ? '' : v.slice(semi) };
  }
  const close = v.indexOf('>', open);
  if (close < 0 || !isBalanced(v)) return undefined;
  const uri = v.slice(open + 1, close);
  const params = v.slice(close + 1).trim();
  if (uri === '' || /[\s<]/.test(uri) || (params !== '' && !params.startsWith(';'))) return undefined;
  return { display: v.slice(0, open).trim(), uri, params };
}

/** Value of the `tag` parameter of a From or To value, or undefined. */
export function tagOf(value: string): string | undefined {
  // Most values end in `;tag=…`: look behind the bracket only.
  const close = value.lastIndexOf('>');
  const semi = close >= 0 ? value.indexOf(';', close) : value.indexOf(';');
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
  const m = /^(\d+)\s+(\S+)$/.exec(value.trim());
  const seq = toNumber(m?.[1], 4294967295);
  const method = m?.[2];
  if (seq === undefined || method === undefined || !isToken(method)) return undefined;
  return { seq, method };
}
