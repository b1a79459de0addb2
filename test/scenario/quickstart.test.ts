// `wa-b2bua quickstart` that does not come to its end. The four calls, and the steps of --full, are gone through out of the package, by scripts/packed.
import { mkdirSync, readdirSync, readlinkSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import t from 'tap';
import { runnable } from '../helpers/runnable.js';

const main = resolve(runnable('lib/cli/main.ts'));
const loader = new URL('../helpers/loader.js', import.meta.url).href;

/** Starts the command in an empty folder of its own, with another one for its temporary files. */
function start(dir: string, args: readonly string[] = [], node: readonly string[] = []) {
  const [cwd, tmp] = [join(dir, 'cwd'), join(dir, 'tmp')];
  for (const folder of [cwd, tmp]) mkdirSync(folder);
  const child = spawn(process.execPath, [...node, `--import=${loader}`, main, 'quickstart', ...args], { cwd, env: { ...process.env, TMPDIR: tmp }, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data: Buffer) => { output += data.toString(); });
  const left = (): string[] => [
    ...readdirSync(tmp).filter((name) => name.startsWith('wa-b2bua')),
    ...readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && cwdOf(pid) === cwd).map((pid) => `process ${pid}`),
  ];
  return { child, exit: once(child, 'close').then(([code]) => code as number | null), output: () => output, left, cwd };
}

function cwdOf(pid: string): string {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return '';
  }
}

for (const { when, seen, signal, args } of [
  { when: 'before the service is ready', seen: /good\. No path/, signal: 'SIGTERM', args: [] },
  { when: 'in a call', seen: /A WhatsApp user calls/, signal: 'SIGINT', args: [] },
  { when: 'while a number is set up', seen: /1\. wa-b2bua provision apply/, signal: 'SIGTERM', args: ['--full'] },
] as const) {
  t.test(`asked to stop ${when}, it leaves nothing behind`, async (t) => {
    const run = start(t.testdir(), args);
    t.teardown(() => run.child.kill('SIGKILL'));
    while (!seen.test(run.output())) {
      if (run.child.exitCode !== null) throw new Error(run.output());
      await once(run.child.stdout, 'data');
    }
    t.ok(run.left().length > 0, 'it was there');
    run.child.kill(signal);
    t.equal(await run.exit, 130);
    t.same(run.left(), []);
  });
}

t.test('when nobody reads it any more it ends as well', async (t) => {
  const run = start(t.testdir());
  t.teardown(() => run.child.kill('SIGKILL'));
  await once(run.child.stdout, 'data');
  run.child.stdout.destroy();
  t.equal(await run.exit, 130);
  t.same(run.left(), []);
});

t.test('without werift it says what is missing, and the help is given', async (t) => {
  // An import of werift that fails as Node.js fails when it is not installed.
  const hook = `import { register } from 'node:module'; register('data:text/javascript,' + encodeURIComponent(
    "export async function resolve(name, context, next) { if (name === 'werift') throw Object.assign(new Error(\\"Cannot find package 'werift' imported from here\\"), { code: 'ERR_MODULE_NOT_FOUND' }); return next(name, context); }"));`;
  const node = [`--import=data:text/javascript,${encodeURIComponent(hook)}`];
  const run = start(t.testdir(), [], node);
  t.equal(await run.exit, 1);
  t.match(run.output(), /^wa-b2bua: quickstart needs the package werift/m);
  t.same(run.left(), []);
  for (const [args, status, text] of [[['--help'], 0, /quickstart .*\n[^]*simulate +needs the package werift/], [['simulate', 'user', '--to', 'x'], 1, /^wa-b2bua: simulate needs the package werift/m]] as const) {
    const child = spawn(process.execPath, [...node, `--import=${loader}`, main, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (data: Buffer) => { output += data.toString(); });
    const [code] = await once(child, 'close') as [number];
    t.equal(code, status);
    t.match(output, text);
  }
});
