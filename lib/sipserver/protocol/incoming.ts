// One request from the network that a client answers.
import { randomUUID } from 'node:crypto';
import { parseCSeq, responseTo, SipMessage, tagOf } from '../parser/index.js';
import { ReliableProvisionals } from '../dialog/index.js';
import type { Presented } from '../locate/index.js';
import { lifetime } from '../transaction/index.js';
import type { ServerTransaction, ServerTransactionUser } from '../transaction/index.js';
import type { Flow } from '../transport/index.js';
import type { Context } from './context.js';
import type { Leg } from './leg.js';
import type { Session } from './session.js';
import { flowMeta } from './wire.js';

/** No call rings for so long, ms: an INVITE whose client has forgotten it after a provisional response goes then. */
const LONGEST_RINGING = 2 * 3_600_000;

/** Header that is ours alone: it is in no request from the network. */
const CERTIFIED = 'x-wab-certified-as';

/** Who keeps the requests under way. */
export interface IncomingOwner {
  readonly context: Context;
  incomingEnded(incoming: Incoming): void;
}

export class Incoming implements ServerTransactionUser {
  /** drachtio's transaction id. */
  readonly id = randomUUID();
  localTag: string;
  /** The dialog it came in, or has begun. */
  leg: Leg | undefined;
  presented: Presented = { host: '', port: 0 };
  ended = false;
  private reliable: ReliableProvisionals | undefined;
  private timer: NodeJS.Timeout | undefined;

  /** `within`: the request came inside an existing dialog. */
  constructor(private readonly owner: IncomingOwner, readonly tx: ServerTransaction, public session: Session, readonly within: boolean) {
    tx.user = this;
    this.localTag = owner.context.nodes.newTag();
    // A client that never answers must not leave the transaction here for ever (drachtio gives it 64 s for an INVITE).
    const patience = tx.invite ? 2 * lifetime(owner.context.timers) : lifetime(owner.context.timers);
    this.timer = owner.context.guard.after(patience, 'request under way', () => { this.refuse(500, 'Application Did Not Answer'); });
  }

  get request(): SipMessage {
    return this.tx.request;
  }

  get seq(): number {
    return parseCSeq(this.request.get('cseq') ?? '')?.seq ?? 0;
  }

  /** Hands the request to its client. */
  deliver(): void {
    const { flow } = this.tx;
    const path = this.owner.context.tokens.path(this.request, flow, this.presented);
    const where = this.leg === undefined || !this.within ? `|${flow.local.address}|${flow.local.port}|` : `${this.leg.id}|`;
    this.session.send((bytes) => `sip|${flowMeta('network', bytes, flow)}|${this.id}|${where}`, marked(path === undefined ? this.request : withPath(this.request, path), flow));
  }

  /** The client has answered with this status: after a provisional one a final one must follow, some day. */
  touched(status = 200): void {
    clearTimeout(this.timer);
    this.timer = status >= 200 ? undefined : this.owner.context.guard.after(LONGEST_RINGING, 'request under way', () => { this.refuse(500, 'Application Did Not Answer'); });
  }

  /** Sends provisional response `response` reliably (RFC 3262). */
  sendReliably(response: SipMessage): void {
    this.reliable ??= new ReliableProvisionals(this.tx, this.owner.context.timers, this.owner.context.guard, () => { this.refuse(504, 'PRACK Timeout'); });
    this.reliable.send(response);
  }

  /** True when the PRACK acknowledges a response of ours. */
  acknowledges(prack: SipMessage): boolean {
    return this.reliable?.acknowledged(prack) ?? false;
  }

  /** RFC 3262 §3: a 2xx waits while a reliable provisional response with a session description is not acknowledged. */
  get awaitsPrack(): boolean {
    return this.reliable?.pending ?? false;
  }

  /** `then` runs once no reliable response is outstanding. */
  afterPrack(then: () => void): void {
    if (this.reliable === undefined) then();
    else this.reliable.onQuiet = then;
  }

