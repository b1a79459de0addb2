// Requests of another node's dialogs, handed on without state (RFC 3261 §16.11), and their responses on their way back.
import { branchOf, parseVia, tagOf } from '../parser/index.js';
import type { SipMessage } from '../parser/index.js';
import type { Hop, Presented } from '../locate/index.js';
import { nextHops } from '../proxy/index.js';
import type { Flow } from '../transport/index.js';
import { splitListen } from '../../util/hostPort.js';
import type { NodeNames, NodeRules } from './names.js';

/** Begins the branch of our Via: `z9hG4bKon.MAC.FLOW`, MAC over the Via below it, FLOW a token of the connection or address it came from. */
const BRANCH = 'z9hG4bKon.';

/** What it is given to work with. */
export interface HandOnOwner {
  /** Rejects where there is no way to the hop. */
  send(hop: Hop, text: string): Promise<void>;
  spawn(work: Promise<unknown>): void;
  /** Our host and port as that hop reaches us. */
  presented(hop: Hop): Promise<Presented>;
  /** A token of a flow, and the hop that it names; undefined where the token is not ours or its connection gone. */
  nameFlow(flow: Flow): string;
  flowNamed(token: string): Hop | undefined;
  refuse(request: SipMessage, flow: Flow, status: number): void;
}

export class HandOn {
  /** Requests handed on, and responses handed back, since the start. */
  requests = 0;
  responses = 0;
  private places: ReadonlyMap<string, Hop> = new Map();

  constructor(private readonly names: NodeNames, private readonly owner: HandOnOwner) {}

  /** Where the other nodes are from now on. */
  setAddresses(addresses: NodeRules['addresses']): void {
    this.places = new Map(Object.entries(addresses).filter(([name]) => name !== this.names.own).map(([name, address]) => {
      const { transport, host, port } = placeOf(address);
      return [name, { protocol: transport, address: host, port, host, explicit: true }];
    }));
  }

  /** Whether another node is at this address. */
  isNode(address: string): boolean {
    for (const place of this.places.values()) if (place.address === unmapped(address)) return true;
    return false;
  }

  /** Takes a request of a dialog that another node holds; false: it is for us to answer. What was handed on once goes no further. */
  request(request: SipMessage, flow: Flow): boolean {
    const node = this.names.nodeOf(tagOf(request.get('to') ?? '') ?? '');
    const place = node === undefined ? undefined : this.places.get(node);
    if (place === undefined || this.handed(request)) return false;
    const hops = nextHops(request);
    if (hops === undefined) {
      this.owner.refuse(request, flow, 483);
      return true;
    }
    this.requests++;
    this.owner.spawn(this.send(request, flow, place, hops));
    return true;
  }

  /**
   * Takes what another node has handed to us and that is of no dialog of ours. A stranger who was refused knows a tag of ours: what he sends with it to
   * another node comes from somebody known, and is neither to be judged as that node's nor to be served as a known one's.
   */
  strange(request: SipMessage, flow: Flow, belongs: () => boolean): boolean {
    if (!this.handed(request) || belongs()) return false;
    if (request.method !== 'ACK') this.owner.refuse(request, flow, 481);
    return true;
  }

  /** Takes a response to what was handed on: to where the request came from. */
  response(response: SipMessage): boolean {
    const branch = branchAtTop(response);
    if (branch?.startsWith(BRANCH) !== true) return false;
    const hop = this.owner.flowNamed(branch.slice(BRANCH.length + branch.slice(BRANCH.length).indexOf('.') + 1));
    if (hop === undefined) return false;
    this.responses++;
    const back = response.clone();
    dropTopVia(back);
    this.owner.spawn(this.owner.send(hop, back.toString()).catch(() => { /* RFC 3261 §16.11: who asked asks again, or has gone */ }));
    return true;
  }

  /** Whether another node has handed the request to us: its Via says so, and who does not have the secret cannot write it. */
  handed(request: SipMessage): boolean {
    const branch = branchAtTop(request);
    const below = request.list('via')[1];
    const mac = branch?.startsWith(BRANCH) === true ? branch.slice(BRANCH.length).split('.')[0] : undefined;
    return mac !== undefined && below !== undefined && this.names.proves('via', lasting(below), mac);
  }

  private async send(request: SipMessage, from: Flow, place: Hop, hops: number): Promise<void> {
    const below = request.list('via')[0] ?? '';
    const copy = request.clone();
    copy.set('Max-Forwards', String(hops));
    try {
      const { host, port } = await this.owner.presented(place);
      copy.prepend('Via', `SIP/2.0/${place.protocol.toUpperCase()} ${host}:${port};branch=${BRANCH}${this.names.mac('via', lasting(below))}.${this.owner.nameFlow(from)}`);
      await this.owner.send(place, copy.toString());
    } catch {
      // RFC 3261 §16.9: as if the next hop had answered 503.
      this.owner.refuse(request, from, 503);
    }
  }
}

/** An IPv4 address as it is, where a socket for both kinds writes it as an IPv6 one. */
function unmapped(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/i, '');
}

/** The same for a retransmission, and whatever receivers note in it: sent-by and branch (RFC 3261 §16.11). */
function lasting(via: string): string {
  const parsed = parseVia(via);
  return parsed === undefined ? via : `${parsed.host}:${parsed.port ?? ''} ${branchOf(parsed) ?? ''}`;
}

function branchAtTop(m: SipMessage): string | undefined {
  const via = parseVia(m.first('via') ?? '');
  return via === undefined ? undefined : branchOf(via);
}

/** Without the Via on top; ours has a line of its own where we wrote it, and may share one where others put them together. */
function dropTopVia(m: SipMessage): void {
  const rest = m.list('via').slice(1);
  m.remove('via');
  for (const via of rest.reverse()) m.prepend('Via', via);
}

function placeOf(address: string): { transport: 'tcp' | 'udp'; host: string; port: number } {
  const { transport, host, port } = splitListen(address, ['tcp', 'udp']) ?? { transport: 'tcp', host: '', port: 0 };
  return { transport, host: host, port };
}
