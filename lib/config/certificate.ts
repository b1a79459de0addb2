import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { rootCertificates } from 'node:tls';
import { identities, tlsPeers } from './domains.js';
import { bad, fine, missing, poor, reasonOf, unfit, type Judgement } from './judgement.js';
import type { Config } from './types.js';

const day = 86_400_000;
/** Before it ends, so many days are left to renew it. */
const renewDays = 14;

type WithNames = Pick<Config, 'domain' | 'domains' | 'sip' | 'meta'>;

/** What Meta wants of each certificate (META-SIP §3): valid now, for its name, by a public CA, with its chain; and meta.ca. `now` in milliseconds. */
export async function judgeCertificate(config: WithNames, now: number): Promise<readonly Judgement[]> {
  const { meta } = config;
  const trusted = [...rootCertificates, ...(meta.ca === null ? [] : [await readFile(meta.ca, 'utf8').catch(() => '')])];
  return (await Promise.all(identities(config).map((one) => judgeIdentity(one, trusted, now)))).flat();
}

async function judgeIdentity({ at, name, cert, key }: ReturnType<typeof identities>[number], trusted: readonly string[], now: number): Promise<readonly Judgement[]> {
  if (cert === null || key === null) return [unfit(at, 'there is none', `set ${at}.cert and ${at}.key: Meta speaks TLS only`)];
  const pair = await readPair(at, { cert, key });
  if ('level' in pair) return [pair];
  const { leaf, certificates, belong } = pair;
  return [
    belong,
    leaf.checkHost(name) !== undefined ? fine(`${at}.cert`, `names ${name}`)
      : unfit(`${at}.cert`, `does not name ${name} (its names: ${leaf.subjectAltName ?? 'none'})`, `get one whose subjectAltName has DNS:${name}, or ${at === 'sip.tls' ? 'set domain to a name it has' : 'name it in domains by a name it has'}`),
    judgeDates(`${at}.cert`, leaf, now),
    judgeChain(`${at}.cert`, certificates, trusted),
  ];
}

/** meta.ca, hep.ca and those of peers by TLS, where they are given: files with certificates. */
export async function judgeCa({ meta, hep, peers }: Pick<Config, 'meta' | 'hep' | 'peers'>): Promise<readonly Judgement[]> {
  const files = [['meta.ca', meta.ca], ['hep.ca', hep?.ca ?? null], ...tlsPeers(peers).map(({ name, tls }) => [`peers.${name}.tls.ca`, tls.ca] as const)] as const;
  const found = await Promise.all(files.flatMap(([key, file]) => (file === null ? [] : [readChain(key, file)])));
  return found.filter((chain) => 'level' in chain);
}

/** Certificate and key of the addresses for webhooks, the API, and phones alone (wss without tls), and those that peers are shown: whoever sees them judges the rest. */
export async function judgeHttpTls({ webhooks, api, peers, sip: { server, listen, tls: { cert, key } } }: Pick<Config, 'webhooks' | 'api' | 'sip' | 'peers'>): Promise<readonly Judgement[]> {
  const has = (transport: string): boolean => listen.some((socket) => socket.startsWith(`${transport}:`));
  const phones = server === 'embedded' && cert !== null && key !== null && has('wss') && !has('tls') ? { cert, key } : null;
  const pairs = [['webhooks.tls', webhooks?.tls ?? null], ['api.tls', api.listen === null ? null : api.tls], ['sip.tls', phones]] as const;
  const shown = tlsPeers(peers).flatMap(({ name, tls: { clientCert, clientKey } }) => (clientCert === null || clientKey === null ? []
    : [readPair(`peers.${name}.tls`, { cert: clientCert, key: clientKey }, { cert: 'clientCert', key: 'clientKey' }).then((pair) => ('level' in pair ? pair : pair.belong))]));
  return Promise.all([...pairs.flatMap(([at, files]) => (files === null ? [] : [readPair(at, files).then((pair) => ('level' in pair ? pair : pair.belong))])), ...shown]);
}

/** When the first certificate of a file ends, in milliseconds since 1970; null when there is none to read. */
export async function certificateEnd(path: string): Promise<number | null> {
  const chain = await readChain('sip.tls.cert', path);
  const [leaf] = 'level' in chain ? [] : chain.certificates;
  return leaf === undefined ? null : Date.parse(leaf.validTo);
}

