// Requests from the network: to the dialog or the client they are for.
import { randomUUID } from 'node:crypto';
import { parseCSeq, parseNameAddr, parseUri, responseTo, tagOf } from '../parser/index.js';
import type { SipMessage } from '../parser/index.js';
import { randomToken } from '../transaction/index.js';
import type { ServerTransaction } from '../transaction/index.js';
import type { Flow } from '../transport/index.js';
import type { Context } from './context.js';
import { Incoming } from './incoming.js';
import type { IncomingOwner } from './incoming.js';
import type { Leg } from './leg.js';
import { MIN_SE } from '../parser/index.js';
import { tooShort } from './refresh.js';
import { flowMeta } from './wire.js';

/** Methods that make no sense outside the dialog they name: 481 (RFC 3261 §12.2.2). */
const DIALOG_ONLY: ReadonlySet<string> = new Set(['INVITE', 'BYE', 'UPDATE', 'PRACK', 'INFO', 'REFER']);

/** Methods that have no meaning without a dialog, whether they name one or not: 481 (RFC 3261 §15.1.2, 3311 §5.2, 3262 §3). */
const NEVER_OUTSIDE: ReadonlySet<string> = new Set(['BYE', 'UPDATE', 'PRACK']);

/** Methods whose request changes where the peer is reached (RFC 3261 §12.2, 3311 §5.2, 6665 §4.1.2). */
export const TARGET_REFRESH: ReadonlySet<string> = new Set(['INVITE', 'UPDATE', 'SUBSCRIBE', 'NOTIFY', 'REFER']);

/** Parts of the server that may claim a request before it becomes a client's. */
export interface Claims {
  /** A proxied transaction or dialog takes it. */
  proxied(tx: ServerTransaction): boolean;
  /** A NOTIFY ahead of the response to our SUBSCRIBE makes the dialog (RFC 6665 §4.4.1). */
  subscribed(notify: SipMessage): Leg | undefined;
  /** Whether it would. */
  subscribing(notify: SipMessage): boolean;
}

export class Uas implements IncomingOwner {
  private readonly pending = new Map<string, Incoming>();
  private readonly invites = new Map<string, Incoming>();

  constructor(readonly context: Context, private readonly claims: Claims) {}

  get size(): number {
    return this.pending.size;
  }

  find(id: string): Incoming | undefined {
    return this.pending.get(id);
  }

  all(): Incoming[] {
    return [...this.pending.values()];
  }

  incomingEnded(incoming: Incoming): void {
    this.pending.delete(incoming.id);
    const key = mergeKey(incoming.request);
    if (this.invites.get(key) === incoming) this.invites.delete(key);
  }

  /** Whether a request is part of a dialog: it has both tags right, or is the NOTIFY that makes one. */
  belongs(request: SipMessage): boolean {
    if (tagOf(request.get('to') ?? '') === undefined) return false;
    return this.context.legs.ofRequest(request) !== undefined || (request.method === 'NOTIFY' && this.claims.subscribing(request));
  }

  /** A new request. */
  request(tx: ServerTransaction): void {
    const { request } = tx;
    const toTag = tagOf(request.get('to') ?? '');
    if (toTag !== undefined) {
      const leg = this.context.legs.ofRequest(request) ?? (request.method === 'NOTIFY' ? this.claims.subscribed(request) : undefined);
      if (leg !== undefined) {
        this.inside(tx, leg);
        return;
      }
    }
    if (this.claims.proxied(tx)) return;
    if ((toTag !== undefined && DIALOG_ONLY.has(request.method)) || NEVER_OUTSIDE.has(request.method)) {
      this.refuse(tx, 481, 'Call/Transaction Does Not Exist');
      return;
    }
    this.context.network.spawn(this.outside(tx));
  }

  /** An ACK of a 2xx: stops its repetition, and is passed on once. */
  ack(ack: SipMessage, flow: Flow): boolean {
    const leg = this.context.legs.ofRequest(ack);
    if (leg === undefined) return false;
    const seq = parseCSeq(ack.get('cseq') ?? '')?.seq ?? -1;
    if (leg.accepted?.seq === seq) {
      leg.accepted.stop();
      leg.accepted = undefined;
    }
    if (leg.lastAckIn === seq) return true;
    leg.lastAckIn = seq;
    leg.session?.send((bytes) => `sip|${flowMeta('network', bytes, flow)}|${leg.begunBy?.seq === seq ? leg.begunBy.id : randomUUID()}|${leg.id}|`, ack);
    return true;
  }

  /** A request outside any dialog, to a client. */
  private async outside(tx: ServerTransaction): Promise<void> {
    const { request } = tx;
    const { context } = this;
    const session = context.sessions.pick(request.method);
    const fault = context.policy.judge(request, session !== undefined, context.legs.standing);
    if (fault !== undefined) {
      this.refuse(tx, fault.status, fault.reason, fault.headers);
      return;
    }
    if (request.method === 'INVITE') {
      context.cdr.attempt('network', request);
      // RFC 3261 §8.2.2.2: the same request by two ways is a loop of somebody's forks.
      if (this.invites.has(mergeKey(request))) {
        this.refuse(tx, 482, 'Loop Detected');
        return;
      }
    }
    if (session === undefined || session.overfull) {
      if (session !== undefined) context.policy.refusedBusy++;
      this.refuse(tx, 503, 'Service Unavailable', session === undefined ? [] : [['Retry-After', '5']]);
      return;
    }
    const incoming = new Incoming(this, tx, session, false);
    if (tx.guest) incoming.localTag = context.layer.tagFor(request);
    this.pending.set(incoming.id, incoming);
    if (tx.invite) this.invites.set(mergeKey(request), incoming);
    const { protocol, remote, local } = tx.flow;
    const from = parseUri(parseNameAddr(request.get('from') ?? '')?.uri ?? '');
    incoming.presented = await context.network.presence.towards(protocol, remote.address, from?.host ?? '', local);
    if (!incoming.ended) incoming.deliver();
  }

