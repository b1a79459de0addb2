import t from 'tap';
import { Guard } from '../../../lib/registrar/guard.js';
import { KnownPlaces } from '../../../lib/registrar/knownPlaces.js';
import { BanList } from '../../../lib/sip/banList.js';
import { Remembered } from '../../../lib/state/index.js';

const rules = () => ({ after: 4, first: 60, longest: 300 });
const minute = 60_000;
let clock = 0;
const guardAt = (): Guard => new Guard(rules, new KnownPlaces(new Remembered({ prefix: 'k', capacity: 1000, lifetime: 24 * 60 * minute, now: () => clock })));
const refused = (guard: Guard, address: string, user: string | null, now: number): boolean => guard.standing(address, user, now) !== 'judge';

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
  const guard = guardAt();
  guard.success('192.0.2.1', '6001');
  for (let i = 0; i < 4; i++) guard.fault(`198.51.100.${i}`, '6001', 1000);
  t.ok(refused(guard, '203.0.113.9', '6001', 1000), 'from anywhere else');
  t.notOk(refused(guard, '203.0.113.9', '6002', 1000), 'another user');
  t.notOk(refused(guard, '192.0.2.1', '6001', 1000), 'its own place');
  t.notOk(guard.silent('198.51.100.1', 1000), 'one fault is no reason for silence');
  t.ok(refused(guard, '192.0.2.1', '6001', 25 * 3600 * 1000) === false, 'the ban has ended by then');
  t.end();
});

t.test('a phone with a wrong password behind a NAT does not lock out its neighbours', (t) => {
  const guard = guardAt();
  guard.success('192.0.2.1', '6001');
  for (let i = 0; i < 4; i++) guard.fault('192.0.2.1', '6002', 1000);
  t.ok(refused(guard, '192.0.2.1', '6002', 1000));
  t.ok(refused(guard, '192.0.2.1', '6003', 1000), 'whoever is not known there');
  t.notOk(refused(guard, '192.0.2.1', '6001', 1000));
  t.notOk(guard.silent('192.0.2.1', 1000), 'its packets must still be read');
  t.equal(guard.fault('192.0.2.1', '6001', 2000).what, 'user 6001 at 192.0.2.1');
  for (let i = 0; i < 3; i++) guard.fault('192.0.2.1', '6001', 2000);
  t.ok(refused(guard, '192.0.2.1', '6001', 2000), 'its own faults count');
  t.notOk(refused(guard, '192.0.2.1', '6001', 63_000));
  t.end();
});

t.test('an address of strangers gets silence; IPv6 by the /64', (t) => {
  const guard = guardAt();
  for (let i = 0; i < 4; i++) guard.fault(`2001:db8::${i}`, null, 0);
  t.ok(guard.silent('2001:db8::ffff', 0));
  t.notOk(guard.silent('2001:db8:0:1::1', 0));
  for (let i = 0; i < 4; i++) guard.fault('::ffff:198.51.100.7', null, 0);
  t.ok(guard.silent('198.51.100.7', 0));
  t.same(guard.list(0).map(({ who }) => who), ['2001:db8::/64', '198.51.100.7']);
  t.match(guard.list(0)[0]!.until, '1970-01-01T00:01:00');
  t.end();
});

t.test('L3: from where nobody is known, an account and a made-up name are met alike, however often each was guessed at', (t) => {
  const met = (name: string | null): unknown[] => {
    const guard = guardAt();
    // Others have guessed at it before; a made-up name gets no count of its own.
    for (let i = 0; i < 6; i++) guard.fault(`198.51.100.${i}`, name, 0);
    return Array.from({ length: 4 }, () => {
      const { delay, ban } = guard.fault('203.0.113.9', name, 1000);
      return { delay, banned: ban !== null, standing: guard.standing('203.0.113.9', null, 1000) };
    });
  };
  t.same(met('6001'), met(null));
  t.end();
});

t.test('L3: sources that are known or banned are not pushed out by a multitude of others', (t) => {
  const guard = guardAt();
  guard.success('192.0.2.1', '6001');
  for (let i = 0; i < 4; i++) guard.fault('198.51.100.1', '6001', 0);
  for (let i = 0; i < 70; i++) guard.success(`203.0.113.${i}`, '6002');
  t.equal(guard.standing('192.0.2.1', '6001', 1), 'judge', 'known, though another account has used more places than any may');
  t.equal(guard.standing('203.0.113.69', '6001', 1), 'closed');
  t.end();
});

t.test('known places outlive the process, and lapse', (t) => {
  const lines: string[] = [];
  const options = { prefix: 'k', capacity: 1000, lifetime: 24 * 60 * minute, now: () => clock };
  const first = new Remembered(options);
  first.attach((_key, line) => { lines.push(line); return Promise.resolve(); });
  const before = new Guard(rules, new KnownPlaces(first));
  before.success('192.0.2.1', '6001');
  before.success('192.0.2.1', '6001');
  before.success('2001:db8::7', '+6002');
  t.equal(lines.length, 2, 'the file hears of it once');
  const second = new Remembered(options);
  for (const line of lines) t.ok(second.take(line));
  t.notOk(second.take('n +447700900001\t1\t1'));
  const after = new Guard(rules, new KnownPlaces(second));
  for (let i = 0; i < 8; i++) for (const user of ['6001', '+6002']) after.fault(`198.51.100.${i}`, user, 0);
  t.equal(after.standing('192.0.2.1', '6001', 1), 'judge');
  t.equal(after.standing('2001:db8::99', '+6002', 1), 'judge');
  t.equal(after.standing('192.0.2.1', '+6002', 1), 'closed');
  clock += 24 * 60 * minute + 1000;
  t.equal(after.standing('192.0.2.1', '6001', 1), 'closed', 'a day later it is as any other');
  clock = 0;
  t.end();
});
