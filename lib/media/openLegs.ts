import { mediaInterface } from './interfaces.js';
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
  if (media.engine === 'freeswitch') return offeredPlain(peers);
  // Where others' engines listen we do not know.
  if (media.engine === 'rtpengine' && !media.rtpengine.spawn) return [];
  const [key, { peers: address }] = media.engine === 'embedded' ? ['media', media.interface] as const : ['media.rtpengine', media.rtpengine.interface] as const;
  if (!Object.values(mediaInterface(address)).some(isPublic)) return [];
  return Object.entries(peers).filter(([, { srtp, webrtc, register, websocket }]) => srtp === 'none' && (register || !webrtc) && websocket === null).map(([name, { register, nat, webrtc }]) => ({
    path: `peers.${name}.srtp`,
    message: `is none${webrtc ? ', for the phones that do not come by WebSocket,' : ''} while ${key}.interface.peers (${address}) is on the Internet: anybody on the way hears it, and ${register || nat
      ? 'somebody who guesses its port can keep a call mute' : 'somebody who forges its address is heard'}: write sdes, or give peers an address that only they reach`,
  }));
}

/** A channel of FreeSWITCH that was made with a key does not go on without one, so that an offer which leaves it to the peer is plain. */
function offeredPlain(peers: Config['peers']): OpenLeg[] {
  return Object.entries(peers).filter(([, { srtp }]) => srtp === 'optional').map(([name]) => ({
    path: `peers.${name}.srtp`,
    message: 'is optional while media.engine is freeswitch: what it offers is taken, SRTP or plain, but calls to it are offered plain RTP and nothing else. Write sdes where it has SRTP, none where it has not; rtpengine offers both',
  }));
}
