import type { SchemaObj } from 'convict';
import * as is from './checks.js';
import type { Check, holds } from './checks.js';

/**
 * A key of the file, in convict's form (doc, format, default) and with what convict lacks: lists, tables of named entries, secrets by key
 * and keys that must be there. `doc` is what config/default.yaml and docs/reference/configuration.md say of it (scripts/reference): what it
 * means, in which unit, and what its special values do. Of a number it begins with what is counted: Seconds, Bytes, Calls.
 */
export interface Leaf<T = unknown> extends SchemaObj<unknown> {
  readonly [holds]?: T;
  readonly doc: string;
  readonly check: Check;
  /** Never shown in an error, left out of the hash. */
  readonly secret?: boolean;
  readonly required?: boolean;
  /** The value is a list: `check` judges each item, or each item is a mapping of `children`. */
  readonly list?: boolean;
  /** The value is a table: each key is judged by this and each entry is a mapping of `children`, or a value of `check`. */
  readonly keys?: Check;
  readonly children?: Group;
  /** A single value is good for this list too. */
  readonly single?: boolean;
  /** Of a list of mappings: an item that is a single value stands for a mapping with this key alone. */
  readonly itemKey?: string;
  /** It is a path: a relative one is below the folder of the configuration file; `but`: a word that is none; `behind`: only what begins so is one, and the path is what follows. */
  readonly file?: true | { readonly but: string } | { readonly behind: string };
  /** A single string is good for this list too (sources: default). */
  readonly word?: string;
  /** The value is null or a mapping of `children`. */
  readonly optional?: boolean;
  /** What config/default.yaml shows instead of the default, as YAML; of a table or list with `children`: the key, or the mark, of its one entry. */
  readonly example?: string;
}

/** Key of what a group says of itself; no key of the file. */
export const about: unique symbol = Symbol('about');

export interface About {
  readonly doc: string;
  /** A single value is good for all keys of the group. */
  readonly shorthand?: boolean;
  /** A single value stands for this key alone. */
  readonly itemKey?: string;
}

export interface Group { readonly [key: string]: Group | Leaf; readonly [about]?: About }

export function isLeaf(node: Group | Leaf): node is Leaf {
  return 'check' in node && typeof node.check === 'function';
}

/** What a file has under the keys of a group, defaults filled in: the type of it. */
export type Shape<G> = { readonly [K in keyof G as K extends string ? K : never]: G[K] extends Leaf<infer T> ? T : Shape<G[K]> };

/** What a key says of itself beside what every one does. */
type Extra = Partial<Omit<Leaf, typeof holds>>;

const passes: Check = () => null;

function form<T>(doc: string, check: Check, fallback: unknown, extra: Extra): Leaf<T> {
  return { doc, check, default: fallback, format: '*', ...extra };
}

export function leaf<T>(doc: string, check: Check<T>, fallback: NoInfer<T>, extra: Extra = {}): Leaf<T> {
  return form(doc, check, fallback, extra);
}

export function required<T>(doc: string, check: Check<T>, extra: Extra = {}): Leaf<T> {
  return form(doc, check, null, { required: true, ...extra });
}

export function secret(doc: string, { check = is.nonEmpty, example }: { readonly check?: Check<string>; readonly example?: string } = {}): Leaf<string> {
  return form(doc, check, null, { secret: true, required: true, sensitive: true, ...(example === undefined ? {} : { example }) });
}

/** A secret, or several that are all good, as when one is replaced by another. */
export function secrets(doc: string, { example }: { readonly example?: string } = {}): Leaf<readonly string[]> {
  return form(doc, is.nonEmpty, null, { secret: true, required: true, sensitive: true, list: true, single: true, min: 1, ...(example === undefined ? {} : { example }) });
}

/** `word`: the one string that stands for a whole list. */
export function listOf<T extends string, W extends string = never>(
  doc: string, check: Check<T>, fallback: readonly NoInfer<T | W>[] = [], extra: Omit<Extra, 'word'> & { readonly word?: W } = {},
): Leaf<readonly (T | W)[]> {
  return form(doc, check, fallback, { list: true, format: Array, ...extra });
}

export function rowsOf<G extends Group>(doc: string, children: G, extra: Extra = {}): Leaf<readonly Shape<G>[]> {
  return form(doc, passes, [], { list: true, format: Array, children, ...extra });
}

export function tableOf<G extends Group>(doc: string, keys: Check<string>, children: G, extra: Extra = {}): Leaf<Readonly<Record<string, Shape<G>>>> {
  return form(doc, passes, {}, { keys, format: Object, children, ...extra });
}

/** A table of single values; keys that are left out are not there. */
export function valuesOf<K extends string, T>(doc: string, keys: Check<K>, check: Check<T>, extra: Extra = {}): Leaf<Readonly<Partial<Record<K, T>>>> {
  return form(doc, check, {}, { keys, format: Object, ...extra });
}

/** A table of lists. */
export function listsOf<T extends string>(doc: string, keys: Check<string>, check: Check<T>, extra: Extra = {}): Leaf<Readonly<Record<string, readonly T[]>>> {
  return form(doc, check, {}, { keys, list: true, format: Object, ...extra });
}

/** null, or all keys of a group. */
export function optional<G extends Group>(doc: string, children: G): Leaf<Shape<G> | null> {
  return form(doc, passes, null, { optional: true, children });
}
