import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { stringify } from 'yaml';
import type { ConfigFaults } from '../../../lib/config/faults.js';
import { parseConfig, readAgain } from '../../../lib/config/load.js';
import type { Config } from '../../../lib/config/types.js';
import { compilePolicy, judgeTarget, prove } from '../../../lib/policy/index.js';
import { countryWarnings } from '../../../lib/policy/warnings.js';
import { routeWarnings } from '../../../lib/routing/warnings.js';
import { runnable } from '../../helpers/runnable.js';

const number = '+447700900001';
const tree = (more: object = {}, peer: object = {}): object => ({
  domain: 'sbc.example.net', sip: { listen: ['udp:127.0.0.1:0'] }, numbers: { [number]: { password: 'x' } }, cdr: { file: null },
  peers: { pbx: { uri: 'sip:10.0.0.7', sources: ['10.0.0.7'], pstn: 'none', users: ['6[0-9]{3}'], ...peer } },
  routes: [{ name: 'main', number, to: [{ peer: 'pbx', user: '6001' }] }], ...more,
});
const configOf = (more: object = {}, peer: object = {}): Config => parseConfig(stringify(tree(more, peer)), { env: {}, path: 'test' });
const faultsOf = (more: object, peer: object = {}): string[] => {
  try {
    const { faults } = prove(compilePolicy(configOf(more, peer)));
    return faults.map(({ path, message }) => `${path}: ${message}`);
  } catch (error) {
    return (error as ConfigFaults).faults.map(({ path, message }) => `${path}: ${message}`);
  }
};

