// The table "Where to look" of CONTRIBUTING.md leads to what is there.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { root, rowsOf, under } from './tables.js';

/** The text of a file, or of every file below a folder. */
function textOf(path: string): string {
  const at = join(root, path);
  if (!statSync(at).isDirectory()) return readFileSync(at, 'utf8');
  return readdirSync(at, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts')).map((name) => readFileSync(join(at, name), 'utf8')).join('\n');
}

const quoted = (cell: string | undefined): string[] => [...(cell ?? '').matchAll(/`([^`]+)`/g)].map(([, text = '']) => text);

t.test('each row of "Where to look" names a file and what stands in it', (t) => {
  const rows = under(rowsOf('../CONTRIBUTING.md'), 'Where to look');
  t.ok(rows.length > 10, `${rows.length} rows`);
  for (const { cells, line } of rows) {
    const [file = ''] = quoted(cells[1]);
    const [name = '?'] = quoted(cells[2]);
    const text = textOf(file);
    t.ok(text.includes(name), `line ${line}: ${name} in ${file}`);
    // A name of code alone is one of the same file, where no other is named; a path is one of the repository.
    const more = quoted(cells[3]);
    const [elsewhere] = more.filter((word) => /^(?:lib|test|docs)\/[\w/.-]+$/.test(word));
    if (elsewhere !== undefined) t.ok(textOf(elsewhere).length > 0, `line ${line}: ${elsewhere}`);
    for (const word of more.filter((one) => /^#\w+$/.test(one))) t.ok(text.includes(word), `line ${line}: ${word} in ${file}`);
    for (const command of more.filter((one) => one.startsWith('grep '))) {
      const [, sought = '', where = ''] = /^grep -rn "([^"]+)" (\w+)/.exec(command) ?? [];
      t.ok(where !== '' && textOf(where).includes(sought), `line ${line}: ${command}`);
    }
  }
  t.end();
});
