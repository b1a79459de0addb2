// What the parts of the client protocol share.
import type { DialogTable } from '../dialog/index.js';
import type { Network } from '../locate/index.js';
import type { Timers, TransactionLayer } from '../transaction/index.js';
import type { Guard } from '../transport/index.js';
import type { Cdr } from './cdr.js';
import type { RegisteredFlows } from './flows.js';
import type { Leg } from './leg.js';
import type { Nodes } from './nodes.js';
import type { Policy } from './policy.js';
import type { Sessions } from './sessions.js';
import type { FlowTokens } from './tokens.js';

export interface Log {
  info(o: object, m: string): void;
  warn(o: object, m: string): void;
  error(o: object, m: string): void;
  debug(o: object, m: string): void;
}

export interface Context {
  readonly layer: TransactionLayer;
  readonly network: Network;
  readonly legs: DialogTable<Leg>;
  readonly sessions: Sessions;
  readonly cdr: Cdr;
  readonly policy: Policy;
  readonly flows: RegisteredFlows;
  readonly tokens: FlowTokens;
  readonly timers: Timers;
  readonly guard: Guard;
  readonly log: Log;
  readonly nodes: Nodes;
  /** Ends a leg by a BYE of our own and tells its client (drachtio calls such a request unsolicited). */
  hangUp(leg: Leg, reason: string, cdr: 'session-expired' | 'system-initiated-termination' | 'system-error-initiated-termination'): void;
  /** Starts, replaces or stops the session timer of a leg (RFC 4028). */
  armSession(leg: Leg, agreed: { seconds: number; ours: boolean } | undefined): void;
  /** Forgets a leg: its timers stop, it is found no more. */
  forget(leg: Leg): void;
}
