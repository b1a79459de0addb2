// What the protocol engine is told by the server around it, and asks of it.
import type { Hop } from '../locate/index.js';
import type { Timers } from '../transaction/index.js';
import type { Flow, Guard } from '../transport/index.js';
import type { Log } from './context.js';
import type { Policy } from './policy.js';
import type { NodeRules } from '../nodes/index.js';
import type { Reserved } from './targets.js';

export interface EngineOptions {
  secret: string;
  policy: Policy;
  timers: Timers;
  log: Log;
  guard: Guard;
  /** Whether too much waits for clients: accepted connections are read no further then. */
  crowded(is: boolean): void;
  /** Reported to clients: `tls/host:port` of each listening point, as others see it and as it is bound. */
  hostports(): { advertised: string[]; local: string[] };
  isSelf(hop: Hop): boolean;
  /** What the far end of a dialog may not name as its target. */
  reserved: Reserved;
  /** The connection of this number, if it is up. */
  connection(id: number): Flow | undefined;
  /** A connection whose token clients were given has closed. */
  flowGone(token: string): void;
  /** True when host and port of the URI are this server's. */
  isOurHost(uri: string): boolean;
  /** Requests for a Contact registered over TCP or TLS go down that connection. */
  followContacts: boolean;
  /** How long calls of a client that is gone wait for a client, ms. */
  orphanTime: number;
  /** Several nodes stand behind one address; undefined: this is the only one. */
  nodes: NodeRules | undefined;
}
