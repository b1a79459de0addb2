// The client protocol server: puts transactions, dialogs and clients together.
import type { Socket } from 'node:net';
import { tagOf } from '../parser/index.js';
import type { SipMessage } from '../parser/index.js';
import { DialogTable } from '../dialog/index.js';
import { Delivery } from '../locate/index.js';
import type { DeliveryUser, Network } from '../locate/index.js';
import type { ServerTransaction, Timers, TransactionLayer, TransactionUser } from '../transaction/index.js';
import type { Flow, Guard } from '../transport/index.js';
import { Answers } from './answer.js';
import { Cdr } from './cdr.js';
import type { CdrReason } from './cdr.js';
import { LocalChannel, SocketChannel } from './channel.js';
import type { LocalClient, LocalConnection } from './channel.js';
import type { Context, Log } from './context.js';
import type { EngineOptions } from './engineOptions.js';
import { RegisteredFlows } from './flows.js';
import type { Leg } from './leg.js';
import { Nodes } from './nodes.js';
import type { Policy } from './policy.js';
import { CLIENT_GONE } from './outgoing.js';
import { parseProxyRequest, Proxying } from './proxying.js';
import { refreshSession, SessionTimer } from './refresh.js';
import { Order, Session } from './session.js';
import type { SessionOwner } from './session.js';
import { Sessions } from './sessions.js';
import { Targets } from './targets.js';
import { FlowTokens } from './tokens.js';
import { Uac } from './uac.js';
import { Uas } from './uas.js';
import { metaOf } from './wire.js';
import type { Command } from './wire.js';

/** Told to clients when they ask; the drachtio-server release whose protocol this is. */
const VERSION = 'v0.9.10';

/** A client must have authenticated by then, ms. */
const AUTHENTICATION_TIME = 10_000;

export class Engine implements TransactionUser, SessionOwner, Context {
  readonly legs = new DialogTable<Leg>();
  readonly sessions = new Sessions();
  readonly cdr = new Cdr(this.sessions);
  readonly flows: RegisteredFlows;
  readonly tokens: FlowTokens;
  readonly policy: Policy;
  readonly timers: Timers;
  readonly guard: Guard;
  readonly log: Log;
  readonly nodes: Nodes;
  readonly uas: Uas;
  readonly uac: Uac;
  readonly proxying: Proxying;
  private readonly answers: Answers;
  private lastSession = 0;
  private closed = false;
  private readonly crowdedSessions = new Set<Session>();
  private readonly orphans = new Set<NodeJS.Timeout>();
  private parts: { layer: TransactionLayer; network: Network } | undefined;

  constructor(private readonly options: EngineOptions) {
    this.policy = options.policy;
    this.timers = options.timers;
    this.log = options.log;
    this.guard = options.guard;
    this.flows = new RegisteredFlows(options.followContacts);
    this.tokens = new FlowTokens(options.connection, options.isOurHost, (token) => { options.flowGone(token); });
    this.nodes = new Nodes(this, options.nodes);
    this.uac = new Uac(this, options.isSelf, new Targets(options.reserved, options.isSelf));
    this.proxying = new Proxying(this, options.isOurHost);
    this.uas = new Uas(this, { proxied: (tx) => this.proxying.relay(tx), subscribed: (notify) => this.uac.subscribed(notify), subscribing: (notify) => this.uac.subscribing(notify) });
    this.answers = new Answers(this);
  }

  /** Layers that need the engine first. */
  attach(layer: TransactionLayer, network: Network): void {
    this.parts = { layer, network };
  }

  get layer(): TransactionLayer {
    return this.attached().layer;
  }

  get network(): Network {
    return this.attached().network;
  }

  // From the transaction layer.

  request(tx: ServerTransaction): void {
    this.uas.request(tx);
  }

  ack(ack: SipMessage, flow: Flow): void {
    if (!this.uas.ack(ack, flow)) this.network.spawn(this.proxying.relayAck(ack, flow));
  }

  nameNode(tag: string): string {
    return this.nodes.named(tag);
  }

  elsewhere(request: SipMessage, flow: Flow): boolean {
    return this.nodes.request(request, flow, () => this.belongs(request));
  }

