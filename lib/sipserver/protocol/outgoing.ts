// One request of a client's on its way, and the dialogs its responses make.
import { randomUUID } from 'node:crypto';
import { parseUri, responseTo, tagOf, toNumber } from '../parser/index.js';
import type { SipMessage } from '../parser/index.js';
import type { Delivery, DeliveryUser } from '../locate/index.js';
import { lifetime, randomToken } from '../transaction/index.js';
import type { Flow } from '../transport/index.js';
import type { Context } from './context.js';
import { Leg } from './leg.js';
import { calleeBehindNat, hopOf } from './nat.js';
import { agreedByUac, minSE } from './refresh.js';
import type { Session } from './session.js';
import { TARGET_REFRESH } from './uas.js';
import { flowMeta, metaOf } from './wire.js';

export interface OutgoingOwner {
  readonly context: Context;
  /** Acknowledges a 2xx that no client wants and ends its dialog (RFC 3261 §13.2.2.4). */
  discard(leg: Leg, why: string): void;
  acknowledgeAgain(leg: Leg, heard: Flow): void;
  outgoingEnded(outgoing: Outgoing): void;
}

/** RFC 3262 §4: a reliable response that came again, or ahead of its turn, is not for the client. */
function inOrder(leg: Leg, response: SipMessage): boolean {
  if (!response.list('require').some((o) => o.toLowerCase() === '100rel')) return true;
  const rseq = toNumber(response.get('rseq'), 4294967295);
  if (rseq === undefined || (leg.lastRSeq !== undefined && rseq !== leg.lastRSeq + 1)) return false;
  leg.lastRSeq = rseq;
  leg.reliable.push({ leg, rseq, acknowledged: false });
  // RFC 3261 §12.1.2: the route set of an early dialog is in the response that made it, which an unreliable one before it need not have been.
  leg.takeRoutes(response);
  return true;
}

/** Most dialogs of one INVITE. A proxy forks to the devices of one user; whoever makes up more gets no more of us. */
const MOST_FORKS = 16;

export const CLIENT_GONE = 'the application is gone';

export class Outgoing implements DeliveryUser {
  /** drachtio's transaction id. */
  readonly id = randomUUID();
  delivery: Delivery | undefined;
  cancelled = false;
  private ended = false;
  /** Early and confirmed dialogs of one INVITE or SUBSCRIBE, by remote tag. */
  private readonly forks = new Map<string, Leg>();
  private readonly reliable: Leg['reliable'] = [];
  private winner: Leg | undefined;

  /** `leg`: the request is sent inside this dialog. */
  constructor(
    private readonly owner: OutgoingOwner, public session: Session, readonly request: SipMessage, private readonly contact: string,
    readonly leg: Leg | undefined,
  ) {}

  get method(): string {
    return this.request.method;
  }

  /** True for a SUBSCRIBE of ours that this NOTIFY answers. */
  subscribedBy(notify: SipMessage): boolean {
    return this.method === 'SUBSCRIBE' && this.leg === undefined && notify.get('call-id') === this.request.get('call-id')
      && tagOf(notify.get('to') ?? '') === tagOf(this.request.get('from') ?? '');
  }

  /** The dialog of a fork, made when its first response, or its NOTIFY, comes. `response` has the To with the fork's tag. */
  fork(response: SipMessage, flow: Flow | undefined): Leg | undefined {
    // RFC 3261 §12.1.2: a 2xx without a tag makes a dialog whose remote tag is null.
    const tag = tagOf(response.get('to') ?? '') ?? (response.status >= 200 ? '' : undefined);
    if (tag === undefined) return undefined;
    const known = this.forks.get(tag);
    if (known !== undefined) return known;
    if (this.forks.size >= MOST_FORKS && !this.giveWay(response)) return undefined;
    const leg = this.newFork(response, flow);
    this.forks.set(tag, leg);
    this.owner.context.legs.add(leg);
    return leg;
  }

  response(response: SipMessage, flow: Flow): void {
    const { status } = response;
    // drachtio keeps 100 to itself.
    if (status === 100) return;
    if (this.leg !== undefined) this.inside(this.leg, response, flow);
    else if (this.method === 'INVITE' || this.method === 'SUBSCRIBE') this.beginning(response, flow);
    else this.tell(response, flow, '');
    if (status >= 200 && !(this.method === 'INVITE' && status < 300)) this.end();
  }

