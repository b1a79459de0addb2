import { once } from 'node:events';
import { Command } from 'commander';
import t from 'tap';
import { registerSipserverCommand } from '../../../lib/cli/sipserver.js';
import { Peer, request } from './harness.js';
import { serverProcess } from './server-process.js';

t.test('wa-b2bua sipserver serves until it is told to stop', async (t) => {
  const { child, listening, admin } = await serverProcess(t, '--listen', 'udp:127.0.0.1:0', 'tcp:127.0.0.1:0', '--admin', '127.0.0.1:0', '--secret', 'cymru',
    '--limit', 'messageBytes=4000', '--trace');
  t.match(listening, [/^udp:127\.0\.0\.1:\d+$/, /^tcp:127\.0\.0\.1:\d+$/]);
  t.ok(admin.port > 0);
  const port = Number(listening[0]?.split(':').pop());
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
    [['--listen', 'udp:127.0.0.1:0', '--admin', '127.0.0.1:0', '--secret', 'x', '--limit', 'mesageBytes=1'], /no limit is called mesageBytes.*messageBytes/],
    [['--listen', 'udp:127.0.0.1:0', '--secret', 'x'], /--admin/],
  ] as const) {
    const program = new Command('wa-b2bua').exitOverride().configureOutput({ writeErr() { /* the rejection says it */ } });
    registerSipserverCommand(program);
    program.commands.forEach((c) => c.exitOverride().configureOutput({ writeErr() { /* likewise */ } }));
    await t.rejects(program.parseAsync(['node', 'wa-b2bua', 'sipserver', ...args]), { message: complaint });
  }
});