  stray(response: SipMessage): boolean {
    return this.nodes.response(response);
  }

  welcome(request: SipMessage): boolean {
    return this.policy.welcome(request);
  }

  belongs(request: SipMessage): boolean {
    return this.uas.belongs(request) || this.proxying.owns(request);
  }

  knowsCall(callId: string): boolean {
    return this.legs.hasCall(callId);
  }

  ready(): boolean {
    return this.crowdedSessions.size === 0;
  }

  // From clients.

  /** A client has connected. */
  connected(socket: Socket): void {
    if (this.closed) {
      socket.destroy();
      return;
    }
    const session = new Session(++this.lastSession, (user) => new SocketChannel(socket, user, this.guard), this);
    const timer = this.guard.after(AUTHENTICATION_TIME, 'client', () => { if (!session.authenticated) session.close(); });
    socket.once('close', () => { clearTimeout(timer); });
  }

  /** A client in this process. Once the server is closed it hears of its end at once. */
  joined(client: LocalClient): LocalConnection {
    const channel = new LocalChannel(client, this.guard);
    const session = new Session(++this.lastSession, (user) => channel.open(user), this);
    if (this.closed) session.close();
    return channel;
  }

  command(session: Session, { tokens, message }: Command): void {
    const [id = '', verb = ''] = tokens;
    if (tokens.length < 2) session.reply(id, 'NO', 'Invalid message format');
    else if (verb === 'authenticate') this.authenticate(session, id, tokens);
    else if (!session.authenticated) session.close();
    else this.obey(session, id, verb, tokens, message);
  }

  sessionCrowded(session: Session, is: boolean): void {
    if (is) this.crowdedSessions.add(session);
    else this.crowdedSessions.delete(session);
    this.options.crowded(this.crowdedSessions.size > 0);
  }

  sessionClosed(session: Session): void {
    this.sessions.remove(session);
    if (this.crowdedSessions.has(session)) this.sessionCrowded(session, false);
    if (!session.authenticated || this.closed) return;
    this.log.warn({ client: session.id }, 'drachtio client is gone');
    // Nobody will answer these any more.
    for (const incoming of this.uas.all()) {
      if (incoming.session === session) incoming.refuse(503, 'Service Unavailable', [['Retry-After', '5']]);
    }
    for (const outgoing of this.uac.all()) if (outgoing.session === session) outgoing.delivery?.cancel([]);
    // RFC 3261 §13.2.2.4: a 2xx is acknowledged in any case, and a session that nobody wants is then ended.
    for (const leg of this.legs.all()) if (leg.session === session && leg.role === 'uac' && leg.owesAck) this.uac.discard(leg, CLIENT_GONE);
    const left = this.legs.all().filter((leg) => leg.session === session);
    for (const leg of left) leg.session = undefined;
    if (left.length > 0) this.awaitClient(left);
  }

  sessionFault(session: Session, error: Error): void {
    this.log.warn({ client: session.id, error: error.message }, 'drachtio client connection');
  }

  hangUp(leg: Leg, reason: string, cdr: CdrReason): void {
    if (leg.ended) return;
    const bye = leg.createRequest('BYE', []);
    bye.add('Reason', `SIP ;cause=200 ;text="${reason}"`);
    this.forget(leg);
    leg.inviteIn?.refuse(487, 'Request Terminated');
    this.network.spawn(this.uac.hopsOf(leg, bye).then((hops) => { new Delivery(this.network, bye, hops, IGNORED).start(); }));
    leg.session?.send((bytes) => `sip|${metaOf('application', bytes, 'unknown', '', 0)}|unsolicited|${leg.id}|`, bye);
    this.cdr.stop('application', cdr, bye);
  }

  armSession(leg: Leg, agreed: { seconds: number; ours: boolean } | undefined): void {
    leg.timer?.stop();
    // The far end may have hung up before it answered our refresh.
    leg.timer = agreed === undefined || leg.ended ? undefined
      : new SessionTimer(this, leg, agreed.seconds, agreed.ours, (due, timer) => { refreshSession(this, this.uac, due, timer); });
  }

