import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import t, { type Test } from 'tap';
import { stringify } from 'yaml';
import { registerAuditCommand } from '../../../lib/cli/audit.js';
import { registerCheckCommand } from '../../../lib/cli/check.js';
import { registerRouteCommand } from '../../../lib/cli/route.js';
import { startService } from '../../../lib/app/compose.js';
import { createLogger } from '../../../lib/observe/logger.js';
import { openAudit } from '../../../lib/observe/audit.js';
import { Aliases } from '../../../lib/call/aliases.js';
import { DailyCounters, Remembered } from '../../../lib/state/index.js';
import { configOf, number } from './configuration.js';

interface Output { readonly text: string; readonly code: number | string | null | undefined }

/** Runs `wa-b2bua …` in this process; gives what it printed and its exit status. */
async function run(t: Test, ...args: string[]): Promise<Output> {
  const program = new Command('wa-b2bua').exitOverride();
  for (const register of [registerAuditCommand, registerCheckCommand, registerRouteCommand]) register(program);
  for (const command of program.commands.flatMap((one) => [one, ...one.commands])) command.exitOverride().configureOutput({ writeErr: () => undefined, writeOut: () => undefined });
  const before = process.exitCode;
  process.exitCode = undefined;
  const capture = t.capture(process.stdout, 'write', () => true);
  try {
    await program.parseAsync(args, { from: 'user' });
    return { text: capture().map((call) => String(call.args[0])).join(''), code: process.exitCode };
  } finally {
    capture.restore();
    process.exitCode = before;
  }
}

const good = {
  domain: 'sbc.example.net', sip: { tls: { cert: 'c', key: 'k' } }, numbers: { [number]: { password: 'x' } },
  peers: { pbx: { uri: 'sip:10.0.0.7', sources: ['10.0.0.7'], pstn: 'none', users: ['6[0-9]{3}'], mayCall: [number], country: 'GB' }, gw: { uri: 'sip:10.0.0.9', users: ['6001'] } },
  routes: [{ name: 'orders', number, payload: '^order-', to: [{ peer: 'pbx', user: '6002' }] }, { name: 'all', number, to: [{ peer: 'pbx', user: '6001' }, { peer: 'pbx', user: '6003' }] }],
};
const leaky = { ...good, routes: [...good.routes, { name: 'out', number, to: [{ peer: 'pbx', user: '6001' }, { peer: 'gw', user: '6001' }] }] };

async function fileOf(t: Test, tree: object): Promise<string> {
  const file = join(t.testdir(), 'wa-b2bua.yaml');
  await writeFile(file, stringify(tree));
  return file;
}

t.test('check: good, leaking and broken files', async (t) => {
  const file = await fileOf(t, good);
  t.match(await run(t, 'check', '-c', file), { code: 0, text: /good\. No path leads anywhere but to an on-net user: 3 route targets, 1 peers within reach/ });
  t.match(JSON.parse((await run(t, 'check', '-c', file, '--json')).text), { ok: true, faults: { length: 0 }, proof: { targets: 3, peers: 1, transfers: 1, listedNumbers: 0 } });

  await writeFile(file, stringify(leaky));
  const { text, code } = await run(t, 'check', '-c', file);
  t.equal(code, 1);
  t.match(text, /wa-b2bua\.yaml:\d+: routes\[2\]\.to\[1\]: target\.gateway: .*\n {4}path: number \+447700900001 -> route out -> fail-over -> 6001 at peer gw\n/);
  const [fault] = (JSON.parse((await run(t, 'check', '-c', file, '--json')).text) as { faults: object[] }).faults;
  t.match(fault, { path: 'routes[2].to[1]', line: Number, steps: ['number +447700900001', 'route out', 'fail-over', '6001 at peer gw'] });

  await writeFile(file, stringify({ ...good, routes: [{ name: 'x', number, payload: '(', to: [{ peer: 'pbx', user: '6001' }] }] }));
  t.match(await run(t, 'check', '-c', file), { code: 1, text: /wa-b2bua\.yaml:\d+: routes\[0\]\.payload: ends too early|routes\[0\]\.payload: has a \( without its \)/ });
  await writeFile(file, 'domain: x\nnumber: {}\n');
  t.match(await run(t, 'check', '-c', file), { code: 1, text: /:2: number: / });
  t.match(await run(t, 'check', '-c', join(t.testdir(), 'none.yaml')), { code: 1, text: /ENOENT/ });
});

t.test('a service with a leak does not start', async (t) => {
  const { domain: _domain, ...tree } = leaky;
  await t.rejects(startService(configOf(tree), createLogger('silent')), { code: 'CONFIG_INVALID', message: /path: number \+447700900001 -> route out -> fail-over -> 6001 at peer gw/ });
});

