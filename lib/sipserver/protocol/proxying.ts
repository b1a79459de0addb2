// Clients' proxy requests, and what follows in the dialogs they record-route.
import { randomBytes } from 'node:crypto';
import { parseNameAddr, parseUri, responseTo, tagOf, uriParam } from '../parser/index.js';
import type { Header, SipMessage } from '../parser/index.js';
import { withVia } from '../locate/index.js';
import type { Hop } from '../locate/index.js';
import { forwarded, nextHops, Proxy, RouteMark } from '../proxy/index.js';
import type { Target } from '../proxy/index.js';
import { randomToken } from '../transaction/index.js';
import type { ServerTransaction } from '../transaction/index.js';
import type { Flow } from '../transport/index.js';
import type { Context } from './context.js';
import { usable } from './headers.js';
import type { Incoming } from './incoming.js';
import type { Order } from './session.js';
import { flowMeta, metaOf } from './wire.js';

/** drachtio's `proxy|txn|remainInDialog|fullResponse|followRedirects|simultaneous|provisional|final|destination…`. */
export interface ProxyRequest {
  remainInDialog: boolean;
  fullResponse: boolean;
  followRedirects: boolean;
  simultaneous: boolean;
  provisionalTimeout: number;
  finalTimeout: number;
  destinations: readonly string[];
}

export function parseProxyRequest(tokens: readonly string[]): ProxyRequest | undefined {
  if (tokens.length < 10) return undefined;
  return {
    remainInDialog: tokens[3] === 'remainInDialog', fullResponse: tokens[4] === 'fullResponse', followRedirects: tokens[5] === 'followRedirects',
    simultaneous: tokens[6] === 'simultaneous', provisionalTimeout: milliseconds(tokens[7]), finalTimeout: milliseconds(tokens[8]),
    destinations: tokens.slice(9).filter((d) => d !== ''),
  };
}

export class Proxying {
  private readonly mark = new RouteMark(randomBytes(32));
  /** What a user agent that another node rings here gets to see. It says whose the Route is, and gives no right: what follows in the dialog finds its node by its tag, or names the flow. */
  private readonly flowMark = new RouteMark(randomBytes(32));
  private readonly running = new Set<Proxy>();

  /** `isOurHost`: the host and port of a URI are ours. */
  constructor(private readonly context: Context, private readonly isOurHost: (uri: string) => boolean) {}

  get size(): number {
    return this.running.size;
  }

  /** A client has its request proxied. */
  async proxy(order: Order, incoming: Incoming | undefined, transactionId: string, wanted: ProxyRequest, given: SipMessage | undefined): Promise<void> {
    if (incoming === undefined || incoming.ended) {
      order.refuse(`Unknown transaction id: ${transactionId}`);
      return;
    }
    const tx = incoming.release();
    const { request } = tx;
    const hops = nextHops(request);
    if (hops === undefined) {
      order.refuse('Rejected with 483 Too Many Hops due to Max-Forwards value of 0');
      this.refuse(tx, 483);
      return;
    }
    const headers = given === undefined ? [] : usable(given, incoming.presented, LEFT_ALONE);
    const target = (uri: string): Promise<Target> => this.target(request, uri, hops, headers, wanted.remainInDialog);
    const targets: Target[] = [];
    for (const destination of wanted.destinations) targets.push(await target(destination));
    if (targets.length === 0) {
      order.refuse('error proxying request to ');
      this.refuse(tx, 500);
      return;
    }
    if (!wanted.fullResponse) order.done('done');
    const invite = request.method === 'INVITE';
    if (invite) this.context.cdr.attempt('application', request);
    const proxy = new Proxy(tx, targets, {
      network: this.context.network, simultaneous: wanted.simultaneous, followRedirects: wanted.followRedirects,
      provisionalTimeout: wanted.provisionalTimeout, finalTimeout: wanted.finalTimeout, target,
      answered: (response, flow) => {
        if (wanted.fullResponse) order.sent(response, (bytes) => `${flow === undefined ? metaOf('network', bytes, 'unknown', '', 0) : flowMeta('network', bytes, flow)}|||continue`);
        if (invite) this.count(response, 'network');
      },
      done: (response) => {
        this.running.delete(proxy);
        if (wanted.fullResponse) order.done('done');
        if (invite && response !== undefined) this.count(response, 'application');
      },
    });
    this.running.add(proxy);
    proxy.start();
  }

  /**
   * A request of another node's for a user agent that has registered here (RFC 5626 §5.3): sent on by the very flow that its topmost Route names. Its dialog comes
   * this way again, from either side: from the user agent by a Record-Route that leads to us, from the node by the flow's name.
   */
  private relayToFlow(tx: ServerTransaction): boolean {
    const { request } = tx;
    const hop = this.flowAsked(request, tx.flow);
    if (hop === undefined) return false;
    const hops = nextHops(request);
    // RFC 5626 §5.3.1: its connection is gone.
    if (hop === 'gone' || hops === undefined) this.refuse(tx, hop === 'gone' ? 430 : 483);
    else this.context.network.spawn(this.sendToFlow(tx, hop, hops));
    return true;
  }

