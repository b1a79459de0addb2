import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { rootCertificates } from 'node:tls';
import type { Config } from '../config/types.js';
import type { Finding, Findings } from './finding.js';
import { fail, ok, reasonOf, warn } from './finding.js';

const check = 'certificate';
const day = 86_400_000;

/** What Meta wants of the certificate (META-SIP §3): valid now, for `domain`, by a public CA, with its chain. `now` in milliseconds. */
export async function examineCertificate({ domain, sip, meta }: Config, now: number): Promise<Findings> {
  if (sip.server === 'drachtio') return [ok(check, 'drachtio-server keeps it: see its configuration')];
  const { cert, key } = sip.tls;
  if (cert === null || key === null) return [fail(check, 'there is none', 'set sip.tls.cert and sip.tls.key: Meta speaks TLS only')];
  const chain = await readChain(cert);
  if ('level' in chain) return [chain];
  const privateKey = await readKey(key);
  if ('level' in privateKey) return [privateKey];
  const [leaf] = chain.certificates;
  const trusted = [...rootCertificates, ...(meta.ca === null ? [] : [await readFile(meta.ca, 'utf8').catch(() => '')])];
  return [
    leaf!.checkPrivateKey(privateKey.key) ? ok(check, 'certificate and key belong together') : fail(check, `${key} is not the key of ${cert}`, 'put the key there that the certificate was asked for with'),
    leaf!.checkHost(domain) !== undefined ? ok(check, `names ${domain}`)
      : fail(check, `does not name ${domain} (its names: ${leaf!.subjectAltName ?? 'none'})`, `get one whose subjectAltName has DNS:${domain}, or set domain to a name it has`),
    judgeDates(leaf!, now),
    judgeChain(chain.certificates, trusted),
  ];
}

async function readChain(path: string): Promise<{ certificates: readonly X509Certificate[] } | Finding> {
  try {
    const blocks = (await readFile(path, 'latin1')).match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? [];
    if (blocks.length === 0) return fail(check, `${path} holds no certificate`, 'it must be a PEM file: the certificate first, then its intermediates');
    return { certificates: blocks.map((block) => new X509Certificate(block)) };
  } catch (error) {
    return fail(check, `${path} cannot be read: ${reasonOf(error)}`, 'correct sip.tls.cert, or let the user of the service read the file');
  }
}

async function readKey(path: string): Promise<{ key: KeyObject } | Finding> {
  try {
    return { key: createPrivateKey(await readFile(path)) };
  } catch (error) {
    return fail(check, `${path} cannot be read: ${reasonOf(error)}`, 'correct sip.tls.key: a PEM file without a passphrase that the user of the service may read');
  }
}

function judgeDates(leaf: X509Certificate, now: number): Finding {
  const [from, to] = [Date.parse(leaf.validFrom), Date.parse(leaf.validTo)];
  const days = Math.floor((to - now) / day);
  if (now > to) return fail(check, `expired on ${leaf.validTo}`, 'renew it; a running service takes the new files by itself');
  if (now < from) return fail(check, `not valid before ${leaf.validFrom}`, 'wait, or set the clock of this machine');
  if (days < 14) return warn(check, `valid for ${days} more days`, 'renew it now; a running service takes the new files by itself');
  return ok(check, `valid for ${days} more days`);
}

/** Each certificate issued by the next, the last by a CA that is trusted (RFC 5280 §6.1). */
function judgeChain(certificates: readonly X509Certificate[], trusted: readonly string[]): Finding {
  for (const [i, certificate] of certificates.entries()) {
    const next = certificates[i + 1];
    if (next !== undefined && !issued(certificate, next)) return fail(check, `certificate ${i + 2} of the file did not issue certificate ${i + 1}`, 'put them in order: the certificate first, each followed by its issuer');
  }
  const last = certificates.at(-1)!;
  const known = trusted.some((pem) => {
    try {
      const root = new X509Certificate(pem);
      return root.fingerprint256 === last.fingerprint256 || issued(last, root);
    } catch {
      return false;
    }
  });
  if (known) return ok(check, `its chain of ${certificates.length} leads to a known CA`);
  if (issued(last, last)) return fail(check, 'it is self-signed, or by a CA of your own', 'get one of a public CA: Meta accepts no other');
  return fail(check, `its chain ends at ${nameOf(last)}, issued by ${issuerOf(last)}`, 'add the intermediate certificates of your CA to sip.tls.cert (many call that file fullchain.pem)');
}

function issued(certificate: X509Certificate, issuer: X509Certificate): boolean {
  return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}

function nameOf(certificate: X509Certificate): string {
  return certificate.subject.replaceAll('\n', ', ');
}

function issuerOf(certificate: X509Certificate): string {
  return certificate.issuer.replaceAll('\n', ', ');
}
