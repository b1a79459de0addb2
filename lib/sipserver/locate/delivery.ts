// One request, tried at each of its hops until one answers (RFC 3263 §4.3).
import type { Flow } from '../transport/index.js';
import { toNumber } from '../parser/index.js';
import type { Header, SipMessage } from '../parser/index.js';
import { newBranch } from '../transaction/index.js';
import type { ClientTransaction, ClientTransactionUser } from '../transaction/index.js';
import type { Network } from './network.js';
import type { Presented } from './presence.js';
import type { Hop } from './resolve.js';

export interface DeliveryUser {
  response(response: SipMessage, flow: Flow, delivery: Delivery): void;
  /**
   * No hop took the request: 503 with the reason of the last one, 408 when it kept silent, 430 when it was a connection that is gone
   * (RFC 5626 §5.3.1), 487 when cancelled before it left.
   */
  failed(status: 408 | 430 | 487 | 503, reason: string, delivery: Delivery): void;
  /** The transaction has ended after a final response: nothing more comes. */
  settled(delivery: Delivery): void;
}

export class Delivery implements ClientTransactionUser {
  private readonly hops: Hop[];
  private tx: ClientTransaction | undefined;
  private flow: Flow | undefined;
  private stopped = false;
  private answered = false;
  private heard = false;
  private hop: Hop | undefined;
  private reused = false;
  private retried = false;
  private fresh = false;
  private last: { status: 408 | 430 | 503; reason: string } = { status: 503, reason: 'No Way To Send' };

  /** `request` has no Via of ours yet. It is copied for each try. */
  constructor(private readonly network: Network, readonly request: SipMessage, hops: readonly Hop[], private readonly user: DeliveryUser) {
    this.hops = hops.flatMap((hop) => spread(hop, request, network.udpBytes));
  }

  /** Begins; everything else is told to the user, later. */
  start(): void {
    this.network.spawn(this.attempt());
  }

  /**
   * Cancels an INVITE (RFC 3261 §9.1); before it has left, it simply does not. Gives the CANCEL when it can be sent, 'unsent' when there
   * was nothing on the wire, undefined when a final response came before.
   */
  cancel(headers: readonly Header[]): SipMessage | 'unsent' | undefined {
    if (this.stopped) return undefined;
    if (this.tx === undefined) {
      this.abandon();
      this.network.guard.soon('cancelled before it left', () => { this.user.failed(487, 'Request Terminated', this); });
      return 'unsent';
    }
    return this.tx.cancelWith(headers);
  }

  /** The request as it was last sent, with its Via. */
  get sent(): SipMessage | undefined {
    return this.tx?.request;
  }

  get via(): Flow | undefined {
    return this.flow;
  }

  /** The hop it was last sent to. */
  get by(): Hop | undefined {
    return this.hop;
  }

  response(_tx: ClientTransaction, response: SipMessage, flow: Flow): void {
    this.heard = true;
    if (response.status > 100 && response.status < 200) this.answered = true;
    // RFC 3263 §4.3: a 503 counts as a failure to deliver, while another hop is left.
    if (response.status === 503 && this.hops.length > 0 && !this.stopped && !this.answered) {
      this.last = { status: 503, reason: response.reason };
      if (this.hop !== undefined) this.network.avoid(this.hop, toNumber(/^\d+/.exec(response.get('retry-after') ?? '')?.[0], 86_400));
      this.network.spawn(this.attempt());
      return;
    }
    if (response.status >= 200) this.stopped = true;
    this.user.response(response, flow, this);
  }

  ended(): void {
    if (this.stopped) this.user.settled(this);
  }

  timedOut(tx: ClientTransaction): void {
    // META-SIP §13: a BYE that nobody answers goes once more over a fresh connection; the old one may have died without a word.
    if (this.request.method === 'BYE' && this.reused && !this.heard && !this.retried && this.hop !== undefined && this.hop.protocol !== 'udp' && this.hop.connection === undefined) {
      this.retried = true;
      this.fresh = true;
      this.hops.unshift(this.hop);
    } else if (!this.heard && this.hop !== undefined) this.network.avoid(this.hop);
    this.last = { status: 408, reason: tx.invite && this.answered ? 'No Final Response' : 'Request Timeout' };
    this.network.spawn(this.attempt());
  }

  transportFailed(_tx: ClientTransaction, error: Error): void {
    this.last = this.hop?.connection?.closed === true ? { status: 430, reason: 'Flow Failed' } : transportError(error);
    // The peer closed a connection that had been in use just when we took it once more: a new one may well serve.
    if (this.reused && !this.heard && !this.retried && this.hop !== undefined) {
      this.retried = true;
      this.hops.unshift(this.hop);
    } else if (!this.heard && this.hop !== undefined) this.network.avoid(this.hop);
    this.network.spawn(this.attempt());
  }

  /** Gives up without telling anybody. */
  abandon(): void {
    this.stopped = true;
    this.hops.length = 0;
    this.tx?.terminate();
  }

  private async attempt(): Promise<void> {
    for (;;) {
      if (this.stopped) return;
      const hop = this.answered ? undefined : this.hops.shift();
      if (hop === undefined) {
        this.stopped = true;
        this.user.failed(this.last.status, this.last.reason, this);
        return;
      }
      try {
        const flow = await this.network.flow(hop, this.fresh);
        const presented = await this.network.presence.towards(hop.protocol, hop.address, hop.host, flow.local);
        if (this.stopped) continue;
        this.flow = flow;
        this.hop = hop;
        this.heard = false;
        this.reused = flow.used;
        this.tx = this.network.layer.send(withVia(this.request, hop, presented), flow, this);
        return;
      } catch (error) {
        this.last = hop.connection === undefined ? transportError(error) : { status: 430, reason: 'Flow Failed' };
        this.network.avoid(hop);
      }
    }
  }
}

/** RFC 3261 §18.1.1: a large request goes over TCP where UDP was our choice and not the URI's; if TCP fails, over UDP after all. */
function spread(hop: Hop, request: SipMessage, udpBytes: number): Hop[] {
  if (hop.protocol !== 'udp' || hop.explicit || request.toString().length + 100 <= udpBytes) return [hop];
  return [{ ...hop, protocol: 'tcp' }, hop];
}

/** A copy of the request with our Via on top. `rport` always, as the response then finds its way through a NAT (RFC 3581 §3). */
export function withVia(request: SipMessage, hop: Hop, presented: Presented): SipMessage {
  const copy = request.clone();
  copy.prepend('Via', `SIP/2.0/${hop.protocol.toUpperCase()} ${presented.host}:${presented.port};rport;branch=${newBranch()}`);
  return copy;
}

function transportError(error: unknown): { status: 503; reason: string } {
  return { status: 503, reason: `Transport Error: ${clean(error instanceof Error ? error.message : String(error))}` };
}

/** An error text as part of a reason phrase: one line, printable. */
function clean(text: string): string {
  return text.replace(/[^\x20-\x7e]+/g, ' ').slice(0, 200);
}
