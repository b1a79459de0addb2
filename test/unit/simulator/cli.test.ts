import { Command } from 'commander';
import t from 'tap';
import type { Test } from 'tap';
import { registerSimulateCommands } from '../../../lib/cli/simulate.js';
import { makeCertificates } from '../../helpers/certificates.js';
import { startPeer } from '../../../lib/simulator/index.js';

/** Runs `wa-b2bua …` in this process; gives what it printed and its exit code. */
async function run(t: Test, args: string[]): Promise<{ output: string; code: number | string | undefined | null }> {
  const program = new Command('wa-b2bua').exitOverride().configureOutput({ writeErr: () => undefined, writeOut: () => undefined });
  registerSimulateCommands(program);
  for (const command of program.commands.flatMap((c) => [c, ...c.commands])) command.exitOverride().configureOutput({ writeErr: () => undefined, writeOut: () => undefined });
  const before = process.exitCode;
  process.exitCode = undefined;
  const capture = t.capture(process.stdout, 'write', () => true);
  try {
    await program.parseAsync(args, { from: 'user' });
    return { output: capture().map((c) => String(c.args[0])).join(''), code: process.exitCode };
  } finally {
    capture.restore();
    process.exitCode = before;
  }
}

t.test('simulate user prints the verdict and exits by it', async (t) => {
  const files = await makeCertificates(t.testdir(), { domain: 'sbc.example.net' });
  const business = await startPeer({
    listen: 'tls:127.0.0.1:0', srtp: 'sdes', codecs: ['opus'], contact: 'sip:x@sbc.example.net:5061;transport=tls', tls: { cert: files.cert, key: files.key },
  });
  t.teardown(() => business.close());
  const common = ['simulate', 'user', '--to', `127.0.0.1:${business.port}`, '--server-name', 'sbc.example.net', '--ca', files.ca, '--number', '+447700900001', '--password', 'x', '--seconds', '1'];
  const good = await run(t, common);
  t.match(good.output, /< SIP\/2\.0 200 OK\n[^]*tone {7}heard [^]*\nok\n$/);
  t.equal(good.code, undefined);
  business.answer = 'busy';
  const bad = await run(t, [...common, '--json']);
  t.match(JSON.parse(bad.output), { ok: false, status: 486 });
  t.equal(bad.code, 1);
});

t.test('simulate peer --call reports, and wrong words are refused', async (t) => {
  const called = await startPeer({});
  t.teardown(() => called.close());
  const { output, code } = await run(t, ['simulate', 'peer', '--call', called.uri, '--seconds', '0.7', '--codecs', 'pcma']);
  t.match(JSON.parse(output), { status: 200, codec: 'PCMA', toneHeard: true, faults: { length: 0 } });
  t.equal(code, undefined);
  await t.rejects(run(t, ['simulate', 'peer', '--answer', 'nonsense']), /unknown answer: nonsense/);
  await t.rejects(run(t, ['simulate', 'peer', '--codecs', 'AMR']), /codecs are/);
  await t.rejects(run(t, ['simulate', 'user', '--to', 'x']), /required option/);
});
