// ICE-lite and DTLS together for one endpoint: from the first check to SRTP keys.
import type { IceReport } from './iceLite.js';
import { IceLite } from './iceLite.js';
import { DtlsSession } from './dtls.js';
import type { DtlsCertificate } from './dtls.js';
import type { MediaAddress } from './socket.js';
import type { SrtpKeys } from './srtp.js';

export interface DtlsLegReport extends IceReport {
  role: 'client' | 'server' | undefined;
  connectedAt: number | undefined;
}

export interface DtlsLegEvents {
  send(bytes: Buffer, to: MediaAddress): void;
  /** Media goes to this address from now on. */
  redirect(remote: MediaAddress): void;
  secured(keys: SrtpKeys): void;
  fault(rule: 'ice' | 'dtls', detail: string): void;
}

/** Handshake datagrams that came before the answer was known, at most so many. */
const EARLY = 16;

export class DtlsLeg {
  readonly ice: IceLite;
  private session: DtlsSession | undefined;
  private role: 'client' | 'server' | undefined;
  /** The nominated address of the far end. */
  remote: MediaAddress | undefined;
  private readonly early: Buffer[] = [];
  private closed = false;

  constructor(private readonly certificate: DtlsCertificate, private readonly events: DtlsLegEvents) {
    this.ice = new IceLite({
      send: (bytes, to) => { events.send(bytes, to); },
      nominated: (remote, first) => { this.nominated(remote, first); },
      fault: (detail) => { events.fault('ice', detail); },
    });
  }

  get fingerprint(): string {
    return this.certificate.fingerprint;
  }

  stun(bytes: Buffer, from: MediaAddress): void {
    if (!this.closed) this.ice.receive(bytes, from);
  }

  dtls(bytes: Buffer): void {
    if (this.closed) return;
    // META-SIP §6.2: ICE is finished before DTLS begins.
    if (this.remote === undefined) this.events.fault('dtls', 'handshake before a pair was nominated');
    if (this.session !== undefined) this.session.receive(bytes);
    else if (this.early.length < EARLY) this.early.push(bytes);
  }

  /** The far end's description is known: `setup` is its role, so ours is the other one. */
  begin(remote: { ufrag: string; fingerprint: string; setup: string }, local: MediaAddress): void {
    if (this.closed || this.session !== undefined) return;
    this.ice.expect(remote.ufrag);
    this.role = remote.setup === 'passive' ? 'client' : 'server';
    this.session = new DtlsSession({ role: this.role, certificate: this.certificate, fingerprint: remote.fingerprint, local }, {
      send: (bytes) => { if (this.remote !== undefined) this.events.send(bytes, this.remote); },
      connected: (keys) => { this.events.secured(keys); },
      fault: (detail) => { this.events.fault('dtls', detail); },
    });
    for (const bytes of this.early.splice(0)) this.session.receive(bytes);
    if (this.remote !== undefined) this.session.start();
  }

  close(): void {
    this.closed = true;
    this.session?.close();
  }

  report(): DtlsLegReport {
    return { ...this.ice.report(), role: this.role, connectedAt: this.session?.connectedAt };
  }

  private nominated(remote: MediaAddress, first: boolean): void {
    // META-SIP §6.2: no change of candidate during the call. Until DTLS is up a full agent may still be choosing (RFC 8445 §8.1.1).
    if (!first && this.session?.connectedAt !== undefined) this.events.fault('ice', `another pair was nominated: ${remote.address}:${remote.port}`);
    this.remote = remote;
    this.events.redirect(remote);
    if (first) this.session?.start();
  }
}
