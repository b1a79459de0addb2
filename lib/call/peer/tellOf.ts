import type { InviteOutcome } from '../../sip/invite.js';
import { foundNobody } from '../../sip/options.js';
import type { PeerReach } from '../context.js';
import type { Destination } from './locate.js';

/** What an INVITE's end says of who is there: to the health of a peer, or to the registrar of a device. */
export function tellOf(context: Pick<PeerReach, 'heardPeer' | 'registrar'>, peer: string, { device }: Destination, outcome: Exclude<InviteOutcome, { kind: 'failed' }>): void {
  const nobody = outcome.kind === 'refused' && outcome.response !== null && foundNobody(outcome.response, 'INVITE');
  if (device === null) {
    context.heardPeer(peer, nobody ? `${outcome.status} ${outcome.reason}` : null);
    return;
  }
  // RFC 5626 §5.3.1: 430, its flow is gone (drachtio-server says 410); a connection that is gone does not come back either.
  // One at another node may be there when that node is not.
  const gone = outcome.kind === 'refused' && (outcome.status === 430 || (device.node === null && device.source.protocol !== 'udp' && (nobody || outcome.status === 410)));
  if (gone) context.registrar.forget(device, 'its connection is gone');
}
