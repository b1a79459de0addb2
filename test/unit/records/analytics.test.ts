import t from 'tap';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { countryOf } from '../../../lib/records/line.js';
import { rateCardOf, readRateCard } from '../../../lib/records/rateCard.js';
import { line, stage, start } from './records.js';

const hour = 3_600_000;
const day = 24 * hour;
const business = { direction: 'business-initiated', country: null };

t.test('calls are added up by each grouping, and parts of hours count as what they are', async (t) => {
  const { file, open } = await stage(t);
  const at = (ms: number): string => new Date(start + ms).toISOString();
  await writeFile(file, [
    line(0, { time: at(0), durationMs: 10_000, setupMs: 1000 }), line(1, { time: at(hour - 1), durationMs: null, termination: { by: 'peer', reason: 'busy' } }), line(2, { time: at(hour), durationMs: 30_000, setupMs: 3000, peer: 'sales' }),
    line(3, { ...business, time: at(day + 5), durationMs: 20_000, setupMs: 2000, user: '+5511******02' }), line(4, { ...business, time: at(day + 6), durationMs: null, peer: null, number: null }),
  ].map((one) => `${one}\n`).join(''));
  const records = await open();
  await records.catchUp(60_000);
  const keys = async (by: 'day' | 'hour' | 'number' | 'peer' | 'reason' | 'country', from = start, to = start + 2 * day) => {
    const { groups } = await records.analyse({ from, to, by });
    return groups.map(({ key, calls, answered }) => [key, calls, answered]);
  };
  t.same(await keys('day'), [[at(0), 3, 2], [at(day), 2, 1]]);
  t.same(await keys('hour'), [[at(0), 2, 1], [at(hour), 1, 1], [at(day), 2, 1]]);
  t.same(await keys('number'), [['+447700900001', 4, 3], [null, 1, 0]]);
  t.same(await keys('peer'), [['pbx', 3, 2], [null, 1, 0], ['sales', 1, 1]].sort((a, b) => Number(b[1]) - Number(a[1])));
  t.same(await keys('reason'), [['user hangup', 4, 3], ['peer busy', 1, 0]]);
  t.same((await keys('country')).sort(), [['BR', 1, 1], ['GB', 4, 2]]);
  t.same(await keys('hour', start + 1, start + hour), [[at(0), 1, 0]], 'from the second millisecond on');
  t.same(await keys('hour', start + 1, start + hour + 1), [[at(0), 1, 0], [at(hour), 1, 1]]);
  t.same(await keys('hour', start + 10, start + 20), []);
  const { total } = await records.analyse({ from: start, to: start + 2 * day, by: 'day' });
  t.same(total, {
    calls: 5, answered: 3, answerRate: 0.6, userInitiated: { calls: 3, answered: 2, pickUpRate: 0.6667 }, businessInitiated: { calls: 2, answered: 1, estimatedPrice: null },
    seconds: { total: 60, average: 20, longest: 30 }, setupSeconds: 2,
  });
  for (const [from, to, by] of [[5, 5, 'day'], [5, 4, 'day'], [NaN, 5, 'day'], [0, start, 'day'], [start, start + 70 * day, 'hour']] as const) await t.rejects(records.analyse({ from, to, by }), { code: 'range.invalid' });
});

