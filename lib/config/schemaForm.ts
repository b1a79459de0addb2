import type { SchemaObj } from 'convict';
import * as is from './checks.js';
import type { Check } from './checks.js';

/**
 * A key of the file, in convict's form (doc, format, default) and with what convict lacks: lists, tables of named entries, secrets by key
 * and keys that must be there. `doc` is what config/default.yaml and docs/reference/configuration.md say of it (scripts/reference): what it
 * means, in which unit, and what its special values do. Of a number it begins with what is counted: Seconds, Bytes, Calls.
 */
export interface Leaf extends SchemaObj<unknown> {
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
}

export interface Group { readonly [key: string]: Group | Leaf; readonly [about]?: About }

export function isLeaf(node: Group | Leaf): node is Leaf {
  return 'check' in node && typeof node.check === 'function';
}

export const passes: Check = () => null;

export function leaf(doc: string, check: Check, fallback: unknown, extra: Partial<Leaf> = {}): Leaf {
  return { doc, check, default: fallback, format: '*', ...extra };
}

export function required(doc: string, check: Check, extra: Partial<Leaf> = {}): Leaf {
  return leaf(doc, check, null, { required: true, ...extra });
}

export function secret(doc: string, extra: Partial<Leaf> = {}): Leaf {
  return leaf(doc, is.nonEmpty, null, { secret: true, required: true, sensitive: true, ...extra });
}

export function listOf(doc: string, check: Check, fallback: readonly string[] = [], extra: Partial<Leaf> = {}): Leaf {
  return leaf(doc, check, fallback, { list: true, format: Array, ...extra });
}

export function rowsOf(doc: string, children: Group, extra: Partial<Leaf> = {}): Leaf {
  return leaf(doc, passes, [], { list: true, format: Array, children, ...extra });
}

export function tableOf(doc: string, keys: Check, children: Group, extra: Partial<Leaf> = {}): Leaf {
  return leaf(doc, passes, {}, { keys, format: Object, children, ...extra });
}
