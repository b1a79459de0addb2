// An order whose judging fails for a reason of ours: nobody else knows of its call, so it must end there.
import t from 'tap';
import { pino } from 'pino';
import type { BusinessInitiated } from '../../../lib/call/context.js';
import { placeOrder } from '../../../lib/call/ordered.js';
import { CallTable } from '../../../lib/call/table.js';

t.test('policy, limits or permission that throw end the call, which is refused as a fault', async (t) => {
  const table = new CallTable();
  const records: unknown[] = [];
  const order = { number: '+447700900001', user: '+447700900101', peer: 'pbx', peerUser: '6001', first: 'peer', reference: null, record: null } as const;
  const verdict = { allow: true, rule: 'x', number: order.number, user: order.user };
  const config = { cdr: { fullNumbers: false }, numbers: { [order.number]: { permission: 'check' } }, peers: { pbx: { uri: 'sip:127.0.0.1:9', maxConcurrentCalls: 1 } }, limits: { maxCalls: 10 } };
  const places = { refused: null, peerPlace: { release: () => undefined }, store: () => Promise.resolve(), connected: () => undefined };
  const context = (more: object): BusinessInitiated => ({
    rules: () => ({ config, judgeCaller: () => verdict, judgeTarget: () => verdict, ...more }), log: pino({ level: 'silent' }), table, keyUser: () => null, onVerdict: () => undefined, media: { healthy: true },
    onEnded: (_call: unknown, record: unknown) => { records.push(record); }, limits: { take: () => places }, permissions: { gate: { judge: () => Promise.reject(new Error('the ledger is gone')) } }, ...more,
  }) as unknown as BusinessInitiated;
  for (const [how, more] of [['policy', { judgeCaller: () => { throw new Error('boom'); } }], ['limits', { limits: { take: () => { throw new Error('boom'); } } }], ['permission', {}]] as const) {
    const { call, refused } = await placeOrder(context(more), order);
    t.match(refused, { by: 'us', reason: 'fault', status: 500 }, how);
    await call.ended;
    t.equal(table.size, 0, 'it is over');
  }
  t.equal(records.length, 3, 'and has its record');
});
