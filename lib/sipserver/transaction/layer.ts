// The transaction layer: from bytes to the transaction they belong to, and new transactions to the user.
import type { Flow } from '../transport/index.js';
import { checkRequest, checkResponse, parseMessage, responseTo, TOO_MANY_HEADERS } from '../parser/index.js';
import type { Fault, SipMessage } from '../parser/index.js';
import { ClientTransaction } from './client.js';
import type { ClientOwner, ClientTransactionUser } from './client.js';
import { clientKey, randomToken, serverKey } from './keys.js';
import { ServerTransaction } from './server.js';
import type { ServerOwner } from './server.js';
import { replyFlow, stampVia } from './via.js';
import type { Timers } from './timers.js';

/** Who the transactions are for. None of these may throw. */
export interface TransactionUser {
  /** A new request other than ACK and CANCEL. The user sets `tx.user` and answers. */
  request(tx: ServerTransaction): void;
  /** An ACK of a 2xx. */
  ack(ack: SipMessage, flow: Flow): void;
  /** A response that no transaction waits for. */
  stray(response: SipMessage, flow: Flow): void;
  /** False drops a request without an answer (scanners). Asked before a transaction is made. */
  welcome(request: SipMessage, flow: Flow): boolean;
}

export interface LayerOptions {
  timers: Timers;
  user: TransactionUser;
  /** Most transactions alive; a request beyond is answered 503, without a transaction. */
  maxTransactions: number;
  maxHeaders: number;
  /** A way to `address:port` over UDP, for responses that do not go to the source port (RFC 3261 §18.2.2). */
  udp(address: string, port: number): Flow | undefined;
}

export interface TransactionCounters {
  malformed: number;
  refused: number;
  tooManyHeaders: number;
  silenced: number;
  strayResponses: number;
  retransmissionsIn: number;
}

export class TransactionLayer implements ServerOwner, ClientOwner {
  readonly timers: Timers;
  readonly counters: TransactionCounters = { malformed: 0, refused: 0, tooManyHeaders: 0, silenced: 0, strayResponses: 0, retransmissionsIn: 0 };
  private readonly servers = new Map<string, ServerTransaction>();
  private readonly clients = new Map<string, ClientTransaction>();
  private closed = false;

  constructor(private readonly options: LayerOptions) {
    this.timers = options.timers;
  }

  get serverCount(): number {
    return this.servers.size;
  }

  get clientCount(): number {
    return this.clients.size;
  }

  /** Takes one framed message from a transport. */
  receive(bytes: Buffer, flow: Flow): void {
    if (this.closed) return;
    const { message, fault } = parseMessage(bytes, { headers: this.options.maxHeaders });
    if (fault?.reason === TOO_MANY_HEADERS) this.counters.tooManyHeaders++;
    if (message === undefined) this.counters.malformed++;
    else if (message.isRequest) this.receiveRequest(message, fault, flow);
    else if (fault !== undefined || checkResponse(message) !== undefined) this.counters.malformed++;
    else this.receiveResponse(message, flow);
  }

  /** Takes the beginning of a message whose stream cannot be read on; a request that shows who asked is told why. */
  unreadable(reason: 'too large' | 'no length', head: Buffer, flow: Flow): void {
    const { message } = parseMessage(head, { headers: this.options.maxHeaders });
    if (this.closed || message === undefined || !message.isRequest || !this.options.user.welcome(message, flow)) return;
    // RFC 3261 §21.5.7, §18.3.
    if (reason === 'too large') this.reject(message, flow, 513, 'Message Too Large');
    else this.reject(message, flow, 400, 'Bad Content-Length');
  }

  /** Starts a client transaction. The request has its Via on top, with a branch of its own. */
  send(request: SipMessage, flow: Flow, user: ClientTransactionUser): ClientTransaction {
    const key = clientKey(request) ?? randomToken();
    const tx = new ClientTransaction(key, request, flow, user, this);
    this.clients.set(key, tx);
    tx.start();
    return tx;
  }

  sendCancel(cancel: SipMessage, flow: Flow): void {
    if (!this.closed) this.send(cancel, flow, IGNORED);
  }

  serverEnded(tx: ServerTransaction): void {
    if (this.servers.get(tx.key) === tx) this.servers.delete(tx.key);
  }

