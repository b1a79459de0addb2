import { readSdp } from './read.js';

/**
 * Whether the sender of an offer or answer wants to hear anything; false is what a PBX calls hold: sendonly or inactive, at the m-line or
 * for the whole session (RFC 3264 §8.4), or RFC 2543's address of zeroes.
 * @throws WabError 'SDP_UNACCEPTABLE' when the text cannot be read
 */
export function listens(text: string): boolean {
  for (const section of readSdp(text).sections) {
    if (!('audio' in section) || section.audio.port === 0) continue;
    const { address, direction } = section.audio;
    return address !== '0.0.0.0' && address !== '::' && (direction === 'sendrecv' || direction === 'recvonly');
  }
  return false;
}
