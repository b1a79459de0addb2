// The transaction layer: from bytes to the transaction they belong to, and new transactions to the user.
import { isKnown } from '../transport/index.js';
import { placeOf } from '../../util/place.js';
import type { Address, Flow, Guard, Unreadable } from '../transport/index.js';
import { checkRequest, checkResponse, parseMessage, responseTo, TOO_MANY_HEADERS } from '../parser/index.js';
import type { Fault, SipMessage } from '../parser/index.js';
import { ClientTransaction } from './client.js';
import type { ClientOwner, ClientTransactionUser } from './client.js';
import { CallIds, callIdOf } from './callIds.js';
import { clientKey, randomToken, serverKey, StableTags } from './keys.js';
import { Door, turnAway } from './door.js';
import type { DoorOwner } from './door.js';
import { ServerTransaction } from './server.js';
import type { ServerOwner } from './server.js';
import { replyFlow, stampVia } from './via.js';
import type { LayerOptions, TransactionCounters } from './options.js';
import type { Timers } from './timers.js';

/** Of all transactions, how many may be there when a request over UDP is to open one more. */
const FORGEABLE_SHARE = 0.75;
/** Of all, how many may be of one address (IPv6: /64) over UDP: whoever forges one peer's takes no other peer's places. */
const ONE_ADDRESS_SHARE = 0.375;
/** Of all, how many may be there when somebody whom only a password makes known is to open one more. */
const AUTHENTICATED_SHARE = 0.5;

export class TransactionLayer implements ServerOwner, ClientOwner, DoorOwner {
  readonly timers: Timers;
  readonly guard: Guard;
  readonly counters: TransactionCounters = {
    malformed: 0, refused: 0, tooManyHeaders: 0, silenced: 0, strayResponses: 0, retransmissionsIn: 0, strangersAnswered: 0, strangersRefused: 0, strangersDropped: 0,
  };
  private readonly servers = new Map<string, ServerTransaction>();
  private readonly clients = new Map<string, ClientTransaction>();
  /** Of all transactions but those of guests. */
  private readonly callIds = new CallIds();
  /** Server transactions over UDP by remote address, but those of guests. */
  private readonly datagramsFrom = new Map<string, number>();
  private readonly tags = new StableTags();
  private readonly door: Door;
  private closed = false;

  constructor(private readonly options: LayerOptions) {
    this.timers = options.timers;
    this.guard = options.guard;
    this.door = new Door(this, options);
  }

  get serverCount(): number {
    return this.servers.size;
  }

  get clientCount(): number {
    return this.clients.size;
  }

  /** Requests of strangers that wait for the application. */
  get guestCount(): number {
    return this.door.size;
  }

  /** Takes one framed message from a transport; `text`: the same as a binary string, if there is one. */
  receive(bytes: Buffer, flow: Flow, text?: string): void {
    if (this.closed) return;
    const { message, fault } = parseMessage(text ?? bytes, { headers: this.options.maxHeaders });
    if (fault?.reason === TOO_MANY_HEADERS) this.counters.tooManyHeaders++;
    if (message?.isRequest === true) this.receiveRequest(message, fault, flow, bytes);
    else if (message === undefined || fault !== undefined || checkResponse(message) !== undefined) {
      this.counters.malformed++;
      if (!isKnown(flow)) turnAway(flow);
    } else this.receiveResponse(message, flow, bytes);
  }

  /** Takes the beginning of a message whose stream cannot be read on; a request that shows who asked is told why. */
  unreadable(reason: Unreadable, head: Buffer, flow: Flow): void {
    if (flow.source === 'stranger' || reason === 'protocol') return;
    const { message } = parseMessage(head, { headers: this.options.maxHeaders });
    if (this.closed || message === undefined || !message.isRequest || !this.options.user.welcome(message, flow)) return;
    // RFC 3261 §21.5.7, §18.3.
    if (reason === 'too large') this.reject(message, flow, 513, 'Message Too Large');
    else this.reject(message, flow, 400, 'Bad Content-Length');
  }

  /** Whether a message that is not parsed yet may belong to something that is going on. */
  concerns(bytes: Buffer): boolean {
    const callId = callIdOf(bytes);
    return callId !== undefined && (this.callIds.has(callId) || this.options.user.knowsCall(callId));
  }