  /** Answers without the client, and forgets the request. */
  refuse(status: number, reason: string, headers: readonly [string, string][] = []): void {
    if (this.ended) return;
    const response = responseTo(this.request, status, reason, this.localTag);
    for (const [name, value] of headers) response.add(name, value);
    const { tx } = this;
    this.end();
    tx.respond(response);
    if (tx.invite && !this.within) this.owner.context.cdr.stop('application', status === 487 ? 'call-canceled' : 'call-rejected', response);
  }

  /** Hands the transaction over to a proxy. */
  release(): ServerTransaction {
    const { tx } = this;
    this.end();
    return tx;
  }

  /** Nothing more is to come: a final response went out, or there is nobody to send it to. */
  end(): void {
    if (this.ended) return;
    this.ended = true;
    this.touched();
    this.reliable?.stop();
    if (this.tx.user === this) this.tx.user = undefined;
    if (this.leg?.inviteIn === this) this.leg.inviteIn = undefined;
    if (this.leg?.updateIn === this) this.leg.updateIn = undefined;
    if (this.leg !== undefined && !this.leg.confirmed) this.owner.context.forget(this.leg);
    this.owner.incomingEnded(this);
  }

  cancelled(_tx: ServerTransaction, cancel: SipMessage, flow: Flow): void {
    const response = responseTo(this.request, 487, 'Request Terminated', this.localTag);
    this.tellCancelled(cancel, flow);
    const { tx } = this;
    this.end();
    tx.respond(response);
  }

  unacknowledged(): void {
    // The final response went out as often as it could; nothing hangs on its ACK.
  }

  transportFailed(_tx: ServerTransaction, error: Error): void {
    if (this.ended) return;
    const { log } = this.owner.context;
    log.info({ callId: this.request.get('call-id'), error: error.message }, 'connection gone before the request was answered');
    // An INVITE whose caller cannot be answered any more is over: the client is told in the way it understands.
    if (this.tx.invite) this.tellCancelled(connectionLost(this.request), this.tx.flow);
    this.end();
  }

  private tellCancelled(cancel: SipMessage, flow: Flow): void {
    this.session.send((bytes) => `sip|${flowMeta('network', bytes, flow)}|${this.id}|${this.leg?.id ?? ''}|`, cancel);
    // The message of this event is the INVITE, as drachtio has it.
    if (this.tx.invite && !this.within && !this.ended) this.owner.context.cdr.stop('network', 'call-canceled', this.request);
  }
}

/** The REGISTER with our Path. Another's cannot be there: no proxy has seen the request before us. */
function withPath(register: SipMessage, path: string): SipMessage {
  const copy = register.clone();
  copy.remove('path');
  return copy.prepend('Path', path);
}

/** The name under which its sender's certificate makes him known; what he writes there himself is gone. */
function marked(request: SipMessage, { certified: [name] }: Flow): SipMessage {
  if (name === undefined && !request.has(CERTIFIED)) return request;
  const copy = request.clone();
  copy.remove(CERTIFIED);
  return name === undefined ? copy : copy.add(CERTIFIED, name);
}

/** A CANCEL as the caller would have sent it. */
function connectionLost(invite: SipMessage): SipMessage {
  const m = SipMessage.request('CANCEL', invite.uri);
  for (const h of invite.headers) if (h.key === 'via' || h.key === 'from' || h.key === 'to' || h.key === 'call-id') m.headers.push(h);
  m.add('CSeq', `${parseCSeq(invite.get('cseq') ?? '')?.seq ?? 1} CANCEL`);
  m.add('Reason', 'SIP;cause=503;text="connection to the caller lost"');
  return m;
}

/** Tag of To that the client wishes for, if it names one and the request has none. */
export function wishedTag(request: SipMessage, response: SipMessage): string | undefined {
  return tagOf(request.get('to') ?? '') === undefined ? tagOf(response.get('to') ?? '') : undefined;
}