  forget(leg: Leg): void {
    leg.stop();
    this.legs.remove(leg);
  }

  close(): void {
    this.closed = true;
    for (const timer of this.orphans) clearTimeout(timer);
    for (const leg of this.legs.all()) leg.stop();
    for (const incoming of this.uas.all()) incoming.end();
    for (const outgoing of this.uac.all()) outgoing.delivery?.abandon();
    this.proxying.close();
    this.sessions.close();
  }

  private authenticate(session: Session, id: string, tokens: readonly string[]): void {
    if (tokens[2] !== this.options.secret) {
      this.log.warn({ client: session.id }, 'drachtio client with a wrong secret');
      session.reply(id, 'NO', 'incorrect secret');
      session.end();
      return;
    }
    session.authenticated = true;
    for (const tag of (tokens[3] ?? '').split(',')) if (tag !== '') session.tags.add(tag);
    this.sessions.add(session);
    const { advertised, local } = this.options.hostports();
    session.reply(id, 'OK', `${advertised.join(',')}|${VERSION}|${local.join(',')}`);
  }

  private obey(session: Session, id: string, verb: string, tokens: readonly string[], message: SipMessage | undefined): void {
    switch (verb) {
      case 'ping':
        session.reply(id, 'OK', 'pong');
        break;
      case 'route':
        this.sessions.route(session, tokens[2] ?? '');
        session.reply(id, 'OK');
        break;
      case 'remove_route':
        this.sessions.unroute(session, tokens[2] ?? '');
        session.reply(id, 'OK');
        break;
      case 'sip':
        this.sip(session, id, tokens, message);
        break;
      case 'proxy': {
        const wanted = parseProxyRequest(tokens);
        if (wanted === undefined) session.reply(id, 'NO', 'Invalid proxy request: not enough information provided');
        else this.network.spawn(this.proxying.proxy(new Order(session, id), this.uas.find(tokens[2] ?? ''), tokens[2] ?? '', wanted, message));
        break;
      }
      default:
        session.reply(id, 'NO', 'Unknown message type');
        session.end();
    }
  }

  private sip(session: Session, id: string, tokens: readonly string[], message: SipMessage | undefined): void {
    const [, , transactionId = '', dialogId = '', route = ''] = tokens;
    const order = new Order(session, id);
    if (message === undefined) order.refuse('invalid or missing method supplied on start line');
    else if (!message.isRequest) {
      if (transactionId === '') session.reply(id, 'NO', 'transaction id missing');
      else this.answers.answer(order, this.uas.find(transactionId), message);
    } else if (dialogId !== '') this.network.spawn(this.uac.sendInside(order, this.legs.named(dialogId), message));
    else if (transactionId !== '') {
      if (message.method === 'CANCEL') this.uac.cancel(order, transactionId, message);
      else order.refuse('only CANCEL is sent within a transaction');
    } else {
      const leg = this.legs.ofClient(message.get('call-id') ?? '', tagOf(message.get('from') ?? '') ?? '');
      if (leg !== undefined) this.network.spawn(this.uac.sendInside(order, leg, message));
      else this.network.spawn(this.uac.sendOutside(order, message, route));
    }
  }

  /** Calls without a client are kept for one that comes back; if none does they are hung up. */
  private awaitClient(left: readonly Leg[]): void {
    const timer = this.guard.after(this.options.orphanTime, 'calls without a client', () => {
      this.orphans.delete(timer);
      for (const leg of left) {
        if (leg.ended || leg.session !== undefined) continue;
        const heir = this.sessions.pick(leg.method);
        if (heir !== undefined) leg.session = heir;
        else this.hangUp(leg, 'no application left to handle the call', 'system-error-initiated-termination');
      }
    });
    this.orphans.add(timer);
  }

  private attached(): { layer: TransactionLayer; network: Network } {
    if (this.parts === undefined) throw new Error('engine used before it was attached');
    return this.parts;
  }
}

const IGNORED: DeliveryUser = {
  response() { /* the dialog is over whatever the peer says to our BYE */ },
  failed() { /* likewise */ },
  settled() { /* likewise */ },
};
