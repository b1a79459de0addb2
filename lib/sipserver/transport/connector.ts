// Opening TCP and TLS connections; for TLS nothing is sent before the peer's certificate is verified for the host name we wanted.
import { connect as tcpConnect, isIP } from 'node:net';
import type { Socket } from 'node:net';
import { checkServerIdentity, connect as tlsConnect, createSecureContext, rootCertificates } from 'node:tls';
import type { PeerCertificate, SecureContext } from 'node:tls';
import { constants, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { readPair, stampOf } from './identity.js';
import type { IdentityFiles } from './identity.js';
import { unbracketed } from '../../util/hostPort.js';
import { isNamedIn } from '../../util/sipNames.js';

/** Where a connection goes. `host` is what the certificate must name and what SNI carries; `address` is what we connect to. */
export interface ConnectTarget {
  protocol: 'tcp' | 'tls';
  address: string;
  port: number;
  host: string;
  /** PEM file with CAs trusted besides the system's, for this target only. */
  ca?: string | undefined;
  /** PEM files of a certificate of ours, which it is shown where it asks for one. */
  shows?: IdentityFiles | undefined;
  /** False: whatever certificate it has is taken. */
  verify?: boolean | undefined;
  /** True: its certificate may name it by a wildcard, as on the web (RFC 6125 §6.4.3), or by its subject; else RFC 5922 §7 holds, which has neither. */
  wildcards?: boolean | undefined;
  /** Local address to connect from. */
  localAddress?: string | undefined;
}

/** No renegotiation: a far end that asks for it has no good reason. */
const SECURE = { minVersion: 'TLSv1.2', secureOptions: constants.SSL_OP_NO_RENEGOTIATION } as const;

export class ConnectTimeout extends Error {}

/** A secure context, and what the files were like that it was made from. */
interface Made { readonly stamp: string; readonly context: SecureContext }

/** Secure contexts by their files: making one parses every root certificate, so it is done once for each, and again when its files have changed. */
export class TrustStore {
  private readonly contexts = new Map<string, Made>();

  /** `trouble` hears, once for each change, of files that do not load. */
  constructor(private readonly trouble: (what: string, error: Error) => void) {}

  /** Files that have changed and do not load leave the old ones in use; rejects where there are none. */
  async context({ ca, shows }: Pick<ConnectTarget, 'ca' | 'shows'>): Promise<SecureContext> {
    const files = [...ca === undefined ? [] : [ca], ...shows === undefined ? [] : [shows.cert, shows.key]];
    const key = files.join('\n');
    const stamp = await stampOf(files);
    const made = this.contexts.get(key);
    if (made?.stamp === stamp) return made.context;
    try {
      const extra = ca === undefined ? undefined : (await readFile(ca)).toString('latin1');
      const own = shows === undefined ? undefined : await readPair(shows);
      const context = createSecureContext({ ...SECURE, ...own, ...(extra === undefined ? {} : { ca: [...rootCertificates, extra] }) });
      this.contexts.set(key, { stamp, context });
      return context;
    } catch (error) {
      if (made === undefined) throw error;
      // Remembered: what is bad is told once, and tried again when the files change again.
      this.contexts.set(key, { ...made, stamp });
      this.trouble(`changed files for TLS connections of ours do not load, the old ones stay (${files.join(', ')})`, error instanceof Error ? error : new Error(String(error)));
      return made.context;
    }
  }
}

/** RFC 5922 §7: undefined where the certificate is that of the host. */
function objectionTo(host: string, { raw }: PeerCertificate): Error | undefined {
  const leaf = new X509Certificate(raw);
  if (isNamedIn(leaf, host)) return undefined;
  return Object.assign(new Error(`the certificate does not name ${host} (RFC 5922); its names: ${leaf.subjectAltName ?? 'none'}`), { code: 'ERR_TLS_CERT_ALTNAME_INVALID' });
}

/**
 * Opens a connection. Rejects with the system's error, the TLS alert, the failed certificate check (the host name must be among the certificate's
 * names), or a time-out. `opening` is told of the socket so that it can be destroyed early.
 */
export async function openConnection(
  target: ConnectTarget, trust: TrustStore, timeout: number, opening: (socket: Socket) => void,
): Promise<Socket> {
  const secureContext = target.protocol === 'tls' ? await trust.context(target) : undefined;
  return await new Promise<Socket>((resolve, reject) => {
    const to = { host: target.address, port: target.port, localAddress: target.localAddress };
    const name = unbracketed(target.host);
    // SNI carries host names only (RFC 6066 §3). No ALPN: Meta answers "sip" with alert 120 (META-SIP.md §1 row 9).
    const socket: Socket = secureContext === undefined ? tcpConnect(to)
      : tlsConnect({ ...to, ...(isIP(name) === 0 ? { servername: name } : {}), secureContext, rejectUnauthorized: target.verify !== false,
        checkServerIdentity: (_connected, certificate) => (target.wildcards === true ? checkServerIdentity(name, certificate) : objectionTo(name, certificate)) });
    opening(socket);
    const timer = setTimeout(() => { socket.destroy(new ConnectTimeout(`connection not up within ${timeout} ms`)); }, timeout);
    const failed = (error: Error): void => {
      clearTimeout(timer);
      reject(error);
    };
    const closed = (): void => { failed(new Error('connection closed while it was coming up')); };
    socket.on('error', failed);
    socket.once('close', closed);
    socket.once(secureContext === undefined ? 'connect' : 'secureConnect', () => {
      clearTimeout(timer);
      // `failed` stays: an error that comes before somebody else listens is nobody's exception, and rejects nothing any more.
      socket.removeListener('close', closed);
      socket.setKeepAlive(true, 60_000);
      resolve(socket);
    });
  });
}
