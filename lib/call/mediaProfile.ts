import type { PeerConfig } from '../config/types.js';
import type { PeerMediaProfile } from '../media/types.js';
import type { CallRules } from './context.js';

/** What the media of a call with this peer may be. `from`: the address that its signalling comes from, or goes to; null: not known. */
export function mediaProfile({ objectsToMedia }: Pick<CallRules, 'objectsToMedia'>, peer: PeerConfig, from: string | null): PeerMediaProfile {
  const { codecs, srtp, dtmf } = peer;
  const refuses = (address: string, port: number): string | null => objectsToMedia(peer, address, port);
  return { codecs, srtp, dtmf, refuses, ...(peer.register || peer.nat ? { latch: { from } } : {}) };
}
