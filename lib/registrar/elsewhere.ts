import { Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { phoneTransports } from '../config/types.js';
import { parseUri, type SipUri } from '../sip/uri.js';
import type { Remembered } from '../state/index.js';
import { hostPort, splitListen } from '../util/hostPort.js';
import type { Binding } from './bindings.js';

export interface ElsewhereOptions {
  /** What all nodes know: the devices of a user at a node, by `NODE USER`. */
  readonly store: Remembered;
  readonly node: string;
  /** This process among those of all nodes, and whether another one lives. */
  readonly process: string;
  readonly alive: (process: string) => boolean;
  /** Where a node takes requests of the others, as in `node.addresses`; undefined where that is not known. */
  readonly address: (node: string) => string | undefined;
}

const device = Type.Object({
  contact: Type.String(), source: Type.Object({ protocol: Type.Union(phoneTransports.map((name) => Type.Literal(name))), address: Type.String(), port: Type.Integer() }),
  flow: Type.Union([Type.String(), Type.Null()]), path: Type.Array(Type.String()), callId: Type.String(), cseq: Type.Integer(), registeredAt: Type.Number(), refreshedAt: Type.Number(),
  expiresAt: Type.Number(), device: Type.Union([Type.String(), Type.Null()]), userAgent: Type.Union([Type.String(), Type.Null()]),
});
const entry = Type.Object({ process: Type.String(), devices: Type.Array(device) });

/**
 * Devices that have registered at other nodes, and what those hear of ours. A call for such a device goes to the node that holds its flow, which sends it on: the
 * Route names the flow (RFC 5626 §5.3, RFC 3327 §5.3). A node writes its own devices; where a device has moved here the old entry of another is corrected.
 */
export class Elsewhere {
  readonly #options: ElsewhereOptions;
  /** Nodes that were ever heard of with a device of a user. */
  readonly #nodesOf = new Map<string, Set<string>>();

  /** `dropped`: another node has taken devices of this user here for gone; those that are left, by Contact. */
  constructor(options: ElsewhereOptions, dropped: (user: string, left: ReadonlySet<string>) => void) {
    this.#options = options;
    const heard = (key: string): void => {
      const [node, user] = partsOf(key);
      if (node === options.node) dropped(user, new Set(this.#read(key).map(({ contact }) => contact)));
      else this.#nodesOf.set(user, (this.#nodesOf.get(user) ?? new Set()).add(node));
    };
    for (const key of [...options.store.names()]) {
      // What this node's process before has left behind: its connections are gone.
      if (partsOf(key)[0] === options.node) options.store.delete(key);
      else heard(key);
    }
    options.store.watch(heard);
  }

  /** Devices of a user at nodes that live. */
  of(user: string): readonly Binding[] {
    return [...this.#nodesOf.get(user) ?? []].flatMap((node) => {
      const place = this.#placeOf(node);
      return place === null ? [] : this.#read(`${node} ${user}`).flatMap(({ flow, ...rest }): Binding[] => {
        const uri = parseUri(rest.contact);
        const route = routeOf(flow, place);
        // Those behind a proxy of their own are reached by it from every node.
        const through = rest.path.length > 0 || route === null ? null : { uri: place, route };
        return uri === null || (through === null && rest.path.length === 0) ? [] : [{ ...rest, user, uri, flow: null, node, through, push: null, asleep: false }];
      });
    });
  }

  /** Users who have devices at other nodes. */
  *users(): Iterable<string> {
    yield* this.#nodesOf.keys();
  }

  /** The devices that a user has here, all of them. */
  tell(user: string, bindings: readonly Binding[]): void {
    const { store, node, process } = this.#options;
    const devices = bindings.map(({ contact, source, flow, path, callId, cseq, registeredAt, refreshedAt, expiresAt, device: id, userAgent }) => (
      { contact, source, flow, path, callId, cseq, registeredAt, refreshedAt, expiresAt, device: id, userAgent }));
    if (devices.length === 0) store.delete(`${node} ${user}`);
    else void store.set(`${node} ${user}`, JSON.stringify({ process, devices }));
  }

  /** A device of another node is gone, or has registered here. What it has registered there since stays. */
  drop({ user, node, contact, refreshedAt }: Binding): void {
    if (node === null) return;
    const { store } = this.#options;
    const key = `${node} ${user}`;
    const without = (text: string | null): string => {
      const known = readEntry(text);
      return JSON.stringify({ process: known?.process ?? '', devices: (known?.devices ?? []).filter((one) => one.contact !== contact || one.refreshedAt > refreshedAt) });
    };
    void store.update(key, without);
  }

  #read(key: string): readonly Omit<Binding, 'user' | 'uri' | 'node' | 'through' | 'push' | 'asleep'>[] {
    const known = readEntry(this.#options.store.get(key));
    return known === null || (known.process !== this.#options.process && !this.#options.alive(known.process)) ? [] : known.devices;
  }

  /** A SIP URI of where the node takes requests; null where that is not known. */
  #placeOf(node: string): string | null {
    const place = splitListen(this.#options.address(node) ?? '', ['tcp', 'udp']);
    return place === null ? null : `sip:${hostPort(place.host, place.port)};transport=${place.transport}`;
  }
}

/** A user has no spaces; nor has a node. */
function partsOf(key: string): readonly [node: string, user: string] {
  const at = key.indexOf(' ');
  return [key.slice(0, at), key.slice(at + 1)];
}

function readEntry(text: string | null): { readonly process: string; readonly devices: readonly Omit<Binding, 'user' | 'uri' | 'node' | 'through' | 'push' | 'asleep'>[] } | null {
  if (text === null) return null;
  try {
    const read: unknown = JSON.parse(text);
    return Value.Check(entry, read) ? read : null;
  } catch {
    return null;
  }
}

/** The name of a flow, at the place where its node takes requests of the others. */
function routeOf(flow: string | null, place: string): string | null {
  const named: SipUri | null = parseUri(flow ?? '');
  return named === null || named.user === null ? null : `<${place.replace('sip:', `sip:${named.user}@`)};lr;ob>`;
}
