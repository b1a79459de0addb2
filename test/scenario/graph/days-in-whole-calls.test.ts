// Days of whole calls between a PBX and both stand-ins of Meta on one ledger, on a moved clock.
import t from 'tap';
import { movedClock } from '../../helpers/movedClock.js';
import { number } from '../../helpers/service.js';
import { pause } from '../harness.js';
import { scene, user } from './standInScene.js';

t.test('nine days of whole calls on a moved clock: taken, not taken, given up while it rings; permissions lapse, requests come free again', { timeout: 120_000 }, async (t) => {
  const clock = movedClock(t);
  const made = await scene(t, 'request');
  const { stage, graph, meta, dial } = made;
  let seed = 11;
  const random = (below: number): number => (seed = (seed * 1103515245 + 12345) % 2147483648) % below;
  const statuses: Record<string, number> = {};
  const count = (status: number | string): void => { statuses[status] = (statuses[status] ?? 0) + 1; };
  const permitted = (to: string): boolean => { const pair = graph.pair(number, to); return graph.world.ledger.isPermitted(pair.number, pair.user); };
  const end = clock.now() + 9 * 24 * 3_600_000;
  let revoked = 0;
  while (clock.now() < end) {
    // Nothing is on its way across hours that pass at once.
    await made.until(() => stage.running.service.table.all().length === 0 && meta.liveCalls.length === 0 && graph.answering === 0, 'all calls and requests are over');
    clock.advance(random(4 * 3_600_000));
    const to = user(random(6));
    const what = random(12);
    if (what < 2) graph.answer(number, to, what === 0 && random(3) === 0 ? 'permanent' : 'accept', false);
    else if (what === 2) graph.answer(number, to, 'reject', true);
    else if (what < 7) {
      // The last two of the six never take a call.
      meta.behaviour = to > user(3) ? 'unreachable,ring=0' : 'noring';
      const before = permitted(to);
      count(await dial(to));
      if (before && !permitted(to)) revoked += 1;
    } else if (what < 10) {
      meta.behaviour = 'ring=9';
      const before = permitted(to);
      const call = await stage.peers['pbx']!.call(`sip:${to}@127.0.0.1:${stage.running.udp.port}`, { from: `<sip:${number}@pbx.example>` });
      // Refused, or it rings at Meta.
      await Promise.race([call.final, made.until(() => meta.liveCalls.length > 0, 'neither refused nor ringing')]);
      if (meta.liveCalls.length > 0) {
        await pause(300);
        call.cancel();
      }
      count(`given up ${await call.final ?? 0}`);
      await Promise.all(stage.running.service.table.all().map((one) => one.ended));
      if (before && !permitted(to)) revoked += 1;
    }
    await graph.world.webhooks.idle();
  }
  t.comment(JSON.stringify({ ...statuses, revoked, requests: graph.requests.filter(({ path }) => path.endsWith('/messages')).length }));
  t.same(meta.attempts.filter(({ status }) => status === 403), [], 'no call too many');
  t.same(graph.requests.filter(({ path, status }) => path.endsWith('/messages') && status !== 200), [], 'no request too many');
  t.ok((statuses['200'] ?? 0) > 3 && (statuses['480'] ?? 0) > 3 && (statuses['given up 487'] ?? 0) > 3 && revoked > 0, 'there was life in it');
});
