// Who is known by the certificate they show.
import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { PeerCertificate, TLSSocket } from 'node:tls';
import { isNamedIn } from '../../util/sipNames.js';

/** Whoever shows a certificate that a CA of the PEM file `ca` has issued, with one of `hosts` among its names, is known as `name`. */
export interface ClientRule { readonly name: string; readonly hosts: readonly string[]; readonly ca: string }

/** A rule with its file read. */
export interface KnownClient { readonly name: string; readonly hosts: readonly string[]; readonly cas: readonly X509Certificate[]; readonly pem: Buffer }

/** Certificates that a far end has shown, its own first; what OpenSSL verified against the CAs of all rules together. */
export type Shown = readonly X509Certificate[];

/** Certificates of a chain that are looked at: the far end says how many there are. */
const LONGEST_CHAIN = 8;
/** Characters of its names that are told. */
const LONGEST_NAMES = 200;

/** Rejects when a file is missing or holds no certificate. */
export async function readClients(rules: readonly ClientRule[]): Promise<readonly KnownClient[]> {
  return Promise.all(rules.map(async ({ name, hosts, ca }) => {
    const pem = await readFile(ca);
    const blocks = pem.toString('latin1').match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g);
    if (blocks === null) throw new Error(`${ca} holds no certificate`);
    return { name, hosts, pem, cas: blocks.map((block) => new X509Certificate(block)) };
  }));
}

/** What the far end of an accepted connection has shown; a string: why it counts for nothing; undefined: it showed nothing. */
export function shownBy(socket: TLSSocket): Shown | string | undefined {
  const leaf = socket.getPeerX509Certificate();
  if (leaf === undefined) return undefined;
  // Node.js has the code of OpenSSL there, whatever its types say.
  if (!socket.authorized) return `it does not lead to a CA of peers.*.tls.ca or meta.proxy.ca, or is not good now (${String(socket.authorizationError)}); ${namesOf(leaf)}`;
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
  return clients.filter(({ hosts, cas }) => isNamed(shown, hosts) && leadsTo(shown, cas, now)).map(({ name }) => name);
}

/** Why `knownAs` finds nobody. */
export function objectionTo(clients: readonly KnownClient[], shown: Shown): string {
  const named = clients.find(({ hosts }) => isNamed(shown, hosts));
  return `${named === undefined ? 'it names no host of a peer that has tls.ca, nor that of meta.proxy' : `the CA of ${named.name.startsWith(':') ? 'meta.proxy' : `peer ${named.name}`}, which it names, has not issued it`}; ${namesOf(shown[0])}`;
}

/** What somebody else has written into a certificate, for people. */
function namesOf(leaf: X509Certificate | undefined): string {
  return `its names: ${leaf?.subjectAltName?.slice(0, LONGEST_NAMES) ?? 'none'}`;
}

function isNamed([leaf]: Shown, hosts: readonly string[]): boolean {
  return leaf !== undefined && hosts.some((host) => isNamedIn(leaf, host));
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
