// docs/reference/limits.md names every bound: the keys of the schema with their defaults, and the constants of lib/ with their values.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { isLeaf, schema, type Group } from '../../../lib/config/schema.js';
import { root, rowsOf, sorted, under } from './tables.js';

const rows = rowsOf('reference/limits.md');
const configured = rows.filter(({ heading }) => heading !== 'Fixed');
const fixed = under(rows, 'Fixed');

/** Every key whose value bounds something: a number that is no port and no name, or null for one. */
function bounds(group: Group, path: string): { path: string; value: unknown }[] {
  return Object.entries(group).flatMap(([key, child]) => {
    const at = path === '' ? key : `${path}.${key}`;
    if (!isLeaf(child)) return bounds(child, at);
    if (child.children !== undefined) return bounds(child.children, child.keys !== undefined ? `${at}.*` : child.list === true ? `${at}[]` : at);
    const bound = (typeof child.default === 'number' && key !== 'port' && key !== 'id') || (child.default === null && /^(max|callsPer|ports$)/.test(key));
    return bound ? [{ path: at, value: child.default }] : [];
  });
}

t.test('every key that bounds something, with its default', (t) => {
  const known = bounds(schema, '');
  t.ok(known.length > 45, `${known.length} keys`);
  t.same(sorted(configured.map(({ name, cells }) => `${name} ${cells[1] ?? ''}`)), sorted(known.map(({ path, value }) => `${path} ${String(value)}`)));
  for (const { name, cells } of rows) t.ok((cells.at(-1) ?? '').length > 2, `${name} says what happens`);
  t.end();
});

t.test('every fixed bound, with its value', (t) => {
  const all = execFileSync('git', ['ls-files', '-co', '--exclude-standard', 'lib'], { cwd: root, encoding: 'utf8' }).trim().split('\n');
  // The stand-ins serve tests, and what bounds media packets is said not to be here.
  const files = all.filter((name) => name.endsWith('.ts') && !/^lib\/(simulator|media|doctor|cli)\//.test(name));
  const named = fixed.map(({ cells: [, value = '', constant = ''] }) => ({ value, file: constant.split('`')[1] ?? '', name: constant.split('`')[3] ?? '' }));
  const text = (file: string): string => readFileSync(join(root, file), 'utf8');
  for (const { file, name, value } of named) {
    const given = new RegExp(`^(?:export )?const ${name} = ([\\d_]+);`, 'm').exec(all.includes(file) ? text(file) : '')?.[1];
    t.equal(value, given?.replaceAll('_', ''), `${file} ${name}`);
  }
  const inCode = files.flatMap((file) => [...text(file).matchAll(/^(?:export )?const ((?:max|most|MAX_|MOST_)\w+)(?:: number)? = [\d_]+;/gm)].map(([, name]) => `${file} ${name}`));
  t.ok(inCode.length > 30, `${inCode.length} constants`);
  const missing = inCode.filter((one) => !named.some(({ file, name }) => `${file} ${name}` === one));
  t.same(missing, [], 'each has its row');
  t.end();
});
