// Where the far end of a dialog may send us: its Contact and Record-Route are judged like any address that somebody else wrote.
import { BlockList, isIP } from 'node:net';
import { isBelow } from '../../util/hostKey.js';
import { isLoopback } from '../locate/index.js';
import type { Hop } from '../locate/index.js';
import type { Leg } from './leg.js';

/** Hosts and networks that are reached in dialogs which began there, and in no others. Names cover what is below them. */
export interface Reserved { hosts: readonly string[]; networks: readonly string[] }

export class Targets {
  private readonly networks = new BlockList();

  constructor(private readonly reserved: Reserved, private readonly isSelf: (hop: Hop) => boolean) {
    for (const network of reserved.networks) {
      const [address = '', bits] = network.split('/');
      const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
      if (bits === undefined) this.networks.addAddress(address, family);
      else this.networks.addSubnet(address, Number(bits), family);
    }
  }

  /**
   * Whether a request within the dialog may go there. Another address of the same site may be named, as proxies and clusters do; not ourselves, not
   * whom others may not name, not an address that is many hosts' or, for a far end elsewhere, this machine's own (RFC 3261 §26.1.1 leaves the judging to us).
   */
  allow(hop: Hop, leg: Leg): boolean {
    if (this.isSelf(hop) || isMany(hop.address)) return false;
    const from = leg.heard;
    const theirs = this.names(leg.calledBy) || (from?.protocol === 'tls' && this.holds(from.address));
    if (!theirs && this.names(hop.host)) return false;
    if (from === undefined || from.address === hop.address) return true;
    if (isLoopback(hop.address) && !isLoopback(from.address)) return false;
    return theirs || !this.holds(hop.address);
  }

  private names(host: string): boolean {
    return isBelow(host, this.reserved.hosts);
  }

  private holds(address: string): boolean {
    const plain = address.replace(/^::ffff:(?=\d+\.)/i, '');
    return isIP(plain) !== 0 && this.networks.check(plain, isIP(plain) === 6 ? 'ipv6' : 'ipv4');
  }
}

/** Unspecified, multicast and broadcast addresses (RFC 6890 §2.2, RFC 5771 §2, RFC 4291 §2.7). */
function isMany(address: string): boolean {
  if (isIP(address) === 6) return /^(?:ff|::$)/i.test(address);
  const first = Number(/^\d+/.exec(address)?.[0] ?? 0);
  return first === 0 || first >= 224;
}
