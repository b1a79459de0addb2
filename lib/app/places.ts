import { networkInterfaces } from 'node:os';
import type { MediaConfig } from '../config/types.js';
import { objectsToPlace } from '../sdp/index.js';

/**
 * Judges where a peer's description wants its media: see objectsToPlace. `listening`: what the SIP server listens on, as "udp:10.0.0.4:5060".
 * The function gives why no media is sent to an address and port, or null.
 */
export function judgeMediaPlaces(media: MediaConfig, listening: () => readonly string[]): (networks: readonly string[], address: string, port: number) => string | null {
  const spawned = media.engine === 'rtpengine' && media.rtpengine.spawn;
  const own = ownAddresses(media);
  const listens = (address: string, port: number): boolean => listening().some((point) => {
    const [, host = '', at = ''] = /^udp:\[?(.*?)\]?:(\d+)$/.exec(point) ?? [];
    return Number(at) === port && (host === '0.0.0.0' || host === '::' ? own.includes(address) || isOfThisMachine(address) : host === address);
  });
  const { first, last } = media.rtpengine.ports;
  return (networks, address, port) => objectsToPlace({ own, ownPorts: spawned ? [first, last] : null, listens, networks }, address, port);
}

/** Addresses of our media towards peers; those of engines on other machines are those they are reached at. */
function ownAddresses({ engine, rtpengine, freeswitch }: MediaConfig): string[] {
  const hosts = engine === 'freeswitch' ? freeswitch.map(({ host }) => host)
    : [...rtpengine.interface.peers.split('!'), ...(rtpengine.spawn ? [] : rtpengine.control.map((at) => at.replace(/:\d+$/, '')))];
  return hosts.map((host) => (host === 'localhost' ? '127.0.0.1' : host.replace(/^\[|\]$/g, '')));
}

function isOfThisMachine(address: string): boolean {
  return address.startsWith('127.') || Object.values(networkInterfaces()).some((addresses) => addresses?.some((one) => one.address === address));
}
