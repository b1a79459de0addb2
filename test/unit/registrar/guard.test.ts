import t from 'tap';
import { Guard } from '../../../lib/registrar/guard.js';
import { BanList } from '../../../lib/sip/banList.js';

const rules = () => ({ after: 4, first: 60, longest: 300 });
const minute = 60_000;

t.test('faults in a row are slowed, then banned, each ban twice as long as the one before', (t) => {
  const list = new BanList(rules);
  let now = 0;
  t.same([1, 2, 3, 4].map(() => list.strike('a', now)), [{ delay: 0, ban: null }, { delay: 1000, ban: null }, { delay: 2000, ban: null }, { delay: 4000, ban: minute }]);
  const lengths: (number | null)[] = [];
  for (let i = 0; i < 4; i++) {
    now += 301_000;
    for (let j = 0; j < 3; j++) list.strike('a', now);
    lengths.push(list.strike('a', now).ban);
  }
  t.same(lengths, [2 * minute, 4 * minute, 5 * minute, 5 * minute], 'grows up to the longest');
  t.ok(list.banned('a', now + 299_000));
  t.notOk(list.banned('a', now + 301_000));
  t.notOk(list.banned('b', now));
  t.same(list.list(now), [{ key: 'a', until: now + 300_000 }]);
  t.end();
});

t.test('what is long ago does not count', (t) => {
  const list = new BanList(rules);
  for (let i = 0; i < 3; i++) list.strike('a', 0);
  t.same(list.strike('a', 11 * minute), { delay: 0, ban: null }, 'strikes fade');
  for (let i = 0; i < 3; i++) list.strike('a', 11 * minute);
  t.ok(list.banned('a', 11 * minute));
  const later = 11 * minute + 400_000;
  for (let i = 0; i < 3; i++) list.strike('a', later);
  t.equal(list.strike('a', later).ban, minute, 'a ban that is forgotten does not make the next one longer');
  t.end();
});

t.test('a ban may be switched off, and memory is bounded', (t) => {
  const off = new BanList(() => ({ after: 0, first: 60, longest: 300 }));
  for (let i = 0; i < 50; i++) t.equal(off.strike('a', 0).ban, null);
  const small = new BanList(rules, 100);
  for (let i = 0; i < 1000; i++) small.strike(`a${i}`, i);
  t.equal(small.size, 100);
  for (let i = 0; i < 3; i++) small.strike('a999', 1000);
  t.ok(small.banned('a999', 1000));
  t.notOk(small.banned('a0', 1000));
  t.end();
});

t.test('guesses at one user from many addresses ban the user, but not where it is known', (t) => {
  const guard = new Guard(rules);
  guard.success('192.0.2.1', '6001', 0);
  for (let i = 0; i < 4; i++) guard.fault(`198.51.100.${i}`, '6001', 1000);
  t.ok(guard.refused('203.0.113.9', '6001', 1000), 'from anywhere else');
  t.notOk(guard.refused('203.0.113.9', '6002', 1000), 'another user');
  t.notOk(guard.refused('192.0.2.1', '6001', 1000), 'its own place');
  t.notOk(guard.silent('198.51.100.1', 1000), 'one fault is no reason for silence');
  t.ok(guard.refused('192.0.2.1', '6001', 25 * 3600 * 1000) === false, 'the ban has ended by then');
  t.end();
});

t.test('a phone with a wrong password behind a NAT does not lock out its neighbours', (t) => {
  const guard = new Guard(rules);
  guard.success('192.0.2.1', '6001', 0);
  for (let i = 0; i < 4; i++) guard.fault('192.0.2.1', '6002', 1000);
  t.ok(guard.refused('192.0.2.1', '6002', 1000));
  t.ok(guard.refused('192.0.2.1', '6003', 1000), 'whoever is not known there');
  t.notOk(guard.refused('192.0.2.1', '6001', 1000));
  t.notOk(guard.silent('192.0.2.1', 1000), 'its packets must still be read');
  t.equal(guard.fault('192.0.2.1', '6001', 2000).what, 'user 6001 at 192.0.2.1');
  for (let i = 0; i < 3; i++) guard.fault('192.0.2.1', '6001', 2000);
  t.ok(guard.refused('192.0.2.1', '6001', 2000), 'its own faults count');
  t.notOk(guard.refused('192.0.2.1', '6001', 63_000));
  t.end();
});

t.test('an address of strangers gets silence; IPv6 by the /64', (t) => {
  const guard = new Guard(rules);
  for (let i = 0; i < 4; i++) guard.fault(`2001:db8::${i}`, null, 0);
  t.ok(guard.silent('2001:db8::ffff', 0));
  t.notOk(guard.silent('2001:db8:0:1::1', 0));
  for (let i = 0; i < 4; i++) guard.fault('::ffff:198.51.100.7', null, 0);
  t.ok(guard.silent('198.51.100.7', 0));
  t.same(guard.list(0).map(({ who }) => who), ['2001:db8::/64', '198.51.100.7']);
  t.match(guard.list(0)[0]!.until, '1970-01-01T00:01:00');
  t.end();
});
