// config/default.yaml and docs/reference/configuration.md are what scripts/reference makes of the schema.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { isLeaf, schema, type Group } from '../../../lib/config/schema.js';
import { fixedKeys } from '../../../lib/app/rules.js';
import { configurationPage } from '../../../scripts/reference.d/configurationPage.js';
import { defaultYaml } from '../../../scripts/reference.d/defaultYaml.js';
import { graphPage } from '../../../scripts/reference.d/graphPage.js';

const root = join(import.meta.dirname, '..', '..', '..');
const file = (name: string): string => readFileSync(join(root, name), 'utf8');

t.test('what is checked in is what scripts/reference writes', (t) => {
  t.equal(file('config/default.yaml'), defaultYaml(), 'config/default.yaml: run scripts/reference');
  t.equal(file('docs/reference/configuration.md'), configurationPage(), 'docs/reference/configuration.md: run scripts/reference');
  t.equal(file('docs/reference/graph-errors.md'), graphPage(), 'docs/reference/graph-errors.md: run scripts/reference');
  t.ok(defaultYaml().split('\n').every((line) => line.length <= 150 || !line.includes('#')), 'no comment is wider than a screen');
  t.end();
});

/** Every key, `numbers.*.password` and `routes[].to[].peer` for what stands in entries. */
function keysOf(group: Group, path: string): { path: string; doc: string; counts: boolean }[] {
  return Object.entries(group).flatMap(([key, child]) => {
    const at = path === '' ? key : `${path}.${key}`;
    if (!isLeaf(child)) return keysOf(child, at);
    const self = { path: at, doc: child.doc, counts: typeof child.default === 'number' && !/[pP]ort$|^id$/.test(key) };
    const entry = child.keys !== undefined ? `${at}.*` : child.list === true ? `${at}[]` : at;
    return [self, ...child.children === undefined ? [] : keysOf(child.children, entry)];
  });
}

t.test('each key says what it means, a number what it counts', (t) => {
  const page = configurationPage();
  const keys = keysOf(schema, '');
  t.ok(keys.length > 130, `${keys.length} keys`);
  for (const { path, doc, counts } of keys) {
    t.match(doc, /^\S.{6,}/, path);
    // A table that is nothing but its entries is a heading.
    t.ok(page.includes(`\n| \`${path}\` |`) || page.includes(`\n## \`${path}.*\``) || page.includes(`\n## \`${path}[]\``) || page.includes(`\n## \`${path}\``), `${path} stands on the page`);
    if (counts) t.match(doc, /\b(seconds|bytes|calls|messages|megabytes|days|connections|handshakes|transactions|requests|dialogs|header lines|devices|failures|answers|faults|INVITEs)\b/i, path);
  }
  t.end();
});

t.test('a key that waits for a restart is one of the schema', (t) => {
  for (const { key, except } of fixedKeys.filter(({ key }) => !key.includes(':'))) {
    for (const path of [key, ...except === undefined ? [] : [except]]) {
      let node: Group | undefined = schema;
      for (const step of path.split('.')) {
        const child: Group[string] | undefined = node?.[step];
        t.ok(child, path);
        node = child === undefined || isLeaf(child) ? undefined : child;
      }
    }
  }
  t.end();
});