  private async sendToFlow(tx: ServerTransaction, hop: Hop, hops: number): Promise<void> {
    const { request } = tx;
    const onward = forwarded(request, hops, undefined, []);
    const named = onward.shift('route');
    while (this.flowMark.owns(onward)) onward.shift('route');
    if (named !== undefined && tagOf(request.get('to') ?? '') === undefined) {
      onward.prepend('Record-Route', named);
      onward.prepend('Record-Route', this.flowMark.recordRoute(await this.context.network.presented(hop), hop.protocol, request.get('call-id') ?? ''));
    }
    this.start(tx, { uri: onward.uri, request: onward, hop });
  }

  /** The flow that another node names; 'gone' when it is, undefined for any other request. */
  private flowAsked(request: SipMessage, from: Flow): Hop | 'gone' | undefined {
    const route = parseNameAddr(request.list('route')[0] ?? '')?.uri;
    return route === undefined || !this.context.nodes.isNode(from.remote.address) ? undefined : this.context.tokens.find(route);
  }

  private start(tx: ServerTransaction, target: Target): void {
    const proxy = new Proxy(tx, [target], {
      network: this.context.network, simultaneous: false, followRedirects: false, provisionalTimeout: 0, finalTimeout: 0,
      target: () => Promise.reject(new Error('a relayed request is not redirected')),
      answered: () => { /* nobody asked */ },
      done: () => { this.running.delete(proxy); },
    });
    this.running.add(proxy);
    proxy.start();
  }

  /** Whether a request is within a dialog that we record-routed. */
  owns(request: SipMessage): boolean {
    return this.mark.owns(request);
  }

  /** A request within a dialog that we record-routed, or of another node's for a flow of ours: taken, and sent on (RFC 3261 §16.4, §16.12). */
  relay(tx: ServerTransaction): boolean {
    const { request } = tx;
    if (this.relayToFlow(tx)) return true;
    if (!this.mark.owns(request)) return false;
    const hops = nextHops(request);
    if (hops === undefined) {
      this.refuse(tx, 483);
      return true;
    }
    const onward = forwarded(request, hops, undefined, []);
    onward.shift('route');
    if (request.method === 'BYE') this.context.cdr.stop('network', 'normal-release', request);
    this.start(tx, { uri: nextUri(onward), request: onward });
    return true;
  }

  /** An ACK of a 2xx within such a dialog: sent on without state (§16.11). */
  async relayAck(ack: SipMessage, from: Flow): Promise<void> {
    const asked = this.flowAsked(ack, from);
    if (asked === 'gone' || (asked === undefined && !this.mark.owns(ack))) return;
    const hops = nextHops(ack);
    if (hops === undefined) return;
    const onward = forwarded(ack, hops, undefined, []);
    onward.shift('route');
    if (asked !== undefined) while (this.flowMark.owns(onward)) onward.shift('route');
    const places = asked !== undefined ? [asked] : await this.context.network.hops(nextUri(onward));
    if ('reason' in places) return;
    for (const hop of places) {
      try {
        const flow = await this.context.network.flow(hop);
        if (flow.send(withVia(onward, hop, await this.context.network.presented(hop)).toString())) return;
      } catch (error) {
        this.context.log.info({ callId: ack.get('call-id'), error: error instanceof Error ? error.message : String(error) }, 'ACK could not be sent on');
      }
    }
  }

  close(): void {
    for (const proxy of this.running) proxy.stop();
    this.running.clear();
  }

  private async target(request: SipMessage, uri: string, hops: number, headers: readonly Header[], remain: boolean): Promise<Target> {
    const places = await this.context.network.hops(uri);
    const first = 'reason' in places ? undefined : places[0];
    const route = remain && first !== undefined
      ? this.mark.recordRoute(await this.context.network.presented(first), first.protocol, request.get('call-id') ?? '') : undefined;
    const onward = forwarded(request, hops, route, headers);
    // The client decides where the request goes: a preloaded Route does not (§16.4 would follow it).
    onward.remove('route');
    if (this.isOurHost(request.uri)) onward.uri = uri;
    return { uri, request: onward };
  }

  private refuse(tx: ServerTransaction, status: number): void {
    const response = responseTo(tx.request, status, undefined, randomToken());
    tx.respond(response);
    if (tx.invite) this.context.cdr.stop('application', 'call-rejected', response);
  }

  private count(response: SipMessage, source: 'network' | 'application'): void {
    if (response.status < 300) this.context.cdr.start(source, source === 'network' ? 'proxy-uac' : 'proxy-uas', response);
    else this.context.cdr.stop(source, response.status === 487 ? 'call-canceled' : 'call-rejected', response);
  }
}

/** Headers of the proxied request that stay the caller's. */
const LEFT_ALONE: ReadonlySet<string> = new Set(['from', 'to', 'call-id', 'cseq', 'max-forwards', 'contact']);

/** §16.6 step 6-7: the topmost Route if it is a loose router, else the Request-URI. */
function nextUri(m: SipMessage): string {
  const route = parseNameAddr(m.list('route')[0] ?? '')?.uri;
  const parsed = route === undefined ? undefined : parseUri(route);
  return route !== undefined && parsed !== undefined && uriParam(parsed, 'lr') !== undefined ? route : m.uri;
}

/** `2s` or `1500ms`; 0 for anything else. */
function milliseconds(text: string | undefined): number {
  const m = /^(\d{1,7})(ms|s)$/.exec(text ?? '');
  return m === null ? 0 : Number(m[1]) * (m[2] === 's' ? 1000 : 1);
}
