import { resolve } from 'node:path';
import convict from 'convict';
import type { Document, LineCounter, Node, Scalar } from 'yaml';
import { isAlias, isMap, isScalar, isSeq } from 'yaml';
import type { Check } from './checks.js';
import type { ConfigFault } from './faults.js';
import type { Group, Leaf } from './schema.js';
import { about, isLeaf } from './schema.js';
import { suggest } from './suggest.js';

export type Env = Readonly<Record<string, string | undefined>>;
export type Values = Record<string, unknown>;

/** What `read` gives for a value that has a fault: the key is left out, and checks that need it are skipped. */
const faulty = Symbol('faulty');

/**
 * Walks a YAML document along the schema, expands ${ENV}, checks every value and collects every fault.
 * convict gives the defaults; it does not read the file itself because it knows no lines, does not look
 * into lists, and turns "50abc" into 50.
 */
export class Reader {
  readonly faults: ConfigFault[] = [];
  /** What can be used, and is probably not meant. */
  readonly warnings: ConfigFault[] = [];
  /** Line of each key path that is in the file, for checks across keys. */
  readonly lines = new Map<string, number>();

  readonly #defaults = new Map<Group, Values>();
  readonly #doc: Document;
  readonly #counter: LineCounter;
  readonly #env: Env;
  readonly #folder: string;

  /** `folder`: that of the file, for the paths in it. */
  constructor(doc: Document, counter: LineCounter, { env, folder }: { readonly env: Env; readonly folder: string }) {
    this.#folder = folder;
    this.#doc = doc;
    this.#counter = counter;
    this.#env = env;
  }

  fault(path: string, message: string, line: number | null = this.lines.get(path) ?? null): void {
    this.faults.push({ path, line, message });
  }

  /** A mapping with all defaults filled in; keys with faults have their default. `itemKey`: the key that a single value stands for. */
  read(node: unknown, group: Group, path: string, itemKey?: string): Values {
    const only = itemKey !== undefined && isScalar(node) ? group[itemKey] : undefined;
    const values: Values = {};
    if (itemKey !== undefined && only !== undefined) this.#child(node, only, path, itemKey, values);
    else Object.assign(values, this.#group(node, group, path));
    let defaults = this.#defaults.get(group);
    if (defaults === undefined) {
      defaults = convict<Values>(group, { env: {}, args: [] }).getProperties();
      this.#defaults.set(group, defaults);
    }
    return fill(values, group, defaults);
  }

  #line(node: Node | null | undefined): number | null {
    return node?.range ? this.#counter.linePos(node.range[0]).line : null;
  }

  #resolve(node: unknown): unknown {
    return isAlias(node) ? node.resolve(this.#doc) : node;
  }

  #group(given: unknown, group: Group, path: string): Values {
    const node = this.#resolve(given);
    const values: Values = {};
    if (group[about]?.shorthand === true && isScalar(node) && node.value !== null) {
      const [first] = Object.values(group);
      const value = first && isLeaf(first) ? this.#leaf(node, first, path) : faulty;
      return value === faulty ? values : Object.fromEntries(Object.keys(group).map((key) => [key, value]));
    }
    if (this.#single(node, group, path, values)) return values;
    const pairs = this.#pairs(node, path);
    if (pairs === null) return values;
    for (const [key, value] of pairs) {
      const child = Object.hasOwn(group, key) ? group[key] : undefined;
      if (child === undefined) this.#unknownKey(join(path, key), key, Object.keys(group));
      else this.#child(value, child, join(path, key), key, values);
    }
    for (const [key, child] of Object.entries(group)) {
      if (isLeaf(child) && child.required && !pairs.has(key)) this.fault(join(path, key), 'is required', this.lines.get(path) ?? null);
    }
    return values;
  }

