// Each fact of docs/meta-sip.md and docs/meta-graph.md has an id, and test/facts.json says which tests hold it, or why none does.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { assumptionsPage, facts, held } from '../../../scripts/reference.d/facts.js';
import { root } from './tables.js';

t.test('every fact has its id and its entry, every entry its fact', (t) => {
  const { facts: all, unnamed } = facts();
  t.same(unnamed, [], 'each has an id');
  t.ok(all.length > 160, `${all.length} facts`);
  const ids = all.map(({ id }) => id);
  t.equal(new Set(ids).size, ids.length, 'no id is there twice');
  t.same(Object.keys(held()), ids);
  for (const { id, section, text, sure } of all) {
    if (section !== '1') t.equal(id.replace(/[a-z]$/, ''), section, `${id} stands in its section`);
    t.ok(text.length > 2, `${id} says something`);
    t.match(sure, /^[HML]/, `${id} says how sure it is`);
  }
  t.end();
});

t.test('the tests are there, and what nobody holds says so', (t) => {
  for (const [id, { tests, assumed }] of Object.entries(held())) {
    if (tests.length === 0) t.ok((assumed ?? '').length > 20, `${id} says why no test holds it`);
    for (const one of tests) {
      const [, name = '', title = ''] = /^(test\/\S+?\.ts): (.+)$/.exec(one) ?? [];
      const path = join(root, name);
      t.ok(name !== '' && existsSync(path) && readFileSync(path, 'utf8').replaceAll("\\'", "'").includes(title), `${id}: ${one}`);
    }
  }
  t.end();
});

t.test('docs/assumptions.md is what scripts/reference makes of them', (t) => {
  t.equal(readFileSync(join(root, 'docs/assumptions.md'), 'utf8'), assumptionsPage(), 'run scripts/reference');
  t.end();
});
