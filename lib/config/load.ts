import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { LineCounter, parseDocument, visit } from 'yaml';
import { WabError } from '../errors.js';
import { ConfigFaults } from './faults.js';
import type { ConfigFault } from './faults.js';
import { metaSources } from './metaSources.js';
import type { Env, Values } from './reader.js';
import { Reader } from './reader.js';
import { checkReferences } from './references.js';
import { checkPasswords, fillNumbers } from './passwordFile.js';
import { checkRegister, fillPeers } from './register.js';
import { checkSockets, checkTees } from './sockets.js';
import { readSourcesFile } from './sourcesFile.js';
import type { Group } from './schema.js';
import { isLeaf, schema } from './schema.js';
import type { Config, ConfigFile, MediaPlaces } from './types.js';

/** Where media is as the file has it; null: as of the other engine. */
type PlacesInFile = Pick<ConfigFile['media'], keyof MediaPlaces>;

const HERE = '127.0.0.1';
const PORTS = '40000-49999';

/** One of them is enough for both engines. */
function places(own: PlacesInFile, other: PlacesInFile): MediaPlaces {
  const [first = 0, last = 0] = (own.ports ?? other.ports ?? PORTS).split('-').map(Number);
  return {
    interface: { meta: own.interface.meta ?? other.interface.meta ?? HERE, peers: own.interface.peers ?? other.interface.peers ?? HERE },
    ports: { first, last },
  };
}

/**
 * Reads a configuration file.
 * @throws WabError 'FILE_UNREADABLE'; ConfigFaults with everything that is wrong in it.
 */
export function loadConfig(path: string, env: Env = process.env): Config {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new WabError('FILE_UNREADABLE', `${path}: ${(error as NodeJS.ErrnoException).code ?? 'unknown error'}`, { cause: error });
  }
  return parseConfig(text, { env, path });
}

/**
 * The configuration in a YAML text, frozen. `env` gives the values of ${NAME}; `path` is for the faults, and its folder for relative paths.
 * @throws ConfigFaults with everything that is wrong in it.
 */
export function parseConfig(text: string, { env, path }: { readonly env: Env; readonly path: string }): Config {
  const counter = new LineCounter();
  // prettyErrors would quote the line with the mistake, which may hold a secret.
  const doc = parseDocument(text, { lineCounter: counter, prettyErrors: false, uniqueKeys: false });
  const broken = [...doc.errors, ...doc.warnings].map((error): ConfigFault => ({
    path: '', line: counter.linePos(error.pos[0]).line, message: `not valid YAML: ${yamlTexts[error.code] ?? error.code}`,
  }));
  visit(doc, {
    Alias(_key, alias) {
      if (alias.resolve(doc) === undefined) broken.push({ path: '', line: counter.linePos(alias.range?.[0] ?? 0).line, message: `not valid YAML: ${yamlTexts['BAD_ALIAS']}` });
    },
  });
  if (broken.length > 0) throw new ConfigFaults(path, broken);

  const reader = new Reader(doc, counter, { env, folder: dirname(path) });
  const raw = reader.read(doc.contents, schema, '') as unknown as ConfigFile;
  const config = finish(raw);
  // Cross checks need whole values; with faults in single keys they would only repeat them.
  if (reader.faults.length === 0) {
    const report = (at: string, message: string): void => reader.fault(at, message, nearestLine(reader, at));
    checkRegister(raw.peers, report);
    checkSockets(raw.peers, report);
    checkTees(raw.routes, report);
    checkPasswords(raw.numbers, report);
    checkSources(raw.meta, report);
    checkReferences(config, report);
  }
  if (reader.faults.length > 0) {
    throw new ConfigFaults(path, [...reader.faults].sort((a, b) => (a.line ?? 0) - (b.line ?? 0)));
  }
  return deepFreeze(config);
}

/** What else a file that loads tells. */
export interface FileReading {
  /** The line of a key path (`peers.pbx.users[1]`), or of the nearest key above it; null when none is in the file. */
  readonly lineOf: (keyPath: string) => number | null;
  /** What is good for the program and probably not what was meant. */
  readonly warnings: readonly ConfigFault[];
}

export function readAgain(path: string, env: Env = process.env): FileReading {
  const counter = new LineCounter();
  const doc = parseDocument(readFileSync(path, 'utf8'), { lineCounter: counter, prettyErrors: false, uniqueKeys: false });
  const reader = new Reader(doc, counter, { env, folder: dirname(path) });
  reader.read(doc.contents, schema, '');
  return { lineOf: (keyPath) => nearestLine(reader, keyPath), warnings: [...reader.warnings, ...changedDefaults(reader)] };
}

