import { DtlsEndpoint } from '../../dtls/index.js';
import type { DtlsCertificate } from '../../dtls/index.js';
import { IceAgent } from '../../ice/index.js';
import type { SrtpKeys } from '../../srtp/index.js';
import type { Remote } from '../messages.js';
import type { DtlsSettings } from './settings.js';

export interface SecuredEvents {
  send(datagram: Buffer, to: Remote): void;
  /** Keys of both directions. */
  keyed(keys: { readonly local: SrtpKeys; readonly remote: SrtpKeys }): void;
  failed(kind: 'ice' | 'dtls' | 'fingerprint', reason: string): void;
}

/** So many are kept. */
const MOST_EARLY = 8;

/** ICE, and DTLS once ICE has nominated a pair (META-SIP §6.2), for one port. */
export class Secured {
  readonly #ice: IceAgent;
  readonly #dtls: DtlsEndpoint;
  readonly #events: SecuredEvents;
  #handshake = false;
  /** Handshake datagrams that overtook the answer to our check: repeating them would cost their sender its time-out. */
  readonly #early: { readonly datagram: Buffer; readonly from: Remote }[] = [];
  #closed = false;

  constructor({ controlling, own, role, fingerprints }: DtlsSettings, certificate: DtlsCertificate, events: SecuredEvents) {
    this.#events = events;
    this.#ice = new IceAgent({
      controlling, ufrag: own.ufrag, pwd: own.pwd, local: [own.local],
      events: {
        send: (bytes, to) => events.send(bytes, to),
        selected: () => this.#nominated(),
        failed: (reason) => this.#fail('ice', reason),
      },
    });
    this.#dtls = new DtlsEndpoint({
      role, certificate, fingerprints,
      events: {
        send: (datagram) => { if (this.remote !== null) events.send(datagram, this.remote); },
        connected: (keys) => events.keyed(keys),
        failed: (reason, kind) => this.#fail(kind === 'fingerprint' ? 'fingerprint' : 'dtls', reason),
      },
    });
  }

  /** Where the far end is; null while no pair is nominated. */
  get remote(): Remote | null {
    return this.#ice.selectedPair;
  }

  /** The far end's credentials and candidates, first or once more. */
  settle({ remote }: DtlsSettings): void {
    this.#ice.setRemote(remote);
  }

  begin(now: number): void {
    this.#ice.start(now);
  }

  /** A datagram of STUN or DTLS; true when it came from the far end. */
  receive(datagram: Buffer, from: Remote, now: number): boolean {
    const first = datagram[0] as number;
    if (first < 4) {
      this.#ice.receive(datagram, from, now);
      return this.#ice.admits(from);
    }
    // RFC 7983 §7: 20 to 63 are DTLS.
    if (first < 20) return false;
    if (!this.#ice.admits(from)) {
      if (!this.#handshake && this.#early.length < MOST_EARLY) this.#early.push({ datagram, from });
      return false;
    }
    this.#dtls.receive(datagram, now);
    return true;
  }

  admits(from: Remote): boolean {
    return this.#ice.admits(from);
  }

  tick(now: number): void {
    this.#ice.tick(now);
    this.#dtls.tick(now);
  }

  close(): void {
    this.#closed = true;
    this.#dtls.close();
    this.#ice.close();
  }

  #nominated(): void {
    if (this.#handshake) return;
    this.#handshake = true;
    const now = performance.now();
    this.#dtls.start(now);
    for (const { datagram, from } of this.#early.splice(0)) if (this.#ice.admits(from)) this.#dtls.receive(datagram, now);
  }

  #fail(kind: 'ice' | 'dtls' | 'fingerprint', reason: string): void {
    if (!this.#closed) this.#events.failed(kind, reason);
  }
}
