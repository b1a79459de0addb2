// Each row of docs/closures.md names the test that holds it, or says that none does.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { root, rowsOf } from './tables.js';

t.test('closures.md: the named tests are there', (t) => {
  const rows = rowsOf('closures.md');
  t.ok(rows.length > 40, `${rows.length} causes`);
  for (const { cells } of rows) {
    const [cause = '', , , ends = '', held = ''] = cells;
    t.ok(cells.length === 5 && ends !== '', cause);
    const named = [...held.matchAll(/`(test\/[\w./-]+\.test\.ts)`: "((?:[^"])+)"/g)];
    if (!held.includes('no test')) t.ok(named.length > 0, `${cause}: names a test`);
    for (const [, file = '', title = ''] of named) {
      const path = join(root, file);
      t.ok(existsSync(path) && readFileSync(path, 'utf8').replaceAll("\\'", "'").includes(title), `${cause}: ${file} has "${title}"`);
    }
    t.equal(cause.startsWith('● '), held.includes('test/scenario/closures.test.ts'), `${cause}: the mark`);
  }
  const played = [...readFileSync(join(root, 'test/scenario/closures.test.ts'), 'utf8').matchAll(/what: (?:'([^']+)'|"([^"]+)")/g)].map(([, single, double]) => single ?? double ?? '');
  t.ok(played.length > 10);
  for (const what of played) t.ok(rows.some(({ cells }) => cells[4]?.includes(`"${what}"`) === true), `${what} has a row`);
  // Every reason of ours and of a peer's is somewhere.
  const ends = rows.map(({ cells }) => cells[3] ?? '').join(' ');
  for (const { heading, name } of rowsOf('reference/terminations.md')) {
    const by = heading === 'By us' ? 'us' : heading === 'By the peer' ? 'peer' : heading === 'By the user' ? 'user' : null;
    if (by !== null) t.ok(new RegExp(`\\b${by} ${name}\\b`).test(ends), `${by} ${name} has a row`);
  }
  t.end();
});