/** What a file from before this version meant otherwise. */
function changedDefaults(reader: Reader): ConfigFault[] {
  const line = reader.lines.get('media.rtpengine');
  if (line === undefined || reader.lines.has('media.engine')) return [];
  return [{
    path: 'media.rtpengine', line,
    message: 'stands in a file without media.engine, whose default is the embedded engine now: that takes the calls, with this interface and these ports. Write engine: rtpengine to go on with rtpengine',
  }];
}

/** What is wrong, by the parser's code; its own sentences repeat parts of the file. */
const yamlTexts: Readonly<Record<string, string>> = {
  ALIAS_PROPS: 'an alias with a tag or anchor',
  BAD_ALIAS: 'an alias without its anchor; a value that starts with * or & must be in quotes',
  BAD_INDENT: 'wrong indentation',
  BLOCK_AS_IMPLICIT_KEY: 'a nested mapping on one line; a value with ": " in it must be in quotes',
  BAD_SCALAR_START: 'a value that starts with @, ` or % must be in quotes',
  MISSING_CHAR: 'a quote, bracket, comma or colon is missing',
  MULTILINE_IMPLICIT_KEY: 'a key must be on one line, with a colon after it',
  MULTIPLE_DOCS: 'more than one document in the file',
  TAB_AS_INDENT: 'a tab as indentation',
  TAG_RESOLVE_FAILED: 'an unknown tag; a value that starts with ! must be in quotes',
  UNEXPECTED_TOKEN: 'something unexpected',
};

/** Line of the key, else of the nearest key above it that is in the file. */
function nearestLine(reader: Reader, path: string): number | null {
  for (let at = path; at !== ''; at = at.replace(/(\[[0-9]+\]|(^|\.)[^.[]*)$/, '')) {
    const line = reader.lines.get(at);
    if (line !== undefined) return line;
  }
  return null;
}

/** What `default` in meta.sources means. A file that cannot be read gives the built-in list; checkSources says why. */
function published(file: string | null): readonly string[] {
  try {
    return file === null ? metaSources : readSourcesFile(file) ?? metaSources;
  } catch {
    return metaSources;
  }
}

function checkSources({ sourcesFile }: ConfigFile['meta'], report: (path: string, message: string) => void): void {
  try {
    if (sourcesFile !== null) readSourcesFile(sourcesFile);
  } catch (error) {
    report('meta.sourcesFile', `cannot be read: ${(error as NodeJS.ErrnoException).code ?? 'unknown error'}`);
  }
}

function finish(raw: ConfigFile): Config {
  const config = {
    ...raw,
    meta: { ...raw.meta, sources: raw.meta.sources.flatMap((source) => (source === 'default' ? published(raw.meta.sourcesFile) : [source])) },
    numbers: fillNumbers(raw.numbers),
    peers: fillPeers(raw.peers),
    media: { ...raw.media, ...places(raw.media, raw.media.rtpengine), rtpengine: { ...raw.media.rtpengine, ...places(raw.media.rtpengine, raw.media) } },
  };
  return { ...config, hash: createHash('sha256').update(canonical(withoutSecrets(config, schema))).digest('hex') };
}

function withoutSecrets(values: Values, group: Group): Values {
  const kept: Values = {};
  for (const [key, value] of Object.entries(values)) {
    const child = group[key];
    if (child === undefined) continue;
    if (!isLeaf(child)) {
      kept[key] = withoutSecrets(value as Values, child);
      continue;
    }
    const { children } = child;
    if (child.secret) continue;
    if (children === undefined || value === null) kept[key] = value;
    else if (child.list) kept[key] = (value as Values[]).map((item) => withoutSecrets(item, children));
    else if (child.keys) kept[key] = Object.fromEntries(Object.entries(value as Values).map(([name, entry]) => [name, withoutSecrets(entry as Values, children)]));
    else kept[key] = withoutSecrets(value as Values, children);
  }
  return kept;
}

/** JSON with the keys of every mapping in order, so that equal configurations give equal text. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) => (item !== null && typeof item === 'object' && !Array.isArray(item)
    ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)))
    : item));
}

function deepFreeze<T>(value: T): T {
  if (value !== null && typeof value === 'object' && !Object.isFrozen(value)) {
    Object.freeze(value);
    Object.values(value).forEach(deepFreeze);
  }
  return value;
}
