import t from 'tap';
import { number } from '../../helpers/service.js';
import { openStage } from '../harness.js';

const media = 'none' as const;
const other = (n: number): string => `+4477009001${70 + n}`;

t.test('C6: a full number is policy limit.number in both directions', async (t) => {
  const stage = await openStage({
    peers: { pbx: { media, config: { mayCall: [number] } } }, overlay: { numbers: { [number]: { maxConcurrentCalls: 1 } }, meta: { mediaTimeout: 0 } },
  });
  t.teardown(() => stage.close());
  const user = stage.user({ media: 'none' });
  t.equal(await user.place(), 200);
  t.equal((await stage.call({ media: 'none' })).status, 503);
  const dialled = await stage.peers.pbx!.call(`sip:${other(1)}@127.0.0.1:${stage.running.udp.port}`, { from: `<sip:${number}@pbx.example>` });
  t.equal(await dialled.final, 503);
  const [one, two] = await stage.running.records(2);
  t.same([one!.direction, two!.direction].sort(), ['business-initiated', 'user-initiated']);
  const full = { by: 'policy', reason: 'limit.number', status: 503, rule: `numbers."${number}".maxConcurrentCalls`, text: `${number} carries its 1 calls already` };
  t.match(one!.termination, full);
  t.match(two!.termination, full);
  t.same(one!.termination, two!.termination);
  await user.hangUp();
});

t.test('C6: a full peer is policy limit.peer, whether it calls, is called, picks up or is transferred to', async (t) => {
  const stage = await openStage({
    peers: { pbx: { media, config: { mayCall: [number], maxConcurrentCalls: 1 } } }, overlay: { meta: { mediaTimeout: 0 } },
  });
  t.teardown(() => stage.close());
  const pbx = stage.peers.pbx!;
  const user = stage.user({ media: 'none' });
  t.equal(await user.place(), 200);
  t.equal((await stage.call({ media: 'none' })).status, 480, 'to Meta it is as if nobody answered');
  const dialled = await pbx.call(`sip:${other(2)}@127.0.0.1:${stage.running.udp.port}`, { from: `<sip:${number}@pbx.example>` });
  t.equal(await dialled.final, 503);
  const [one, two] = await stage.running.records(2);
  t.match(one!.termination, { by: 'policy', reason: 'limit.peer', status: 503, rule: 'peers.pbx.maxConcurrentCalls', text: 'peer pbx carries its 1 calls already' });
  t.same(one!.termination, two!.termination);

  const first = pbx.lastCall!;
  const { callId, local, remote } = first.ids();
  const picked = await pbx.call(`sip:pickup@127.0.0.1:${stage.running.udp.port}`, { from: '<sip:6005@pbx.example>', headers: { Replaces: `${callId};to-tag=${remote};from-tag=${local}` } });
  t.equal(await picked.final, 503);
  t.match(picked.report().message, /\r\nReason: SIP;cause=503;text="peer pbx carries its 1 calls already"\r\n/i);
  t.ok(stage.running.log.some((line) => line.includes('"reason":"limit.peer"') && line.includes('a pick-up was refused')));
  await user.hangUp();
  t.match((await stage.running.records(3)).at(-1), { transfers: [{ kind: 'pickup', to: null, status: 503 }] });
});
