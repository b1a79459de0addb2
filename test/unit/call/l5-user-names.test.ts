// L4, L5: limits by person and by account, whatever a user is called.
import t from 'tap';
import { Call } from '../../../lib/call/call.js';
import { BusinessLimits } from '../../../lib/call/limits.js';
import { CallTable } from '../../../lib/call/table.js';
import { UserNames } from '../../../lib/call/userNames.js';
import type { AccountConfig } from '../../../lib/config/types.js';
import { createLogger } from '../../../lib/observe/logger.js';
import { DailyCounters, RateWindows, Remembered } from '../../../lib/state/index.js';
import { configOf, number } from '../policy/configuration.js';
import { ended } from '../../../lib/call/termination.js';

const user = '+447700900101';
const id = 'GB.13491208655302741918';
const parent = 'GB.ENT.11815799212886844830';
const log = createLogger('silent');
const remembered = (): Remembered => new Remembered({ prefix: 'u', capacity: 1000, lifetime: 86_400_000, now: () => 0 });

t.test('spellings of one number', (t) => {
  const names = new UserNames(remembered());
  for (const [one, other] of [['+5215512345678', '+525512345678'], ['+5491123456789', '+541123456789'], ['+5551987654321', '+555187654321'], ['447700900101', '+447700900101']] as const) t.equal(names.keyOf(one), names.keyOf(other), one);
  for (const [one, other] of [['+5212345', '+522345'], ['+5511923456789', '+551123456789'], ['+447700900101', '+447700900102'], ['+15491123456', '+541123456']] as const) t.not(names.keyOf(one), names.keyOf(other), one);
  t.end();
});

t.test('number and ids, in whatever order Meta shows them', (t) => {
  const shown: readonly (readonly [string, string | null, string | null])[] = [[user, id, null], [user, null, parent], [id, id, parent], [id, null, parent], [user, id, parent]];
  for (const order of [shown, [...shown].reverse()]) {
    const kept = remembered();
    const names = new UserNames(kept);
    for (const one of order) names.learn(...one);
    for (const name of [user, id, parent]) t.equal(names.keyOf(name), user);
    t.same([...names.all(parent)].sort(), [user, id, parent].sort());
    t.same(new UserNames(kept).keyOf(parent), user, 'as the state file has it');
  }
  const some = new UserNames(remembered());
  some.learn('anonymous', 'nonsense', 'GB.ENT.');
  some.learn(user, 'US.ENT.1', 'US.1');
  t.equal(some.keyOf('US.1'), user, 'each by its form, not by its header');
  some.learn('+447700900102', 'US.1', null);
  t.equal(some.keyOf('US.1'), '+447700900102', 'the last word counts: numbers change hands');
  t.end();
});

const config = configOf({ numbers: { [number]: { password: 'x', pairLimit: 'launch' } }, peers: { phones: { register: true, pstn: 'none', accounts: { 6001: { password: 'x' } }, mayCall: [number] } } });

interface Rig {
  readonly names: UserNames;
  dial(to: string, account?: Partial<AccountConfig> & { user?: string }): string;
  connect(to: string): void;
  /** The call is over, but what is under way in it never ends. */
  refuseSlowly(to: string, sent: boolean): void;
  hangUpAll(): void;
}

async function rig(): Promise<Rig> {
  const table = new CallTable();
  const names = new UserNames(remembered());
  const limits = new BusinessLimits({ table, daily: await DailyCounters.open({ file: null, now: () => 0, log }), rates: new RateWindows(1000, () => 0), names, ledger: { callsPerDay: () => null }, shared: null });
  const live: Call[] = [];
  const take = (to: string, account?: Partial<AccountConfig> & { user?: string }, sent = true) => {
    const call = new Call({ direction: 'business-initiated', startedAt: 0, log, showUser: (text) => text, onEnded: () => undefined });
    if (sent) call.placed('id', 'meta');
    const places = limits.take(call, {
      peer: 'phones', peerConfig: config.peers['phones']!, number, numberConfig: config.numbers[number]!, user: to,
      account: account === undefined ? null : { user: account.user ?? '6001', config: { password: 'x', maxConcurrentCalls: null, callsPerDay: null, srtp: null, ...account } },
    });
    return { call, places };
  };
  return {
    names,
    dial(to, account) {
      const { call, places } = take(to, account);
      if (places.refused === null) live.push(call);
      return places.refused === null ? 'ok' : `${places.refused.status} ${places.refused.reason} ${places.refused.rule}`;
    },
    refuseSlowly(to, sent) {
      const { call } = take(to, undefined, sent);
      call.track(new Promise(() => undefined));
      call.end(ended.peerBadSdp('no codec of ours'));
    },
    connect(to) {
      const { call, places } = take(to);
      if (places.refused !== null) throw new Error(places.refused.text);
      places.connected();
      call.end(ended.userHungUp(null));
    },
    hangUpAll: () => { for (const call of live.splice(0)) call.end(ended.userHungUp(null)); },
  };
}

t.test('L5: a pair is a person: what was counted before the names were known counts too', async (t) => {
  const { names, dial, connect, hangUpAll } = await rig();
  connect(user);
  connect(user);
  connect(id);
  connect(parent);
  t.equal(dial(id), 'ok');
  hangUpAll();
  names.learn(user, id, parent);
  t.equal(dial(id), 'ok', 'four in all');
  t.match(dial(user), /^503 limit.pair /, 'one call for each pair');
  t.match(dial(parent), /^503 limit.pair /);
  hangUpAll();
  connect(parent);
  for (const name of [user, id, parent, user.slice(1)]) t.match(dial(name), /^403 limit.pairDaily /, name);
  t.equal(dial('+447700900102'), 'ok');
  hangUpAll();
});

t.test('who is refused before anything went to Meta may dial again at once; what Meta has keeps the pair until its end is through', async (t) => {
  const { dial, refuseSlowly, hangUpAll } = await rig();
  refuseSlowly(user, false);
  t.equal(dial(user), 'ok');
  hangUpAll();
  await new Promise(setImmediate);
  refuseSlowly(user, true);
  t.match(dial(user), /^503 limit.pair /);
});

t.test('L4: an account has calls at once and calls a day of its own', async (t) => {
  const { dial, hangUpAll } = await rig();
  const to = (i: number): string => `+4477009002${String(i).padStart(2, '0')}`;
  const limits = { maxConcurrentCalls: 2, callsPerDay: 4 };
  t.same([0, 1].map((i) => dial(to(i), limits)), ['ok', 'ok']);
  t.equal(dial(to(2), limits), '503 limit.account peers.phones.accounts.6001.maxConcurrentCalls');
  t.equal(dial(to(2), { ...limits, user: '6002' }), 'ok', 'another account');
  hangUpAll();
  t.same([3, 4].map((i) => dial(to(i), limits)), ['ok', 'ok']);
  hangUpAll();
  t.equal(dial(to(5), limits), '403 limit.accountDaily peers.phones.accounts.6001.callsPerDay');
  t.equal(dial(to(5)), 'ok', 'a peer without accounts');
  t.equal(dial(to(6), {}), 'ok', 'no limits');
  hangUpAll();
});
