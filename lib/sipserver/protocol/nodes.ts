// What this node does among others: it names itself in tags, and hands on what is another's.
import { HandOn, NodeNames } from '../nodes/index.js';
import type { NodeRules } from '../nodes/index.js';
import type { SipMessage } from '../parser/index.js';
import { randomToken } from '../transaction/index.js';
import type { Flow } from '../transport/index.js';
import type { Context } from './context.js';

export class Nodes {
  private readonly names: NodeNames | undefined;
  private readonly handOn: HandOn | undefined;

  /** `rules`: undefined where this is the only node. */
  constructor(context: Pick<Context, 'network' | 'layer' | 'tokens'>, rules: NodeRules | undefined) {
    if (rules === undefined) return;
    this.names = new NodeNames(rules.name, rules.secret);
    this.handOn = new HandOn(this.names, {
      send: (hop, text) => context.network.flow(hop).then((flow) => { flow.send(text); }),
      spawn: (work) => { context.network.spawn(work); },
      presented: (hop) => context.network.presented(hop),
      nameFlow: (flow) => context.tokens.name(flow),
      flowNamed: (token) => { const hop = context.tokens.hop(token); return hop === 'gone' ? undefined : hop; },
      refuse: (request, flow, status) => { context.layer.reject(request, flow, status, undefined); },
    });
    this.setAddresses(rules.addresses);
  }

  /** Requests handed to other nodes, and responses handed back. */
  get counts(): { handedOn: number; handedBack: number } {
    return { handedOn: this.handOn?.requests ?? 0, handedBack: this.handOn?.responses ?? 0 };
  }

  setAddresses(addresses: NodeRules['addresses']): void {
    this.handOn?.setAddresses(addresses);
  }

  /** Whether another node is at this address. */
  isNode(address: string): boolean {
    return this.handOn?.isNode(address) === true;
  }

  /** A tag of ours; where there are other nodes it names this one. */
  newTag(): string {
    return this.named(randomToken());
  }

  named(tag: string): string {
    return this.names?.tag(tag) ?? tag;
  }

  /** Another node has handed this request to us: the connection is that node's, and not the far end's. */
  handed(request: SipMessage): boolean {
    return this.handOn?.handed(request) === true;
  }

  /** Takes a request of another node's dialog, and one that was handed to us and is of no dialog. */
  request(request: SipMessage, flow: Flow, belongs: () => boolean): boolean {
    return this.handOn?.request(request, flow) === true || this.handOn?.strange(request, flow, belongs) === true;
  }

  /** Takes a response to what was handed on. */
  response(response: SipMessage): boolean {
    return this.handOn?.response(response) === true;
  }
}
