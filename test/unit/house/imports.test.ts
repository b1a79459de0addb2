// Rules of the house that a reader of lib/ relies on (CONTRIBUTING.md), read off the source itself.
import t from 'tap';
import { readFileSync } from 'node:fs';
import { cyclesOf, exportsOf, leapsOf, runtimeImports, sourcesIn, usesOf } from './sources.js';

const longest = 300;

/**
 * Files of lib/ that a rule does not hold for, each with the reason: longer than the rest, exporting for others than
 * this repository, wrapping others' code whose types say less than is so. eslint.config.js reads the lists `parameters` and `complexity`, where
 * the most that a function of the file has stands too. None may be added without need.
 */
const { longer, publicEntries, wrappers, parameters, complexity } = JSON.parse(readFileSync(new URL('./exceptions.json', import.meta.url), 'utf8')) as
  Readonly<Record<'longer' | 'publicEntries' | 'wrappers', Readonly<Record<string, string>>>>
  & Readonly<Record<'parameters' | 'complexity', Readonly<Record<string, { readonly most: number; readonly why: string }>>>>;

const lib = sourcesIn('lib');

t.test('no file needs itself at run time, directly or by others', async (t) => {
  t.same(cyclesOf(new Map(lib.map((source) => [source.path, runtimeImports(source)]))), []);
  t.same(cyclesOf(new Map([['a', ['b']], ['b', ['c']], ['c', ['b', 'd']], ['d', []]])).map((group) => group.sort()), [['b', 'c']], 'one would be found');
});

t.test('every export has somebody who imports it', async (t) => {
  const used = new Set([...lib, ...sourcesIn('test', 'scripts')].flatMap(usesOf).map(({ from, name }) => `${from} ${name}`));
  t.ok(used.size > 1000, 'imports are found');
  t.same(lib.filter(({ path }) => !(path in publicEntries)).flatMap((source) => exportsOf(source).filter((name) => !used.has(`${source.path} ${name}`) && !used.has(`${source.path} *`))
    .map((name) => `${source.path} ${name}`)), []);
});

t.test(`no file is longer than ${longest} lines`, async (t) => {
  t.same(lib.filter(({ path, lines }) => lines > longest && !(path in longer)).map(({ path, lines }) => `${path} ${lines}`), []);
});

t.test('nothing is said to be there that the compiler does not know to be there', async (t) => {
  t.same(lib.flatMap((source) => leapsOf(source).nonNull), []);
});

t.test("the compiler's checks are passed over in the wrappers of others' code alone", async (t) => {
  t.same(lib.filter(({ path }) => !(path in wrappers)).flatMap((source) => leapsOf(source).casts), []);
});

t.test('the lists of exceptions name files that need them', async (t) => {
  const bounds = { ...parameters, ...complexity };
  for (const [path, { most, why }] of Object.entries(bounds)) t.ok(most > 5 && why !== '', `${path} has a reason`);
  for (const path of Object.keys({ ...longer, ...publicEntries, ...wrappers, ...bounds })) t.ok(lib.some((source) => source.path === path), path);
  for (const path of Object.keys(wrappers)) t.ok(lib.some((source) => source.path === path && leapsOf(source).casts.length > 0), `${path} has a cast`);
  for (const path of Object.keys(longer)) t.ok(lib.some((source) => source.path === path && source.lines > longest), `${path} is long`);
});
