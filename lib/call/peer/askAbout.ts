import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../../observe/logger.js';
import type { DialogIndex } from '../features/dialogIndex.js';

/** Milliseconds between two questions about calls with one peer. */
const ASK_EVERY = 10;

/**
 * A peer has gone out of service, or is back: it is asked of each call with it whether it still has it, some at a time. One that was
 * started anew has none of them.
 */
export function askAbout(dialogs: DialogIndex, peer: string, log: Logger): void {
  const asks = dialogs.withPeer(peer).flatMap(({ ask }) => ask ?? []);
  void (async () => {
    for (const ask of asks) {
      ask().catch((error: unknown) => log.debug({ peer, err: error }, 'a peer could not be asked whether a call with it stands'));
      await sleep(ASK_EVERY, undefined, { ref: false });
    }
  })();
}
