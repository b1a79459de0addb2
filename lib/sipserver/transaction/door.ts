// New requests of those whom neither their address nor credentials make known: one answer without state, or none. Only what may bring credentials
// goes to the application, in a small pool of its own.
import type { Fault, SipMessage } from '../parser/index.js';
import { tagOf } from '../parser/index.js';
import type { Address, Flow } from '../transport/index.js';
import type { LayerOptions, TransactionCounters } from './options.js';
import type { ServerTransaction } from './server.js';

export interface DoorOwner {
  readonly counters: TransactionCounters;
  reject(request: SipMessage, flow: Flow, status: number, reason: string | undefined, headers?: readonly [string, string][]): void;
  open(request: SipMessage, flow: Flow, guest: boolean): ServerTransaction | undefined;
}

/** Methods that somebody may come to be known by. */
const WITH_CREDENTIALS: ReadonlySet<string> = new Set(['INVITE', 'REGISTER']);

/** A request that waits longer than this gives way when the pool is full, ms. The application challenges at once. */
const FAIR_TIME = 1000;

/** Headers that say something of a body. */
const OF_A_BODY = ['content-type', 'content-length', 'content-encoding', 'content-disposition'] as const;

export class Door {
  /** Requests the application was asked about, oldest first. */
  private readonly waiting = new Set<ServerTransaction>();

  constructor(private readonly owner: DoorOwner, private readonly options: LayerOptions) {}

  get size(): number {
    return this.waiting.size;
  }

  /** A request that belongs to nothing of ours. `fault`: what is wrong with it. */
  knock(request: SipMessage, fault: Fault | undefined, flow: Flow): void {
    const { method } = request;
    if (flow.source === 'stranger') turnAway(flow);
    else if (fault !== undefined) {
      this.refuse(request, flow, fault.status, fault.reason);
      // What is well formed may be a trunk's OPTIONS or what a phone had before our restart: it is refused, and held against nobody.
      this.options.refused?.(flow);
      turnAway(flow);
    } else if (method === 'ACK') return;
    // RFC 3261 §9.2, §12.2.2.
    else if (method === 'CANCEL' || tagOf(request.get('to') ?? '') !== undefined) this.refuse(request, flow, 481, undefined);
    else if (!WITH_CREDENTIALS.has(method)) this.refuse(request, flow, 403, undefined);
    else if (!this.asked(request, flow)) {
      this.owner.counters.strangersRefused++;
      // Over UDP it comes again by itself; a connection is told.
      if (flow.protocol !== 'udp') this.owner.reject(request, flow, 503, undefined, [['Retry-After', '5']]);
    }
  }

  /** The transaction is over, or adopted; true when it was a guest's. */
  left(tx: ServerTransaction): boolean {
    return this.waiting.delete(tx);
  }

  authenticated(protocol: string, { address, port }: Address): void {
    for (const tx of [...this.waiting]) {
      const { remote } = tx.flow;
      if (tx.flow.protocol === protocol && remote.address === address && remote.port === port) tx.adopt();
    }
  }

  /** Asks the application about it; false when there is no room, or no question left. */
  private asked(request: SipMessage, flow: Flow): boolean {
    const room = this.room(flow);
    if (room === null || !this.options.user.ready() || !this.options.question(flow)) return false;
    if (room !== 'free') {
      this.owner.counters.strangersDropped++;
      room.abandon(new Error('gave way to a newer request'));
    }
    this.ask(request, flow);
    return true;
  }

  private ask(request: SipMessage, flow: Flow): void {
    // A description of media is of no use before we know whose it is; a registration has none.
    if (request.method === 'REGISTER' || !(request.has('authorization') || request.has('proxy-authorization'))) {
      request.body = '';
      for (const name of OF_A_BODY) request.remove(name);
    }
    const tx = this.owner.open(request, flow, true);
    if (tx === undefined) return;
    this.waiting.add(tx);
    this.options.user.request(tx);
  }

  /** A free place, or whoever is to give way for it; null: none. */
  private room(flow: Flow): ServerTransaction | 'free' | null {
    if (this.waiting.size < this.options.maxGuests) return 'free';
    const [oldest] = this.waiting;
    if (oldest === undefined) return null;
    const { acquainted } = this.options;
    const goesBefore = acquainted?.(flow) === true && !acquainted(oldest.flow);
    return goesBefore || Date.now() - oldest.since >= FAIR_TIME ? oldest : null;
  }

  private refuse(request: SipMessage, flow: Flow, status: number, reason: string | undefined): void {
    this.owner.counters.strangersAnswered++;
    this.owner.reject(request, flow, status, reason);
  }
}

/** A connection by which nothing sensible comes is of no use to anybody. */
export function turnAway(flow: Flow): void {
  if (flow.protocol !== 'udp' && flow.accepted) flow.close();
}
