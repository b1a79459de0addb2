// The node that holds a dialog, in the tags that it gives out: whichever node a balancer hands a request to can tell whose it is.
import { createHmac, timingSafeEqual } from 'node:crypto';

/** Nodes that stand behind one address. */
export interface NodeRules {
  /** Ours. */
  name: string;
  /** The same on all of them: who does not have it makes up no tag. */
  secret: string;
  /** Where each is reached by the others: "tcp:10.0.0.5:5060". */
  addresses: Readonly<Record<string, string>>;
}

/** Octets of a MAC. */
const MAC_LENGTH = 10;

/** Tags `RANDOM.NODE.MAC`; the MAC is over both, by the secret of all nodes. */
export class NodeNames {
  constructor(readonly own: string, private readonly secret: string) {}

  /** A tag that names this node. */
  tag(random: string): string {
    return `${random}.${this.own}.${this.mac('tag', `${random}.${this.own}`)}`;
  }

  /** The node that gave the tag out; undefined for one that none did. */
  nodeOf(tag: string): string | undefined {
    const found = /^([0-9a-f]{24})\.([\w.-]{1,64})\.([0-9a-f]{20})$/.exec(tag);
    const [, random = '', name = '', mac = ''] = found ?? [];
    return found !== null && this.proves('tag', `${random}.${name}`, mac) ? name : undefined;
  }

  /** `use`: what it is a proof of. */
  mac(use: string, text: string): string {
    return createHmac('sha256', this.secret).update(`${use} ${text}`, 'latin1').digest('hex').slice(0, 2 * MAC_LENGTH);
  }

  proves(use: string, text: string, mac: string): boolean {
    const [ours, theirs] = [Buffer.from(this.mac(use, text)), Buffer.from(mac, 'latin1')];
    return ours.length === theirs.length && timingSafeEqual(ours, theirs);
  }
}
