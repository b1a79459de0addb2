import type { PeerConfig } from '../config/types.js';
import type { PeerMediaProfile } from '../media/types.js';

/** What the media of a call with this peer may be. `from`: the address that its signalling comes from, or goes to; null: not known. */
export function mediaProfile(peer: PeerConfig, from: string | null): PeerMediaProfile {
  const { codecs, srtp, dtmf } = peer;
  return peer.register || peer.nat ? { codecs, srtp, dtmf, latch: { from } } : { codecs, srtp, dtmf };
}
