import t from 'tap';
import type { CallPermissions } from '../../../lib/graph/permissions.js';
import * as pairs from '../../../lib/graph/permission/pair.js';
import type { Pair, Reply } from '../../../lib/graph/permission/pair.js';

const noon = Date.UTC(2026, 10, 21, 12);
const hour = 3_600_000;
const profile = { day: 1, week: 2 };
const nothing = pairs.nothingKnown;
const reply = (id: string, at: number, accepted: boolean, more: Partial<Reply> = {}): Reply => ({ id, at, accepted, permanent: false, until: null, automatic: false, answers: null, ...more });
const status = (pair: Pair, now = noon): string => pairs.standing(pair, now)?.status ?? 'ask';

interface Figures { expiresAt?: number | null; day?: number[]; week?: number[]; calls?: number[]; freeAt?: number | null; can?: boolean }

interface Figures { expiresAt?: number | null; day?: number[]; week?: number[]; calls?: number[]; freeAt?: number | null; can?: boolean }

function told(word: string, { expiresAt = null, day = [1, 0], week = [2, 0], calls = [100, 0], freeAt = null, can = true }: Figures = {}): CallPermissions {
  const limit = (period: string, [allowed = 0, used = 0]: number[], until: number | null = null) => ({ period, allowed, used, until });
  return { status: word, expiresAt, actions: [
    { name: 'send_call_permission_request', can: true, limits: [limit('PT24H', day, freeAt), limit('P7D', week)] }, { name: 'start_call', can, limits: [limit('PT24H', calls)] },
  ] };
}

t.test('a reply: 7 days where Meta does not say, a permanent one for ever; the end is asked about five minutes before', async (t) => {
  const temporary = pairs.withReply(nothing, reply('1', noon, true), noon);
  t.equal(status(temporary), 'temporary');
  t.equal(status(temporary, noon + pairs.weekMs - 300_001), 'temporary');
  t.equal(status(temporary, noon + pairs.weekMs - 300_000), 'ask');
  t.equal(status(pairs.withReply(nothing, reply('1', noon, true, { permanent: true }), noon), noon + 1e12), 'permanent');
  t.equal(status(pairs.withReply(nothing, reply('1', noon, true, { until: noon + hour }), noon), noon + hour), 'ask');
});

t.test('replies twice, late and out of order: the newest time wins, an id counts once, two of one second leave it open', async (t) => {
  const accept = reply('1', noon, true);
  const reject = reply('2', noon + 1000, false);
  for (const order of [[accept, reject], [reject, accept], [reject, accept, reject, accept], [accept, accept, reject]]) {
    t.equal(status(order.reduce((pair, one) => pairs.withReply(pair, one, noon + 5000), nothing)), 'none');
  }
  t.equal(status([accept, reply('3', noon, false)].reduce((pair, one) => pairs.withReply(pair, one, noon), nothing)), 'ask');
});

t.test("what we found out on our clock and what a webhook says on Meta's: in doubt Meta is asked", async (t) => {
  const refused = pairs.withRefusal(pairs.withReply(nothing, reply('1', noon - hour, true), noon - hour), noon - 1000, noon);
  t.equal(status(refused), 'none');
  t.equal(status(pairs.withReply(refused, reply('1', noon - hour, true), noon)), 'none', 'the same message again');
  t.equal(status(pairs.withReply(refused, reply('2', noon - hour, true), noon)), 'none', 'an older one, late');
  t.equal(status(pairs.withReply(refused, reply('3', noon - 1000, true), noon)), 'ask', 'about the same time');
  t.equal(status(pairs.withReply(refused, reply('4', noon + hour, true), noon + hour), noon + hour), 'temporary');
  const asked = pairs.withRequestSent(pairs.withRequest(refused, noon + 1), noon + 1, noon + 2, 'wamid.1');
  t.equal(status(pairs.withReply(asked, reply('5', noon - 60_000, true, { answers: 'wamid.1' }), noon + 3)), 'temporary', 'it answers a request that came after, whatever the clocks say');
  const came = pairs.withReply(nothing, reply('6', noon, false), noon + 10);
  t.equal(status(pairs.withTold(came, told('permanent'), noon, noon + 20)), 'ask', 'a reply that came while Meta was asked');
});

