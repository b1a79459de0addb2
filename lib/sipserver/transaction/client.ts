// Client transactions: RFC 3261 §17.1 with the Accepted state of RFC 6026.
import type { Flow, FlowUser, Guard } from '../transport/index.js';
import { parseCSeq, SipMessage } from '../parser/index.js';
import { lifetime } from './timers.js';
import type { Timers } from './timers.js';

/** What a client transaction tells its user. `timedOut` and `transportFailed` come at most once, and nothing after them. */
export interface ClientTransactionUser {
  /** A response; for INVITE each 2xx, repeated ones too (RFC 6026 §7.2): the user acknowledges them. Other repeats are absorbed. */
  response(tx: ClientTransaction, response: SipMessage, flow: Flow): void;
  /** No response at all (timer B, F), or none to a CANCEL (RFC 3261 §9.1). */
  timedOut(tx: ClientTransaction): void;
  /** The request could not be delivered, or the connection went away before a final response. */
  transportFailed(tx: ClientTransaction, error: Error): void;
  /** The transaction is over, whatever came of it. */
  ended(tx: ClientTransaction): void;
}

export interface ClientOwner {
  readonly timers: Timers;
  readonly guard: Guard;
  clientEnded(tx: ClientTransaction): void;
  /** Starts the transaction of a CANCEL; its response concerns nobody. */
  sendCancel(cancel: SipMessage, flow: Flow): void;
}

type State = 'idle' | 'calling' | 'proceeding' | 'accepted' | 'completed' | 'terminated';

export class ClientTransaction implements FlowUser {
  state: State = 'idle';
  readonly invite: boolean;
  private readonly reliable: boolean;
  private text = '';
  private ack = '';
  private cancel: SipMessage | undefined;
  private cancelSent = false;
  private retransmit: NodeJS.Timeout | undefined;    // timers A, E
  private end: NodeJS.Timeout | undefined;           // timers B, D, F, K, M and the wait after CANCEL
  private interval = 0;

  constructor(
    readonly key: string, readonly request: SipMessage, readonly flow: Flow, private readonly user: ClientTransactionUser,
    private readonly owner: ClientOwner,
  ) {
    this.invite = request.method === 'INVITE';
    this.reliable = flow.protocol !== 'udp';
  }

  /** Sends the request. Failure is told by `transportFailed`, never from inside this call. */
  start(): void {
    const { timers } = this.owner;
    this.state = 'calling';
    this.text = this.request.toString();
    this.flow.addUser(this);
    this.flow.traced = true;
    if (!this.flow.send(this.text)) {
      this.owner.guard.soon('client transaction', () => { this.fail(new Error(`${this.flow.protocol} connection is closed`)); });
      return;
    }
    // §17.1.1.2, §17.1.2.2: timers A and E on UDP only; B and F everywhere.
    if (!this.reliable) this.arm(timers.T1);
    this.end = this.owner.guard.after(lifetime(timers), 'client transaction', () => { this.timeOut(); });
  }

  /** A response with this transaction's branch and method. */
  receive(response: SipMessage, flow: Flow): void {
    if (this.state === 'idle' || this.state === 'terminated') return;
    const { status } = response;
    if (status < 200) {
      if (this.state !== 'calling' && this.state !== 'proceeding') return;
      this.proceeding();
      this.user.response(this, response, flow);
    } else if (!this.invite) {
      if (this.state === 'completed') return;
      this.state = 'completed';
      clearTimeout(this.retransmit);
      // Timer K: T4 on UDP, 0 else.
      this.until(this.reliable ? 0 : this.owner.timers.T4);
      this.user.response(this, response, flow);
    } else if (status < 300) {
      if (this.state === 'completed') return;
      if (this.state !== 'accepted') {
        this.state = 'accepted';
        clearTimeout(this.retransmit);
        this.until(lifetime(this.owner.timers));               // timer M
      }
      this.user.response(this, response, flow);
    } else if (this.state === 'completed') {
      this.flow.send(this.ack);
    } else if (this.state !== 'accepted') {
      this.state = 'completed';
      clearTimeout(this.retransmit);
      this.ack = ackFor(this.request, response).toString();
      this.flow.send(this.ack);
      this.until(this.reliable ? 0 : this.owner.timers.D);     // timer D
      this.user.response(this, response, flow);
    }
  }

