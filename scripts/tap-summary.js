// Reads tap's TAP output from the path given: prints each file's verdict and how long it took, each failing assertion with its details and
// each skip with its reason, then "COUNTS passed failed skipped" from tap's own closing line.
import { readFileSync } from 'node:fs';

const lines = readFileSync(process.argv[2], 'utf8').split('\n');
/** Names of the subtests open at each depth; four spaces of indent are one level. */
const open = [];

for (let i = 0; i < lines.length; i++) {
  const line = lines[i];
  const depth = Math.floor(/^ */.exec(line)[0].length / 4);
  const subtest = /^ *# Subtest: (.*)$/.exec(line);
  if (subtest) {
    open[depth] = subtest[1].replace(/\.test\.js\b/, '.test.ts');
    continue;
  }
  const result = /^ *(not )?ok \d+(?: - (.*))?$/.exec(line);
  if (!result) continue;
  const [, bad, written = ''] = result;
  // Named by its source, which may have been compiled.
  const text = written.replace(/\.test\.js\b/, '.test.ts');
  const name = text.replace(/ *#.*$/, '');
  const skip = /# SKIP\b ?(.*)$/i.exec(text);
  const where = [...open.slice(0, depth), name].join(' > ');
  const closesSubtest = open[depth] === name;
  open.length = depth;
  const took = / # time=([\d.]+)(m?s)\b/.exec(text);
  const seconds = took ? ` (${(Number(took[1]) / (took[2] === 'ms' ? 1000 : 1)).toFixed(1)} s)` : '';
  if (depth === 0) console.log(`${bad ? 'not ok' : 'ok'} - ${name}${seconds}`);
  if (skip) console.log(`skipped - ${where}${skip[1] ? `: ${skip[1]}` : ''}`);
  // What closes a subtest repeats the failures inside it; the innermost one has the details.
  if (bad && !closesSubtest) {
    console.log(`not ok - ${where}`);
    for (let j = i + 1; j < Math.min(i + 40, lines.length) && /^ *---$/.test(lines[i + 1]); j++) {
      console.log(lines[j]);
      if (/^ *\.\.\.$/.test(lines[j])) break;
    }
  }
}
const closing = lines.findLast((line) => /^# \{ total: /.test(line)) ?? '';
const count = (key) => Number(new RegExp(`\\b${key}: (\\d+)`).exec(closing)?.[1] ?? 0);
// A test that is put off proves nothing: it counts as failed.
console.log(`COUNTS ${count('pass')} ${count('fail') + count('todo')} ${count('skip')}`);
