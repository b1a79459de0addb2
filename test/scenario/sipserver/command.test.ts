import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { Command } from 'commander';
import t from 'tap';
import { registerSipserverCommand } from '../../../lib/cli/sipserver.js';
import { Peer, request } from './harness.js';

const PROGRAM = `import { Command } from 'commander';
import { registerSipserverCommand } from './lib/cli/sipserver.js';
const program = new Command('wa-b2bua');
registerSipserverCommand(program);
program.parseAsync(['node', 'wa-b2bua', ...process.argv.slice(1)]).catch((e) => { console.error(e.message); process.exitCode = 1; });`;

/** Runs the command in a process of its own, by itself. */
function run(...args: string[]) {
  return spawn(process.execPath, [...process.execArgv, '--input-type=module', '-e', PROGRAM, '--', 'sipserver', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
}

t.test('wa-b2bua sipserver serves until it is told to stop', async (t) => {
  const child = run('--listen', 'udp:127.0.0.1:0', 'tcp:127.0.0.1:0', '--admin', '127.0.0.1:0', '--secret', 'cymru', '--limit', 'messageBytes=4000', '--trace');
  t.teardown(() => { child.kill('SIGKILL'); });
  const lines = createInterface(child.stdout);
  const [ready] = await once(lines, 'line') as [string];
  const said = JSON.parse(ready) as { ready: boolean; listening: string[]; admin: { port: number } };
  t.equal(said.ready, true);
  t.match(said.listening, [/^udp:127\.0\.0\.1:\d+$/, /^tcp:127\.0\.0\.1:\d+$/]);
  t.ok(said.admin.port > 0);
  const port = Number(said.listening[0]?.split(':').pop());
  const peer = await Peer.on(t, ['udp:127.0.0.1:0']);
  const flow = peer.udp(port);
  flow.send(request('OPTIONS', `sip:a@127.0.0.1:${port}`, flow, { 'X-Long': 'x'.repeat(5000) }).toString());
  flow.send(request('OPTIONS', `sip:a@127.0.0.1:${port}`, flow).toString());
  t.notOk((await peer.next(503)).message.has('x-long'));
  child.kill('SIGTERM');
  const [code] = await once(child, 'exit') as [number];
  t.equal(code, 0);
});

t.test('a wrong option is named', async (t) => {
  for (const [args, complaint] of [
    [['--listen', 'sctp:127.0.0.1:0', '--admin', '127.0.0.1:0', '--secret', 'x'], /not a listening address: sctp/],
    [['--listen', 'tls:127.0.0.1:0', '--admin', '127.0.0.1:0', '--secret', 'x'], /TLS needs a certificate/],
    [['--listen', 'udp:127.0.0.1:0', '--admin', 'nowhere', '--secret', 'x'], /not HOST:PORT: nowhere/],
    [['--listen', 'udp:127.0.0.1:0', '--admin', '127.0.0.1:0', '--secret', 'x', '--limit', 'much'], /not a limit: much/],
    [['--listen', 'udp:127.0.0.1:0', '--secret', 'x'], /--admin/],
  ] as const) {
    const program = new Command('wa-b2bua').exitOverride().configureOutput({ writeErr() { /* the rejection says it */ } });
    registerSipserverCommand(program);
    program.commands.forEach((c) => c.exitOverride().configureOutput({ writeErr() { /* likewise */ } }));
    await t.rejects(program.parseAsync(['node', 'wa-b2bua', 'sipserver', ...args]), { message: complaint });
  }
});
