import { mediaInterface } from './interfaces.js';
import type { Config, PeerConfig, PeerSrtp } from '../config/types.js';
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
  return keyings(peers).filter(({ srtp, peer: { webrtc, register, websocket } }) => srtp === 'none' && (register || !webrtc) && websocket === null).map(({ path, peer: { register, nat, webrtc } }) => ({
    path,
    message: `is none${webrtc ? ', for the phones that do not come by WebSocket,' : ''} while ${key}.interface.peers (${address}) is on the Internet: anybody on the way hears it, and ${register || nat
      ? 'somebody who guesses its port can keep a call mute' : 'somebody who forges its address is heard'}: write sdes, or give peers an address that only they reach`,
  }));
}

interface Keying { readonly path: string; readonly srtp: PeerSrtp; readonly peer: PeerConfig }

/** Each key that says what a peer's media is keyed with, or that of one of its accounts. */
function keyings(peers: Config['peers']): Keying[] {
  return Object.entries(peers).flatMap(([name, peer]) => {
    const accounts = Object.entries(peer.register ? peer.accounts : {});
    const own = accounts.flatMap(([user, { srtp }]): Keying[] => (srtp === null ? [] : [{ path: `peers.${name}.accounts.${user}.srtp`, srtp, peer }]));
    return [...(accounts.length > 0 && own.length === accounts.length ? [] : [{ path: `peers.${name}.srtp`, srtp: peer.srtp, peer }]), ...own];
  });
}

/** A channel of FreeSWITCH that was made with a key does not go on without one, so that an offer which leaves it to the peer is plain. */
function offeredPlain(peers: Config['peers']): OpenLeg[] {
  return keyings(peers).filter(({ srtp }) => srtp === 'optional').map(({ path }) => ({
    path,
    message: 'is optional while media.engine is freeswitch: what it offers is taken, SRTP or plain, but calls to it are offered plain RTP and nothing else. Write sdes where it has SRTP, none where it has not; rtpengine offers both',
  }));
}
