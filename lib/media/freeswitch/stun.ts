import { randomBytes } from 'node:crypto';
import { writeStun } from '../ice/stun.js';

/** What a connectivity check proves and claims (RFC 8445 §7.1). */
export interface CheckInput {
  /** Both fragments, of the one who is asked first. */
  readonly username: string;
  /** Password of the one who is asked. */
  readonly password: string;
  readonly priority: number;
}

/** A Binding request in the controlled role. */
export function controlledCheck({ username, password, priority }: CheckInput): Buffer {
  return writeStun('request', randomBytes(12).toString('hex'), { username, priority, controlled: randomBytes(8).readBigUInt64BE() }, password);
}
