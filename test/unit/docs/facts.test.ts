// Each fact of docs/meta-sip.md has an id, and test/facts.json says which tests hold it, or why none does.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { root } from './tables.js';

interface Entry { readonly tests: readonly string[]; readonly assumed?: string }

const file = (name: string): string => readFileSync(join(root, name), 'utf8');
const manifest = JSON.parse(file('test/facts.json')) as Readonly<Record<string, Entry>>;
/** Sections 1 to 12; what follows is what we make of it. */
const page = /^## 1\. [\s\S]*?(?=^## 13\.)/m.exec(file('docs/meta-sip.md'))?.[0] ?? '';

/** The ids, each with its number of section: those of section 1 are numbered, the others stand in front of their fact. */
function ids(): string[] {
  const found: string[] = [];
  let section = '';
  for (const line of page.split('\n')) {
    section = /^#+ (\d+(?:\.\d+)?)/.exec(line)?.[1] ?? section;
    const numbered = section === '1' ? /^(\d+)\. /.exec(line)?.[1] : undefined;
    const id = numbered === undefined ? /^(?:- |\| )\*\*([\d.]+[a-z])\*\* /.exec(line)?.[1] : `1.${numbered}`;
    if (id !== undefined) found.push(id);
    else if (/^(?:[-*] |\d+\. |\| (?!id \|))/.test(line)) t.fail(`a fact without an id in §${section}: ${line}`);
    if (id !== undefined && section !== '1') t.equal(id.replace(/[a-z]$/, ''), section, `${id} stands in its section`);
  }
  return found;
}

t.test('every fact has its entry, every entry its fact', (t) => {
  const found = ids();
  t.ok(found.length > 100, `${found.length} facts`);
  t.equal(new Set(found).size, found.length, 'no id is there twice');
  t.same(Object.keys(manifest), found);
  t.end();
});

t.test('the tests are there, and what nobody holds says so', (t) => {
  for (const [id, { tests, assumed }] of Object.entries(manifest)) {
    if (tests.length === 0) t.ok((assumed ?? '').length > 20, `${id} says why no test holds it`);
    for (const one of tests) {
      const [, name = '', title = ''] = /^(test\/\S+?\.ts): (.+)$/.exec(one) ?? [];
      const path = join(root, name);
      t.ok(name !== '' && existsSync(path) && readFileSync(path, 'utf8').replaceAll("\\'", "'").includes(title), `${id}: ${one}`);
    }
  }
  t.end();
});
