// A SIP user agent core: listening points, connections, transactions; calls are its user's business.
import { randomBytes } from 'node:crypto';
import { parseMessage, parseVia, SipMessage, tagOf, withParam } from '../../sipserver/parser/index.js';
import { Transports } from '../../sipserver/transport/index.js';
import type { ConnectTarget, Flow, ListeningPoint } from '../../sipserver/transport/index.js';
import { ClientTransaction, cseqOf, DEFAULT_TIMERS, ServerTransaction, topBranch } from './transactions.js';
import type { ClientHandler, SipTimers } from './transactions.js';

export interface AgentHandlers {
  /** A new request other than ACK and CANCEL. */
  request(transaction: ServerTransaction): void;
  /** An ACK that belongs to a 2xx. */
  ack(message: SipMessage, flow: Flow): void;
  /** False for an ACK of a 2xx that is to count as lost. */
  admitsAck?(message: SipMessage): boolean;
  /** Bytes that are no SIP message. */
  malformed?(reason: string, flow: Flow): void;
  closed?(flow: Flow, error: Error | undefined): void;
  /** A listening socket or a certificate in trouble. */
  trouble?(what: string): void;
  /** Every whole message in and out. */
  wire?(direction: 'in' | 'out', text: string, flow: Flow): void;
}

export interface AgentOptions {
  handlers: AgentHandlers;
  tls?: { cert: string; key: string } | undefined;
  timers?: Partial<SipTimers> | undefined;
  /** TLS listeners end a handshake that offers ALPN with alert 120. */
  refuseAlpn?: boolean | undefined;
}

/** How long a finished server transaction still answers retransmissions (Timers H and J are 64·T1), in T1. */
const LINGER = 64;

export function newBranch(): string {
  return `z9hG4bK${randomBytes(9).toString('hex')}`;
}

export function newTag(): string {
  return randomBytes(8).toString('hex');
}

export class SipAgent {
  readonly timers: SipTimers;
  private readonly transports: Transports;
  private readonly clients = new Map<string, ClientTransaction>();
  private readonly servers = new Map<string, ServerTransaction>();
  private readonly invites = new Map<string, ServerTransaction>();
  private readonly lingering = new Set<NodeJS.Timeout>();
  private closed = false;

  constructor(private readonly options: AgentOptions) {
    this.timers = { ...DEFAULT_TIMERS, ...options.timers };
    const { handlers } = options;
    this.transports = new Transports({
      tls: options.tls, refuseAlpn: options.refuseAlpn ?? false,
      // Stand-ins take whatever comes: limits are the business of what is under test.
      limits: { messagesPerSecond: 1_000_000, connectionsPerAddress: 4_000, firstMessageTime: 3_600_000, handshakes: 4_000 },
      handlers: {
        message: (bytes, flow) => { this.receive(bytes, flow); },
        fault: (reason, _head, flow) => { handlers.malformed?.(reason, flow); },
        closed: (flow, error) => { handlers.closed?.(flow, error); },
        wire: (direction, flow, text) => { handlers.wire?.(direction, text, flow); },
        trouble: (what, error) => { handlers.trouble?.(`${what}: ${error.message}`); },
      },
    });
  }

  /** Opens `udp:…`, `tcp:…` or `tls:HOST:PORT`; port 0 takes a free one. */
  listen(spec: string): Promise<ListeningPoint> {
    return this.transports.listen(spec);
  }

  /** A connection (pooled); TLS is verified for `host`. */
  connect(target: ConnectTarget): Promise<Flow> {
    return this.transports.connect(target);
  }

  /** A UDP flow from the listening point of that address family. */
  udp(address: string, port: number): Flow | undefined {
    return this.transports.udp({ address, port });
  }

