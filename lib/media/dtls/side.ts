// What the two roles of a handshake have in common.
import type { DtlsCertificate, Fingerprint } from './certificate.js';
import { ALERT, DtlsFault, DtlsRefusal } from './alerts.js';
import type { FlightItems } from './flight.js';
import type { Fragment, Message } from './fragments.js';
import { HANDSHAKE } from './messages.js';
import type { KeySchedule } from './schedule.js';
import type { SrtpKeys } from '../srtp/suites.js';
import type { SrtpProfile } from './srtpProfiles.js';
import type { RecordCipher } from './suites.js';

/** The association as a role sees it. */
export interface Host {
  readonly certificate: DtlsCertificate;
  /** What the description of the far end vouches for. */
  readonly fingerprints: readonly Fingerprint[];
  readonly profiles: readonly SrtpProfile[];
  /** Sends a flight, and again until the next one, or `onRequest` only; none: the last one has been answered. */
  fly(items: FlightItems, onRequest?: boolean): void;
  /** The far end has repeated what our flight answers. */
  flyAgain(): void;
  /** Sends a message that belongs to no flight. */
  verify(message: Message): void;
  /** From now on records of epoch 1 can be read, or written. */
  readWith(cipher: RecordCipher): void;
  writeWith(cipher: RecordCipher): void;
  connected(keys: { local: SrtpKeys; remote: SrtpKeys }): void;
}

/**
 * One role. What comes in clear may be a stranger's: it is believed when a signature over our own random vouches for it. Before it throws a DtlsFault for a
 * message, a role forgets what it has of the far end's flight: the true one comes again. A DtlsRefusal ends the association.
 * What TLS 1.2 does not sign, a CertificateRequest above all, a forger of the far end's address can still spoil within the round trip: the Finished never comes.
 */
export interface Side {
  begin(): void;
  /** Fragments of epoch 0. */
  plain(fragments: readonly Fragment[]): void;
  /** The far end's Finished, authentic as a record. */
  finished(message: Message): void;
  /** Forgets what has come of the far end's flight: a stranger's message may keep out its own, and it sends all of it again. */
  forget(): void;
}

export function checkFinished(schedule: KeySchedule, role: 'client' | 'server', transcript: readonly Buffer[], message: Message): void {
  if (message.type === HANDSHAKE.finished && schedule.isFinished(role, transcript, message.body)) return;
  throw new DtlsRefusal(new DtlsFault(ALERT.decryptError, 'the two ends have not read the same handshake'));
}
