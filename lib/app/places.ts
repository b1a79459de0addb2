import { networkInterfaces } from 'node:os';
import type { MediaConfig } from '../config/types.js';
import { objectsToPlace } from '../sdp/index.js';
import { splitHostPort, splitListen, unbracketed } from '../util/hostPort.js';

/**
 * Judges where a peer's description wants its media: see objectsToPlace. `listening`: what the SIP server listens on, as "udp:10.0.0.4:5060".
 * The function gives why no media is sent to an address and port, or null.
 */
export function judgeMediaPlaces(media: MediaConfig, listening: () => readonly string[]): (networks: readonly string[], address: string, port: number) => string | null {
  const { engine } = media;
  const ours = engine === 'embedded' ? media.ports : engine === 'rtpengine' && media.rtpengine.spawn ? media.rtpengine.ports : null;
  const own = ownAddresses(media);
  const listens = (address: string, port: number): boolean => listening().some((point) => {
    const at = splitListen(point, ['udp']);
    return at?.port === port && (at.host === '0.0.0.0' || at.host === '::' ? own.includes(address) || isOfThisMachine(address) : at.host === address);
  });
  return (networks, address, port) => objectsToPlace({ own, ownPorts: ours && [ours.first, ours.last], listens, networks }, address, port);
}

/** Addresses of our media towards peers; those of engines on other machines are those they are reached at. */
function ownAddresses({ engine, interface: { peers }, rtpengine, freeswitch }: MediaConfig): string[] {
  const hosts = engine === 'freeswitch' ? freeswitch.map(({ host }) => host)
    : engine === 'embedded' ? peers.split('!')
      : [...rtpengine.interface.peers.split('!'), ...(rtpengine.spawn ? [] : rtpengine.control.map((at) => splitHostPort(at)?.host ?? at))];
  return hosts.map((host) => (host === 'localhost' ? '127.0.0.1' : unbracketed(host)));
}

function isOfThisMachine(address: string): boolean {
  return address.startsWith('127.') || Object.values(networkInterfaces()).some((addresses) => addresses?.some((one) => one.address === address));
}