  /** A value that stands for one key of the group. */
  #single(node: unknown, group: Group, path: string, into: Values): boolean {
    const key = group[about]?.itemKey;
    const child = key === undefined ? undefined : group[key];
    if (key === undefined || child === undefined || !isScalar(node) || node.value === null) return false;
    this.#child(node, child, path, key, into);
    return true;
  }

  #child(node: unknown, child: Group | Leaf, path: string, key: string, into: Values): void {
    const value = isLeaf(child) ? this.#leaf(node, child, path) : this.#group(node, child, path);
    if (value !== faulty) into[key] = value;
  }

  #unknownKey(path: string, key: string, known: readonly string[]): void {
    const meant = suggest(key, known);
    this.fault(path, meant === null ? `unknown key; known here: ${known.join(', ')}` : `unknown key; did you mean ${meant}?`);
  }

  /** The pairs of a mapping by key text, or null when the node is not one. An empty node is an empty mapping. */
  #pairs(node: unknown, path: string): Map<string, unknown> | null {
    if (node === null || node === undefined || (isScalar(node) && node.value === null)) return new Map();
    if (!isMap(node)) {
      this.fault(path, 'must be a mapping of keys to values');
      return null;
    }
    const pairs = new Map<string, unknown>();
    for (const pair of node.items) {
      const key = this.#resolve(pair.key);
      if (!isScalar(key)) {
        this.fault(path, 'a key must be plain text', this.#line(pair.key as Node));
        continue;
      }
      // An unquoted +447700900001 is a number to YAML: its text is what was meant.
      const text = typeof key.value === 'string' ? key.value : (key.source ?? String(key.value));
      const line = this.#line(key) ?? 0;
      if (pairs.has(text)) this.fault(join(path, text), `is there twice, first on line ${this.lines.get(join(path, text))}`, line);
      else this.lines.set(join(path, text), line);
      if (!pairs.has(text)) pairs.set(text, pair.value);
    }
    return pairs;
  }

  #leaf(given: unknown, leaf: Leaf, path: string): unknown {
    const node = this.#resolve(given);
    if (leaf.optional && leaf.children !== undefined) {
      if (node === null || (isScalar(node) && node.value === null)) return null;
      return this.read(node, leaf.children, path);
    }
    if (leaf.keys !== undefined) return this.#table(node, leaf, leaf.keys, path);
    if (leaf.list) return this.#list(node, leaf, path);
    return this.#scalar(node, leaf, path);
  }

  #table(node: unknown, leaf: Leaf, checkKey: Check, path: string): unknown {
    const before = this.faults.length;
    const pairs = this.#pairs(node, path);
    if (pairs === null) return faulty;
    if (pairs.size < (leaf['min'] ?? 0)) this.fault(path, 'must not be empty');
    const table: Values = Object.create(null) as Values;
    for (const [key, value] of pairs) {
      const complaint = checkKey(key);
      if (complaint !== null) this.fault(join(path, key), `the key ${complaint}`);
      const at = join(path, key);
      const entry = leaf.children ? this.read(value, leaf.children, at) : leaf.list ? this.#list(this.#resolve(value), leaf, at) : this.#scalar(this.#resolve(value), leaf, at);
      if (complaint === null && entry !== faulty) table[key] = entry;
    }
    return this.faults.length > before && Object.keys(table).length === 0 ? faulty : table;
  }

  #list(node: unknown, leaf: Leaf, path: string): unknown {
    if (leaf.word !== undefined && isScalar(node) && node.value === leaf.word) return [leaf.word];
    if (leaf.single === true && isScalar(node)) {
      const value = this.#scalar(node, leaf, path);
      return value === faulty ? faulty : [value];
    }
    if (!isSeq(node)) {
      this.fault(path, leaf.word === undefined ? 'must be a list' : `must be ${leaf.word} or a list`);
      return faulty;
    }
    if (node.items.length < (leaf['min'] ?? 0)) this.fault(path, 'must not be empty');
    const seen = new Set<unknown>();
    return node.items.map((item, index) => {
      const at = `${path}[${index}]`;
      const line = this.#line(item as Node);
      if (line !== null) this.lines.set(at, line);
      if (leaf.children) return this.read(this.#resolve(item), leaf.children, at, leaf.itemKey);
      const value = this.#scalar(this.#resolve(item), leaf, at);
      if (value !== faulty && seen.has(value)) this.fault(at, 'is there twice');
      seen.add(value);
      return value;
    }).filter((value) => value !== faulty);
  }

  #scalar(node: unknown, leaf: Leaf, path: string): unknown {
    if (node !== null && !isScalar(node)) {
      const complaint = leaf.check(undefined);
      this.fault(path, `${complaint ?? 'must be a single value'}, not ${isSeq(node) ? 'a list' : 'a mapping'}`);
      return faulty;
    }
    if (node !== null && isScalar(node)) this.#lookForBareName(node, path);
    const value = node === null ? null : this.#expand(node, leaf, path);
    if (value === faulty) return faulty;
    const complaint = leaf.check(value);
    if (complaint === null) return typeof value === 'string' ? this.#placed(value, leaf) : value;
    this.fault(path, `${complaint}${shown(node, leaf)}`);
    return faulty;
  }

  /** A path as the service uses it. What a key has by default means the same where the file says it: it is below the folder that the service is started in. */
  #placed(value: string, { file, default: usual }: Leaf): string {
    if (file === undefined || value === usual) return value;
    if (file === true) return resolve(this.#folder, value);
    if ('but' in file) return value === file.but ? value : resolve(this.#folder, value);
    return value.startsWith(file.behind) ? `${file.behind}${resolve(this.#folder, value.slice(file.behind.length))}` : value;
  }

  /** $NAME, as a shell has it, is text here. The value is not shown: it may be a secret that looks so. */
  #lookForBareName(node: Scalar, path: string): void {
    if (typeof node.value !== 'string' || !/^\$[A-Za-z_][A-Za-z0-9_]{2,}$/.test(node.value)) return;
    this.warnings.push({ path, line: this.#line(node), message: 'looks like an environment variable without braces, and is taken as it stands: write ${NAME} for the value of NAME' });
  }

  /** ${NAME} becomes the variable's value, $${ a literal ${. A value that came from the environment may stand for a number or a boolean. */
  #expand(node: Scalar, leaf: Leaf, path: string): unknown {
    if (typeof node.value !== 'string' || !node.value.includes('${')) return node.value;
    let missing = false;
    const text = node.value.replace(/\$\$\{|\$\{([^}]*)(\}?)/g, (match: string, name: string | undefined, end: string | undefined) => {
      if (match === '$${') return '${';
      if (name === undefined || end !== '}' || !/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
        this.fault(path, 'has a ${…} that does not name an environment variable; a literal ${ is written $${');
        missing = true;
        return '';
      }
      const value = this.#env[name];
      if (value === undefined) {
        this.fault(path, `the environment variable ${name} is not set`);
        missing = true;
      }
      return value ?? '';
    });
    if (missing) return faulty;
    if (typeof leaf.default === 'number' && /^[0-9]{1,9}$/.test(text)) return Number(text);
    if (typeof leaf.default === 'boolean' && (text === 'true' || text === 'false')) return text === 'true';
    return text;
  }
}

function join(path: string, key: string): string {
  return path === '' ? key : `${path}.${key}`;
}

/** The value as it stands in the file, for a fault; nothing of a secret, and no password in a URI. */
function shown(node: Scalar | null, leaf: Leaf): string {
  if (leaf.secret || node === null || node.value === null) return '';
  const text = (typeof node.value === 'string' ? node.value : (node.source ?? String(node.value))).replace(/:[^:@]*@/g, ':***@');
  return `; it is ${JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text)}`;
}

/** Default values for the keys that have none, group by group; leaves are taken as they are. */
function fill(values: Values, group: Group, defaults: Values): Values {
  return Object.fromEntries(Object.entries(group).map(([key, child]) => {
    if (!isLeaf(child)) return [key, fill((values[key] ?? {}) as Values, child, defaults[key] as Values)];
    return [key, Object.hasOwn(values, key) ? values[key] : defaults[key]];
  }));
}
