import t from 'tap';
import { BoundedMap } from '../../../lib/util/boundedMap.js';

t.test('the key that was set longest ago is forgotten', async (t) => {
  const map = new BoundedMap<string, number>(2);
  map.set('a', 1).set('b', 2);
  t.same([...map], [['a', 1], ['b', 2]]);
  map.set('c', 3);
  t.same([...map.keys()], ['b', 'c']);
  t.equal(map.size, 2);
  t.notOk(map.has('a'));
});

t.test('a key that is set again is the youngest, and takes no place of another', async (t) => {
  const map = new BoundedMap<string, number>(2);
  map.set('a', 1).set('b', 2).set('a', 3);
  t.same([...map], [['b', 2], ['a', 3]]);
  map.set('c', 4);
  t.same([...map], [['a', 3], ['c', 4]]);
});

t.test('looking does not make young, deleting makes room', async (t) => {
  const map = new BoundedMap<string, number>(2);
  map.set('a', 1).set('b', 2);
  t.equal(map.get('a'), 1);
  map.delete('b');
  map.set('c', 3);
  t.same([...map.keys()], ['a', 'c']);
});

t.test('a key may be undefined', async (t) => {
  const map = new BoundedMap<string | undefined, number>(1);
  map.set(undefined, 1).set('b', 2);
  t.same([...map.keys()], ['b']);
});
