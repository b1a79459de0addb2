import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import type { MediaConfig } from '../config/types.js';
import { WabError } from '../errors.js';
import { udpFamily } from '../util/hostPort.js';

/** An address of ours, and how the far end knows it: behind NAT by another. */
export interface MediaInterface { readonly local: string; readonly advertised: string }

/** "local" or "local!public", as the configuration has it. */
export function mediaInterface(text: string): MediaInterface {
  const [local = '', advertised = local] = text.split('!');
  return { local, advertised };
}

/**
 * Makes sure that media can be bound where it is configured: an engine starts without a word elsewhere too, and then has no port for any call.
 * `places`: keys of the configuration, and the addresses there, "local" or "local!public". @throws WabError 'MEDIA_UNAVAILABLE'.
 */
export async function checkInterfaces(places: Readonly<Record<string, string>>): Promise<void> {
  for (const [key, text] of Object.entries(places)) {
    const address = mediaInterface(text).local;
    const socket = createSocket(udpFamily(address));
    try {
      socket.bind(0, address);
      await once(socket, 'listening');
    } catch (cause) {
      throw new WabError('MEDIA_UNAVAILABLE', `${key}: ${address} is not an address of this machine`, { cause });
    } finally {
      socket.close();
    }
  }
}

/** Whether our relay has ports of its own, those of media.ports: for all media, or for Meta's DTLS in front of FreeSWITCH. */
export function relayHasPorts({ engine, webrtc }: Pick<MediaConfig, 'engine' | 'webrtc'>): boolean {
  return engine === 'embedded' || (engine === 'freeswitch' && webrtc === 'embedded');
}
