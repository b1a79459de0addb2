// Throw-away certificates, for trying things out and for the tests. Never use them in production.
import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pemOf, writeCertificate } from '../../util/x509.js';

/** Paths of PEM files. */
export interface LeafFiles { readonly cert: string; readonly key: string }

const CA = 'wa-b2bua throw-away CA';
const DAYS = 30;

/** Makes `dir` and in it a new CA: ca.pem, whose path is given, and ca.key. */
export function makeCa(dir: string): string {
  mkdirSync(dir, { recursive: true });
  const { publicKey, privateKey: key } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  writeFileSync(join(dir, 'ca.key'), key.export({ format: 'pem', type: 'pkcs8' }), { mode: 0o600 });
  const file = join(dir, 'ca.pem');
  writeFileSync(file, pemOf(writeCertificate({ subject: CA, publicKey, issuer: { subject: CA, key, publicKey }, days: DAYS, use: 'ca' })));
  return file;
}

/** Has the CA of `dir` issue a certificate for DNS names and IP addresses, the first of which is its subject: NAME.pem and NAME.key, a key on P-256. */
export function issueLeaf(dir: string, name: string, names: readonly string[]): LeafFiles {
  const key = createPrivateKey(readFileSync(join(dir, 'ca.key')));
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const files = { cert: join(dir, `${name}.pem`), key: join(dir, `${name}.key`) };
  writeFileSync(files.key, privateKey.export({ format: 'pem', type: 'pkcs8' }), { mode: 0o600 });
  writeFileSync(files.cert, pemOf(writeCertificate({
    subject: names[0] ?? name, publicKey, issuer: { subject: CA, key, publicKey: createPublicKey(key) }, days: DAYS, use: { names },
  })));
  return files;
}

/** A CA, a leaf for the service's domain and one for the host that plays Meta; both are good for the loopback addresses too. */
export function makeCertificates(dir: string, domain: string, metaHost: string): { readonly ca: string; readonly service: LeafFiles; readonly meta: LeafFiles } {
  const ca = makeCa(dir);
  const leaf = (name: string, host: string): LeafFiles => issueLeaf(dir, name, [host, 'localhost', '127.0.0.1', '::1']);
  return { ca, service: leaf('service', domain), meta: leaf('meta', metaHost) };
}
