// Names of flows (RFC 5626 §5.2), for a registrar among the clients: it stores one with each binding and calls the user agent by it.
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { parseUri, uriParam } from '../parser/index.js';
import type { SipMessage } from '../parser/index.js';
import type { Hop, Presented } from '../locate/index.js';
import { transportParam } from '../transport/index.js';
import type { Flow } from '../transport/index.js';
import { hopOf } from './nat.js';

const TOKEN = /^([\w-]+)\.([\w-]{22})$/;

/**
 * A token is the flow and a MAC over it, so nothing is stored here and nobody can make one up. A connection is named by its number, which is
 * never given twice; a UDP flow by its addresses. Tokens of an earlier run of the server are not taken.
 */
export class FlowTokens {
  private readonly key = randomBytes(32);
  private readonly named = new WeakSet<Flow>();

  /**
   * `connection` finds a connection that is up by its number; `isOurHost` tells whether a URI names this server; `gone` hears of each connection
   * that was named, by its token, when it has closed.
   */
  constructor(private readonly connection: (id: number) => Flow | undefined, private readonly isOurHost: (uri: string) => boolean, private readonly gone: (token: string) => void) {}

  /**
   * The Path value (RFC 3327) of a REGISTER from this flow, to be given as `proxy` with requests for the Contact registered; undefined for one
   * that came through a proxy (RFC 5626 §5.1: only the first hop knows the flow).
   */
  path(register: SipMessage, flow: Flow, at: Presented): string | undefined {
    if (register.method !== 'REGISTER' || register.list('via').length !== 1) return undefined;
    const token = this.name(flow);
    if (flow.protocol !== 'udp' && !this.named.has(flow)) {
      this.named.add(flow);
      flow.addUser({ flowClosed: () => { this.gone(token); } });
    }
    return `<sip:${token}@${at.host}:${at.port}${transportParam(flow.protocol)};lr;ob>`;
  }

  /** A token of a flow. */
  name(flow: Flow): string {
    const { remote, local } = flow;
    const name = flow.protocol === 'udp' ? `${remote.address} ${remote.port} ${local.address} ${local.port}` : String(flow.id);
    const text = Buffer.from(name).toString('base64url');
    return `${text}.${this.mac(text).toString('base64url')}`;
  }

  /** The hop that such a URI names; 'gone' when its connection is, or the token is not ours; undefined for any other URI. */
  find(uri: string): Hop | 'gone' | undefined {
    const parsed = parseUri(uri);
    if (parsed === undefined || !TOKEN.test(parsed.user ?? '') || uriParam(parsed, 'ob') === undefined) return undefined;
    return this.hop(parsed.user ?? '') ?? (this.isOurHost(uri) ? 'gone' : undefined);
  }

  /** The hop that a token names; 'gone' when its connection is; undefined: it is not ours. */
  hop(text: string): Hop | 'gone' | undefined {
    const token = TOKEN.exec(text);
    if (token?.[1] === undefined || !timingSafeEqual(Buffer.from(token[2] ?? '', 'base64url'), this.mac(token[1]))) return undefined;
    const [address = '', port, from = '', fromPort] = Buffer.from(token[1], 'base64url').toString().split(' ');
    if (port !== undefined) {
      return { protocol: 'udp', address, port: Number(port), host: address, explicit: true, from: { address: from, port: Number(fromPort) } };
    }
    const flow = this.connection(Number(address));
    return flow === undefined ? 'gone' : hopOf(flow);
  }

  private mac(text: string): Buffer {
    return createHmac('sha256', this.key).update(text).digest().subarray(0, 16);
  }
}
