import type { Call } from '../call.js';
import type { Won } from '../hunt/plan.js';
import type { Replaces } from './replaces.js';

/** A dialog of ours with a peer, early or confirmed, that an INVITE with Replaces may name. */
export interface KnownDialog {
  readonly callId: string;
  readonly localTag: string;
  readonly remoteTag: string;
  readonly early: boolean;
  /** Name of the peer at its other end. */
  readonly peer: string;
  readonly call: Call;
  /** Asks its other end whether it stands; it ends if not. Null: that is not known before it is confirmed. */
  readonly ask: (() => Promise<void>) | null;
  /** Gives the WhatsApp user to who picked up; this dialog ends. False: too late, it is over or was picked up already. */
  readonly giveTo: (newcomer: Won) => boolean;
}

/** The peer dialogs of all live calls, by Call-ID and tags (RFC 3891 §3). */
export class DialogIndex {
  readonly #dialogs = new Map<string, KnownDialog>();

  get size(): number {
    return this.#dialogs.size;
  }

  /** Adds one; the result takes it out again. A confirmed dialog takes the place of its early self. */
  add(dialog: KnownDialog): () => void {
    const key = keyOf(dialog.callId, dialog.localTag, dialog.remoteTag);
    this.#dialogs.set(key, dialog);
    return () => {
      if (this.#dialogs.get(key) === dialog) this.#dialogs.delete(key);
    };
  }

  /** Those with this peer. */
  withPeer(peer: string): KnownDialog[] {
    return [...this.#dialogs.values()].filter((dialog) => dialog.peer === peer);
  }

  /** RFC 3891 §3: to-tag is compared with our own tag, from-tag with that of the other end. */
  find({ callId, toTag, fromTag }: Replaces): KnownDialog | null {
    return this.#dialogs.get(keyOf(callId, toTag, fromTag)) ?? null;
  }
}

function keyOf(callId: string, localTag: string, remoteTag: string): string {
  return `${callId}\n${localTag}\n${remoteTag}`;
}