function fileOf(t: Test, content: object): string {
  const dir = mkdtempSync(join(tmpdir(), 'wab-meant-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  const file = join(dir, 'wa-b2bua.yaml');
  writeFileSync(file, stringify(content));
  return file;
}

t.test('E9: a variable without braces is taken as it stands, and warned of without being shown', (t) => {
  const file = fileOf(t, tree({ numbers: { [number]: { password: '$WA_PASSWORD' } } }, { auth: { username: 'u', password: '$PBX_PASSWORD' } }));
  const { warnings, lineOf } = readAgain(file, {});
  t.same(warnings.map(({ path }) => path), [`numbers.${number}.password`, 'peers.pbx.auth.password']);
  t.equal(warnings[0]?.line, lineOf(`numbers.${number}.password`));
  for (const { message } of warnings) {
    t.match(message, /write \$\{NAME\}/);
    t.notMatch(message, /PASSWORD/);
  }
  for (const password of ['$', '$1', 'a$WA_PASSWORD', '$WA PASSWORD', 'pa$$word']) t.same(readAgain(fileOf(t, tree({ numbers: { [number]: { password } } })), {}).warnings, [], password);
  t.end();
});

t.test('E9: countries that are none', (t) => {
  t.match(countryWarnings(configOf({}, { country: 'UK' })), [{ path: 'peers.pbx.country', message: /^UK is no country .*; GB is meant\?$/ }]);
  t.match(countryWarnings(configOf({ policy: { businessInitiatedBlocked: ['US', 'ZZ'] } })), [{ path: 'policy.businessInitiatedBlocked[1]', message: /^ZZ is no country/ }]);
  t.same(countryWarnings(configOf({}, { country: 'GB' })), []);
  t.end();
});

t.test('E9: routes that nothing reaches, and payloads that two routes take', (t) => {
  const warned = (...payloads: (string | null)[]): string[] => routeWarnings(configOf({ routes: payloads.map((payload, i) => ({ name: `r${i}`, number, payload, to: [{ peer: 'pbx', user: '6001' }] })) }))
    .map(({ path, message }) => `${path}: ${message}`);
  t.match(warned(null, '^order-'), [/^routes\[1\]: no call reaches it: routes\[0\] \(r0\) takes every call/]);
  t.match(warned(null, null), [/^routes\[1\]: no call reaches it/]);
  t.match(warned('^order', '^order-vip'), [/^routes\[1\]\.payload: no call reaches it: routes\[0\] \(r0\) takes every payload that it would, by "\^order"/]);
  t.match(warned('a|b|c', '^[bc]$'), [/no call reaches it/]);
  t.match(warned('^order-[0-9]+$', '^order-(vip|7)'), [/^routes\[1\]\.payload: overlaps routes\[0\] \(r0\), which gets what both would take, such as "order-7"/]);
  for (const good of [['^order-', '^support-', null], ['order', 'support'], [null], ['^a$', '^b$', '^c$', null]]) t.same(warned(...good), [], JSON.stringify(good));
  const other = '+447700900002';
  t.same(routeWarnings(configOf({
    numbers: { [number]: { password: 'x' }, [other]: { password: 'x' } }, routes: [number, other].map((one, i) => ({ name: `r${i}`, number: one, to: [{ peer: 'pbx', user: '6001' }] })),
  })), [], 'each number has routes of its own');
  t.end();
});

t.test('E9: warnings leave the exit status at 0, with --strict at 1', (t) => {
  const file = fileOf(t, tree({}, { country: 'UK' }));
  const check = (...more: string[]): { status: number; out: string } => {
    try {
      return { status: 0, out: execFileSync(process.execPath, ['--import=./test/helpers/loader.js', runnable('lib/cli/main.ts'), 'check', '-c', file, ...more], { encoding: 'utf8' }) };
    } catch (error) {
      const { status, stdout } = error as { status: number; stdout: string };
      return { status, out: stdout };
    }
  };
  t.match(check(), { status: 0, out: /:\d+: peers\.pbx\.country: warning: UK is no country[^\n]*\n[^\n]*: good\. / });
  const strict = check('--strict', '--json');
  t.equal(strict.status, 1);
  t.match(JSON.parse(strict.out), { ok: true, faults: [], warnings: [{ path: 'peers.pbx.country', line: Number, message: /UK/ }] });
  t.end();
});

t.test('E10: an Asterisk pattern is answered with what to write', (t) => {
  for (const [asterisk, regular] of [['_6XXX', '6[0-9]{3}'], ['_60ZX', '60[1-9][0-9]'], ['_N11', '[2-9]11'], ['_7.', '7[0-9]{1,3}'], ['_XXXX', '[0-9]{4}']] as const) {
    t.match(faultsOf({}, { users: [asterisk] }), [`peers.pbx.users[0]: must be a regular expression: for what Asterisk writes ${asterisk}, write "${regular}"; it is "${asterisk}"`], asterisk);
  }
  for (const user of ['_alice', 'X', '_6001']) t.notOk(faultsOf({}, { users: ['6001', user] }).some((fault) => fault.includes('Asterisk')), user);
  t.end();
});

t.test('E10: a peer that nobody vouched for is answered with what to write', (t) => {
  t.match(faultsOf({}, { pstn: undefined }), [/target\.gateway: .*write peers\.pbx\.pstn: none if it has no way to the telephone network/]);
  t.match(faultsOf({ routes: [] }, { pstn: undefined, mayCall: [number] }), [/peers\.pbx\.mayCall: .*write peers\.pbx\.pstn: none/]);
  t.notMatch(faultsOf({}, { pstn: 'trunk to a carrier' })[0], /write peers/, 'the operator has said what it is');
  t.end();
});

t.test('E10: a range that is refused says why, and how to have it', (t) => {
  const main = { routes: [{ name: 'main', number, to: [{ peer: 'pbx', user: '6001' }] }] };
  t.match(faultsOf(main, { users: ['6001', '9[0-9]{3}'] }), [/could match the telephone number "9\d\d\d" \(9 for an outside line and an emergency code\); if all of these .*extensions: \["9000-9999"\]/]);
  t.match(faultsOf(main, { users: ['6001', '1[0-9]{2}'] }), [/could match the telephone number "1\d\d" \(two and three digits that begin with 1 are emergency and service codes\); .*extensions: \["100-199"\]/]);
  t.match(faultsOf(main, { users: ['6001', '[0-9]{7}'] }), [/seven digits and more are a telephone number\); list numbers one by one/]);
  for (const wrong of ['9000', '9999-9000', '900-9999', '0100-0199', '6000000-6999999', '9000-9999x']) t.match(faultsOf(main, { extensions: [wrong] }), [/peers\.pbx\.extensions\[0\]: must be a range of extensions/], wrong);
  t.end();
});

t.test('E10: stated extensions are on-net, all of them and nothing else', (t) => {
  const config = configOf({ routes: [{ name: 'main', number, to: [{ peer: 'pbx', user: '9112' }] }] }, { users: ['6001'], extensions: ['9000-9999', '100-199'] });
  const policy = compilePolicy(config);
  const { faults, statedExtensions } = prove(policy);
  t.same([faults, statedExtensions], [[], 1100]);
  const judge = (user: string) => judgeTarget(policy, { origin: 'refer', number, route: null, peer: null, by: 'pbx', uri: `sip:${user}@10.0.0.7` });
  for (const user of ['9000', '9112', '9999', '100', '199', '6001']) t.equal(judge(user).allow, true, user);
  t.match(judge('9112'), { rule: 'peers.pbx.extensions[0]', text: /extensions: "9000-9999"/ });
  for (const user of ['8999', '10000', '90000', '09000', '+9000', '112', '911', '999', '000', '99', '200', '9000p1', '90001', '442079460000']) t.equal(judge(user).allow, false, user);
  for (const user of ['9000;user=phone', '%2B9000', '９０００']) t.equal(judge(user).allow, false, user);
  t.end();
});
