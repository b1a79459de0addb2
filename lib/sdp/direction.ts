import type { AudioSection, Direction, Flow } from './types.js';

/** Addresses that nothing can be sent to: RFC 2543's hold, which is still sent (RFC 3264 §8.4). */
const nowhere = /^(?:0\.0\.0\.0|[0:]+|::ffff:0\.0\.0\.0)$/i;

/** Whether a connection address is the unspecified one, in any spelling. */
export function isNowhere(address: string): boolean {
  return nowhere.test(address);
}

/**
 * What the sender of this section does from now on: the one reading of direction and address that everybody uses. An address of zeroes says
 * that it wants nothing; it may send all the same, as its direction says.
 */
export function flowOf({ address, direction }: Pick<AudioSection, 'address' | 'direction'>): Flow {
  return {
    listens: !isNowhere(address) && (direction === 'sendrecv' || direction === 'recvonly'),
    sends: direction === 'sendrecv' || direction === 'sendonly',
  };
}

/** How each direction of an offer is answered by one who does whatever is asked (RFC 3264 §6.1). */
export const replies: Readonly<Record<Direction, Direction>> = { sendrecv: 'sendrecv', sendonly: 'recvonly', recvonly: 'sendonly', inactive: 'inactive' };
