// Server transactions: RFC 3261 §17.2 with the Accepted state of RFC 6026.
import { isKnown } from '../transport/index.js';
import type { Flow, FlowUser, Guard } from '../transport/index.js';
import { SipMessage, tagOf } from '../parser/index.js';
import { serverKey } from './keys.js';
import { lifetime } from './timers.js';
import type { Timers } from './timers.js';

/** What a server transaction tells its user. */
export interface ServerTransactionUser {
  /** The request was cancelled; the CANCEL has been answered. The user answers the INVITE (with 487) if it has not done so. */
  cancelled(tx: ServerTransaction, cancel: SipMessage, flow: Flow): void;
  /** No ACK came for a final response other than 2xx (timer H). */
  unacknowledged(tx: ServerTransaction): void;
  /** The connection the request came by is gone before a final response went out. */
  transportFailed(tx: ServerTransaction, error: Error): void;
}

export interface ServerOwner {
  readonly timers: Timers;
  readonly guard: Guard;
  serverEnded(tx: ServerTransaction): void;
  /** A guest's transaction is served like any other from now on. */
  serverAdopted(tx: ServerTransaction): void;
}

type State = 'trying' | 'proceeding' | 'accepted' | 'completed' | 'confirmed' | 'terminated';

export class ServerTransaction implements FlowUser {
  user: ServerTransactionUser | undefined;
  state: State = 'trying';
  /** Last status sent; 0 before any. */
  status = 0;
  /** RFC 3261 §17.2.3: what else belongs to it. */
  readonly key: string;
  readonly invite: boolean;
  /** When it began, ms. */
  readonly since = Date.now();
  /** RFC 3261 §18.2.2: where the response goes. */
  private readonly reply: Flow;
  private last = '';
  private retransmit: NodeJS.Timeout | undefined;   // timer G
  private end: NodeJS.Timeout | undefined;           // timers H, I, J, L
  private first: NodeJS.Timeout | undefined;         // 100 (Trying)
  private interval = 0;

  /** `guest`: of somebody nobody knows. It gets one final response, is not repeated and not kept; unless it is adopted before that. */
  constructor(readonly request: SipMessage, readonly flow: Flow, reply: Flow, private readonly owner: ServerOwner, public guest = false) {
    this.key = serverKey(request, request.method);
    this.invite = request.method === 'INVITE';
    this.reply = reply;
    reply.addUser(this);
  }

  /** Whoever sent it is known now, or the application has taken the request on. */
  adopt(): void {
    if (!this.guest) return;
    this.guest = false;
    this.flow.traced = this.reply.traced = true;
    this.owner.serverAdopted(this);
    if (this.invite && this.state === 'trying') this.armTrying();
  }

  /** Gives it up without an answer. */
  abandon(error: Error): void {
    const user = this.user;
    this.terminate();
    user?.transportFailed(this, error);
  }

  /** RFC 3261 §17.2.1: 100 (Trying) unless the user answers in time. */
  armTrying(): void {
    const { trying, tryingReliable } = this.owner.timers;
    const ms = this.reply.protocol === 'udp' ? trying : tryingReliable;
    if (ms === 0) this.sendTrying();
    else this.first = this.owner.guard.after(ms, 'server transaction', () => { this.sendTrying(); });
  }

  private sendTrying(): void {
    if (this.state !== 'trying') return;
    const trying = SipMessage.response(100, 'Trying');
    for (const h of this.request.headers) {
      if (h.key === 'via' || h.key === 'from' || h.key === 'to' || h.key === 'call-id' || h.key === 'cseq') trying.headers.push(h);
    }
    this.state = 'proceeding';
    this.transmit(trying);
  }