  clientEnded(tx: ClientTransaction): void {
    if (this.clients.get(tx.key) === tx) this.clients.delete(tx.key);
  }

  /** Ends all transactions without a word to anybody. */
  close(): void {
    this.closed = true;
    for (const tx of [...this.servers.values()]) tx.terminate();
    for (const tx of [...this.clients.values()]) tx.terminate();
  }

  /** Answers a request outside any transaction (RFC 3261 §8.2.7). Not for ACK. */
  reject(request: SipMessage, flow: Flow, status: number, reason: string, headers: readonly [string, string][] = []): void {
    if (request.method === 'ACK' || !request.has('via')) return;
    const response = responseTo(request, status, reason, randomToken());
    for (const [name, value] of headers) response.add(name, value);
    this.replyTo(request, flow)?.send(response.toString());
  }

  private receiveResponse(response: SipMessage, flow: Flow): void {
    const key = clientKey(response);
    const tx = key === undefined ? undefined : this.clients.get(key);
    if (tx !== undefined) tx.receive(response, flow);
    else {
      this.counters.strayResponses++;
      this.options.user.stray(response, flow);
    }
  }

  private receiveRequest(request: SipMessage, parseFault: Fault | undefined, flow: Flow): void {
    const fault = parseFault ?? checkRequest(request);
    if (fault !== undefined) this.counters.malformed++;
    if (!this.options.user.welcome(request, flow)) {
      this.counters.silenced++;
      return;
    }
    stampVia(request, flow);
    if (fault !== undefined) {
      this.reject(request, flow, fault.status, fault.reason);
      return;
    }
    if (request.method === 'ACK') this.receiveAck(request, flow);
    else if (request.method === 'CANCEL') this.receiveCancel(request, flow);
    else this.receiveNew(request, flow);
  }

  private receiveNew(request: SipMessage, flow: Flow): void {
    const key = serverKey(request, request.method);
    const known = this.servers.get(key);
    if (known !== undefined) {
      this.counters.retransmissionsIn++;
      known.repeated();
      return;
    }
    if (this.servers.size + this.clients.size >= this.options.maxTransactions) {
      this.counters.refused++;
      this.reject(request, flow, 503, 'Too Many Transactions', [['Retry-After', '5']]);
      return;
    }
    const tx = this.open(key, request, flow);
    if (tx === undefined) return;
    if (tx.invite) tx.armTrying();
    this.options.user.request(tx);
  }

  private receiveAck(ack: SipMessage, flow: Flow): void {
    const tx = this.servers.get(serverKey(ack, 'INVITE'));
    // An ACK of a 2xx is a request of its own (§17.2.3), though some reuse the branch of the INVITE.
    if (tx === undefined || tx.state === 'accepted') this.options.user.ack(ack, flow);
    else tx.acknowledged();
  }

  private receiveCancel(cancel: SipMessage, flow: Flow): void {
    const key = serverKey(cancel, 'CANCEL');
    const known = this.servers.get(key);
    if (known !== undefined) {
      known.repeated();
      return;
    }
    const tx = this.open(key, cancel, flow);
    if (tx === undefined) return;
    // §9.2: 200 when there is a transaction to cancel, whatever its state, else 481.
    const target = this.servers.get(serverKey(cancel, 'INVITE'));
    if (target === undefined) {
      tx.respond(responseTo(cancel, 481, undefined, randomToken()));
      return;
    }
    tx.respond(responseTo(cancel, 200, 'OK', target.localTag ?? randomToken()));
    target.cancelledBy(cancel, flow);
  }

  private open(key: string, request: SipMessage, flow: Flow): ServerTransaction | undefined {
    const reply = this.replyTo(request, flow);
    if (reply === undefined) return undefined;
    const tx = new ServerTransaction(key, request, flow, reply, this);
    this.servers.set(key, tx);
    return tx;
  }

  private replyTo(request: SipMessage, flow: Flow): Flow | undefined {
    return replyFlow(request, flow, this.options.udp);
  }
}

const IGNORED: ClientTransactionUser = {
  response() { /* the answer to a CANCEL changes nothing (RFC 3261 §9.1) */ },
  timedOut() { /* nor does its absence */ },
  transportFailed() { /* the INVITE's own transaction is told */ },
  ended() { /* nobody waits */ },
};
