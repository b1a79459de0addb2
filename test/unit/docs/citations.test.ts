// What a comment cites can be opened: each row of META-SIP, each page of docs, each heading of INTEROP, each house rule.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';

const root = join(import.meta.dirname, '..', '..', '..');
const page = (name: string): string => readFileSync(join(root, 'docs', name), 'utf8');
const headings = (name: string): string[] => [...page(name).matchAll(/^#+ (.*)$/gm)].map(([, title]) => title ?? '');
const files = execFileSync('git', ['ls-files', 'lib', 'test', 'scripts', 'config', 'freeswitch', 'deploy', 'eslint.config.js'], { cwd: root, encoding: 'utf8' }).split('\n')
  .filter((name) => /\.(ts|js|yaml|xml|service)$/.test(name) && !name.includes('fixtures') && !name.endsWith('citations.test.ts') && existsSync(join(root, name)));
const sources = files.map((name) => ({ name, text: readFileSync(join(root, name), 'utf8') }));
/** Every match of `pattern`, with the file it stands in. */
const cited = (pattern: RegExp): { where: string; what: string }[] =>
  sources.flatMap(({ name, text }) => [...text.matchAll(pattern)].map((match) => ({ where: name, what: match[1] ?? '' })));

t.test('rows of META-SIP', async (t) => {
  const sections = new Set(headings('meta-sip.md').map((title) => /^(\d+(?:\.\d+)?)\.? /.exec(title)?.[1]));
  // "§1.8" is the eighth of the facts in section 1.
  const facts = (/^## 1\. [\s\S]*?(?=^## )/m.exec(page('meta-sip.md'))?.[0] ?? '').match(/^\d+\. /gm)?.length ?? 0;
  for (let n = 1; n <= facts; n++) sections.add(`1.${n}`);
  const all = cited(/META-SIP(?:\.md)? §(\d+(?:\.\d+)?)/g);
  t.ok(all.length > 50, `${all.length} citations`);
  t.same(all.filter(({ what }) => !sections.has(what)), []);
});

t.test('headings of INTEROP', async (t) => {
  const titles = new Set(headings('interop.md'));
  t.same(cited(/INTEROP(?:\.md)?,? "([^"]+)"/g).filter(({ what }) => !titles.has(what)), []);
});

t.test('house rules', async (t) => {
  const rules = (/^## House rules[\s\S]*?(?=^## )/m.exec(page('architecture.md'))?.[0] ?? '').match(/^\d+\. /gm)?.length ?? 0;
  t.same(cited(/[Hh]ouse rule (\d+)/g).filter(({ what }) => Number(what) < 1 || Number(what) > rules), []);
});

t.test('pages', async (t) => {
  t.same(cited(/\b(docs\/[\w./-]+\.md)/g).filter(({ what }) => !existsSync(join(root, what))), []);
  t.same(cited(/\b(SECURITY\.md|FIELD-FAULTS\.md|HOUSE\.md|STYLE\.md|GRAPH-API(?:\.md)?|AGENT-STREAMS(?:\.md)?|DESIGN-ANSWERS(?:\.md)?)/g), [], 'no page that is not in the repository');
});

t.test('links between the pages', async (t) => {
  const pages = execFileSync('git', ['ls-files', '-co', '--exclude-standard', '*.md'], { cwd: root, encoding: 'utf8' }).split('\n').filter((name) => name !== '' && existsSync(join(root, name)));
  const dead = pages.flatMap((name) => [...readFileSync(join(root, name), 'utf8').matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)]
    .map(([, to]) => to ?? '').filter((to) => !/^[a-z]+:/.test(to) && !existsSync(join(root, name, '..', to))).map((to) => `${name}: ${to}`));
  t.same(dead, []);
  t.ok(readFileSync(join(root, 'README.md')).length <= 8192, 'the README is for one minute');
});