  /** Starts a client transaction; the request's top Via is the caller's, with a branch of its own. */
  send(request: SipMessage, flow: Flow, handler: ClientHandler): ClientTransaction {
    const key = `${topBranch(request)} ${request.method}`;
    const forget = (): void => { this.clients.delete(key); };
    const transaction = new ClientTransaction(request, flow, {
      response: (response) => {
        // Kept for a while, so that repeated answers find it.
        if (response.status >= 200) this.later(forget);
        handler.response(response);
      },
      failed: (reason) => { handler.failed(reason); },
    }, this.timers, forget);
    this.clients.set(key, transaction);
    return transaction;
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    for (const timer of this.lingering) clearTimeout(timer);
    for (const client of [...this.clients.values()]) client.abandon();
    for (const server of this.servers.values()) server.close();
    await this.transports.close();
  }

  private receive(bytes: Buffer, flow: Flow): void {
    if (this.closed) return;
    const { message, fault } = parseMessage(bytes);
    if (message === undefined || fault !== undefined) this.options.handlers.malformed?.(fault?.reason ?? 'not SIP', flow);
    else if (message.isRequest) this.receiveRequest(message, flow);
    else this.clients.get(`${topBranch(message)} ${cseqOf(message).method}`)?.receive(message);
  }

  private receiveRequest(request: SipMessage, flow: Flow): void {
    const via = parseVia(request.list('via')[0] ?? '');
    const key = `${topBranch(request)} ${via?.host ?? ''}:${via?.port ?? ''} ${request.method}`;
    if (request.method === 'ACK') {
      this.receiveAck(request, flow, key.replace(/ACK$/, 'INVITE'));
      return;
    }
    const known = this.servers.get(key);
    if (known !== undefined) {
      known.repeat();
      return;
    }
    stampVia(request, flow);
    const transaction = new ServerTransaction(key, request, flow, this.timers);
    this.servers.set(key, transaction);
    if (request.method !== 'INVITE') this.later(() => { this.servers.delete(key); });
    if (request.method === 'CANCEL') {
      const invite = this.servers.get(key.replace(/CANCEL$/, 'INVITE'));
      transaction.respond(transaction.reply(invite === undefined ? 481 : 200, undefined, newTag()));
      if (invite !== undefined && !invite.answered) invite.cancelled?.(request.get('reason'));
      return;
    }
    if (request.method === 'INVITE') this.invites.set(inviteKey(request), transaction);
    this.options.handlers.request(transaction);
  }

  private receiveAck(ack: SipMessage, flow: Flow, inviteBranch: string): void {
    const tag = tagOf(ack.get('to') ?? '') ?? '';
    // The ACK of a 2xx is a transaction of its own (RFC 3261 §17): found by dialog and CSeq. Others have the INVITE's branch.
    const invite = this.servers.get(inviteBranch) ?? this.invites.get(inviteKey(ack));
    const accepted = this.servers.get(inviteBranch) === undefined;
    if (accepted && this.options.handlers.admitsAck?.(ack) === false) return;
    invite?.acknowledge(tag);
    if (invite !== undefined) {
      this.later(() => {
        this.servers.delete(invite.key);
        if (this.invites.get(inviteKey(ack)) === invite) this.invites.delete(inviteKey(ack));
      });
    }
    if (accepted) this.options.handlers.ack(ack, flow);
  }

  private later(action: () => void): void {
    const timer = setTimeout(() => {
      this.lingering.delete(timer);
      action();
    }, LINGER * this.timers.t1);
    timer.unref();
    this.lingering.add(timer);
  }
}

function inviteKey(message: SipMessage): string {
  return `${message.get('call-id') ?? ''} ${cseqOf(message).seq} ${tagOf(message.get('from') ?? '') ?? ''}`;
}

/** RFC 3261 §18.2.1 and RFC 3581 §4: where the request really came from, on its top Via. */
function stampVia(request: SipMessage, flow: Flow): void {
  const header = request.headers.find((h) => h.key === 'via');
  const top = request.list('via')[0];
  const via = parseVia(top ?? '');
  if (header === undefined || top === undefined || via === undefined) return;
  let params = via.params;
  if (/;\s*rport\s*(;|$)/i.test(params)) params = withParam(params, 'rport', String(flow.remote.port));
  if (via.host !== flow.remote.address || params !== via.params) params = withParam(params, 'received', flow.remote.address);
  header.value = top.slice(0, top.length - via.params.length) + params + header.value.slice(top.length);
}