t.test("route: a WhatsApp user's call, rule by rule", async (t) => {
  const file = await fileOf(t, good);
  const { text, code } = await run(t, 'route', '-c', file, '--number', number, '--from', '+447700900101');
  t.equal(code, 0);
  t.match(text, /^route orders: passed over, payload null does not match \^order-\nroute all: taken, takes any call to this number\nroute to sip:6001@10\.0\.0\.7\n {2}pass {2}target\.malformed\n/);
  t.match(text, /\n {2}allow peers\.pbx\.users\[0\]: 6001 is on-net at peer pbx \(pstn: none\) by "6\[0-9\]\{3\}" {2}<- decides\n {2}allowed by peers\.pbx\.users\[0\]\nfailover to sip:6003@/);
  t.match(text, /\nALLOWED: route all rings 6001 at peer pbx, then 6003 at peer pbx, 45 s each\n$/);
  t.match((await run(t, 'route', '-c', file, '--number', number, '--from', 'GB.1349', '--payload', 'order-1')).text, /ALLOWED: route orders rings 6002/);
  const json = JSON.parse((await run(t, 'route', '-c', file, '--number', number, '--from', '+447700900101', '--json')).text) as { verdicts: { answers: object[] }[] };
  t.match(json, { direction: 'user-initiated', allow: true, routes: [{ route: 'orders', matched: false }, { route: 'all', matched: true }], verdicts: [{ decided: { code: 'target.onNet', rule: 'peers.pbx.users[0]' }, verdict: { allow: true, uri: 'sip:6001@10.0.0.7' } }, {}] });
  t.ok(json.verdicts[0]!.answers.length > 18, 'every rule');
  t.match(await run(t, 'route', '-c', file, '--number', '+447700900002', '--from', '+447700900101'), { code: 1, text: /DENIED: \+447700900002 is none of the numbers/ });

  await writeFile(file, stringify({ ...leaky, routes: leaky.routes.slice(2) }));
  const out = (await run(t, 'route', '-c', file, '--number', number, '--from', '+447700900101')).text;
  t.match(out, /\n {2}deny {2}target\.gateway: 10\.0\.0\.9 is where peer gw is.* {2}<- decides\n/);
  t.match(out, /denied with 403 by target\.gateway/);
  await writeFile(file, stringify({ ...good, routes: good.routes.slice(0, 1) }));
  t.match(await run(t, 'route', '-c', file, '--number', number, '--from', '+447700900101'), { code: 1, text: /DENIED: no route takes a call to \+447700900001 without a payload: 404/ });
});

t.test('route --at: hours, menus and what is behind them', async (t) => {
  const to = [{ peer: 'pbx', user: '6001' }];
  const file = await fileOf(t, {
    ...good, hours: { office: { timezone: 'Europe/London', week: { 'mon-fri': ['09:00-17:00'] } } },
    menus: { main: { prompt: 'm.wav', keys: { 1: { to }, 2: { menu: 'main' }, 3: { status: 486 } }, otherwise: { play: 'bye.wav' } } },
    routes: [{ name: 'all', number, hours: 'office', closed: { play: '/closed.wav' }, menu: 'main', unanswered: { to: [{ peer: 'pbx', user: '6002' }] } }],
  });
  const route = (...more: string[]): Promise<Output> => run(t, 'route', '-c', file, '--number', number, '--from', '+447700900101', ...more);
  const open = await route('--at', '2026-06-01T09:00');
  t.equal(open.code, 0);
  t.match(open.text, /^route all: taken, takes any call to this number\noffice is open: it is mon 2026-06-01 09:00 in Europe\/London, and mon has 09:00-17:00\nanswers and plays menu main \(routes\[0\]\)\nmenu main -> key 2 -> answers and plays menu main \(menus\.main\.keys\.2\)\n/);
  t.match(open.text, /\nmenu main -> key 3 -> refuses with 486 \(menus\.main\.keys\.3\)\nmenu main -> no choice -> answers, plays .*bye\.wav and hangs up \(menus\.main\.otherwise\)\nmenu main -> key 1: route to sip:6001@10\.0\.0\.7 \(menus\.main\.keys\.1\.to\[0\]\)\n/);
  t.match(open.text, /\nunanswered: route to sip:6002@10\.0\.0\.7 \(routes\[0\]\.unanswered\.to\[0\]\)\n/);
  t.match(open.text, /\nALLOWED: route all answers and plays menu main\n$/);
  const closed = await route('--at', '2026-06-01T08:30');
  t.match(closed, { code: 0, text: /office is closed.*\noutside hours office -> answers, plays \/closed\.wav and hangs up \(routes\[0\]\.closed\)\n[^]*ALLOWED: route all is closed and answers, plays \/closed\.wav and hangs up\n$/ });
  t.notMatch(closed.text, /menu main/);
  t.match((await route('--at', '2026-06-01T09:00Z')).text, /it is mon 2026-06-01 10:00/, 'a zone of its own');
  t.match(JSON.parse((await route('--at', '2026-06-01T08:30', '--json')).text), { hours: { name: 'office', open: false }, course: [{ place: 'routes[0].closed' }], verdicts: [{ place: 'routes[0].unanswered.to[0]', steps: ['unanswered'] }] });
  await t.rejects(route('--at', 'yesterday'), /no time in ISO 8601/);
  await writeFile(file, stringify({ ...good, hours: { office: { timezone: 'Europe/London', week: { 'mon-fri': ['09:00-17:00'] } } }, routes: [{ name: 'all', number, hours: 'office', to }] }));
  t.match(await route('--at', '2026-06-01T08:30'), { code: 1, text: /DENIED: route all is closed and refuses with 480\n$/ });
});

