// Throw-away certificates for tests, made by openssl in a directory of their own.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface TestCertificates {
  dir: string;
  ca: string;
  /** Makes a certificate for these DNS names; gives its files. */
  issue(file: string, ...names: string[]): { cert: string; key: string };
  remove(): void;
}

export function makeCertificates(): TestCertificates {
  const dir = mkdtempSync(join(tmpdir(), 'wab-cert-'));
  const openssl = (...args: string[]): void => { execFileSync('openssl', args, { cwd: dir, stdio: 'pipe' }); };
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  openssl('req', '-x509', ...newKey, '-keyout', 'ca.key', '-out', 'ca.pem', '-days', '2', '-subj', '/CN=test CA');
  return {
    dir, ca: join(dir, 'ca.pem'),
    issue(file, ...names) {
      openssl('req', '-x509', ...newKey, '-keyout', `${file}.key`, '-out', `${file}.pem`, '-days', '2', '-subj', `/CN=${names[0] ?? file}`,
        '-CA', 'ca.pem', '-CAkey', 'ca.key', '-addext', `subjectAltName=${names.map((n) => `DNS:${n}`).join(',')}`, '-addext', 'basicConstraints=CA:FALSE');
      return { cert: join(dir, `${file}.pem`), key: join(dir, `${file}.key`) };
    },
    remove() { rmSync(dir, { recursive: true, force: true }); },
  };
}
