// Meta's prefixes as a list in a file, or as whois prints them (META-SIP §3 "Source IPs").
import { readFileSync } from 'node:fs';
import ipaddr from 'ipaddr.js';

/** A prefix wider than this is a mistake: Meta's widest are /14 and /32. */
const widest = { ipv4: 10, ipv6: 20 } as const;

type Prefix = readonly [address: ipaddr.IPv4 | ipaddr.IPv6, bits: number];

export interface PrefixList {
  /** In order, without those that lie in another. */
  readonly prefixes: readonly string[];
  /** What cannot be Meta's, with the line it stands on. */
  readonly faults: readonly string[];
}

/** Reads one prefix a line, or the route: and route6: lines of `whois -h whois.radb.net -- '-i origin AS32934'`. What follows # or % is no part of it. */
export function readPrefixes(text: string): PrefixList {
  const lines = text.split(/\r?\n/);
  // Other lines of whois have addresses too.
  const isWhois = lines.some((line) => /^route6?:/i.test(line));
  const faults: string[] = [];
  const found = lines.flatMap((line, i): Prefix[] => {
    const words = (isWhois ? /^route6?:(.*)$/i.exec(line)?.[1] ?? '' : line).replace(/[#%].*$/, '').trim();
    if (words === '') return [];
    const prefix = read(words);
    if (typeof prefix === 'string') faults.push(`line ${i + 1}: ${prefix}`);
    return typeof prefix === 'string' ? [] : [prefix];
  });
  return { prefixes: withoutInner(found).map(written), faults };
}

function read(text: string): Prefix | string {
  if (text.length > 60 || !ipaddr.isValidCIDR(text)) return 'no prefix such as 157.240.0.0/16';
  const [address, bits] = ipaddr.parseCIDR(text);
  if (bits < widest[address.kind()]) return `/${bits} is wider than any of Meta's`;
  if (address.range() !== 'unicast') return `${address.range()} addresses are nobody's on the internet`;
  return [address, bits];
}

function lies(inner: Prefix, outer: Prefix): boolean {
  return inner[0].kind() === outer[0].kind() && inner[1] >= outer[1] && (inner[0] as ipaddr.IPv4).match(outer[0], outer[1]);
}

function withoutInner(all: readonly Prefix[]): Prefix[] {
  const kept: Prefix[] = [];
  for (const one of [...all].sort((a, b) => a[1] - b[1])) if (!kept.some((outer) => lies(one, outer))) kept.push(one);
  const bytes = ([address]: Prefix): string => address.toByteArray().map((byte) => String(byte).padStart(3, '0')).join('.');
  return kept.sort((a, b) => (a[0].kind() + bytes(a) < b[0].kind() + bytes(b) ? -1 : 1));
}

function written([address, bits]: Prefix): string {
  const network = address.kind() === 'ipv4' ? ipaddr.IPv4.networkAddressFromCIDR(`${address.toString()}/${bits}`) : ipaddr.IPv6.networkAddressFromCIDR(`${address.toString()}/${bits}`);
  return `${network.toString()}/${bits}`;
}

export interface PrefixChange {
  /** Prefixes of the new list that the old one does not hold, and those of the old one that are not held any more. */
  readonly added: readonly string[];
  readonly removed: readonly string[];
  /** Prefixes of the old list that the new one holds. */
  readonly kept: number;
}

export function comparePrefixes(old: readonly string[], next: readonly string[]): PrefixChange {
  const parse = (list: readonly string[]): readonly { readonly text: string; readonly prefix: Prefix }[] => list.map((text) => ({ text, prefix: ipaddr.parseCIDR(text.includes('/') ? text : `${text}/${text.includes(':') ? 128 : 32}`) }));
  const [before, after] = [parse(old), parse(next)];
  const missing = (list: typeof before, from: typeof before): string[] => list.filter(({ prefix }) => !from.some((outer) => lies(prefix, outer.prefix))).map(({ text }) => text);
  const removed = missing(before, after);
  return { added: missing(after, before), removed, kept: old.length - removed.length };
}

/** The prefixes in a file; null when there is no such file, or none in it. @throws the system's error when it cannot be read */
export function readSourcesFile(path: string): readonly string[] | null {
  try {
    const { prefixes } = readPrefixes(readFileSync(path, 'utf8'));
    return prefixes.length === 0 ? null : prefixes;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}
