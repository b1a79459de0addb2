import { networkInterfaces } from 'node:os';
import type { MediaConfig } from '../config/types.js';
import { mediaInterface, relayHasPorts } from '../media/interfaces.js';
import { objectsToPlace } from '../sdp/index.js';
import { splitHostPort, splitListen, unbracketed } from '../util/hostPort.js';

/**
 * Judges where a peer's description wants its media: see objectsToPlace. `listening`: what the SIP server listens on, as "udp:10.0.0.4:5060".
 * The function gives why no media is sent to an address and port, or null.
 */
export function judgeMediaPlaces(media: MediaConfig, listening: () => readonly string[]): (networks: readonly string[], address: string, port: number) => string | null {
  const ours = ownPorts(media);
  const own = ownAddresses(media);
  const listens = (address: string, port: number): boolean => listening().some((point) => {
    const at = splitListen(point, ['udp']);
    return at?.port === port && (at.host === '0.0.0.0' || at.host === '::' ? own.includes(address) || isOfThisMachine(address) : at.host === address);
  });
  return (networks, address, port) => objectsToPlace({ own, ownPorts: ours && [ours.first, ours.last], listens, networks }, address, port);
}

/** UDP ports of media on this machine; null: there are none. */
function ownPorts(media: MediaConfig): { readonly first: number; readonly last: number } | null {
  if (relayHasPorts(media)) return media.ports;
  return media.engine === 'rtpengine' && media.rtpengine.spawn ? media.rtpengine.ports : null;
}

/** Addresses of our media on both sides: on one machine peers reach Meta's too. Those of engines on other machines are those they are reached at. */
function ownAddresses(media: MediaConfig): string[] {
  const { engine, interface: sides, rtpengine, freeswitch } = media;
  const relay = relayHasPorts(media) ? addressesOf(sides) : [];
  const hosts = engine === 'freeswitch' ? [...freeswitch.map(({ host }) => host), ...relay]
    : engine === 'embedded' ? relay
      : [...addressesOf(rtpengine.interface), ...(rtpengine.spawn ? [] : rtpengine.control.map((at) => splitHostPort(at)?.host ?? at))];
  return hosts.map((host) => (host === 'localhost' ? '127.0.0.1' : unbracketed(host)));
}

function addressesOf({ meta, peers }: MediaConfig['interface']): string[] {
  return [meta, peers].map(mediaInterface).flatMap(({ local, advertised }) => [local, advertised]);
}

function isOfThisMachine(address: string): boolean {
  return address.startsWith('127.') || Object.values(networkInterfaces()).some((addresses) => addresses?.some((one) => one.address === address));
}
