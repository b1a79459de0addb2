import t from 'tap';
import { RateLimiter } from '../../../lib/sipserver/transport/rate.js';

/** How many of `count` at each of these moments, ms, are let through. */
function through(limiter: RateLimiter, moments: readonly number[], count: number, address = 'a'): number[] {
  return moments.map((now) => Array.from({ length: count }, () => limiter.allow(address, now)).filter(Boolean).length);
}

t.test('the rate is spread over the second, however much comes at its start', (t) => {
  t.same(through(new RateLimiter(100, 10, 0.1), [1000, 1010, 1050, 1500, 1990, 2000], 1000), [10, 1, 4, 10, 10, 1]);
  t.same(through(new RateLimiter(100, 10), [1000, 1500, 2500], 1000), [100, 50, 100], 'a whole second at once where nothing else is said');
  t.end();
});

t.test('a small rate gives four at once, none gives none', (t) => {
  t.same(through(new RateLimiter(5, 10, 0.1), [1000, 1100, 1200, 9000], 20), [4, 0, 1, 4]);
  t.same(through(new RateLimiter(0, 10, 0.1), [1000, 5000], 20), [0, 0]);
  t.end();
});

t.test('each address has its own, and made-up ones share what they have beyond the number that is told apart', (t) => {
  const limiter = new RateLimiter(10, 2, 0.1);
  t.same(through(limiter, [1000], 9, 'a'), [4]);
  t.same(through(limiter, [1000], 9, 'b'), [4]);
  t.equal(['c', 'd', 'e', 'f', 'g', 'h'].filter((address) => limiter.allow(address, 1000)).length, 4);
  t.same(through(limiter, [1100], 9, 'a'), [1], 'who came before has his own still');
  t.notOk(limiter.allow('i', 1150) && limiter.allow('j', 1150), 'the others are at the rate');
  t.end();
});

t.test('nobody gains by a turn of what is remembered: what was had just before it counts', (t) => {
  for (const addresses of [1, 2, 100]) {
    const limiter = new RateLimiter(100, addresses, 0.1);
    const had = new Map<string, number>();
    for (let now = 10_000; now < 20_000; now += 7) {
      for (const one of ['a', 'made up 1', 'made up 2', 'made up 3']) for (let i = 0; i < 3; i++) if (limiter.allow(one, now)) had.set(one, (had.get(one) ?? 0) + 1);
    }
    t.ok((had.get('a') ?? 0) <= 1000 + 10, `${had.get('a')} in 10 s where ${addresses} are told apart`);
    const all = [...had.values()].reduce((sum, count) => sum + count, 0);
    t.ok(all <= Math.min(4, 2 * addresses + 1) * 1010, `${all} of all`);
    t.ok(all >= Math.min(4, addresses + 1) * 990, `${all} of all`);
  }
  t.end();
});

t.test('a piece larger than all one may have is held against him for a second, no longer; so is a clock that is set back', (t) => {
  const limiter = new RateLimiter(1000, 10, 0.1);
  t.ok(limiter.allow('a', 10_000, 1e9));
  t.notOk(limiter.allow('a', 10_900));
  t.ok(limiter.allow('a', 11_200));
  t.ok(limiter.allow('b', 9_000_000));
  t.same(through(limiter, [5000], 500, 'b'), [100], 'an hour back');
  t.end();
});
