// SIP transactions of the stand-ins (RFC 3261 §17, RFC 6026): as much as calls need, on the embedded server's parser and transports only.
import { branchOf, parseCSeq, parseVia, responseTo, SipMessage, tagOf } from '../../sipserver/parser/index.js';
import type { Flow, FlowUser } from '../../sipserver/transport/index.js';

/** RFC 3261 §17.1.1.1: T1 500 ms, T2 4 s; 64·T1 is when a transaction gives up. */
export interface SipTimers { t1: number; t2: number }
export const DEFAULT_TIMERS: SipTimers = { t1: 500, t2: 4000 };

/** Branch of the top Via; '' when there is none. */
export function topBranch(message: SipMessage): string {
  const via = parseVia(message.list('via')[0] ?? '');
  return via === undefined ? '' : branchOf(via) ?? '';
}

export function cseqOf(message: SipMessage): { seq: number; method: string } {
  return parseCSeq(message.get('cseq') ?? '') ?? { seq: 0, method: '' };
}

/** Sends again after `first` ms, doubling up to `max`, until `stop()` or `limit` ms, when `gaveUp` is told. */
class Repeater {
  private timer: NodeJS.Timeout | undefined;
  private readonly started = performance.now();

  constructor(private interval: number, private readonly max: number, private readonly limit: number, private readonly again: () => void, private readonly gaveUp: () => void) {
    this.arm();
  }

  stop(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  private arm(): void {
    this.timer = setTimeout(() => {
      if (performance.now() - this.started >= this.limit - 1) {
        this.stop();
        this.gaveUp();
        return;
      }
      this.again();
      this.interval = Math.min(2 * this.interval, this.max);
      this.arm();
    }, Math.min(this.interval, Math.max(1, this.limit - (performance.now() - this.started))));
  }
}

/** What a client transaction tells its user. `response` is called for every response, and for each retransmission of a 2xx to INVITE. */
export interface ClientHandler {
  response(response: SipMessage): void;
  /** No final answer came: time ran out, or the connection went. */
  failed(reason: string): void;
}

export class ClientTransaction implements FlowUser {
  readonly method: string;
  /** True once a final response came or the transaction failed. */
  done = false;
  private repeater: Repeater | undefined;
  private guard: NodeJS.Timeout | undefined;

  constructor(readonly request: SipMessage, readonly flow: Flow, private readonly handler: ClientHandler, timers: SipTimers, private readonly forget: () => void) {
    this.method = request.method;
    flow.addUser(this);
    const limit = 64 * timers.t1;
    const fail = (): void => { this.fail('no answer in time'); };
    if (!flow.send(request.toString())) {
      setImmediate(() => { this.fail('connection is gone'); });
      return;
    }
    if (flow.protocol === 'udp') {
      const text = request.toString();
      this.repeater = new Repeater(timers.t1, this.method === 'INVITE' ? limit : timers.t2, limit, () => { flow.send(text); }, fail);
    } else this.guard = setTimeout(fail, limit);
  }

  receive(response: SipMessage): void {
    if (response.status < 200) {
      // RFC 3261 §17.1.1.2: a provisional answer ends retransmission and the wait of an INVITE.
      if (this.method === 'INVITE') this.stopTimers();
      if (!this.done) this.handler.response(response);
      return;
    }
    const repeated = this.done;
    const accepted = response.status < 300;
    this.finish();
    if (this.method === 'INVITE' && !accepted) this.flow.send(this.ackFor(response).toString());
    if (!repeated || (accepted && this.method === 'INVITE')) this.handler.response(response);
  }

  flowClosed(_flow: Flow, error: Error | undefined): void {
    this.fail(`connection closed${error ? `: ${error.message}` : ''}`);
  }

  /** Ends without telling anyone. */
  abandon(): void {
    this.finish();
    this.forget();
  }

  private fail(reason: string): void {
    if (this.done) return;
    this.finish();
    this.forget();
    this.handler.failed(reason);
  }

  private finish(): void {
    this.done = true;
    this.stopTimers();
    this.flow.removeUser(this);
  }

  private stopTimers(): void {
    this.repeater?.stop();
    clearTimeout(this.guard);
    this.guard = undefined;
  }

  // RFC 3261 §17.1.1.3: same Request-URI, Call-ID, From, CSeq number and top Via; To of the response; Routes of the request.
  private ackFor(response: SipMessage): SipMessage {
    const ack = SipMessage.request('ACK', this.request.uri);
    ack.add('Via', this.request.list('via')[0] ?? '');
    for (const route of this.request.lines('route')) ack.add('Route', route);
    ack.add('Max-Forwards', '70').add('From', this.request.get('from') ?? '').add('To', response.get('to') ?? '')
      .add('Call-ID', this.request.get('call-id') ?? '').add('CSeq', `${cseqOf(this.request).seq} ACK`);
    return ack;
  }
}

export class ServerTransaction {
  /** The last response, sent again when the request is. */
  private last: string | undefined;
  private readonly repeaters = new Map<string, Repeater>();
  private finalStatus = 0;
  cancelled: ((reason: string | undefined) => void) | undefined;
  /** A final response to INVITE whose ACK never came (Timer H). */
  unacknowledged: (() => void) | undefined;

  constructor(readonly key: string, readonly request: SipMessage, readonly flow: Flow, private readonly timers: SipTimers) {}

  /** Sends a response, e.g. made by `reply`. Final ones to INVITE are repeated until ACK: 2xx on any transport, others on UDP (RFC 3261 §13.3.1.4, §17.2.1). */
  respond(response: SipMessage): void {
    const text = response.toString();
    this.last = text;
    if (response.status >= 200) this.finalStatus = response.status;
    this.flow.send(text);
    if (this.request.method !== 'INVITE' || response.status < 200) return;
    if (response.status >= 300 && this.flow.protocol !== 'udp') return;
    const tag = tagOf(response.get('to') ?? '') ?? '';
    this.repeaters.get(tag)?.stop();
    this.repeaters.set(tag, new Repeater(this.timers.t1, this.timers.t2, 64 * this.timers.t1, () => { this.flow.send(text); }, () => {
      this.repeaters.delete(tag);
      this.unacknowledged?.();
    }));
  }

  /** A response with the headers RFC 3261 §8.2.6.2 asks for. */
  reply(status: number, reason?: string, toTag?: string): SipMessage {
    return responseTo(this.request, status, reason, toTag);
  }

  get answered(): boolean {
    return this.finalStatus > 0;
  }

  repeat(): void {
    if (this.last !== undefined) this.flow.send(this.last);
  }

  /** The ACK for the response with this To tag came. */
  acknowledge(tag: string): boolean {
    const repeater = this.repeaters.get(tag);
    repeater?.stop();
    this.repeaters.delete(tag);
    return repeater !== undefined;
  }

  close(): void {
    for (const repeater of this.repeaters.values()) repeater.stop();
    this.repeaters.clear();
  }
}