  /** Sends a response. False when the transaction has had its final one, or the way back is closed (the user is told by that). */
  respond(response: SipMessage): boolean {
    if (this.reply.closed) return false;
    if (this.guest && (response.status < 300 || isKnown(this.flow))) this.adopt();
    if (this.guest) {
      if (this.state !== 'trying') return false;
      this.status = response.status;
      const sent = this.transmit(response);
      this.terminate();
      return sent;
    }
    // RFC 6026 §7.1: a proxy passes on every 2xx of an INVITE.
    if (this.state === 'accepted' && response.status >= 200 && response.status < 300) return this.transmit(response);
    if (this.state !== 'trying' && this.state !== 'proceeding') return false;
    clearTimeout(this.first);
    this.status = response.status;
    if (response.status < 200) {
      this.state = 'proceeding';
      return this.transmit(response);
    }
    const reliable = this.reply.protocol !== 'udp';
    const life = lifetime(this.owner.timers);
    if (!this.invite) {
      this.state = 'completed';
      // Timer J: 64*T1 on UDP, 0 else (§17.2.2).
      this.until(reliable ? 0 : life, () => { this.terminate(); });
    } else if (response.status < 300) {
      // RFC 6026 §7.1: repeated INVITEs are absorbed; the user repeats the 2xx until the ACK.
      this.state = 'accepted';
      this.until(life, () => { this.terminate(); });
    } else {
      this.state = 'completed';
      // Timer G runs on UDP only, timer H everywhere (§17.2.1).
      if (!reliable) this.arm(this.owner.timers.T1);
      this.until(life, () => {
        const user = this.user;
        this.terminate();
        user?.unacknowledged(this);
      });
    }
    return this.transmit(response);
  }

  /** Sends a 2xx to an INVITE again; the user's timer says when (RFC 3261 §13.3.1.4). */
  repeatAccepted(): boolean {
    return this.state === 'accepted' && this.reply.send(this.last);
  }

  /** The request arrived again. */
  repeated(): void {
    // §17.2.1, §17.2.2: the last response again; RFC 6026 §7.1: not in Accepted. In Confirmed and Trying there is none to send.
    if ((this.state === 'proceeding' || this.state === 'completed') && this.last !== '') this.reply.send(this.last);
  }

  /** An ACK for this INVITE's final response other than 2xx. */
  acknowledged(): void {
    if (this.state !== 'completed') return;
    this.state = 'confirmed';
    clearTimeout(this.retransmit);
    // Timer I: T4 on UDP, 0 else.
    this.until(this.reply.protocol === 'udp' ? this.owner.timers.T4 : 0, () => { this.terminate(); });
  }

  cancelledBy(cancel: SipMessage, flow: Flow): void {
    if (this.state === 'trying' || this.state === 'proceeding') this.user?.cancelled(this, cancel, flow);
  }

  /** Tag of To in the last response, for the answer to a CANCEL (RFC 3261 §9.2). */
  get localTag(): string | undefined {
    const at = this.last.search(/\r\n(?:to|t)\s*:/i);
    return at < 0 ? undefined : tagOf(this.last.slice(at + 2, this.last.indexOf('\r\n', at + 2)));
  }

  flowClosed(_flow: Flow, error: Error | undefined): void {
    const waiting = this.state === 'trying' || this.state === 'proceeding';
    const user = this.user;
    // In Accepted the ACK may come by another connection: the transaction lives on without a way to repeat itself.
    if (this.state !== 'accepted') this.terminate();
    if (waiting) user?.transportFailed(this, error ?? new Error('connection closed by the peer'));
  }

  terminate(): void {
    if (this.state === 'terminated') return;
    this.state = 'terminated';
    clearTimeout(this.retransmit);
    clearTimeout(this.end);
    clearTimeout(this.first);
    this.reply.removeUser(this);
    this.user = undefined;
    this.owner.serverEnded(this);
  }

  private transmit(response: SipMessage): boolean {
    this.last = response.toString();
    return this.reply.send(this.last);
  }

  private arm(interval: number): void {
    this.interval = interval;
    this.retransmit = this.owner.guard.after(interval, 'server transaction', () => {
      if (this.state !== 'completed') return;
      this.reply.send(this.last);
      this.arm(Math.min(2 * this.interval, this.owner.timers.T2));
    });
  }

  private until(ms: number, then: () => void): void {
    clearTimeout(this.end);
    if (ms === 0) this.owner.guard.soon('server transaction', then);
    else this.end = this.owner.guard.after(ms, 'server transaction', then);
  }
}
