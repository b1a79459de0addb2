// Rules of certificates that change while the server runs: a file that is not there holds up nobody else, takes nobody in, and is tried again.
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { ServerTls } from '../../../lib/sipserver/transport/secure.js';
import { Guard } from '../../../lib/util/guard.js';
import { makeCertificates } from '../../helpers/certificates.js';

t.test('a file that is missing at a reload', async (t) => {
  const dir = t.testdir();
  const { cert, key, ca } = await makeCertificates(dir, { domain: 'sbc.example.net' });
  const troubles: string[] = [];
  let wake: () => void = () => undefined;
  const next = (): Promise<void> => new Promise((resolve) => { wake = resolve; });
  const user = { renewed: () => { wake(); }, trouble: (what: string) => { troubles.push(what); } };
  const rule = (name: string, file = ca): { name: string; hosts: string[]; ca: string } => ({ name, hosts: [`${name}.example`], ca: file });
  const tls = await ServerTls.load({ tls: { cert, key } }, [rule('gone'), rule('stays')], new Guard(() => undefined, (_place, error) => { throw error; }), user);
  t.teardown(() => { tls.close(); });
  const authorities = (): number => (tls.options('asking').ca as readonly unknown[]).length;
  t.equal(authorities(), 2);
  const late = join(dir, 'late.pem');
  const wanted = [rule('stays'), rule('new', late)];
  let changed = next();
  tls.setClients(wanted);
  await changed;
  t.match(troubles, [/^rules of certificates do not load/]);
  t.equal(authorities(), 1, 'who is not named any more is gone, who stands as before stays');
  copyFileSync(ca, late);
  changed = next();
  tls.setClients(wanted);
  await changed;
  t.equal(authorities(), 2, 'the same rules are tried again');
  t.equal(troubles.length, 1);
});
