// Connections of registered user agents: where requests for their Contacts go (RFC 5626 §5.3, as drachtio does it without flow tokens).
import { paramOf, parseNameAddr, parseUri, toSeconds } from '../parser/index.js';
import type { SipMessage } from '../parser/index.js';
import type { Hop } from '../locate/index.js';
import type { Flow } from '../transport/index.js';
import { hopOf } from './nat.js';
import { BoundedMap } from '../../util/boundedMap.js';

/** Most Contacts remembered; the oldest give way. */
const MOST = 50_000;

/**
 * A user agent that registers over TCP or TLS mostly cannot be connected to: it is reached on the connection it registered by. The application
 * has let it in (it answered 200 to the REGISTER), and only for the very Contact it gave.
 */
export class RegisteredFlows {
  private readonly contacts = new BoundedMap<string, { flow: Flow; until: number }>(MOST);

  constructor(private readonly enabled: boolean) {}

  get size(): number {
    return this.contacts.size;
  }

  /** A REGISTER or SUBSCRIBE was accepted: `response` says for how long. */
  accepted(request: SipMessage, response: SipMessage, flow: Flow): void {
    if (!this.enabled || flow.protocol === 'udp') return;
    const general = toSeconds(response.get('expires') ?? request.get('expires') ?? '') ?? (request.method === 'REGISTER' ? 3600 : 0);
    for (const contact of request.list('contact')) {
      const address = parseNameAddr(contact);
      const key = address === undefined ? undefined : keyOf(address.uri);
      if (address === undefined || key === undefined) continue;
      const echoed = response.list('contact').map((c) => parseNameAddr(c)).find((c) => c !== undefined && keyOf(c.uri) === key);
      const seconds = toSeconds(paramOf(echoed?.params ?? '', 'expires') ?? paramOf(address.params, 'expires') ?? '') ?? general;
      this.contacts.delete(key);
      if (seconds <= 0) continue;
      this.contacts.set(key, { flow, until: Date.now() + seconds * 1000 });
    }
  }

  /** The hop of a Contact that was registered by a connection which is still up. */
  find(uri: string): Hop | undefined {
    const key = keyOf(uri);
    const known = key === undefined ? undefined : this.contacts.get(key);
    if (key === undefined || known === undefined) return undefined;
    if (known.flow.closed || known.until < Date.now()) {
      this.contacts.delete(key);
      return undefined;
    }
    return hopOf(known.flow);
  }
}

function keyOf(uri: string): string | undefined {
  const parsed = parseUri(uri);
  return parsed === undefined ? undefined : `${parsed.user ?? ''}@${parsed.host}:${parsed.port ?? ''}`;
}