t.test("route: a PBX's call", async (t) => {
  const file = await fileOf(t, good);
  t.match(await run(t, 'route', '-c', file, '--peer', 'pbx', '--number', number, '--to', '07700900101'), { code: 0, text: /ALLOWED: \+447700900001 calls \+447700900101 at wa\.meta\.vc\n$/ });
  t.match(await run(t, 'route', '-c', file, '--peer', 'pbx', '--number', '6001', '--to', 'tel:+447700900101'), { code: 0, text: /peers\.pbx\.mayCall\[0\]/ });
  t.match(await run(t, 'route', '-c', file, '--peer', 'pbx', '--number', '+12025550123', '--to', '+447700900101'), { code: 1, text: /deny {2}caller\.number: from names \+12025550123.*<- decides/ });
  t.match(await run(t, 'route', '-c', file, '--peer', 'gw', '--number', number, '--to', '+447700900101'), { code: 1, text: /DENIED: refused with 403: nobody vouched for peer gw/ });
  t.match(JSON.parse((await run(t, 'route', '-c', file, '--peer', 'ghost', '--number', number, '--to', '+447700900101', '--json')).text), { allow: false, verdicts: [{ decided: { code: 'caller.peer' } }] });
  for (const wrong of [['--to', '1'], ['--from', 'x', '--peer', 'pbx'], ['--peer', 'pbx'], []]) await t.rejects(run(t, 'route', '-c', file, '--number', number, ...wrong), /give --number and --from/);
});

t.test('route: the alias of a user without a number', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'wab-route-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  const state = join(dir, 'state');
  const tree = { ...good, peers: { ...good.peers, pbx: { ...good.peers.pbx, bsuid: 'digits' } }, state: `file:${state}` };
  const ask = async (of: object, to: string): Promise<Output> => run(t, 'route', '-c', await fileOf(t, of), '--peer', 'pbx', '--number', number, '--to', to);
  t.match(await ask(tree, '99912345678901'), { code: 1, text: /DENIED: refused with 404: the alias is nobody's in file:/ });
  const remembered = new Remembered({ prefix: 'a', capacity: 10, lifetime: 1e12, now: Date.now });
  const daily = await DailyCounters.open({ file: state, now: Date.now, log: createLogger('fatal'), beside: [remembered] });
  const alias = new Aliases(remembered).of('GB.1234567890');
  await daily.close();
  const before = await readFile(state, 'utf8');
  for (const dialled of [alias, `sip:${alias}@sbc.example.net`]) t.match(await ask(tree, dialled ?? ''), { code: 0, text: /ALLOWED: \+447700900001 calls GB\.1234567890 at wa\.meta\.vc/ });
  t.equal(await readFile(state, 'utf8'), before, 'the file of a running service is left as it is');
  t.match(await ask({ ...tree, state: 'memory' }, alias ?? ''), { code: 1, text: /known to the running service alone/ });
  t.notMatch(await ask({ ...tree, peers: good.peers }, alias ?? ''), { text: /GB\.1234567890/ }, 'a peer that knows users by their ids has no aliases');
});

t.test('audit verify', async (t) => {
  const file = join(t.testdir(), 'audit.jsonl');
  const log = await openAudit(file, (error) => { throw error; });
  log.write({ a: 1 });
  log.write({ a: 2 });
  await log.close();
  const { head } = log;
  t.match(await run(t, 'audit', 'verify', file), { code: 0, text: `${file}: good. 2 lines, the last with hash ${head}\n` });
  t.match(JSON.parse((await run(t, 'audit', 'verify', file, '--head', head, '--json')).text), { ok: true, lines: 2, head });
  t.match(await run(t, 'audit', 'verify', file, '--head', 'other'), { code: 1, text: /the end is missing/ });
  const text = await (await import('node:fs/promises')).readFile(file, 'utf8');
  await writeFile(file, text.replace('"a":1', '"a":3'));
  t.match(await run(t, 'audit', 'verify', file), { code: 1, text: `${file}:1: this line was changed: its hash is not that of its content. 0 good lines before it` });
});
