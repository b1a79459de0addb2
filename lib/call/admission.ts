import { maskUser } from '../observe/redact.js';
import { Call, type CallFacts } from './call.js';
import type { Beginning, UserInitiated } from './context.js';
import type { Direction } from './record.js';
import { ended, type Termination } from './termination.js';

/** A call that has arrived: it is counted and has a record from here on. */
export function beginCall({ rules, log, onEnded, table, keyUser }: Beginning, direction: Direction, facts: Partial<CallFacts>): Call {
  // As it was configured when the call began.
  const { fullNumbers } = rules().config.cdr;
  const call = new Call({ direction, startedAt: Date.now(), log, showUser: (user) => (fullNumbers ? user : maskUser(user)), keyUser, onEnded });
  Object.assign(call.facts, facts);
  table.add(call);
  if (call.facts.number !== null) call.introduce();
  call.own(() => table.remove(call));
  return call;
}

/** Why this service takes no further call, of either direction; null: it does. The call itself is counted already. */
export function overload({ rules, table }: Pick<Beginning, 'rules' | 'table'>): Termination | null {
  const { maxCalls } = rules().config.limits;
  return table.size > maxCalls ? ended.overload(maxCalls) : null;
}

/** The same for want of media. */
export function noEngine({ media }: Pick<UserInitiated, 'media'>): Termination | null {
  return media.healthy ? null : ended.mediaUnavailable();
}
