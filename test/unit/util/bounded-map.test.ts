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

t.test('a full map takes keys as fast as an empty one; cleared, it begins anew', async (t) => {
  const cost = (map: BoundedMap<number, number>, from: number): number => {
    const { user } = process.cpuUsage();
    for (let i = from; i < from + 100_000; i += 1) map.set(i, i);
    return process.cpuUsage().user - user;
  };
  const map = new BoundedMap<number, number>(100_000);
  cost(new BoundedMap<number, number>(100_000), 0);
  const empty = cost(map, 0);
  const full = cost(map, 100_000);
  // 80 times as long where each key looks for the oldest from the beginning.
  t.ok(full < 10 * empty + 50_000, `${empty} and ${full} µs`);
  t.same([map.size, map.has(99_999), map.has(100_000)], [100_000, false, true]);
  map.clear();
  cost(map, 0);
  cost(map, 50_000);
  t.same([map.size, map.has(49_999), map.has(50_000)], [100_000, false, true]);
});
