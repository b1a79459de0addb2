// `wa-b2bua permission show | request` against the stand-in: what it says, what it sends, and what it gives back to a script.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { stringify } from 'yaml';
import { createProgram } from '../../../lib/cli/program.js';
import type { GraphOptions } from '../../../lib/simulator/index.js';
import { Command } from '../../helpers/command.js';
import { calling, id, number, stage, token, user, type Stage } from './rig.js';

interface Ran { readonly code: number | null; readonly out: string; readonly err: string }

interface Scene extends Stage {
  readonly path: string;
  readonly run: (action: 'show' | 'request', ...args: string[]) => Promise<Ran>;
  /** Messages that were sent. */
  readonly sent: () => Record<string, unknown>[];
}

async function scene(t: Test, options: Partial<GraphOptions> = {}, own: object = {}, file: object = {}): Promise<Scene> {
  const all = await stage(t, { numbers: [{ number, id, calling }], ...options });
  const path = join(t.testdir(), 'c.yaml');
  writeFileSync(path, stringify({
    domain: 'sbc.example.net', sip: { listen: ['udp:127.0.0.1:5060'] }, graph: { url: all.graph.url, token }, http: { listen: null }, cdr: { file: null },
    numbers: { [number]: { password: 'of the number', id, ...own } },
    peers: { pbx: { uri: 'sip:127.0.0.1:5060', pstn: 'none', users: ['6001'], sources: ['127.0.0.1'] } }, routes: [{ name: 'all', number, to: [{ peer: 'pbx', user: '6001' }] }], ...file,
  }));
  const run: Scene['run'] = async (action, ...args) => {
    const ran = await inProcess(['permission', action, '-c', path, ...(args.includes('--number') ? [] : ['--number', number]), ...(args.includes('--user') ? [] : ['--user', user]), ...args]);
    t.notOk(`${ran.out}${ran.err}`.includes(token), 'the token is not shown');
    return ran;
  };
  return { ...all, path, run, sent: () => all.graph.requests.filter((one) => one.method === 'POST' && one.path.endsWith('/messages')).map(({ body }) => JSON.parse(body) as Record<string, unknown>) };
}

/** The command in this process: one of its own costs more than a second. */
async function inProcess(args: readonly string[]): Promise<Ran> {
  const write = process.stdout.write.bind(process.stdout);
  const said: string[] = [];
  process.stdout.write = (text: string | Uint8Array) => said.push(String(text)) > 0;
  try {
    const program = await createProgram({ standIns: false });
    await program.parseAsync([...args], { from: 'user' });
    return { code: Number(process.exitCode), out: said.join('').trimEnd(), err: '' };
  } catch (error) {
    return { code: 1, out: said.join(''), err: (error as Error).message };
  } finally {
    process.stdout.write = write;
    process.exitCode = 0;
  }
}

t.test('a permission\'s life in its words: none, asked, asked already, given for a week, for good', async (t) => {
  const { run, sent, graph } = await scene(t, {}, { permissionRequest: { text: 'May we call you about order 7?' } });
  const none = await run('show');
  t.equal(none.code, 2);
  t.equal(none.out, `${number} (${id}), user ${user}\n  permission   none\n  call         no; 0 of 100 in 24 h\n  ask the user yes; 0 of 1 in 24 h, 0 of 2 in 7 days`);
  t.same(sent(), [], 'looking sends nothing');
  const asked = await run('request');
  t.equal(asked.code, 0);
  t.match(asked.out, /asked +wamid\./);
  t.match(sent(), [{ to: '447700900101', interactive: { type: 'call_permission_request', body: { text: 'May we call you about order 7?' } } }]);
  const again = await run('request');
  t.equal(again.code, 2);
  t.match(again.out, /not asked +Meta does not let this user be asked now: 1 of 1 in 24 h \(again after \d{4}-\d\d-\d\dT\d\d:\d\dZ\), 1 of 2 in 7 days/);
  t.equal(sent().length, 1, 'Meta had nothing to refuse');
  graph.answer(number, user, 'accept');
  const given = await run('show', '--json');
  t.equal(given.code, 0);
  t.match(JSON.parse(given.out), { ok: true, number, id, user, mayCall: true, mayAsk: false, told: { status: 'temporary', expiresAt: Number }, fault: null });
  graph.answer(number, user, 'permanent', true);
  const forGood = await run('request', '--json');
  t.equal(forGood.code, 2);
  t.match(JSON.parse(forGood.out), { ok: false, outcome: 'refused', message: null, why: /for good/, fault: null });
  t.equal(sent().length, 1);
});

