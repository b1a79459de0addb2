import type { PeerConfig } from '../../config/types.js';
import type { PeerMediaProfile } from '../../media/types.js';
import type { PeerMedia } from '../context.js';

/** What the media of a call with this peer may be, and where. `from`: the address that its signalling comes from, or goes to; null: not known. */
export function mediaProfile(context: PeerMedia, peer: PeerConfig, from: string | null): PeerMediaProfile {
  const { codecs, srtp, dtmf, media, mediaTimeout } = peer;
  return {
    codecs, srtp, dtmf, mediaTimeout, refuses: (address, port) => context.objectsToPlace(media, address, port),
    ...(peer.register || peer.nat ? { latch: { from } } : {}),
  };
}