  /** Starts a client transaction. The request has its Via on top, with a branch of its own. */
  send(request: SipMessage, flow: Flow, user: ClientTransactionUser): ClientTransaction {
    const key = clientKey(request) ?? randomToken();
    const tx = new ClientTransaction(key, request, flow, user, this);
    this.clients.set(key, tx);
    this.callIds.add(request.get('call-id') ?? '');
    tx.start();
    return tx;
  }

  sendCancel(cancel: SipMessage, flow: Flow): void {
    if (!this.closed) this.send(cancel, flow, IGNORED);
  }

  serverEnded(tx: ServerTransaction): void {
    if (this.servers.get(tx.key) === tx) this.servers.delete(tx.key);
    if (this.door.left(tx)) return;
    this.callIds.remove(tx.request.get('call-id') ?? '');
    this.count(tx, -1);
  }

  clientEnded(tx: ClientTransaction): void {
    if (this.clients.get(tx.key) === tx) this.clients.delete(tx.key);
    this.callIds.remove(tx.request.get('call-id') ?? '');
  }

  serverAdopted(tx: ServerTransaction): void {
    this.door.left(tx);
    this.callIds.add(tx.request.get('call-id') ?? '');
    this.count(tx, 1);
    this.options.trace?.(tx.flow, tx.request.toString());
  }

  /** Credentials were verified in a request from there: what waits of it is served like that of anybody known. */
  authenticated(protocol: string, remote: Address): void {
    this.door.authenticated(protocol, remote);
  }

  /** Ends all transactions without a word to anybody. */
  close(): void {
    this.closed = true;
    for (const tx of [...this.servers.values()]) tx.terminate();
    for (const tx of [...this.clients.values()]) tx.terminate();
  }

  /** Answers a request outside any transaction (RFC 3261 §8.2.7). Not for ACK. */
  reject(request: SipMessage, flow: Flow, status: number, reason: string | undefined, headers: readonly [string, string][] = []): void {
    if (request.method === 'ACK' || !request.has('via')) return;
    const response = responseTo(request, status, reason, this.tagFor(request));
    for (const [name, value] of headers) response.add(name, value);
    this.replyTo(request, flow)?.send(response.toString());
  }

  tagFor(request: SipMessage): string {
    return this.options.user.nameNode(this.tags.of(request));
  }

  open(request: SipMessage, flow: Flow, guest: boolean): ServerTransaction | undefined {
    const reply = this.replyTo(request, flow);
    if (reply === undefined) return undefined;
    const tx = new ServerTransaction(request, flow, reply, this, guest);
    this.servers.set(tx.key, tx);
    if (!guest) {
      this.callIds.add(request.get('call-id') ?? '');
      this.count(tx, 1);
    }
    return tx;
  }

  /**
   * A datagram's sender is proved by nothing, and a password makes a phone, not Meta: whatever they send, a quarter and a half of the transactions is left
   * to those whom address and connection make known, and of what may be forged one address has half.
   */
  private full({ protocol, source, remote }: Flow): boolean {
    const { maxTransactions } = this.options;
    if (protocol === 'udp' && (this.datagramsFrom.get(placeOf(remote.address)) ?? 0) >= Math.ceil(maxTransactions * ONE_ADDRESS_SHARE)) return true;
    const share = source === 'authenticated' ? AUTHENTICATED_SHARE : protocol === 'udp' ? FORGEABLE_SHARE : 1;
    return this.held >= Math.ceil(maxTransactions * share);
  }

  /** Transactions of those we know. */
  private get held(): number {
    return this.servers.size - this.door.size + this.clients.size;
  }

  /** What belongs to a dialog of ours, by both its tags, which nobody can make up: a BYE is to end its call as long as there is any place. */
  private goesOn(request: SipMessage): boolean {
    return this.held < this.options.maxTransactions && this.options.user.belongs(request);
  }

  private count({ flow }: ServerTransaction, by: number): void {
    if (flow.protocol !== 'udp') return;
    const place = placeOf(flow.remote.address);
    const n = (this.datagramsFrom.get(place) ?? 0) + by;
    if (n > 0) this.datagramsFrom.set(place, n);
    else this.datagramsFrom.delete(place);
  }

