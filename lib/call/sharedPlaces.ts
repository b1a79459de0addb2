import type { Lease, SharedLimits } from '../state/shared/limits.js';
import type { Want } from '../state/shared/store.js';
import type { Place } from './table.js';
import { ended, type Termination } from './termination.js';

/** The limits that all nodes keep together; null: there is this node alone. */
export type Shared = Pick<SharedLimits, 'take'> | null;

/** What a call takes of one of them, and how it ends when it cannot. */
export interface SharedWant extends Want {
  readonly refuse: (freeAt: number | null) => Termination;
}

/** Keys of what is counted, for all nodes. */
export const sharedKeys = {
  number: (number: string) => `c n ${number}`,
  peer: (peer: string) => `c p ${peer}`,
  account: (user: string) => `c a ${user}`,
  pair: (number: string, user: string) => `c u ${number} ${user}`,
  rate: (what: 'peer' | 'number', name: string) => `r ${what} ${name}`,
  newCalls: (number: string) => `d n ${number}`,
  accountCalls: (user: string) => `d a ${user}`,
  pairCalls: (number: string, user: string) => `d p ${number} ${user}`,
};

/** Takes what this node has allowed of all nodes too: one script for everything, so that no two nodes pass a limit together. */
export async function takeShared(shared: NonNullable<Shared>, wants: readonly SharedWant[]): Promise<{ readonly refused: Termination } | { readonly refused: null; readonly lease: Lease }> {
  const taken = await shared.take(wants);
  if (taken.kind === 'taken') return { refused: null, lease: taken.lease };
  if (taken.kind === 'gone') return { refused: ended.stateGone() };
  const refused = taken.want.refuse(taken.freeAt);
  return { refused: taken.share === null ? refused : { ...refused, text: `${refused.text}: Redis is gone, and this node takes no more than ${taken.share} by itself` } };
}

/** A peer's place that this node has given, of all nodes too: given back with it. A termination where there is none; the place is given back then. */
export async function sharePeer(shared: Shared, place: Place, peer: string, limit: number): Promise<Place | Termination> {
  if (shared === null) return place;
  const key = sharedKeys.peer(peer);
  const taken = await takeShared(shared, [{ keys: [key], limit, window: null, refuse: () => ended.peerFull(peer, limit) }]);
  if (taken.refused !== null) {
    place.release();
    return taken.refused;
  }
  return {
    release: () => {
      place.release();
      taken.lease.give(key);
    },
  };
}
