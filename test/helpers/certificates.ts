import { cp, mkdtemp } from 'node:fs/promises';
import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { issueLeaf, makeCertificates as makeFiles, type LeafFiles } from '../../lib/cli/quickstart/certificates.js';

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

/** A throw-away CA and two leaves under `dir`. */
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
  makeFiles(dir, domain, metaHost);
  return dir;
}

/** Another key and leaf for `host`, by the CA in `dir`, as a renewal brings them. Paths of PEM files. */
export function renewCertificate(dir: string, host: string): LeafFiles {
  return issueLeaf(dir, 'renewed', [host]);
}
