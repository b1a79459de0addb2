// The certificates that we write: what others read in them, and that TLS takes them.
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { connect, createServer, type TLSSocket } from 'node:tls';
import t from 'tap';
import { issueLeaf, makeCa, makeCertificates } from '../../../lib/cli/quickstart/certificates.js';

const read = (path: string): X509Certificate => new X509Certificate(readFileSync(path));
const openssl = ['/usr/bin/openssl', '/usr/local/bin/openssl'].find((path) => existsSync(path));

t.test('a CA and leaves, as Node.js reads them', async (t) => {
  const files = makeCertificates(join(t.testdir(), 'certs'), 'sbc.example.net', 'wa.meta.vc');
  const [ca, service, meta] = [read(files.ca), read(files.service.cert), read(files.meta.cert)];
  t.ok(ca.ca && ca.verify(ca.publicKey), 'a CA that vouches for itself');
  for (const leaf of [service, meta]) {
    t.ok(leaf.checkIssued(ca) && leaf.verify(ca.publicKey) && !leaf.ca, 'a leaf of that CA, and none itself');
    t.same(leaf.keyUsage, ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2'], 'for TLS servers and clients');
    t.ok(leaf.checkIP('127.0.0.1') && leaf.checkIP('::1') && leaf.checkHost('localhost'), 'good on loopback');
    t.ok(Date.parse(leaf.validFrom) < Date.now() && Date.parse(leaf.validTo) > Date.now() + 29 * 86_400_000, 'valid now and for a month');
  }
  t.equal(service.checkHost('sbc.example.net'), 'sbc.example.net');
  t.equal(service.checkHost('wa.meta.vc'), undefined);
  t.notOk(service.checkIP('127.0.0.2'));
  t.equal(meta.checkHost('wa.meta.vc'), 'wa.meta.vc');
  t.not(service.serialNumber, meta.serialNumber);
  t.equal(statSync(files.service.key).mode & 0o077, 0, 'only its owner reads a key');
});

t.test('openssl finds nothing wrong with them, by its strict rules too', { skip: openssl === undefined ? 'needs openssl' : false }, async (t) => {
  const dir = t.testdir();
  const ca = makeCa(dir);
  // Longer than what a length of one byte can say, and than two can: the forms of X.690 §8.1.3.
  for (const count of [1, 5, 40]) {
    const names = Array.from({ length: count }, (_, i) => `host${i}.example.net`);
    const { cert } = issueLeaf(dir, `leaf${count}`, [...names, '192.0.2.1', '2001:db8::1']);
    for (const purpose of ['sslserver', 'sslclient']) {
      t.match(execFileSync(openssl ?? '', ['verify', '-x509_strict', '-CAfile', ca, '-purpose', purpose, cert], { encoding: 'utf8' }), /: OK/);
    }
    const text = execFileSync(openssl ?? '', ['x509', '-in', cert, '-noout', '-text'], { encoding: 'utf8' });
    for (const name of names) t.ok(text.includes(`DNS:${name}`), name);
    t.match(text, /IP Address:192\.0\.2\.1, IP Address:2001:DB8:0:0:0:0:0:1/);
  }
});

t.test('both ends of TLS take them where the CA is trusted, and not where it is another', async (t) => {
  const dir = t.testdir({ ours: {}, theirs: {} });
  const files = makeCertificates(join(dir, 'ours'), 'sbc.example.net', 'wa.meta.vc');
  const other = makeCa(join(dir, 'theirs'));
  const pem = ({ cert, key }: { cert: string; key: string }): { cert: Buffer; key: Buffer } => ({ cert: readFileSync(cert), key: readFileSync(key) });
  const server = createServer({ ...pem(files.service), ca: readFileSync(files.ca), requestCert: true, rejectUnauthorized: true }, (socket) => socket.end('heard')).listen(0, '127.0.0.1');
  server.on('tlsClientError', () => undefined);
  await once(server, 'listening');
  t.teardown(() => server.close());
  const dial = (ca: string, servername: string): TLSSocket => {
    const { port } = server.address() as { port: number };
    return connect({ host: '127.0.0.1', port, servername, ca: readFileSync(ca), ...pem(files.meta) });
  };
  const [data] = await once(dial(files.ca, 'sbc.example.net'), 'data') as [Buffer];
  t.equal(data.toString(), 'heard');
  for (const [ca, name, code] of [[other, 'sbc.example.net', /UNABLE_TO_GET_ISSUER_CERT_LOCALLY|UNABLE_TO_VERIFY_LEAF_SIGNATURE|SELF_SIGNED|SIGNATURE_FAILURE/], [files.ca, 'wa.meta.vc', /ERR_TLS_CERT_ALTNAME_INVALID/]] as const) {
    const [error] = await once(dial(ca, name), 'error') as [NodeJS.ErrnoException];
    t.match(error.code, code);
  }
});
