import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { rootCertificates, type ConnectionOptions } from 'node:tls';
import type { PeerConfig } from '../config/types.js';
import { isNamedIn } from '../util/sipNames.js';

/** How calls speak TLS with this host: see `peers.*.tls`. Rejects where a file cannot be read. */
export async function peerTls({ verify, ca, clientCert, clientKey }: PeerConfig['tls'], host: string): Promise<ConnectionOptions> {
  return {
    rejectUnauthorized: verify,
    checkServerIdentity: (_host, { raw }) => (isNamedIn(new X509Certificate(raw), host) ? undefined : new Error(`its certificate does not name ${host} (RFC 5922)`)),
    ...(ca === null ? {} : { ca: [...rootCertificates, await readFile(ca, 'latin1')] }),
    ...(clientCert === null || clientKey === null ? {} : { cert: await readFile(clientCert), key: await readFile(clientKey) }),
  };
}
