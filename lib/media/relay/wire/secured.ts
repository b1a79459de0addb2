import { DtlsEndpoint } from '../../dtls/index.js';
import type { DtlsCertificate } from '../../dtls/index.js';
import { IceAgent } from '../../ice/index.js';
import type { SrtpKeys } from '../../srtp/index.js';
import type { Remote } from '../messages.js';
import type { DtlsSettings, SecurityFault } from './settings.js';

export interface SecuredEvents {
  send(datagram: Buffer, to: Remote): void;
  /** Keys of both directions. */
  keyed(keys: { readonly local: SrtpKeys; readonly remote: SrtpKeys }): void;
  failed(kind: SecurityFault, reason: string): void;
}

/** How long ICE and DTLS may take together, in milliseconds: one who has answered and is not heard by then will not be. */
const KEYED_WITHIN_MS = 10_000;
/** So many are kept, of each address so many, and none that is longer than what a path carries. Of more the youngest: who is waiting repeats itself. */
const MOST_EARLY = 8;
const MOST_EARLY_OF_ONE = 4;
const LONGEST_EARLY = 1500;

/** ICE, and DTLS once ICE has nominated a pair (META-SIP §6.2), for one port. */
export class Secured {
  readonly #ice: IceAgent;
  readonly #dtls: DtlsEndpoint;
  readonly #events: SecuredEvents;
  #own: DtlsSettings['own'];
  /** As whoever called us last has it, on performance.now()'s clock. */
  #now = 0;
  #handshake = false;
  /** Handshake datagrams that overtook the answer to our check: repeating them would cost their sender its time-out. */
  #early: { readonly datagram: Buffer; readonly from: Remote }[] = [];
  #failed = false;
  /** When keys must be there; null: they are, or it has been told that they are not, or nothing has begun. */
  #due: number | null = null;
  #closed = false;
  #begun = false;

  constructor({ controlling, own, role, fingerprints }: DtlsSettings, certificate: DtlsCertificate, events: SecuredEvents) {
    this.#events = events;
    this.#own = own;
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
        connected: (keys) => {
          this.#due = null;
          events.keyed(keys);
        },
        // An association that was up and was closed has done its work: the keys stay.
        failed: (reason, kind) => { if (kind !== 'closed') this.#fail(kind === 'fingerprint' ? 'fingerprint' : 'dtls', reason); },
      },
    });
  }

  /** Where the far end is; null while no pair is nominated. */
  get remote(): Remote | null {
    return this.#ice.selectedPair;
  }

  /** The far end's credentials and candidates, first or once more; with others of ours, an ICE restart (RFC 8445 §9). */
  settle({ own, remote }: DtlsSettings): void {
    if (own.ufrag !== this.#own.ufrag || own.pwd !== this.#own.pwd) this.#ice.setLocal({ ufrag: own.ufrag, pwd: own.pwd });
    this.#own = own;
    this.#ice.setRemote(remote);
  }

  begin(now: number): void {
    this.#now = now;
    this.#due ??= this.#begun ? null : now + KEYED_WITHIN_MS;
    this.#begun = true;
    this.#ice.start(now);
  }

  /** A datagram of STUN or DTLS; true when it came from the far end. */
  receive(datagram: Buffer, from: Remote, now: number): boolean {
    this.#now = now;
    const first = datagram[0] as number;
    if (first < 4) {
      this.#ice.receive(datagram, from, now);
      return this.#ice.admits(from);
    }
    // RFC 7983 §7: 20 to 63 are DTLS.
    if (first < 20) return false;
    if (!this.#ice.admits(from)) {
      this.#keepEarly(datagram, from);
      return false;
    }
    this.#dtls.receive(datagram, now);
    return true;
  }

  #keepEarly(datagram: Buffer, from: Remote): void {
    if (this.#handshake || this.#failed || datagram.length > LONGEST_EARLY) return;
    const ofOne = this.#early.filter((one) => one.from.address === from.address && one.from.port === from.port);
    const oldest = ofOne.length >= MOST_EARLY_OF_ONE ? ofOne[0] : this.#early.length >= MOST_EARLY ? this.#early[0] : undefined;
    this.#early = [...this.#early.filter((one) => one !== oldest), { datagram, from }];
  }

  admits(from: Remote): boolean {
    return this.#ice.admits(from);
  }

  tick(now: number): void {
    this.#now = now;
    this.#ice.tick(now);
    this.#dtls.tick(now);
    if (this.#due === null || now < this.#due || this.#closed) return;
    this.#due = null;
    this.#events.failed('late', `${this.remote === null ? 'ICE' : 'DTLS'} has not come to an end within ${KEYED_WITHIN_MS / 1000} s`);
  }

  close(): void {
    this.#closed = true;
    this.#dtls.close();
    this.#ice.close();
  }

  #nominated(): void {
    if (this.#handshake) return;
    this.#handshake = true;
    const now = this.#now;
    this.#dtls.start(now);
    const early = this.#early;
    this.#early = [];
    for (const { datagram, from } of early) if (this.#ice.admits(from)) this.#dtls.receive(datagram, now);
  }

  #fail(kind: SecurityFault, reason: string): void {
    this.#failed = true;
    this.#early = [];
    if (!this.#closed) this.#events.failed(kind, reason);
  }
}
