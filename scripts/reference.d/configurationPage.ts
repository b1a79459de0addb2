// docs/reference/configuration.md from the schema: a table for each section and for each kind of entry.
import { about, isLeaf, schema, type Group, type Leaf } from '../../lib/config/schema.js';
import { fixedKeys } from '../../lib/app/rules.js';

const head = `# Configuration

Made by \`scripts/reference\` from lib/config/schema.ts; a test holds it. [config/default.yaml](../../config/default.yaml) has the same keys as a file to copy.

- **Values.** \`\${NAME}\` in a value is replaced by that environment variable; a literal \`\${\` is written \`$\${\`. An unknown key, a wrong type and a value out of range are refused, each with its line:
  \`wa-b2bua check -c FILE\` ([the command line](cli.md)).
- **Units.** The meaning of a number begins with what it counts: seconds, bytes, calls.
- **Reload.** \`SIGHUP\` reads the file again. A key marked *restart* keeps its old value until the next start, and the log says so; every other key takes effect at once, for new calls. With
  \`policy.recheckOnReload\` policy judges live calls again. A file with a fault is refused as a whole, and the old rules stay.
  One more needs a restart: the first number with \`keying: dtls\` where \`media.engine\` is freeswitch and \`media.webrtc\` is rtpengine.
- **Paths.** \`numbers.*\` is each entry of a table, \`routes[]\` each entry of a list.
`;

interface Row { readonly path: string; readonly leaf: Leaf }

interface Section { readonly title: string; readonly doc: string; readonly rows: readonly Row[] }

export function configurationPage(): string {
  const single = Object.entries(schema).filter(([, child]) => isLeaf(child) && child.children === undefined);
  const sections: Section[] = [
    { title: 'The file', doc: '', rows: single.map(([path, child]) => ({ path, leaf: child as Leaf })) },
    ...Object.entries(schema).filter((entry) => !single.includes(entry)).flatMap(([key, child]) => (isLeaf(child) ? entriesOf(key, child) : sectionsOf(key, child))),
  ];
  return `${[head, ...sections.map(print)].join('\n')}`;
}

/** A group, then what is of its own: tables and lists of entries, and groups that say something of themselves. */
function sectionsOf(path: string, group: Group): Section[] {
  const rows: Row[] = [];
  const more: Section[] = [];
  for (const [key, child] of Object.entries(group)) {
    const at = `${path}.${key}`;
    if (!isLeaf(child)) {
      more.push(...sectionsOf(at, child));
      continue;
    }
    rows.push({ path: at, leaf: child });
    if (child.children !== undefined) more.push(...entriesOf(at, child));
  }
  return [...rows.length === 0 ? [] : [{ title: `\`${path}\``, doc: group[about]?.doc ?? '', rows }], ...more];
}

function entriesOf(path: string, { children = {}, doc, required, keys, list }: Leaf): Section[] {
  const at = `${path}${keys !== undefined ? '.*' : list === true ? '[]' : ''}`;
  const [first, ...rest] = sectionsOf(at, children);
  return first === undefined ? [] : [{ ...first, title: `\`${at}\``, doc: `${required === true ? 'Required. ' : ''}${doc}` }, ...rest];
}

function print({ title, doc, rows }: Section): string {
  return [
    `\n## ${title}\n`,
    ...doc === '' ? [] : [`${cell(doc)}\n`],
    '| key | value | default | reload | meaning |', '|---|---|---|---|---|',
    ...rows.map(({ path, leaf }) => `| \`${path}\` | ${cell(valueOf(leaf))} | ${defaultOf(leaf)} | ${reloadOf(path)} | ${cell(leaf.doc)} |`),
  ].join('\n');
}

/** What the check wants, in its own words. */
function valueOf(leaf: Leaf): string {
  const wanted = (leaf.check(undefined) ?? 'must be text').replace(/^must be /, '');
  if (leaf.optional === true) return 'keys below, or null';
  if (leaf.keys !== undefined) return leaf.children === undefined ? `table; each value: ${wanted}` : 'table, keys below';
  if (leaf.single === true) return `${wanted}, or a list of them; secret`;
  if (leaf.list !== true) return leaf.secret === true ? `${wanted}; secret` : wanted;
  const word = leaf.word === undefined ? '' : `${leaf.word}, or a `;
  return leaf.children === undefined ? `${word}list; each: ${wanted}` : `list, keys below${leaf.itemKey === undefined ? '' : `; a value alone is its ${leaf.itemKey}`}`;
}

function defaultOf({ required, default: value, word }: Leaf): string {
  if (required === true) return '**required**';
  const shown = word !== undefined && Array.isArray(value) && value.length === 1 && value[0] === word ? word : value;
  return `\`${typeof shown === 'string' ? shown : Array.isArray(shown) ? `[${shown.join(', ')}]` : JSON.stringify(shown)}\``;
}

function reloadOf(path: string): 'restart' | 'yes' {
  const under = (key: string): boolean => path === key || path.startsWith(`${key}.`) || path.startsWith(`${key}[`);
  return fixedKeys.some(({ key, except }) => under(key) && !(except !== undefined && under(except))) ? 'restart' : 'yes';
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('*', '\\*').replaceAll('<', '&lt;');
}
