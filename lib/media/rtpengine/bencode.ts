/** What the ng protocol carries: integers, strings, lists, dictionaries. */
export type Bencoded = number | string | readonly Bencoded[] | { readonly [key: string]: Bencoded };

/** Encodes a value; undefined members of a dictionary are left out. Text is UTF-8. */
export function bencode(value: Bencoded | { readonly [key: string]: Bencoded | undefined }): string {
  if (typeof value === 'number') return `i${Math.trunc(value)}e`;
  if (typeof value === 'string') return `${Buffer.byteLength(value)}:${value}`;
  if (Array.isArray(value)) return `l${value.map((item: Bencoded) => bencode(item)).join('')}e`;
  const members = Object.entries(value).filter((entry): entry is [string, Bencoded] => entry[1] !== undefined);
  return `d${members.map(([key, member]) => bencode(key) + bencode(member)).join('')}e`;
}

/** Nesting deeper than any answer of an engine; keeps a hostile datagram off the stack. */
const MAX_DEPTH = 24;

/** Decodes one value. @throws RangeError when the text is not one complete bencoded value. */
export function bdecode(data: Buffer): Bencoded {
  let at = 0;
  const fail = (): never => { throw new RangeError(`not bencoded at byte ${at}`); };

  const integerUpTo = (end: number): number => {
    const stop = data.indexOf(end, at);
    if (stop < 0) return fail();
    const text = data.toString('latin1', at, stop);
    if (!/^-?\d{1,20}$/.test(text)) return fail();
    at = stop + 1;
    return Number(text);
  };
  const string = (): string => {
    const length = integerUpTo(0x3a);
    if (length < 0 || at + length > data.length) return fail();
    at += length;
    return data.toString('utf8', at - length, at);
  };
  const value = (depth: number): Bencoded => {
    if (depth > MAX_DEPTH) return fail();
    const kind = data[at];
    if (kind === 0x69) { at += 1; return integerUpTo(0x65); }
    if (kind === 0x6c) {
      at += 1;
      const list: Bencoded[] = [];
      while (data[at] !== 0x65) list.push(value(depth + 1));
      at += 1;
      return list;
    }
    if (kind === 0x64) {
      at += 1;
      const entries: [string, Bencoded][] = [];
      while (data[at] !== 0x65) entries.push([string(), value(depth + 1)]);
      at += 1;
      return Object.fromEntries(entries);
    }
    return string();
  };

  const result = value(0);
  if (at !== data.length) fail();
  return result;
}
