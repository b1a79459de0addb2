import type { Judging } from '../context.js';
import type { CallTable } from '../table.js';
import { ended } from '../termination.js';

/**
 * Judges what live calls live by again, under new rules, and ends those that would not be allowed now. A route that has gone or lists
 * other targets is of new calls only: where a call has got to is as good as before.
 */
export function recheckCalls(context: Judging & { readonly table: CallTable }): void {
  const { judgeTarget, judgeCaller } = context.rules();
  for (const call of context.table.all()) {
    for (const facts of [...call.standing.values()]) {
      const verdict = 'origin' in facts ? judgeTarget(facts) : judgeCaller(facts);
      if (verdict.allow || verdict.code === 'route.target' || call.over) continue;
      context.onVerdict(call, facts, verdict);
      call.end(ended.byPolicy({ ...verdict, text: `by the new configuration: ${verdict.text}` }));
    }
  }
}