t.test('a user by BSUID; a template', async (t) => {
  const { run, sent } = await scene(t, { templates: ['call_permission en'] }, { permissionRequest: { template: 'call_permission', language: 'en' } });
  t.equal((await run('request', '--user', 'GB.19999999552299099898')).code, 0);
  t.match(sent(), [{ recipient: 'GB.19999999552299099898', type: 'template', template: { name: 'call_permission', language: { code: 'en' } } }]);
});

t.test('what Meta refuses and what it does not answer: 1, what to do, and whether the user was asked', async (t) => {
  const { run, sent, graph } = await scene(t);
  for (const [words, text, todo] of [['token', /error 190/, /graph\.token/], ['down', /error 2\b/, /later/], ['html', /web page/, /graph\.url/]] as const) {
    graph.behave(words);
    for (const action of ['show', 'request'] as const) {
      const { code, out } = await run(action);
      t.equal(code, 1, `${action}, ${words}`);
      t.match(out, text);
      t.match(out, todo);
      t.equal(out.includes('The user was not asked.'), action === 'request');
    }
  }
  t.same(sent(), []);
  graph.behave('');
  graph.world.outsideWindow.add('447700900101');
  const closed = await run('request');
  t.equal(closed.code, 1);
  t.match(closed.out, /131047[^]*→ ask with a template[^]*The user was not asked\./);
  graph.world.outsideWindow.clear();
  graph.behave('hangup,only=messages');
  const unknown = await run('request', '--json');
  t.equal(unknown.code, 1);
  t.match(JSON.parse(unknown.out), { ok: false, outcome: 'unknown', message: null, fault: { text: /connection broke/ } });
});

t.test('two at once: Meta counts, and one of them hears that the user was asked already', async (t) => {
  const { path, sent, graph } = await scene(t, { behaviour: 'slow=1.5,only=call_permissions' });
  const commands = [1, 2].map(() => new Command('permission', 'request', '-c', path, '--number', number, '--user', user));
  t.same((await Promise.all(commands.map(({ exit }) => exit))).sort(), [0, 2], commands.map(({ out, err }) => [...out, ...err].join('\n')).join('\n'));
  t.equal(graph.requests.filter(({ path, status }) => path.endsWith('/messages') && status === 200).length, 1);
  t.ok(sent().length <= 2);
});

t.test('where a service may have a file, what of it is not read is said', async (t) => {
  const { run } = await scene(t, {}, {}, { state: 'file:/nonexistent/wa-b2bua/state' });
  t.match((await run('show')).out, /a running service knows[^]*in \/nonexistent\/wa-b2bua\/state: not read here\./);
  t.match((await run('request')).out, /asks Meta before it asks a user, and so counts it/);
});

t.test('what is missing is named by its key', async (t) => {
  const { run } = await scene(t);
  t.match(await run('show', '--number', '+447700900009'), { code: 1, err: /numbers has no "\+447700900009"; there is \+447700900001/ });
  t.match(await run('show', '--user', '07700'), { code: 1, err: /--user: 07700 is a national number/ });
  const bare = await scene(t, {}, { id: null });
  t.match(await bare.run('show'), { code: 1, err: /\.id is missing/ });
  const without = await scene(t, {}, {}, { graph: null });
  t.match(await without.run('request'), { code: 1, err: /graph is missing/ });
});
