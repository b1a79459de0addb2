import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { WabError } from '../errors.js';
import { udpFamily } from '../util/hostPort.js';

/**
 * Makes sure that media can be bound where it is configured: an engine starts without a word elsewhere too, and then has no port for any call.
 * `places`: keys of the configuration, and the addresses there, "local" or "local!public". @throws WabError 'MEDIA_UNAVAILABLE'.
 */
export async function checkInterfaces(places: Readonly<Record<string, string>>): Promise<void> {
  for (const [key, text] of Object.entries(places)) {
    const address = text.split('!')[0] ?? '';
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
