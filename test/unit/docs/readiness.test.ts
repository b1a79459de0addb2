// docs/readiness.md names tests and keys that are there, and claims nothing of a real number.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { isLeaf, schema, type Group } from '../../../lib/config/schema.js';
import { root, rowsOf } from './tables.js';

/** Whether `peers.*.health.interval` or `routes[].to` leads to a key or a group. */
function isKey(path: string): boolean {
  let node: Group | undefined = schema;
  const steps = path.split(/\.\*\.|\[\]\.|\./);
  for (const [at, step] of steps.entries()) {
    const child: Group[string] | undefined = node?.[step];
    if (child === undefined) return false;
    if (at === steps.length - 1) return true;
    node = isLeaf(child) ? child.children : child;
  }
  return false;
}

t.test('each capability: tests that are there, keys that are there, no real number', (t) => {
  const rows = rowsOf('readiness.md');
  t.ok(rows.length > 25, `${rows.length} capabilities`);
  for (const { cells } of rows) {
    const [capability = '', unit = '', standIn = '', lab = '', real = '', keys = '', caveat = ''] = cells;
    t.equal(cells.length, 7, capability);
    t.equal(real, '', `${capability}: nobody has called a real number`);
    t.ok(unit + standIn + lab !== '' || caveat !== '', `${capability}: proven somehow, or says that it is not`);
    for (const [cell, under] of [[unit, 'test/unit/'], [standIn, 'test/scenario/'], [lab, 'test/peers/']] as const) {
      const name = cell.replaceAll('`', '');
      t.ok(name === '' || (name.startsWith(under) && existsSync(join(root, name))), `${capability}: ${name}`);
    }
    for (const [, key = ''] of keys.matchAll(/`([^`]+)`/g)) t.ok(isKey(key), `${capability}: ${key}`);
  }
  t.end();
});
