import type { AudioSection } from '../../sdp/index.js';
import { isPublic, isSameAddress } from '../../util/address.js';
import type { PeerMediaProfile } from '../types.js';

/** Where the engine is to send at first: a private address that a phone behind NAT says of itself is not where it is. */
export function reached(audio: AudioSection, latch: PeerMediaProfile['latch']): AudioSection {
  const from = latch?.from ?? null;
  const behindNat = from !== null && isPublic(from) && !isPublic(audio.address) && audio.address !== '0.0.0.0' && audio.address !== '::';
  return behindNat ? { ...audio, address: from, rtcp: audio.rtcp && { ...audio.rtcp, address: from } } : audio;
}

/** Whether packets from this address are the peer's: it is where its description says, or where its signalling came from. */
export function isOfPeer(source: string, audio: AudioSection, latch: PeerMediaProfile['latch']): boolean {
  return isSameAddress(audio.address, source) || (typeof latch?.from === 'string' && isSameAddress(latch.from, source));
}
