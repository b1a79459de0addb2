import { execFile } from 'node:child_process';
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

/** Makes a throw-away CA and two leaves under `dir`. Rejects when openssl fails. */
export async function makeCertificates(dir: string, { domain, metaHost }: CertificateNames): Promise<CertificateFiles> {
  await run(script, [dir, domain, ...(metaHost === undefined ? [] : [metaHost])]);
  const file = (name: string): string => join(dir, name);
  return { ca: file('ca.pem'), cert: file('service.pem'), key: file('service.key'), metaCert: file('meta.pem'), metaKey: file('meta.key') };
}