  failed(status: 408 | 430 | 487 | 503, reason: string): void {
    const response = responseTo(this.delivery?.sent ?? this.request, status, reason, randomToken());
    const flow = this.delivery?.via;
    // The INVITE was answered: what is told here is only that nobody repeats the answer any more.
    if (this.winner !== undefined) {
      this.end();
      return;
    }
    if (this.leg !== undefined) this.insideFailed(this.leg);
    const dialogId = this.dialogId();
    this.session.send((bytes) => `sip|${flow === undefined ? metaOf('network', bytes, 'unknown', '', 0) : flowMeta('network', bytes, flow)}|${this.id}|${dialogId}|`, response);
    if (this.method === 'INVITE' && this.leg === undefined) this.owner.context.cdr.stop('application', status === 487 ? 'call-canceled' : 'call-rejected', response);
    this.end();
  }

  /** The transaction of an INVITE answered 2xx is over: no fork can answer any more. */
  settled(): void {
    this.end();
  }

  /** Forgets the request; early dialogs go with it. */
  end(): void {
    if (this.ended) return;
    this.ended = true;
    for (const leg of this.forks.values()) {
      if (leg.inviteOut === this.delivery) leg.inviteOut = undefined;
      if (!leg.confirmed) this.owner.context.forget(leg);
    }
    if (this.leg?.inviteOut === this.delivery && this.leg !== undefined) this.leg.inviteOut = undefined;
    if (this.leg?.updateOut === this) this.leg.updateOut = undefined;
    this.owner.outgoingEnded(this);
  }

  /** RFC 3261 §13.2.2.4: a 2xx is acknowledged, also of a fork that is one too many; an early one makes room for it. */
  private giveWay(response: SipMessage): boolean {
    if (response.status < 200) return false;
    for (const [tag, leg] of this.forks) {
      if (leg.confirmed) continue;
      this.forks.delete(tag);
      this.owner.context.forget(leg);
      return true;
    }
    return false;
  }

  private newFork(response: SipMessage, flow: Flow | undefined): Leg {
    const leg = new Leg({ role: 'uac', request: this.request, response, localContact: this.contact }, this.session);
    this.leadBack(leg, response, flow);
    leg.calledBy = parseUri(this.request.uri)?.host ?? '';
    leg.inviteSeq = leg.localSeq;
    leg.reliable = this.reliable;
    leg.minSE = Math.max(leg.minSE, minSE(this.request) ?? 0);
    leg.inviteAuth = this.request.headers.filter((h) => h.key === 'authorization' || h.key === 'proxy-authorization');
    if (this.request.body !== '') leg.localBody = { type: this.request.get('content-type') ?? 'application/sdp', text: this.request.body };
    leg.inviteOut = this.method === 'INVITE' ? this.delivery : undefined;
    return leg;
  }

  /** How requests in the dialog get to the far end (`Uac.hopsOf`). */
  private leadBack(leg: Leg, response: SipMessage, flow: Flow | undefined): void {
    const by = this.delivery?.by;
    // RFC 5626 §5.3: a peer called by its flow is not reached in any other way later.
    leg.nat = by?.from !== undefined && !response.has('record-route') ? by : flow === undefined ? undefined : calleeBehindNat(response, flow);
    leg.own = flow === undefined || flow.protocol === 'udp' ? undefined : flow;
    leg.invitedBy = by === undefined || by.protocol === 'udp' || by.connection !== undefined ? undefined : by;
    leg.heard = flow === undefined ? undefined : hopOf(flow);
  }

  /** A response to a request outside any dialog that makes dialogs. */
  private beginning(response: SipMessage, flow: Flow): void {
    const { status } = response;
    const leg = status < 300 ? this.fork(response, flow) : undefined;
    if (status < 200) this.beginsEarly(leg, response, flow);
    else if (status < 300 && leg !== undefined) this.begins(leg, response, flow);
    else if (this.winner === undefined) {
      this.tell(response, flow, this.dialogId());
      if (this.method === 'INVITE') this.owner.context.cdr.stop('network', status === 487 ? 'call-canceled' : 'call-rejected', response);
    }
  }

