import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { rootCertificates } from 'node:tls';
import { identities, tlsPeers, type Identity } from './domains.js';
import { bad, fine, missing, poor, reasonOf, unfit, type Judgement } from './judgement.js';
import type { Config } from './types.js';

const day = 86_400_000;
/** Before it ends, so many days are left to renew it. */
const renewDays = 14;

type WithNames = Pick<Config, 'domain' | 'domains' | 'numbers' | 'sip' | 'meta'>;

/**
 * What Meta wants of each certificate (META-SIP §3): valid now, for its name, by a public CA, with its chain; of a name that no number is registered at,
 * that CA may be the peers' own. `now` in milliseconds.
 */
export async function judgeCertificate(config: WithNames, now: number): Promise<readonly Judgement[]> {
  const { meta } = config;
  const trusted = [...rootCertificates, ...(meta.ca === null ? [] : [await readFile(meta.ca, 'utf8').catch(() => '')])];
  return (await Promise.all(identities(config).map((one) => judgeIdentity(one, trusted, now)))).flat();
}

async function judgeIdentity({ at, name, cert, key, isForMeta }: Identity, trusted: readonly string[], now: number): Promise<readonly Judgement[]> {
  if (cert === null || key === null) return [unfit(at, 'there is none', `set ${at}.cert and ${at}.key: Meta speaks TLS only`)];
  const pair = await readPair(at, { cert, key });
  if ('level' in pair) return [pair];
  const { leaf, certificates, belong } = pair;
  return [
    belong,
    leaf.checkHost(name) !== undefined ? fine(`${at}.cert`, `names ${name}`)
      : unfit(`${at}.cert`, `does not name ${name} (its names: ${leaf.subjectAltName ?? 'none'})`, `get one whose subjectAltName has DNS:${name}, or ${at === 'sip.tls' ? 'set domain to a name it has' : 'name it in domains by a name it has'}`),
    judgeDates(`${at}.cert`, leaf, now),
    judgeOrder(`${at}.cert`, certificates) ?? (isForMeta ? judgeChain(`${at}.cert`, certificates, trusted) : fine(`${at}.cert`, 'no number is registered at this name, so peers alone judge who has issued it')),
  ];
}

/** meta.ca, hep.ca and those of peers by TLS, where they are given: files with certificates; of peers also whether somebody can be known by them at `now`, milliseconds. */
export async function judgeCa({ meta, hep, peers }: Pick<Config, 'meta' | 'hep' | 'peers'>, now: number): Promise<readonly Judgement[]> {
  const others = [['meta.ca', meta.ca], ['hep.ca', hep?.ca ?? null]] as const;
  const read = await Promise.all(others.flatMap(([key, file]) => (file === null ? [] : [readChain(key, file)])));
  const ofPeers = await Promise.all(tlsPeers({ peers, meta }).flatMap(({ at, isCertified, tls: { ca } }) => (ca === null ? [] : [readChain(`${at}.ca`, ca).then((chain) => ({ key: `${at}.ca`, file: ca, isCertified, chain }))])));
  // Whoever calls is verified against the files of all such peers together, and against no others; whom we call, against the well-known ones too.
  const certified = ofPeers.flatMap(({ isCertified, chain }) => ('level' in chain || !isCertified ? [] : chain.certificates));
  const judged = ofPeers.flatMap(({ key, file, isCertified, chain }) => {
    if ('level' in chain) return [chain];
    return judgeAuthority(key, file, chain.certificates, isCertified ? certified : rootCertificates.map((pem) => new X509Certificate(pem)), now);
  });
  return [...read.filter((chain) => 'level' in chain), ...judged];
}

/** A file of CAs that a peer's certificate is to lead to: as long as one of them is valid, and each way ends at a CA that has issued itself. */
function judgeAuthority(key: string, file: string, certificates: readonly X509Certificate[], roots: readonly X509Certificate[], now: number): readonly Judgement[] {
  const latest = lastToEnd(certificates);
  const loose = certificates.find((one) => !leadsToRoot(one, certificates, roots));
  return [
    ...(latest === undefined ? [] : [judgeDates(key, latest, now)]),
    ...(loose === undefined ? [] : [unfit(key, `${file} has ${nameOf(loose)}, and not the CA that has issued it, ${issuerOf(loose)}`, 'add that: a chain ends at a CA that has issued itself, or nobody is known by it')]),
  ];
}

