// Who is known by the certificate they show.
import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import type { PeerCertificate, TLSSocket } from 'node:tls';
import { unbracketed } from '../../util/hostPort.js';

/** Whoever shows a certificate that a CA of the PEM file `ca` has issued, with one of `hosts` among its names, is known as `name`. */
export interface ClientRule { readonly name: string; readonly hosts: readonly string[]; readonly ca: string }

/** A rule with its file read. */
export interface KnownClient { readonly name: string; readonly hosts: readonly string[]; readonly cas: readonly X509Certificate[]; readonly pem: Buffer }

/** Certificates that a far end has shown, its own first; what OpenSSL verified against the CAs of all rules together. */
export type Shown = readonly X509Certificate[];

/** Certificates of a chain that are looked at: the far end says how many there are. */
const LONGEST_CHAIN = 8;

/** Rejects when a file is missing or holds no certificate. */
export async function readClients(rules: readonly ClientRule[]): Promise<readonly KnownClient[]> {
  return Promise.all(rules.map(async ({ name, hosts, ca }) => {
    const pem = await readFile(ca);
    const blocks = pem.toString('latin1').match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g);
    if (blocks === null) throw new Error(`${ca} holds no certificate`);
    return { name, hosts, pem, cas: blocks.map((block) => new X509Certificate(block)) };
  }));
}

/** What the far end of an accepted connection has shown; undefined when it showed nothing, or nothing that leads to a CA of ours. */
export function shownBy(socket: TLSSocket): Shown | undefined {
  const leaf = socket.authorized ? socket.getPeerX509Certificate() : undefined;
  if (leaf === undefined) return undefined;
  const chain = [leaf];
  // The last one names itself as its issuer.
  for (let at: PeerCertificate | undefined = issuerOf(socket.getPeerCertificate(true)); at !== undefined && chain.length < LONGEST_CHAIN; at = issuerOf(at)) {
    const next = new X509Certificate(at.raw);
    if (next.fingerprint256 === chain.at(-1)?.fingerprint256) break;
    chain.push(next);
  }
  return chain;
}

function issuerOf(certificate: PeerCertificate): PeerCertificate | undefined {
  return (certificate as { issuerCertificate?: PeerCertificate }).issuerCertificate;
}

/** When what `knownAs` says of it may become another, ms: the first date of the certificates after `now`. */
export function holdsUntil(clients: readonly KnownClient[], shown: Shown, now: number): number {
  const dates = [...shown, ...clients.flatMap(({ cas }) => cas)].flatMap(({ validFrom, validTo }) => [Date.parse(validFrom), Date.parse(validTo)]);
  return Math.min(...dates.filter((date) => date > now), Infinity);
}

/** The names of the rules that hold for it at `now`, ms. */
export function knownAs(clients: readonly KnownClient[], shown: Shown, now: number): readonly string[] {
  return clients.filter(({ hosts, cas }) => hosts.some((host) => names(shown[0], host)) && leadsTo(shown, cas, now)).map(({ name }) => name);
}

/**
 * RFC 5922 §7.1, §7.2: a host of its sip: URIs, or, where it has none, a DNS name; compared whole: no wildcards. An address where the operator
 * knows the far end by one.
 */
function names(leaf: X509Certificate | undefined, given: string): boolean {
  if (leaf === undefined) return false;
  const host = unbracketed(given).toLowerCase();
  const hosts = sipHosts(leaf);
  if (hosts.includes(host)) return true;
  if (isIP(host) !== 0) return leaf.checkIP(host) !== undefined;
  return hosts.length === 0 && leaf.checkHost(host, { subject: 'never', wildcards: false }) !== undefined;
}

/** Hosts of its sip: URIs without user, in lower case and without brackets. Node.js quotes what could be taken for another entry: no such is a host. */
function sipHosts({ subjectAltName = '' }: X509Certificate): readonly string[] {
  return (subjectAltName.match(/(?:[^",]|"(?:[^"\\]|\\.)*")+/g) ?? []).flatMap((entry) => {
    const [, host] = /^\s*URI:sip:(\[[0-9a-f:.]+\]|[^:;?@[\]"/\s]+)(?::\d+)?(?:[;?][^@"]*)?$/i.exec(entry) ?? [];
    return host === undefined ? [] : [unbracketed(host).toLowerCase()];
  });
}

/**
 * Whether the chain leads to one of these very CAs: that it leads to one of all rules' says nothing, as another's CA may issue any name. By
 * signature and by date, from the far end's own certificate on (RFC 5280 §6.1); what else is to be verified has been.
 */
function leadsTo(shown: Shown, cas: readonly X509Certificate[], now: number): boolean {
  let [current] = shown;
  for (let length = 0; current !== undefined && length < LONGEST_CHAIN; length++) {
    const one: X509Certificate = current;
    if (cas.some((ca) => ca.fingerprint256 === one.fingerprint256 || (isValid(ca, now) && issued(one, ca)))) return isValid(one, now);
    current = shown.find((next) => next !== one && next.ca && isValid(next, now) && issued(one, next));
  }
  return false;
}

function issued(certificate: X509Certificate, issuer: X509Certificate): boolean {
  return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}

function isValid({ validFrom, validTo }: X509Certificate, now: number): boolean {
  return Date.parse(validFrom) <= now && now <= Date.parse(validTo);
}
