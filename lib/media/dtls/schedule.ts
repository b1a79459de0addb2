// What comes of the shared secret (RFC 5246 §6.3, 7.4.9, 8.1; RFC 5705; RFC 5764 §4.2; RFC 7627 §4).
import { timingSafeEqual } from 'node:crypto';
import type { Agreed } from './negotiation.js';
import { materialBytes, splitMaterial, SRTP_LABEL } from './srtpProfiles.js';
import type { SrtpKeys } from '../srtp/suites.js';
import { hashOf, prf, recordCiphers } from './suites.js';
import type { RecordCipher } from './suites.js';

const MASTER_BYTES = 48;
const FINISHED_BYTES = 12;

export type Role = 'client' | 'server';

export class KeySchedule {
  readonly ciphers: Readonly<Record<Role, RecordCipher>>;
  private readonly master: Buffer;

  /** `transcript`: all messages up to ClientKeyExchange. */
  constructor(private readonly agreed: Agreed, secret: Buffer, private readonly randoms: Readonly<Record<Role, Buffer>>, transcript: readonly Buffer[]) {
    const { suite: { hash }, extendedMasterSecret } = agreed;
    const { client, server } = randoms;
    this.master = extendedMasterSecret ? prf(hash, secret, 'extended master secret', hashOf(hash, transcript), MASTER_BYTES)
      : prf(hash, secret, 'master secret', Buffer.concat([client, server]), MASTER_BYTES);
    this.ciphers = recordCiphers(agreed.suite, this.master, client, server);
  }

  /** Content of the Finished of one side. `transcript`: all messages before it. */
  finished(role: Role, transcript: readonly Buffer[]): Buffer {
    const { hash } = this.agreed.suite;
    return prf(hash, this.master, `${role} finished`, hashOf(hash, transcript), FINISHED_BYTES);
  }

  isFinished(role: Role, transcript: readonly Buffer[], theirs: Buffer): boolean {
    return theirs.length === FINISHED_BYTES && timingSafeEqual(theirs, this.finished(role, transcript));
  }

  srtp(): Readonly<Record<Role, SrtpKeys>> {
    const { suite: { hash }, profile } = this.agreed;
    const seed = Buffer.concat([this.randoms.client, this.randoms.server]);
    return splitMaterial(profile, prf(hash, this.master, SRTP_LABEL, seed, materialBytes(profile)));
  }
}
