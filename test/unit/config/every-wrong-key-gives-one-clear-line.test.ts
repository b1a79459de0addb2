import t from 'tap';
import { stringify } from 'yaml';
import { faultsOf, fullDocument, parseTree, removeAt, setAt } from './documents.js';
import { keys, type Key } from './everyKey.js';

t.test('the document the other tests spoil is good and has every key', (t) => {
  const tree = fullDocument();
  t.equal(parseTree(tree).domain, 'sbc.example.net');
  for (const key of keys) {
    t.doesNotThrow(() => removeAt(fullDocument(), key.path), key.path);
  }
  t.ok(keys.length > 90, `${keys.length} keys`);
  t.end();
});

t.test('a value of the wrong kind', (t) => {
  const wrong: Record<Key['kind'], unknown[]> = {
    scalar: [['a', 'list'], { a: 'mapping' }],
    list: ['scalar', { a: 'mapping' }],
    group: [['a', 'list'], 'scalar'],
    table: [['a', 'list'], 'scalar'],
  };
  for (const key of keys) {
    // One secret stands for a list of one.
    for (const value of key.path === 'webhooks.appSecret' ? [{ a: 'mapping' }] : wrong[key.kind]) {
      const tree = fullDocument();
      setAt(tree, key.path, value);
      const faults = faultsOf(stringify(tree));
      t.equal(faults.length, 1, `${key.path} = ${JSON.stringify(value)}: ${JSON.stringify(faults)}`);
      t.equal(faults[0]?.path, key.path);
      t.ok(faults[0]!.line! > 0, 'has its line');
    }
  }
  t.end();
});

t.test('a key that does not exist, in every mapping', (t) => {
  const groups = ['', ...keys.filter((k) => k.kind === 'group').map((k) => k.path), 'numbers.+447700900001', 'peers.pbx'];
  for (const path of groups) {
    const tree = fullDocument();
    const key = path === '' ? 'nonsense' : `${path}.nonsense`;
    setAt(tree, key, 1);
    const faults = faultsOf(stringify(tree));
    t.same(faults.map((f) => f.path), [key]);
    t.match(faults[0]!.message, /^unknown key/);
  }
  t.end();
});

t.test('a key that must be there and is not', (t) => {
  const required = keys.filter((k) => k.required && !k.item);
  t.ok(required.length >= 10);
  for (const key of required) {
    const tree = fullDocument();
    removeAt(tree, key.path);
    const faults = faultsOf(stringify(tree));
    t.same(faults.map((f) => [f.path, f.message]), [[key.path, 'is required']]);
  }
  t.end();
});

t.test('a secret is in no fault', (t) => {
  for (const key of keys.filter((k) => k.secret && k.kind === 'scalar')) {
    for (const value of [['hunter2'], { hunter2: 'hunter2' }, 1234567, '${HUNTER2_UNSET}x hunter2']) {
      const tree = fullDocument();
      setAt(tree, key.path, value);
      const faults = faultsOf(stringify(tree));
      t.equal(faults.length, 1, key.path);
      t.notMatch(JSON.stringify(faults), /hunter2|1234567/);
    }
  }
  t.end();
});