  /**
   * Cancels an INVITE: at once when a provisional response has come, else as soon as one comes (RFC 3261 §9.1). Gives the CANCEL as it is, or
   * will be, sent; undefined when there is a final response already. `headers` are added to it (Reason, RFC 3326).
   */
  cancelWith(headers: readonly { name: string; value: string }[]): SipMessage | undefined {
    if (!this.invite || (this.state !== 'calling' && this.state !== 'proceeding')) return undefined;
    if (this.cancel === undefined) {
      this.cancel = cancelFor(this.request);
      for (const h of headers) this.cancel.add(h.name, h.value);
      if (this.state === 'proceeding') this.transmitCancel();
    }
    return this.cancel;
  }

  flowClosed(_flow: Flow, error: Error | undefined): void {
    if (this.state === 'calling' || this.state === 'proceeding') this.fail(error ?? new Error('connection closed by the peer'));
    else if (this.state === 'completed') this.terminate();
  }

  terminate(): void {
    if (this.state === 'terminated') return;
    this.state = 'terminated';
    clearTimeout(this.retransmit);
    clearTimeout(this.end);
    this.flow.removeUser(this);
    this.owner.clientEnded(this);
    this.user.ended(this);
  }

  private proceeding(): void {
    if (this.state === 'calling') {
      this.state = 'proceeding';
      if (this.invite) {
        clearTimeout(this.retransmit);
        // Ringing has no limit of ours: the application has its own.
        clearTimeout(this.end);
      } else if (!this.reliable) {
        // §17.1.2.2: timer E goes on at T2.
        clearTimeout(this.retransmit);
        this.arm(this.owner.timers.T2);
      }
    }
    if (this.cancel !== undefined && !this.cancelSent) this.transmitCancel();
  }

  private transmitCancel(): void {
    if (this.cancel === undefined) return;
    this.cancelSent = true;
    this.owner.sendCancel(this.cancel, this.flow);
    // §9.1: without a final response within 64*T1 the client takes the transaction as cancelled.
    clearTimeout(this.end);
    this.end = this.owner.guard.after(lifetime(this.owner.timers), 'client transaction', () => { this.timeOut(); });
  }

  private timeOut(): void {
    if (this.state !== 'calling' && this.state !== 'proceeding') return;
    this.terminate();
    this.user.timedOut(this);
  }

  private fail(error: Error): void {
    if (this.state === 'terminated') return;
    this.terminate();
    this.user.transportFailed(this, error);
  }

  private arm(interval: number): void {
    this.interval = interval;
    this.retransmit = this.owner.guard.after(interval, 'client transaction', () => {
      if (this.state !== 'calling' && !(this.state === 'proceeding' && !this.invite)) return;
      this.flow.send(this.text);
      // §17.1.1.2: timer A doubles without bound; timer E up to T2.
      this.arm(this.invite ? 2 * this.interval : Math.min(2 * this.interval, this.owner.timers.T2));
    });
  }

  private until(ms: number): void {
    clearTimeout(this.end);
    if (ms === 0) this.owner.guard.soon('client transaction', () => { this.terminate(); });
    else this.end = this.owner.guard.after(ms, 'client transaction', () => { this.terminate(); });
  }
}

/** RFC 3261 §17.1.1.3: the ACK of a final response other than 2xx. */
function ackFor(invite: SipMessage, response: SipMessage): SipMessage {
  const ack = sameHop('ACK', invite);
  ack.set('To', response.get('to') ?? '');
  return ack;
}

/** RFC 3261 §9.1. */
function cancelFor(invite: SipMessage): SipMessage {
  return sameHop('CANCEL', invite);
}

/** A request that goes the way of the INVITE: its Request-URI, top Via, Route, and identity. */
function sameHop(method: string, invite: SipMessage): SipMessage {
  const m = SipMessage.request(method, invite.uri);
  m.add('Via', invite.first('via') ?? '');
  m.add('Max-Forwards', '70');
  for (const h of invite.headers) if (h.key === 'route') m.headers.push(h);
  for (const name of ['From', 'To', 'Call-ID']) m.add(name, invite.get(name) ?? '');
  m.add('CSeq', `${parseCSeq(invite.get('cseq') ?? '')?.seq ?? 1} ${method}`);
  return m;
}