  private beginsEarly(leg: Leg | undefined, response: SipMessage, flow: Flow): void {
    // One fork too many: RFC 3261 §12.1 has no provisional response with a tag outside a dialog.
    if (leg === undefined && tagOf(response.get('to') ?? '') !== undefined) return;
    if (leg !== undefined && !inOrder(leg, response)) return;
    leg?.refresh(response);
    this.tell(response, flow, this.dialogId());
  }

  /** A 2xx: the first fork that answers is the client's; RFC 3261 §13.2.2.4: every other is acknowledged and ended, and one that comes again is acknowledged again. */
  private begins(leg: Leg, response: SipMessage, flow: Flow): void {
    if (leg.ack !== undefined) {
      this.owner.acknowledgeAgain(leg, flow);
      return;
    }
    if (this.winner === leg) return;
    if (this.winner !== undefined) {
      leg.confirm(response);
      this.owner.discard(leg, 'another fork has answered');
      return;
    }
    const { context } = this.owner;
    const invite = this.method === 'INVITE';
    this.winner = leg;
    leg.confirm(response);
    leg.byeAfterAck = this.cancelled && invite;
    context.legs.add(leg);
    if (invite) {
      leg.inviteOut = undefined;
      agreedByUac(context, leg, response);
      context.cdr.start('network', 'uac', response);
    }
    for (const other of this.forks.values()) if (other !== leg && !other.confirmed) other.session = undefined;
    leg.owesAck = invite;
    // The client has gone, and its CANCEL came too late. A subscription that is not known any more ends by itself (RFC 6665 §4.1.3).
    if (this.session.closed && leg.owesAck) this.owner.discard(leg, CLIENT_GONE);
    else if (this.session.closed) context.forget(leg);
    else this.tell(response, flow, leg.id);
  }

  private inside(leg: Leg, response: SipMessage, flow: Flow): void {
    const { status } = response;
    if (status >= 200 && status < 300) {
      if (this.method === 'INVITE') {
        if (leg.ack !== undefined && leg.ack.seq === leg.inviteSeq) {
          this.owner.acknowledgeAgain(leg, flow);
          return;
        }
        if (this.winner === leg) return;
        this.winner = leg;
        leg.owesAck = true;
        if (leg.inviteOut === this.delivery) leg.inviteOut = undefined;
      }
      if (TARGET_REFRESH.has(this.method)) leg.refresh(response);
      if (this.method === 'INVITE' || this.method === 'UPDATE') {
        if (this.request.body !== '') leg.localBody = { type: this.request.get('content-type') ?? 'application/sdp', text: this.request.body };
        agreedByUac(this.owner.context, leg, response);
      }
    }
    if (status >= 200) this.insideDone(leg, status);
    if (this.session.closed && leg.owesAck && !leg.ended) this.owner.discard(leg, CLIENT_GONE);
    else this.tell(response, flow, leg.id);
  }

  /**
   * RFC 3261 §15.1.1, RFC 6665 §4.1.3: what ends the dialog. The client may send a challenged request again; if it does not, the dialog has
   * ended all the same.
   */
  private insideDone(leg: Leg, status: number): void {
    const { context } = this.owner;
    const last = leg.method === 'SUBSCRIBE' && this.method === 'NOTIFY' && /^\s*terminated\b/i.test(this.request.get('subscription-state') ?? '');
    if (this.method !== 'BYE' && !last) return;
    if (status === 401 || status === 407) leg.endsWithin(context.guard, lifetime(context.timers), () => { context.forget(leg); });
    else context.forget(leg);
  }

  private insideFailed(leg: Leg): void {
    if (this.method === 'BYE') this.owner.context.forget(leg);
  }

  private dialogId(): string {
    if (this.leg !== undefined) return this.leg.id;
    if (this.method !== 'INVITE' && this.method !== 'SUBSCRIBE') return '';
    return `${this.request.get('call-id') ?? ''};from-tag=${tagOf(this.request.get('from') ?? '') ?? ''}`;
  }

  private tell(response: SipMessage, flow: Flow, dialogId: string): void {
    this.session.send((bytes) => `sip|${flowMeta('network', bytes, flow)}|${this.id}|${dialogId}|`, response);
  }
}
