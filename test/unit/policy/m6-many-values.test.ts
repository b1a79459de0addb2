// M6: a header with thousands of values costs no time to judge, and what stands behind many of them hides nothing.
import t from 'tap';
import { compilePolicy, judgeCaller } from '../../../lib/policy/index.js';
import { mentions } from '../../../lib/policy/origin.js';
import { addressMatcher } from '../../../lib/sip/source.js';
import { house, number } from './configuration.js';

const policy = compilePolicy(house);
const judge = (headers: Record<string, string>): ReturnType<typeof judgeCaller> => judgeCaller(policy, {
  peer: 'pbx', uri: 'sip:+447700900101@sbc.example.net', body: '', headers: { from: [`<sip:${number}@10.0.0.7>;tag=1`], ...Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value]])) },
});
const times = (value: (i: number) => string): string => Array.from({ length: 6000 }, (_, i) => value(i)).join(',').slice(0, 60_000);

t.test('60 kB', async (t) => {
  for (const [what, value] of Object.entries({
    'tel: numbers': times(() => '<tel:+1>'), 'own numbers': times(() => `<sip:${number}@a>`), 'hosts, each another': times((i) => `<sip:6001@${i}.1a.2>`), 'addresses of odd forms': times((i) => `<sip:6001@0x7f.${i}>`), commas: ','.repeat(60_000), names: times((i) => `<sip:6001@host${i}>`),
  })) {
    for (const header of ['p-asserted-identity', 'remote-party-id', 'diversion', 'history-info', 'contact', 'p-preferred-identity']) {
      judge({ [header]: value.slice(0, 100) });
      const { system, user } = process.cpuUsage();
      judge({ [header]: value });
      const after = process.cpuUsage();
      const ms = (after.system + after.user - system - user) / 1000;
      t.ok(ms < 120, `${header}, ${what}: ${ms.toFixed(1)} ms`);
    }
  }
});

t.test('as many values as a call may have been through, and one more', async (t) => {
  const own = (count: number): string[] => Array<string>(count).fill(`<sip:${number}@10.0.0.7>`);
  for (const header of ['p-asserted-identity', 'remote-party-id', 'diversion', 'history-info']) {
    t.equal(judge({ [header]: own(64).join(', ') }).allow, true, header);
    t.equal(judge({ [header]: [...own(63), '<tel:+12025550123>'].join(', ') }).allow, false, `${header}: the last one counts`);
    t.equal(judge({ [header]: [...own(64), '<tel:+12025550123>'].join(', ') }).allow, false, `${header}: so does what is not read`);
    t.equal(judge({ [header]: own(65).join(', ') }).allow, false, `${header}: more is nothing that can be judged`);
  }
  t.equal(mentions({ diversion: own(40), 'history-info': own(1) }, 'diversion').length, 40, 'several lines');
});

t.test('addresses in every form that names one are still told', async (t) => {
  const matches = addressMatcher(['127.0.0.0/8', '2001:db8::/32']);
  for (const address of ['127.0.0.1', '127.1', '0x7f.1', '0177.0.0.1', '::ffff:127.0.0.1', '[2001:DB8::1]', '2001:db8::1%eth0']) t.ok(matches(address), address);
  for (const name of ['', 'a.b', 'example.net', '127.0.0.1.example.net', 'x', '1.2.3.4.5']) t.notOk(matches(name), name);
});
