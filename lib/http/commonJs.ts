import { readFileSync } from 'node:fs';
import { createRequire, isBuiltin } from 'node:module';
import { basename, dirname, join } from 'node:path';

/** What a module asks for, by a name that stands there in full. */
const requires = /\brequire\(['"]([^'"()]+)['"]\)/g;

interface Manifest { readonly main?: string; readonly browser?: string | Readonly<Record<string, string | false>> }

/**
 * A package of CommonJS modules, and those it asks for, as one script for browsers, which leaves it behind as `globalThis[name]`. Files are those
 * that npm has installed, as they are; where a package has others for browsers (field `browser`), those.
 * @throws where a module asks for one that is not there
 */
export function browserScript(packageName: string, name: string): string {
  const numbers = new Map<string, number>();
  const texts: string[] = [];
  const numberOf = (file: string): number => {
    const known = numbers.get(file);
    if (known !== undefined) return known;
    const number = numbers.size;
    // First, as modules may ask for each other.
    numbers.set(file, number);
    const text = readFileSync(file, 'utf8');
    const isData = file.endsWith('.json');
    const wanted = Object.fromEntries([...isData ? [] : text.matchAll(requires)].map(([, id = '']) => [id, numberOf(forBrowsers(found(file, id)))]));
    texts[number] = `[${JSON.stringify(wanted)}, function (module, exports, require) {\n${isData ? `module.exports = ${dataOf(file, text)};` : text}\n}]`;
    return number;
  };
  numberOf(forBrowsers(createRequire(import.meta.url).resolve(packageName)));
  return `(() => {
const modules = [
${texts.join(',\n')}
];
const made = [];
const load = (number) => {
  if (made[number] === undefined) {
    const module = made[number] = { exports: {} };
    const [wanted, body] = modules[number];
    body.call(module.exports, module, module.exports, (name) => load(wanted[name]));
  }
  return made[number].exports;
};
globalThis[${JSON.stringify(name)}] = load(0);
})();
`;
}

function found(file: string, id: string): string {
  // npm has packages with the names of parts of Node.js, for browsers.
  return createRequire(file).resolve(isBuiltin(id) ? `${id}/` : id);
}

/** The file that the package of this one has for browsers in its place. */
function forBrowsers(file: string): string {
  for (let folder = dirname(file); folder !== dirname(folder); folder = dirname(folder)) {
    const manifest = manifestIn(folder);
    if (manifest === null) continue;
    const { main = 'index.js', browser = {} } = manifest;
    const others = typeof browser === 'string' ? { [main]: browser } : browser;
    const other = Object.entries(others).find(([from]) => createRequire(join(folder, 'package.json')).resolve(join(folder, from)) === file)?.[1];
    return typeof other === 'string' ? join(folder, other) : file;
  }
  return file;
}

function manifestIn(folder: string): Manifest | null {
  try {
    return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest;
  } catch {
    return null;
  }
}

/** Of a package.json no more than what a program shows of itself. */
function dataOf(file: string, text: string): string {
  if (basename(file) !== 'package.json') return text;
  const { title, name, version, homepage } = JSON.parse(text) as Readonly<Record<string, unknown>>;
  return JSON.stringify({ title, name, version, homepage });
}