t.test('started pulses of six seconds are charged by market and tier; the call that reaches a tier is priced by it', async (t) => {
  const { dir, file, open } = await stage(t);
  const rates = join(dir, 'rates.yaml');
  await writeFile(rates, 'currency: USD\ntiers: [10, 20]\nmarkets:\n  uk: { countries: [GB], rates: [1, 0.5, null] }\n  rest: { countries: ["*"], rates: [2, 2, 2] }\n');
  const call = (i: number, ms: number, seconds: number, more: object = {}): string => line(i, { ...business, time: new Date(start + ms).toISOString(), durationMs: seconds * 1000, user: '+4477******01', ...more });
  await writeFile(file, [
    call(0, 0, 56), // ten pulses, one minute
    call(1, hour, 534), // 8.9 minutes: 9.9 so far, all in the first tier
    call(2, hour + 1, 60), // reaches 10.9: the second tier, as a whole
    call(3, day, 600), // reaches 20.9: the third, which has no rate
    call(4, day, 61, { user: '+5511******01', peer: 'sales' }), // eleven pulses in another market
    call(5, day + 1, 6000, { direction: 'user-initiated' }), // free
    call(6, day + 2, 1, { metaDuration: 12 }), // Meta's figure: two pulses; third tier
    call(7, 30 * day, 60), // the next month begins anew
  ].map((one) => `${one}\n`).join(''));
  const records = await open(rates);
  await records.catchUp(60_000);
  const price = async (from: number, to: number) => (await records.analyse({ from: start + from, to: start + to, by: 'peer' })).total.businessInitiated.estimatedPrice;
  t.same(await price(0, hour), { amount: 1, currency: 'USD', minutes: 1, minutesWithoutRate: 0 });
  t.same(await price(0, 2 * hour), { amount: 1 + 8.9 + 0.5, currency: 'USD', minutes: 10.9, minutesWithoutRate: 0 });
  t.same(await price(hour + 1, 2 * hour), { amount: 0.5, currency: 'USD', minutes: 1, minutesWithoutRate: 0 }, 'minutes of the month before `from` count for the tier');
  t.same(await price(0, 40 * day), { amount: 13.6, currency: 'USD', minutes: 23.2, minutesWithoutRate: 10.2 });
  const { groups, total } = await records.analyse({ from: start, to: start + 40 * day, by: 'peer' });
  t.same(groups.map(({ key, businessInitiated }) => [key, businessInitiated.estimatedPrice?.amount]), [['pbx', 11.4], ['sales', 2.2]]);
  t.equal(total.businessInitiated.estimatedPrice?.amount, 13.6);
  const days = await records.analyse({ from: start, to: start + 40 * day, by: 'day' });
  t.same(days.groups.map(({ businessInitiated }) => businessInitiated.estimatedPrice?.amount), [10.4, 2.2, 1]);
});

t.test('what is too little to be seen in a group is in the total, and the total does not go by the groups', async (t) => {
  const { dir, file, open } = await stage(t);
  const rates = join(dir, 'rates.yaml');
  await writeFile(rates, 'currency: USD\ntiers: []\nmarkets:\n  all: { countries: ["*"], rates: [0.0004] }\n');
  await writeFile(file, Array.from({ length: 48 }, (_, i) => `${line(i, { ...business, time: new Date(start + i * hour).toISOString(), durationMs: 5000, peer: `pbx${i}` })}\n`).join(''));
  const records = await open(rates);
  await records.catchUp(60_000);
  for (const by of ['hour', 'day', 'number', 'peer', 'reason', 'country'] as const) {
    const { total } = await records.analyse({ from: start, to: start + 3 * day, by });
    t.same(total.businessInitiated.estimatedPrice, { amount: 0.0019, currency: 'USD', minutes: 4.8, minutesWithoutRate: 0 }, `by ${by}`);
  }
});

t.test('the country of a masked number is that of its code', async (t) => {
  for (const [user, country] of [['+4477******01', 'GB'], ['+1555******1', 'US'], ['+1416******9', 'CA'], ['+7701******1', 'KZ'], ['+7916******1', 'RU'], ['+2347******1', 'NG'], ['+3538******1', 'IE'], ['+9715******1', 'AE'], ['GB.13***18', 'GB'], ['447700', null], ['*******', null], ['+0000', null], ['+', null]] as const) {
    t.equal(countryOf(user), country, user);
  }
});

t.test('a rate card says what is wrong with it', async (t) => {
  const good = { currency: 'USD', tiers: [10], markets: { uk: { countries: ['GB'], rates: [1, null] } } };
  t.match(rateCardOf(good), { countries: { GB: 'uk' } });
  for (const [change, why] of [
    [{ currency: 'dollars' }, /currency/], [{ tiers: 5 }, /tiers/], [{ tiers: [10, 10] }, /rise/], [{ tiers: [NaN] }, /rise/], [{ markets: {} }, /market/], [{ markets: { uk: { countries: ['GB'], rates: [1] } } }, /2 rates/],
    [{ markets: { uk: { countries: ['GB'], rates: [1, -1] } } }, /from 0/], [{ markets: { uk: { countries: 'GB', rates: [1, 1] } } }, /list/], [{ markets: { uk: { countries: ['Britain'], rates: [1, 1] } } }, /ISO 3166/],
    [{ markets: { uk: { countries: ['GB'], rates: [1, 1] }, rest: { countries: ['GB'], rates: [1, 1] } } }, /two markets/],
  ] as const) t.throws(() => rateCardOf({ ...good, ...change }), why);
  for (const value of [null, [], 'x', 5]) t.throws(() => rateCardOf(value), /mapping/);
  t.match(await readRateCard('config/rates-2026-10.yaml'), { currency: 'USD', tiers: [50000, 250000, 1000000, 2500000, 5000000] }, 'the one that is shipped can be read');
  await t.rejects(readRateCard('/nowhere/rates.yaml'), { code: 'FILE_UNREADABLE', message: /ENOENT/ });
});