  /** A request within a dialog (RFC 3261 §12.2.2). */
  private inside(tx: ServerTransaction, leg: Leg): void {
    const { request } = tx;
    const { method } = request;
    if (!this.inSequence(tx, leg) || this.glare(tx, leg) || this.objects(tx, leg)) return;
    const session = leg.session?.closed === false ? leg.session : this.context.sessions.pick(leg.method);
    leg.session = session;
    const ends = method === 'BYE' || (leg.method === 'SUBSCRIBE' && method === 'NOTIFY' && terminated(request));
    if (session === undefined) {
      // Nobody is there to ask: a BYE still ends the call, and ends it well.
      this.refuse(tx, method === 'BYE' ? 200 : 481, method === 'BYE' ? 'OK' : 'Call/Transaction Does Not Exist');
      if (ends) this.over(leg, request);
      return;
    }
    const incoming = new Incoming(this, tx, session, true);
    incoming.leg = leg;
    incoming.localTag = leg.localTag;
    incoming.presented = presentedOf(leg);
    this.pending.set(incoming.id, incoming);
    if (method === 'INVITE') leg.inviteIn = incoming;
    if (method === 'UPDATE') leg.updateIn = incoming;
    if (ends) this.over(leg, request);
    incoming.deliver();
  }

  /** RFC 3261 §12.2.2: it is behind what came before; then the dialog is reached by the connection it came by. */
  private inSequence(tx: ServerTransaction, leg: Leg): boolean {
    const seq = parseCSeq(tx.request.get('cseq') ?? '')?.seq ?? 0;
    if (leg.remoteSeq !== undefined && seq < leg.remoteSeq) {
      this.refuse(tx, 500, 'CSeq Out Of Order');
      return false;
    }
    leg.remoteSeq = seq;
    if (tx.flow.protocol !== 'udp' && !this.context.nodes.handed(tx.request) && (leg.own === undefined || leg.own.closed || leg.own.remote.address === tx.flow.remote.address)) leg.own = tx.flow;
    return true;
  }

  /** RFC 3262 §3: a PRACK is of a response that waits for it. RFC 4028 §5: a session interval is not too short. */
  private objects(tx: ServerTransaction, leg: Leg): boolean {
    if (tx.request.method === 'PRACK' && leg.inviteIn?.acknowledges(tx.request) !== true) {
      this.refuse(tx, 481, 'Call/Transaction Does Not Exist');
      return true;
    }
    if (tooShort(tx.request, leg.timer !== undefined)) {
      this.refuse(tx, 422, 'Session Interval Too Small', [['Min-SE', String(MIN_SE)]]);
      return true;
    }
    return false;
  }

  /** RFC 3261 §14.2, RFC 3311 §5.2: one INVITE, and one UPDATE, at a time. */
  private glare(tx: ServerTransaction, leg: Leg): boolean {
    const update = tx.request.method === 'UPDATE';
    if (!update && tx.request.method !== 'INVITE') return false;
    if (update ? leg.updateOut !== undefined : leg.inviteOut !== undefined) {
      this.refuse(tx, 491, 'Request Pending');
      return true;
    }
    if ((update ? leg.updateIn : leg.inviteIn) !== undefined) {
      this.refuse(tx, 500, 'Server Internal Error', [['Retry-After', String(1 + Math.floor(Math.random() * 9))]]);
      return true;
    }
    return false;
  }

  /**
   * The peer has ended the dialog. Its INVITE or UPDATE, if one is pending, would change a session that is over: 487 (RFC 3261 §15.1.2). What a
   * pending REFER and the like come to is the client's to say: a transfer goes on without the transferor.
   */
  private over(leg: Leg, request: SipMessage): void {
    const { inviteIn, updateIn } = leg;
    this.context.forget(leg);
    inviteIn?.refuse(487, 'Request Terminated');
    updateIn?.refuse(487, 'Request Terminated');
    if (request.method === 'BYE') this.context.cdr.stop('network', 'normal-release', request);
  }

  private refuse(tx: ServerTransaction, status: number, reason: string, headers: readonly [string, string][] = []): void {
    const response = responseTo(tx.request, status, reason, tx.guest ? this.context.layer.tagFor(tx.request) : randomToken());
    for (const [name, value] of headers) response.add(name, value);
    tx.respond(response);
    if (tx.invite && tagOf(tx.request.get('to') ?? '') === undefined) this.context.cdr.stop('application', 'call-rejected', response);
  }
}

function mergeKey(m: SipMessage): string {
  return `${m.get('call-id') ?? ''} ${tagOf(m.get('from') ?? '') ?? ''} ${m.get('cseq') ?? ''}`;
}

function terminated(notify: SipMessage): boolean {
  return /^\s*terminated\b/i.test(notify.get('subscription-state') ?? '');
}

function presentedOf(leg: Leg): { host: string; port: number } {
  const uri = parseUri(parseNameAddr(leg.localContact)?.uri ?? '');
  return { host: uri?.host ?? '', port: uri?.port ?? 5060 };
}
