// What the transaction layer is given to work with, and what it counts.
import type { SipMessage } from '../parser/index.js';
import type { Flow, Guard } from '../transport/index.js';
import type { ServerTransaction } from './server.js';
import type { Timers } from './timers.js';

/** Who the transactions are for. None of these may throw. */
export interface TransactionUser {
  /** A new request other than ACK and CANCEL. The user sets `tx.user` and answers. */
  request(tx: ServerTransaction): void;
  /** An ACK of a 2xx. */
  ack(ack: SipMessage, flow: Flow): void;
  /** A response that no transaction waits for; true: it was for somebody all the same. */
  stray(response: SipMessage, flow: Flow): boolean;
  /** True for a request of a dialog that another node holds, and has been handed to. */
  elsewhere(request: SipMessage, flow: Flow): boolean;
  /** A tag that names this node too, where there are several. */
  nameNode(tag: string): string;
  /** False drops a request without an answer (scanners). Asked before a transaction is made. */
  welcome(request: SipMessage, flow: Flow): boolean;
  /** True for a request inside a dialog of ours: whoever sent it knows both tags. */
  belongs(request: SipMessage): boolean;
  /** Whether there is such a dialog with this Call-ID; asked before anything is parsed. */
  knowsCall(callId: string): boolean;
  /** False when new requests of those nobody knows would be too much now. */
  ready(): boolean;
}

export interface LayerOptions {
  timers: Timers;
  guard: Guard;
  user: TransactionUser;
  /** Most transactions alive; a request beyond is answered 503, without a transaction. */
  maxTransactions: number;
  maxHeaders: number;
  /** A way to `address:port` over UDP, for responses that do not go to the source port (RFC 3261 §18.2.2). */
  udp(address: string, port: number): Flow | undefined;
  /** Requests of strangers that may wait for the application's answer. */
  maxGuests: number;
  /** The application may be asked about one more in this second. */
  question(flow: Flow): boolean;
  /** A stranger who is likely to have a password. */
  acquainted?(flow: Flow): boolean;
  /** A message of a stranger that belongs to something of ours, for the trace. */
  trace?(flow: Flow, text: string): void;
  /** A stranger was refused something. */
  refused?(flow: Flow): void;
}

export interface TransactionCounters {
  malformed: number;
  refused: number;
  tooManyHeaders: number;
  silenced: number;
  strayResponses: number;
  retransmissionsIn: number;
  /** Requests of strangers answered without a transaction; those that the application was not asked about, as there were too many; those that gave way. */
  strangersAnswered: number;
  strangersRefused: number;
  strangersDropped: number;
}