function leadsToRoot(certificate: X509Certificate, others: readonly X509Certificate[], roots: readonly X509Certificate[]): boolean {
  const seen = new Set<X509Certificate>();
  for (let at: X509Certificate | undefined = certificate; at !== undefined && !seen.has(at);) {
    const one: X509Certificate = at;
    if (issued(one, one)) return true;
    seen.add(one);
    at = [...others, ...roots].find((next) => next !== one && issued(one, next));
  }
  return false;
}

/**
 * Certificate and key of the addresses for webhooks, the API, and phones alone (wss without tls): whoever sees them judges the rest; and those that peers
 * are shown, with their dates at `now`, milliseconds.
 */
export async function judgeHttpTls({ webhooks, api, peers, meta, sip: { server, listen, tls: { cert, key } } }: Pick<Config, 'webhooks' | 'api' | 'sip' | 'peers' | 'meta'>, now: number): Promise<readonly Judgement[]> {
  const has = (transport: string): boolean => listen.some((socket) => socket.startsWith(`${transport}:`));
  const phones = server === 'embedded' && cert !== null && key !== null && has('wss') && !has('tls') ? { cert, key } : null;
  const pairs = [['webhooks.tls', webhooks?.tls ?? null], ['api.tls', api.listen === null ? null : api.tls], ['sip.tls', phones]] as const;
  const shown = tlsPeers({ peers, meta }).flatMap(({ at, tls: { clientCert, clientKey } }) => (clientCert === null || clientKey === null ? []
    : [readPair(at, { cert: clientCert, key: clientKey }, { cert: 'clientCert', key: 'clientKey' }).then((pair) => ('level' in pair ? [pair] : [pair.belong, judgeDates(`${at}.clientCert`, pair.leaf, now)]))]));
  return (await Promise.all([...pairs.flatMap(([at, files]) => (files === null ? [] : [readPair(at, files).then((pair) => ['level' in pair ? pair : pair.belong])])), ...shown])).flat();
}

/**
 * When that ends which ends first of our certificates and, of each file of CAs of peers, of the one that ends last, in milliseconds since 1970; null when
 * there is none to read.
 */
export async function firstEnd(config: Pick<Config, 'domain' | 'domains' | 'numbers' | 'sip' | 'peers' | 'meta'>): Promise<number | null> {
  const certs = [...identities(config).map(({ cert }) => cert), ...tlsPeers(config).map(({ tls }) => tls.clientCert)];
  const ends = await Promise.all([...certs.map((file) => endOf(file, ([leaf]) => leaf)), ...tlsPeers(config).map(({ tls: { ca } }) => endOf(ca, lastToEnd))]);
  const known = ends.filter((end) => end !== null);
  return known.length === 0 ? null : Math.min(...known);
}

async function endOf(file: string | null, which: (certificates: readonly X509Certificate[]) => X509Certificate | undefined): Promise<number | null> {
  const chain = file === null ? null : await readChain('', file);
  const one = chain === null || 'level' in chain ? undefined : which(chain.certificates);
  return one === undefined ? null : Date.parse(one.validTo);
}

/** A CA that is renewed stands beside the old one for a while. */
function lastToEnd(certificates: readonly X509Certificate[]): X509Certificate | undefined {
  return certificates.toSorted((one, other) => Date.parse(other.validTo) - Date.parse(one.validTo))[0];
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

/** Each certificate issued by the next (RFC 5280 §6.1); null: so it is. */
function judgeOrder(key: string, certificates: readonly X509Certificate[]): Judgement | null {
  const wrong = certificates.findIndex((certificate, i) => {
    const next = certificates[i + 1];
    return next !== undefined && !issued(certificate, next);
  });
  return wrong === -1 ? null : unfit(key, `certificate ${wrong + 2} of the file did not issue certificate ${wrong + 1}`, 'put them in order: the certificate first, each followed by its issuer');
}

/** The last of a chain that is in order is issued by a CA that is trusted. */
function judgeChain(key: string, certificates: readonly X509Certificate[], trusted: readonly string[]): Judgement {
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
