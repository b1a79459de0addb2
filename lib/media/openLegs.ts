import type { Config } from '../config/types.js';
import { isPublic } from '../util/address.js';

export interface OpenLeg {
  /** Key that leaves it open. */
  readonly path: string;
  readonly message: string;
}

/**
 * Peers whose plain media stands open to the Internet. The engine takes what comes from where the peer described itself, and a source address
 * can be forged; of one behind NAT, whoever is quicker with its address. Only SRTP tells who sent a packet.
 */
export function openLegs({ media, peers }: Pick<Config, 'media' | 'peers'>): OpenLeg[] {
  const { spawn, interface: { peers: address } } = media.rtpengine;
  // Where others' engines listen we do not know.
  if (media.engine !== 'rtpengine' || !spawn || !address.split('!').some(isPublic)) return [];
  return Object.entries(peers).filter(([, { srtp }]) => srtp === 'none').map(([name, { register, nat }]) => ({
    path: `peers.${name}.srtp`,
    message: `is none while media.rtpengine.interface.peers (${address}) is on the Internet: anybody on the way hears it, and ${register || nat
      ? 'somebody who guesses its port can keep a call mute' : 'somebody who forges its address is heard'}: write sdes, or give peers an address that only they reach`,
  }));
}
