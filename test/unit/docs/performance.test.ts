import { readFileSync } from 'node:fs';
import t from 'tap';

t.test('figures that scripts/bench has written say of which commit, day and machine they are', async (t) => {
  const page = readFileSync('docs/performance.md', 'utf8');
  const [, written = ''] = /<!-- written by scripts\/bench --write -->\n([\s\S]*?)<!-- to here -->/.exec(page) ?? [];
  t.match(written, /^Commit [0-9a-f]{7,}(?: with changes)?, 20\d\d-\d\d-\d\d: .+, \d+ cores, Node\.js v\d+\.\d+\.\d+; load average before [\d.]+\.\n/);
  t.match(written, /\n\| CPU of a call/);
});