t.test('requests: one a day, two a week, set back by a connected call; Meta tells its own', async (t) => {
  const free = (pair: Pair, now: number): number | null => pairs.requestFreeAt(pair, profile, now);
  const one = pairs.withRequest(nothing, noon);
  t.equal(free(one, noon + 1), noon + pairs.dayMs);
  t.equal(free(one, noon + pairs.dayMs), null);
  const two = pairs.withRequest(one, noon + pairs.dayMs);
  t.equal(free(two, noon + 2 * pairs.dayMs), noon + pairs.weekMs);
  t.equal(free(pairs.withConnected(two, noon + 2 * pairs.dayMs, false), noon + 2 * pairs.dayMs), null);
  t.equal(free(pairs.withConnected(two, noon - 1, true), noon + 2 * pairs.dayMs), noon + pairs.weekMs, 'a call that was connected before');
  t.equal(free(pairs.withRequestUndone(one, noon), noon + 1), null);
  t.same(pairs.withRequestUndone(one, noon), nothing);

  const later = noon + hour;
  t.equal(free(pairs.withTold(one, told('no_permission'), later, later), later), null, 'Meta knows of none: a connected call that we did not see');
  t.not(free(pairs.withTold(one, told('no_permission'), noon + 1000, noon + 1000), noon + 1000), null, 'but one that has just left counts');
  t.equal(free(pairs.withTold(nothing, told('no_permission', { day: [1, 1], week: [2, 1] }), later, later), later), later + pairs.dayMs, 'somebody else has asked');
  t.equal(free(pairs.withTold(nothing, told('no_permission', { day: [1, 1], week: [2, 1], freeAt: later + hour }), later, later), later), later + hour, 'and Meta says when it is free');
  t.equal(free(pairs.withTold(nothing, told('no_permission', { week: [2, 2] }), later, later), later), later + 6 * pairs.dayMs, 'older than a day');
  t.equal(free(pairs.withTold(one, told('no_permission', { day: [1, 0], week: [2, 1] }), later, later), later), null, 'the day forgives, the week does not');
  t.equal(free(pairs.withRequest(pairs.withTold(one, told('no_permission', { day: [1, 0], week: [2, 1] }), later, later), later), later + pairs.dayMs), later + 6 * pairs.dayMs);
  t.equal(free(pairs.withTold(one, told('no_permission', { day: [25, 1], week: [100, 1] }), later, later), later), null, "Meta's limits, not the profile's");
});

t.test('calls that are not taken, and those that a killed process left', async (t) => {
  const granted = pairs.withReply(nothing, reply('1', noon, true, { permanent: true }), noon);
  const miss = (pair: Pair): Pair => pairs.withUntaken(pair, 4, noon + hour);
  const three = miss(miss(miss(granted)));
  t.equal(status(three), 'permanent');
  t.equal(status(miss(three)), 'none');
  t.equal(status(miss(pairs.withConnected(three, noon + hour, true))), 'permanent', 'a connected call begins anew');
  t.equal(pairs.withReply(miss(three), reply('2', noon + hour, false, { automatic: true }), noon + hour).untaken, 4, 'Meta says so too, of the same second');
  t.equal(pairs.withReply(miss(three), reply('2', noon + 2 * hour, false, { automatic: true }), noon + 2 * hour).untaken, 0);
  const lost = pairs.withCallLost(pairs.withCallBegun(granted, noon + hour), 4);
  t.equal(status(lost), 'ask', 'it may have been refused');
  t.equal(lost.untaken, 1);
});

t.test('connected calls: as many as Meta has left, then it is asked again; words that nobody knows', async (t) => {
  let pair = pairs.withTold(nothing, told('permanent', { calls: [5, 3] }), noon, noon);
  t.equal(status(pair), 'permanent');
  pair = pairs.withConnected(pairs.withConnected(pair, noon, true), noon, true);
  t.equal(status(pair), 'ask');
  t.equal(status(pair, noon + pairs.dayMs), 'permanent', 'a day later they count no more');
  t.equal(status(pairs.withCallsUsedUp(pairs.withTold(nothing, told('permanent'), noon, noon), noon)), 'ask');
  t.equal(status(pairs.withTold(nothing, told('pending', { can: false }), noon, noon)), 'none');
  t.equal(status(pairs.withTold(nothing, told('pending'), noon, noon)), 'ask', 'Meta lets the call go, and nothing is remembered');
  t.equal(status(pairs.withTold(nothing, told('temporary'), noon, noon)), 'ask', 'no end is told');
  t.equal(status(pairs.withTold(nothing, told('granted', { expiresAt: noon + pairs.dayMs }), noon, noon)), 'temporary');
  t.ok(pairs.mayBeCalled(told('temporary', { expiresAt: noon - 1000 }), noon), "a clock of ours that is ahead does not make Meta's yes a no");
});