  private receiveResponse(response: SipMessage, flow: Flow, bytes: Buffer): void {
    const key = clientKey(response);
    const tx = key === undefined ? undefined : this.clients.get(key);
    if (tx !== undefined) {
      this.belongs(flow, bytes);
      tx.receive(response, flow);
      return;
    }
    if (this.options.user.stray(response, flow)) return;
    this.counters.strayResponses++;
    if (!isKnown(flow)) turnAway(flow);
  }

  private receiveRequest(request: SipMessage, parseFault: Fault | undefined, flow: Flow, bytes: Buffer): void {
    const fault = parseFault ?? checkRequest(request);
    if (fault !== undefined) this.counters.malformed++;
    if (!this.options.user.welcome(request, flow)) {
      this.counters.silenced++;
      if (!isKnown(flow)) turnAway(flow);
      return;
    }
    if (fault === undefined && this.options.user.elsewhere(request, flow)) return;
    const way = this.wayOf(request, fault, flow);
    if (way === 'ours') this.belongs(flow, bytes);
    stampVia(request, flow);
    if (way === 'knock') this.door.knock(request, fault, flow);
    else if (fault !== undefined) this.reject(request, flow, fault.status, fault.reason);
    else if (request.method === 'ACK') this.receiveAck(request, flow);
    else if (request.method === 'CANCEL') this.receiveCancel(request, flow);
    else this.receiveNew(request, flow);
  }

  /**
   * 'ours': sent by nobody we know, but part of a dialog or transaction that is going on, by both tags or by a branch. 'serve': of somebody known,
   * or to do with what a guest has asked before. 'knock': new, of nobody we know.
   */
  private wayOf(request: SipMessage, fault: Fault | undefined, flow: Flow): 'serve' | 'ours' | 'knock' {
    if (isKnown(flow)) return 'serve';
    if (fault !== undefined) return 'knock';
    const { method } = request;
    const invite = method === 'ACK' || method === 'CANCEL' ? this.servers.get(serverKey(request, 'INVITE')) : undefined;
    if (invite !== undefined) return !invite.guest ? 'ours' : method === 'CANCEL' ? 'serve' : 'knock';
    if (this.servers.has(serverKey(request, method))) return 'serve';
    return this.options.user.belongs(request) ? 'ours' : 'knock';
  }

  /** What a stranger sent is part of something of ours. */
  private belongs(flow: Flow, bytes: Buffer): void {
    if (isKnown(flow)) return;
    flow.traced = true;
    flow.proved();
    this.options.trace?.(flow, bytes.toString('latin1'));
  }

  private receiveNew(request: SipMessage, flow: Flow): void {
    const known = this.servers.get(serverKey(request, request.method));
    if (known !== undefined) {
      this.counters.retransmissionsIn++;
      known.repeated();
      return;
    }
    if (this.full(flow) && !this.goesOn(request)) {
      this.counters.refused++;
      this.reject(request, flow, 503, 'Too Many Transactions', [['Retry-After', '5']]);
      return;
    }
    const tx = this.open(request, flow, false);
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

  /** §9.2: 200 when there is a transaction to cancel, whatever its state, else 481. A CANCEL that cancels nothing is worth no transaction. */
  private receiveCancel(cancel: SipMessage, flow: Flow): void {
    const known = this.servers.get(serverKey(cancel, 'CANCEL'));
    if (known !== undefined) {
      known.repeated();
      return;
    }
    const target = this.servers.get(serverKey(cancel, 'INVITE'));
    if (target === undefined) {
      this.reject(cancel, flow, 481, undefined);
      return;
    }
    const answer = responseTo(cancel, 200, 'OK', target.localTag ?? this.tagFor(cancel));
    // Cancelling twice is as good as once, so it can do without a transaction of its own.
    if (target.guest || this.full(flow)) this.replyTo(cancel, flow)?.send(answer.toString());
    else this.open(cancel, flow, false)?.respond(answer);
    target.cancelledBy(cancel, flow);
  }

  private replyTo(request: SipMessage, flow: Flow): Flow | undefined {
    const reply = replyFlow(request, flow, this.options.udp);
    if (reply !== undefined && flow.traced) reply.traced = true;
    return reply;
  }
}

const IGNORED: ClientTransactionUser = {
  response() { /* the answer to a CANCEL changes nothing (RFC 3261 §9.1) */ },
  timedOut() { /* nor does its absence */ },
  transportFailed() { /* the INVITE's own transaction is told */ },
  ended() { /* nobody waits */ },
};
