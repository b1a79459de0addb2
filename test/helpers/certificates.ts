import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Paths of PEM files. `ca` signed both leaves; each leaf names its host in subjectAltName. */
export interface CertificateFiles {
  ca: string;
  /** The service's certificate (its `domain`) and EC key. */
  cert: string;
  key: string;
  /** What a stand-in of Meta presents (`metaHost`). */
  metaCert: string;
  metaKey: string;
}

/** Which names the leaves carry; `metaHost` is `wa.meta.vc` unless given. */
export interface CertificateNames {
  domain: string;
  metaHost?: string;
}

/**
 * Makes a throw-away CA and two EC (P-256) leaves under `dir` with the openssl program.
 * The leaves also name localhost and the loopback addresses. Rejects when openssl fails.
 */
export async function makeCertificates(dir: string, names: CertificateNames): Promise<CertificateFiles> {
  await mkdir(dir, { recursive: true });
  const ca = join(dir, 'ca.pem');
  const caKey = join(dir, 'ca.key');
  await makeKey(caKey);
  await run('openssl', ['req', '-x509', '-new', '-key', caKey, '-sha256', '-days', '30', '-subj', '/CN=wa-b2bua throw-away CA', '-out', ca]);
  const service = await makeLeaf(dir, 'service', names.domain, ca, caKey);
  const meta = await makeLeaf(dir, 'meta', names.metaHost ?? 'wa.meta.vc', ca, caKey);
  return { ca, cert: service.cert, key: service.key, metaCert: meta.cert, metaKey: meta.key };
}

async function makeKey(path: string): Promise<void> {
  await run('openssl', ['genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256', '-out', path]);
}

async function makeLeaf(dir: string, name: string, host: string, ca: string, caKey: string): Promise<{ cert: string; key: string }> {
  const key = join(dir, `${name}.key`);
  const request = join(dir, `${name}.csr`);
  const extensions = join(dir, `${name}.ext`);
  const cert = join(dir, `${name}.pem`);
  await makeKey(key);
  await run('openssl', ['req', '-new', '-key', key, '-subj', `/CN=${host}`, '-out', request]);
  // RFC 5922 §7.1: the SIP domain identity is read from subjectAltName.
  await writeFile(extensions, [
    `subjectAltName=DNS:${host},DNS:localhost,IP:127.0.0.1,IP:::1`,
    'basicConstraints=CA:FALSE',
    'extendedKeyUsage=serverAuth,clientAuth',
  ].join('\n'));
  await run('openssl', ['x509', '-req', '-in', request, '-CA', ca, '-CAkey', caKey, '-CAcreateserial', '-days', '30', '-sha256', '-extfile', extensions, '-out', cert]);
  return { cert, key };
}