async function readChain(key: string, path: string): Promise<{ certificates: readonly X509Certificate[] } | Judgement> {
  try {
    const blocks = (await readFile(path, 'latin1')).match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? [];
    if (blocks.length === 0) return bad(key, `${path} holds no certificate`, 'it must be a PEM file: the certificate first, then its intermediates');
    return { certificates: blocks.map((block) => new X509Certificate(block)) };
  } catch (error) {
    return unreadable(key, path, error, 'a certificate', `correct ${key}, or let the user of the service read the file`);
  }
}

async function readKey(at: string, path: string): Promise<{ key: KeyObject } | Judgement> {
  try {
    return { key: createPrivateKey(await readFile(path)) };
  } catch (error) {
    return unreadable(at, path, error, 'a private key', `correct ${at}: a PEM file without a passphrase that the user of the service may read`);
  }
}

interface Pair {
  readonly certificates: readonly X509Certificate[];
  readonly leaf: X509Certificate;
  /** Whether the key is that of the leaf. */
  readonly belong: Judgement;
}

interface PairFiles { readonly cert: string; readonly key: string }

/** `at`: the key of the configuration that has both, under `names`. */
async function readPair(at: string, { cert, key }: PairFiles, names: PairFiles = { cert: 'cert', key: 'key' }): Promise<Pair | Judgement> {
  const chain = await readChain(`${at}.${names.cert}`, cert);
  if ('level' in chain) return chain;
  const { certificates, certificates: [leaf] } = chain;
  const privateKey = await readKey(`${at}.${names.key}`, key);
  if ('level' in privateKey) return privateKey;
  if (leaf === undefined) return bad(`${at}.${names.cert}`, `${cert} holds no certificate`, 'it must be a PEM file');
  const belong = leaf.checkPrivateKey(privateKey.key) ? fine(`${at}.${names.key}`, 'certificate and key belong together')
    : bad(`${at}.${names.key}`, `${key} is not the key of ${cert}`, 'put the key there that the certificate was asked for with');
  return { certificates, leaf, belong };
}

/** A file that the system does not give is missing here, perhaps not elsewhere; one that cannot be understood is so everywhere. */
function unreadable(key: string, path: string, error: unknown, what: string, todo: string): Judgement {
  if (typeof (error as NodeJS.ErrnoException).syscall === 'string') return missing(key, `${path} cannot be read: ${reasonOf(error)}`, todo);
  return bad(key, `${path} cannot be read: it does not hold ${what} in PEM (${reasonOf(error)})`, todo);
}

function judgeDates(key: string, leaf: X509Certificate, now: number): Judgement {
  const [from, to] = [Date.parse(leaf.validFrom), Date.parse(leaf.validTo)];
  const days = Math.floor((to - now) / day);
  if (now > to) return unfit(key, `expired on ${leaf.validTo}`, 'renew it; a running service takes the new files by itself');
  if (now < from) return unfit(key, `not valid before ${leaf.validFrom}`, 'wait, or set the clock of this machine');
  if (days < renewDays) return poor(key, `valid for ${days} more days`, 'renew it now; a running service takes the new files by itself');
  return fine(key, `valid for ${days} more days`);
}

/** Each certificate issued by the next, the last by a CA that is trusted (RFC 5280 §6.1). */
function judgeChain(key: string, certificates: readonly X509Certificate[], trusted: readonly string[]): Judgement {
  for (const [i, certificate] of certificates.entries()) {
    const next = certificates[i + 1];
    if (next !== undefined && !issued(certificate, next)) return unfit(key, `certificate ${i + 2} of the file did not issue certificate ${i + 1}`, 'put them in order: the certificate first, each followed by its issuer');
  }
  const last = certificates.at(-1);
  if (last === undefined) return unfit(key, 'there is none', `set ${key}`);
  const known = trusted.some((pem) => {
    try {
      const root = new X509Certificate(pem);
      return root.fingerprint256 === last.fingerprint256 || issued(last, root);
    } catch {
      return false;
    }
  });
  if (known) return fine(key, `its chain of ${certificates.length} leads to a known CA`);
  if (issued(last, last)) return unfit(key, 'it is self-signed, or by a CA of your own', 'get one of a public CA: Meta accepts no other');
  return unfit(key, `its chain ends at ${nameOf(last)}, issued by ${issuerOf(last)}`, `add the intermediate certificates of your CA to ${key} (many call that file fullchain.pem)`);
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
