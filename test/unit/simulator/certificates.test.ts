import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import t from 'tap';
import { makeCertificates } from '../../helpers/certificates.js';

t.test('the leaves are signed by the CA and name their hosts', async (t) => {
  const files = await makeCertificates(t.testdir(), { domain: 'sbc.example.net' });
  const read = async (path: string) => new X509Certificate(await readFile(path));
  const ca = await read(files.ca);
  const service = await read(files.cert);
  const meta = await read(files.metaCert);
  t.ok(service.verify(ca.publicKey));
  t.ok(meta.verify(ca.publicKey));
  t.equal(service.checkHost('sbc.example.net'), 'sbc.example.net');
  t.equal(service.checkHost('wa.meta.vc'), undefined);
  t.equal(meta.checkHost('wa.meta.vc'), 'wa.meta.vc');
});
