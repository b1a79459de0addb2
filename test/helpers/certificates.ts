import { execFile } from 'node:child_process';
import { rmSync } from 'node:fs';
import { cp, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const script = fileURLToPath(new URL('../../scripts/certificates', import.meta.url));

/** Paths of PEM files. `ca` signed both leaves; each leaf names its host, localhost and the loopback addresses. */
export interface CertificateFiles {
  readonly ca: string;
  /** The service's certificate (its `domain`) and EC key. */
  readonly cert: string;
  readonly key: string;
  /** What a stand-in of Meta presents (`metaHost`). */
  readonly metaCert: string;
  readonly metaKey: string;
}

/** Which names the leaves carry; `metaHost` is `wa.meta.vc` unless given. */
export interface CertificateNames {
  readonly domain: string;
  readonly metaHost?: string;
}

/** Made once in a process for each pair of names; gone with it. */
const made = new Map<string, Promise<string>>();

/** A throw-away CA and two leaves under `dir`. Rejects when openssl fails. */
export async function makeCertificates(dir: string, { domain, metaHost = 'wa.meta.vc' }: CertificateNames): Promise<CertificateFiles> {
  const names = `${domain} ${metaHost}`;
  const original = made.get(names) ?? make(domain, metaHost);
  made.set(names, original);
  await cp(await original, dir, { recursive: true });
  const file = (name: string): string => join(dir, name);
  return { ca: file('ca.pem'), cert: file('service.pem'), key: file('service.key'), metaCert: file('meta.pem'), metaKey: file('meta.key') };
}

async function make(domain: string, metaHost: string): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'wab-certificates-'));
  process.once('exit', () => { rmSync(dir, { recursive: true, force: true }); });
  await run(script, [dir, domain, metaHost]);
  return dir;
}

/** Another key and leaf for `host`, by the CA in `dir`, as a renewal brings them. Paths of PEM files. */
export async function renewCertificate(dir: string, host: string): Promise<{ cert: string; key: string }> {
  const [cert, key, request, extensions] = ['pem', 'key', 'csr', 'ext'].map((end) => join(dir, `renewed.${end}`)) as [string, string, string, string];
  await run('openssl', ['req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', key, '-subj', `/CN=${host}`, '-out', request]);
  await writeFile(extensions, `subjectAltName=DNS:${host}`);
  await run('openssl', ['x509', '-req', '-in', request, '-CA', join(dir, 'ca.pem'), '-CAkey', join(dir, 'ca.key'), '-CAcreateserial', '-days', '30', '-extfile', extensions, '-out', cert]);
  return { cert, key };
}
