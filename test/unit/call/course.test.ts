import t from 'tap';
import { Call } from '../../../lib/call/call.js';
import type { CallRecord } from '../../../lib/call/record.js';
import { createLogger } from '../../../lib/observe/logger.js';
import { ended } from '../../../lib/call/termination.js';

function begin(): { call: Call; records: CallRecord[]; log: string[] } {
  const records: CallRecord[] = [];
  const log: string[] = [];
  const call = new Call({
    direction: 'user-initiated', startedAt: Date.now(), log: createLogger('debug', { write: (line: string) => { log.push(line); } }), showUser: (user) => user,
    onEnded: (_call, record) => { records.push(record); },
  });
  return { call, records, log };
}

t.test('a course that fails ends its own call as a fault, once, and closes what it owns', async (t) => {
  const { call, records, log } = begin();
  const closed: string[] = [];
  call.own(({ reason }) => { closed.push(`meta ${reason}`); });
  call.own(() => { throw new Error('this leg cannot be closed'); });
  call.own(async ({ reason }) => { closed.push(`peer ${reason}`); });
  call.runs(Promise.reject(new Error('a bug of ours')));
  await call.ended;
  call.end(ended.userHungUp('too late'));
  await call.ended;
  t.match(records, [{ termination: { by: 'us', reason: 'fault', result: 'server', status: 500, text: 'a bug of ours' } }]);
  t.equal(records.length, 1);
  t.same(closed, ['meta fault', 'peer fault'], 'the leg that failed to close kept no other from it');
  t.equal(log.filter((line) => line.includes('a call failed for a reason of our own')).length, 1);
  call.own(({ reason }) => { closed.push(`late ${reason}`); });
  await Promise.resolve();
  t.equal(closed.at(-1), 'late fault', 'what comes late is closed at once');
});
