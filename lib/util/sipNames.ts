// Whom a certificate names in SIP (RFC 5922).
import type { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { hostKey } from './hostKey.js';

/**
 * Whether it is the certificate of this host, in any spelling. RFC 5922 §7.1, §7.2: a host of its sip: URIs, or, where it has none, a DNS name; compared
 * whole: no wildcards, and no subject. An address where the host is one.
 */
export function isNamedIn(leaf: X509Certificate, given: string): boolean {
  const host = hostKey(given);
  const hosts = sipHosts(leaf);
  if (hosts.includes(host)) return true;
  if (isIP(host) !== 0) return leaf.checkIP(host) !== undefined;
  return hosts.length === 0 && leaf.checkHost(host, { subject: 'never', wildcards: false }) !== undefined;
}

/** Hosts of its sip: URIs without user, as `hostKey` spells them. Node.js quotes what could be taken for another entry: no such is a host. */
function sipHosts({ subjectAltName = '' }: X509Certificate): readonly string[] {
  return (subjectAltName.match(/(?:[^",]|"(?:[^"\\]|\\.)*")+/g) ?? []).flatMap((entry) => {
    const [, host] = /^\s*URI:sip:(\[[0-9a-f:.]+\]|[^:;?@[\]"/\s]+)(?::\d+)?(?:[;?][^@"]*)?$/i.exec(entry) ?? [];
    return host === undefined ? [] : [hostKey(host)];
  });
}
