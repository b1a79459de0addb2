import { emergency } from './telephone.js';

/** A range of extensions that the operator states to be on-net, as 9000-9999: whole numbers of one length. */
export interface ExtensionRange {
  readonly index: number;
  readonly written: string;
  readonly from: number;
  readonly to: number;
  readonly length: number;
}

/** The ranges of a configuration that was checked; what is none is left out. */
export function readExtensions(entries: readonly string[]): ExtensionRange[] {
  return entries.flatMap((written, index) => {
    const [, from, to] = /^([1-9][0-9]{1,5})-([1-9][0-9]{1,5})$/.exec(written) ?? [];
    return from === undefined || to === undefined || from.length !== to.length ? [] : [{ index, written, from: Number(from), to: Number(to), length: from.length }];
  });
}

/** The range that has this user; null when none has. An emergency code is in none, whatever was stated. */
export function findExtension(ranges: readonly ExtensionRange[], user: string): ExtensionRange | null {
  if (!/^[1-9][0-9]{1,5}$/.test(user) || emergency.has(user)) return null;
  const number = Number(user);
  return ranges.find(({ from, to, length }) => user.length === length && number >= from && number <= to) ?? null;
}
