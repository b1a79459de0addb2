// DTLS-SRTP (RFC 5763, RFC 5764) by werift: handshake in either role, keys out, certificate checked against SDP's fingerprint.
import { X509Certificate } from 'node:crypto';
import { CipherContext, DtlsClient, DtlsServer, HashAlgorithm, NamedCurveAlgorithm, SignatureAlgorithm } from 'werift';
import type { SrtpKeys } from './srtp.js';

/** A self-signed EC certificate (META-SIP §6.2) and its `a=fingerprint` value. */
export interface DtlsCertificate { certPem: string; keyPem: string; fingerprint: string }

const SIGNATURE = { hash: HashAlgorithm.sha256_4, signature: SignatureAlgorithm.ecdsa_3 } as const;
/** SRTP_AES128_CM_HMAC_SHA1_80 of RFC 5764 §4.1.2. */
const PROFILE = 0x0001;
const KEY_BYTES = 16;
/** Beyond the last flight of a handshake (RFC 6347 §4.2.4 has six). */
const ALL_FLIGHTS = 7;
const SALT_BYTES = 14;

export async function makeDtlsCertificate(): Promise<DtlsCertificate> {
  const made = await CipherContext.createSelfSignedCertificateWithKey(SIGNATURE, NamedCurveAlgorithm.secp256r1_23);
  return { certPem: made.certPem, keyPem: made.keyPem, fingerprint: fingerprintOf(new X509Certificate(made.certPem)) };
}

function fingerprintOf(certificate: X509Certificate): string {
  return `sha-256 ${certificate.fingerprint256}`;
}

export interface DtlsEvents {
  send(bytes: Buffer): void;
  connected(keys: SrtpKeys): void;
  fault(detail: string): void;
}

export interface DtlsInput {
  role: 'client' | 'server';
  certificate: DtlsCertificate;
  /** `a=fingerprint` of the far end. */
  fingerprint: string;
  /** Where our own socket is; only for werift's interface. */
  local: { address: string; port: number };
}

/** One association. Give it what arrives; it sends through its events. */
export class DtlsSession {
  connectedAt: number | undefined;
  private readonly wire: Wire;
  private readonly socket: DtlsServer | DtlsClient;

  constructor(private readonly input: DtlsInput, private readonly events: DtlsEvents) {
    const { address, port } = input.local;
    this.wire = new Wire({ address, port, family: address.includes(':') ? 'IPv6' : 'IPv4' }, (bytes) => { events.send(bytes); });
    const options = {
      transport: this.wire, cert: input.certificate.certPem, key: input.certificate.keyPem, signatureHash: SIGNATURE,
      // As the server it wants to see the business's certificate; as the client it shows its own only when asked (RFC 5246 §7.4.6).
      srtpProfiles: [PROFILE as 1], certificateRequest: input.role === 'server', extendedMasterSecret: true,
    };
    this.socket = input.role === 'server' ? new DtlsServer(options) : new DtlsClient(options);
    this.socket.onConnect.subscribe(() => { this.connected(); });
    this.socket.onError.subscribe((error: Error) => { if (!this.wire.closed) events.fault(error.message); });
  }

  /** Sends the first flight; for the client role, once ICE has an address. */
  start(): void {
    if (this.socket instanceof DtlsClient) this.socket.connect().catch((error: unknown) => { if (!this.wire.closed) this.events.fault(String(error)); });
  }

  receive(bytes: Buffer): void {
    if (!this.wire.closed) this.wire.onData(bytes, [this.input.local.address, this.input.local.port]);
  }

  /** Ends without a message: what is up is torn down by SIP. */
  close(): void {
    this.wire.closed = true;
    // werift repeats a flight for half a minute unless the other side's next one has come: this reads as if it had.
    this.socket.dtls.flight = ALL_FLIGHTS;
  }

  private connected(): void {
    if (this.wire.closed || this.connectedAt !== undefined) return;
    const theirs = this.socket.remoteCertificate;
    const [algorithm = '', value = ''] = this.input.fingerprint.split(' ');
    // RFC 8122 §5: the certificate must be the one whose hash the description carries.
    const same = theirs !== undefined && algorithm.toLowerCase() === 'sha-256' && new X509Certificate(theirs).fingerprint256 === value.toUpperCase();
    if (!same) {
      this.events.fault('the certificate is not the one of a=fingerprint');
      return;
    }
    this.connectedAt = performance.now();
    const keys = this.socket.extractSessionKeys(KEY_BYTES, SALT_BYTES);
    this.events.connected({ local: { key: keys.localKey as Buffer, salt: keys.localSalt as Buffer }, remote: { key: keys.remoteKey as Buffer, salt: keys.remoteSalt as Buffer } });
  }
}

/** What werift wants for a socket; ours is shared with RTP and STUN. */
class Wire {
  readonly type = 'udp';
  closed = false;
  onData: (data: Buffer, from: readonly [string, number]) => void = () => undefined;

  constructor(readonly address: { address: string; port: number; family: string }, private readonly out: (bytes: Buffer) => void) {}

  send = (bytes: Buffer): Promise<void> => {
    if (!this.closed) this.out(bytes);
    return Promise.resolve();
  };

  close = (): Promise<void> => {
    this.closed = true;
    return Promise.resolve();
  };
}
