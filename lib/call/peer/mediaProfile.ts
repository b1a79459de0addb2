import type { PeerConfig } from '../../config/types.js';
import type { PeerMediaProfile } from '../../media/types.js';
import type { PeerMedia } from '../context.js';

/** Where the signalling of a call with a peer comes from, or goes to; its address is null where it is not known. */
interface Signalling {
  readonly from: string | null;
  readonly transport: string;
  /** User of a peer whose users register; null for other peers. */
  readonly account: string | null;
}

/** What the media of a call with this peer may be, and where. Of phones that register those that came by WebSocket are in browsers (RFC 7118). */
export function mediaProfile(context: PeerMedia, peer: PeerConfig, { from, transport, account }: Signalling): PeerMediaProfile {
  const { codecs, dtmf, media, mediaTimeout } = peer;
  const webrtc = peer.webrtc && (!peer.register || ['ws', 'wss'].includes(transport.toLowerCase()));
  const srtp = (account === null || !Object.hasOwn(peer.accounts, account) ? null : peer.accounts[account]?.srtp) ?? peer.srtp;
  return {
    codecs, srtp: webrtc ? 'none' : srtp, webrtc, dtmf, mediaTimeout, refuses: (address, port) => context.objectsToPlace(media, address, port),
    ...(peer.register || peer.nat ? { latch: { from } } : {}),
  };
}
