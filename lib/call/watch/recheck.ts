import type { Judging } from '../context.js';
import type { CallTable } from '../table.js';
import { ended } from '../termination.js';

/** What a call can go on without, such as its recorder. */
export interface Revocable {
  /** It is not allowed any more. */
  revoke(why: string): void;
}

function isRevocable(of: object): of is Revocable {
  return 'revoke' in of;
}

/**
 * Judges what live calls live by again, under new rules, and ends those that would not be allowed now, or a recorder alone that would not. A route that has gone or lists
 * other targets is of new calls only: where a call has got to is as good as before.
 */
export function recheckCalls(context: Judging & { readonly table: CallTable }): void {
  const { judgeTarget, judgeCaller } = context.rules();
  for (const call of context.table.all()) {
    for (const [of, facts] of [...call.standing]) {
      const verdict = 'origin' in facts ? judgeTarget(facts) : judgeCaller(facts);
      if (verdict.allow || verdict.code === 'route.target' || call.over) continue;
      context.onVerdict(call, facts, verdict);
      if (isRevocable(of)) {
        of.revoke(`by the new configuration: ${verdict.text}`);
        continue;
      }
      call.end(ended.byPolicy({ ...verdict, text: `by the new configuration: ${verdict.text}` }));
    }
  }
}
