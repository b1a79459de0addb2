// numbers.*.passwordFile: no start without it, the password in it at a call, and another one while the service runs.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { startMeta, startPeer } from '../../lib/simulator/index.js';
import { runProcess } from '../helpers/process.js';
import { domain, freePort, number, writeConfig } from '../helpers/service.js';
import { pause } from './harness.js';

t.test('run wants the file, takes the password from it, and takes a new one within seconds', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'wab-password-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  const passwordFile = join(dir, 'password');
  const peer = await startPeer({ media: 'none' });
  t.teardown(() => peer.close());
  const metaPort = await freePort();
  const { text, certificates } = await writeConfig(dir, { metaPort, peers: { pbx: { port: peer.port, mayCall: [number] } }, overlay: { numbers: { [number]: { password: null, passwordFile } } } });
  const config = join(dir, 'c.yaml');
  await writeFile(config, text);
  await t.rejects(runProcess(config), { message: /passwordFile: .*password is not there yet: run wa-b2bua provision apply/ });

  await writeFile(passwordFile, 'first\n');
  // What Meta expects changes as it does when a server is registered anew.
  const known = { number, password: 'first', hostname: domain };
  const meta = await startMeta({ listen: `127.0.0.1:${metaPort}`, cert: certificates.metaCert, key: certificates.metaKey, numbers: [known], byeVia: 'same', media: 'none', behaviour: 'declined,ring=0' });
  t.teardown(() => meta.close());
  const service = await runProcess(config);
  t.teardown(() => service.end('SIGKILL'));
  const call = async (): Promise<number> => (await peer.call(`sip:+447700900101@127.0.0.1:${service.port('udp')}`, { from: `<sip:${number}@pbx.example>` })).final;
  t.equal(await call(), 486, 'Meta knew it');
  known.password = 'second';
  t.equal(await call(), 403, 'Meta has another one');
  await writeFile(passwordFile, 'second\n');
  for (let i = 0; i < 200 && !service.output().includes('configuration reloaded'); i += 1) await pause(50);
  t.equal(await call(), 486);
  for (const secret of ['first', 'second']) t.notOk(new RegExp(`"?password"?[:=]"?${secret}`).test(service.output()), 'shown nowhere');
});
