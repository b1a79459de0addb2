import type { Config } from '../config/types.js';
import { isPublic } from '../util/address.js';
import { splitListen } from '../util/hostPort.js';

/**
 * Peers as whom whoever can forge an address may place calls: known by it alone, over UDP, on a socket that the Internet reaches. A wildcard counts where
 * the peer's own addresses are on the Internet; inside a site, its edge keeps forged ones out.
 */
export function forgeablePeers({ sip, peers }: Pick<Config, 'sip' | 'peers'>): { readonly path: string; readonly message: string }[] {
  const hosts = sip.server !== 'embedded' ? [] : sip.listen.flatMap((socket) => splitListen(socket, ['udp'])?.host ?? []);
  const wide = hosts.some((host) => host === '0.0.0.0' || host === '::');
  return Object.entries(peers).filter(([, { register, websocket, digest, sources, transports, mayCall }]) => !register && websocket === null && digest === null && mayCall.length > 0 && transports.includes('udp')
    && (hosts.some(isPublic) || (wide && sources.some((network) => isPublic(network.split('/')[0] ?? ''))))).map(([name]) => ({
    path: `peers.${name}.digest`,
    message: 'is null, and its address is believed over UDP on a socket that the Internet reaches: whoever forges it places calls as this peer, and hears the user unless `media` says where its media is; set digest, or transports: [tcp, tls], or listen for UDP where only it comes',
  }));
}
