// One whole call of a WhatsApp user, from INVITE to verdict.
import { MetaSide } from './side.js';
import type { MetaSideOptions } from './side.js';
import { SimulatedUser } from './user.js';
import type { UserOptions } from './user.js';
import type { UserReport } from './report.js';
import { withTimeout } from '../../util/withTimeout.js';

export interface SimulateUserOptions extends UserOptions, MetaSideOptions {
  /** How long the call lasts after the answer, s. Default 5. */
  seconds?: number | undefined;
  /** Digits to send, one second after the answer. */
  dtmf?: string | undefined;
  /** Gives up with CANCEL so many ms after the INVITE, if there is no answer yet. */
  cancelAfterMs?: number | undefined;
  /** An open side to place the call on, instead of one of its own. */
  side?: MetaSide | undefined;
}

/** Places a call, talks, hangs up unless the business does so first, and gives the verdict. Rejects when the business's server cannot be reached or verified. */
export async function simulateUser(options: SimulateUserOptions): Promise<UserReport> {
  const side = options.side ?? await MetaSide.open(options);
  const user = new SimulatedUser(side, options);
  let cancelTimer: NodeJS.Timeout | undefined;
  try {
    if (options.cancelAfterMs !== undefined) cancelTimer = setTimeout(() => { user.cancel(); }, options.cancelAfterMs);
    const status = await user.place();
    clearTimeout(cancelTimer);
    if (status === 200) await talk(user, options);
    return user.report();
  } finally {
    clearTimeout(cancelTimer);
    user.close();
    if (options.side === undefined) await side.close();
  }
}

async function talk(user: SimulatedUser, options: SimulateUserOptions): Promise<void> {
  const ended = new Promise<void>((resolve) => { user.once('ended', () => { resolve(); }); });
  if (user.report().endedBy !== 'nobody') return;
  const { dtmf } = options;
  const pressing = dtmf === undefined ? undefined : setTimeout(() => { void user.press(dtmf); }, 1000);
  await withTimeout(ended, 1000 * (options.seconds ?? 5), () => undefined);
  clearTimeout(pressing);
  await user.hangUp();
}
