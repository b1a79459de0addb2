// A PBX that was started anew knows none of its calls: it is asked when it goes out of service and when it is back.
import t from 'tap';
import { engines } from '../../helpers/engines.js';
import { pairOfPorts } from '../../helpers/ports.js';
import { RawPeer, sdp } from '../../helpers/rawPeer.js';
import { number } from '../../helpers/service.js';
import { openStage, pause } from '../harness.js';
import { until } from '../pbx/steps.js';

/** A PBX that is asked every second, and answers as it is told: nothing (a dead process), or a status within dialogs. */
for (const [what, within, ends] of [
  ['knows no call any more (481)', 481, true], ['still has them (200)', 200, false], ['refuses the question (403)', 403, false],
] as const) {
  t.test(`E3: a PBX that comes back and ${what}: its calls ${ends ? 'end at once, on hold too' : 'go on'}`, async (t) => {
    const pbx = await RawPeer.open();
    t.teardown(() => pbx.close());
    let dead = false;
    const asked: string[] = [];
    const invites: Parameters<Parameters<typeof pbx.script>[0]>[0][] = [];
    pbx.script((invite) => {
      invites.push(invite);
      pbx.answer(invite, 200, { body: sdp() });
    });
    pbx.meets((request) => {
      if (dead) return true;
      if (request.method !== 'OPTIONS' || !/tag=/.test(request.get('to')!)) return false;
      asked.push(request.get('call-id')!);
      pbx.answer(request, within);
      return true;
    });
    const stage = await openStage({
      external: { pbx: { port: pbx.port, mayCall: [number], health: { interval: 1, outAfter: 2 } } }, overlay: { meta: { mediaTimeout: 0 } },
    });
    t.teardown(() => stage.close());
    const callers = [stage.user({ expect: [] }), stage.user({ expect: [], from: '447700900102' })];
    for (const caller of callers) t.equal(await caller.place(), 200);
    const held = await pbx.ask(invites[1]!, 'INVITE', { body: sdp().replace('sendrecv', 'inactive') });
    t.equal(held.status, 200);
    dead = true;
    await until(() => stage.running.log.some((line) => line.includes('is out of service')), 'out');
    t.notOk(callers.some((caller) => caller.ended), 'who does not answer is not ended for that');
    dead = false;
    await until(() => asked.length >= 2, 'both calls are asked about');
    if (ends) {
      await until(() => callers.every((caller) => caller.ended), 'both end');
      const records = await stage.running.records(2);
      for (const { termination } of records) t.match(termination, { by: 'us', reason: 'peerGone', status: 481 });
      t.ok(stage.running.log.some((line) => line.includes('peer pbx does not know this call any more')));
      t.equal(stage.running.service.table.onPeer('pbx'), 0, 'its places are free');
    } else {
      await pause(1500);
      t.notOk(callers.some((caller) => caller.ended));
      for (const caller of callers) await caller.hangUp();
      const records = await stage.running.records(2);
      for (const { termination } of records) t.match(termination, { by: 'user', reason: 'hangup' });
    }
    for (const caller of callers) caller.close();
  });
}

t.test('E3: a PBX that is dead: who was to send and sends nothing while it answers nothing is ended; on hold, or with RTCP alone, the call goes on', { timeout: 90_000 }, async (t) => {
  const pbx = await RawPeer.open();
  t.teardown(() => pbx.close());
  let dead = false;
  const invites: Parameters<Parameters<typeof pbx.script>[0]>[0][] = [];
  // Only its signalling is gone: a proxy, say. FreeSWITCH does not hear RTCP of peers, so there it sends RTP.
  const [rtp, rtcp] = await pairOfPorts();
  const above = engines.media === 'freeswitch' ? 0 : 1;
  const packet = engines.media === 'freeswitch' ? Buffer.concat([Buffer.from([0x80, 0, 0, 1, 0, 0, 0, 160, 0, 0, 0, 7]), Buffer.alloc(160, 0xff)]) : Buffer.from([0x80, 201, 0, 1, 0, 0, 0, 7]);
  pbx.script((invite) => {
    invites.push(invite);
    if (invites.length !== 3) return pbx.answer(invite, 200, { body: sdp() });
    pbx.answer(invite, 200, { body: sdp().replace('m=audio 9 ', `m=audio ${rtp.address().port} `) });
    const theirs = Number(/m=audio (\d+)/.exec(invite.body)![1]);
    const timer = setInterval(() => [rtp, rtcp][above]!.send(packet, theirs + above, '127.0.0.1'), 1000);
    t.teardown(() => { clearInterval(timer); rtp.close(); rtcp.close(); });
  });
  pbx.meets(() => dead);
  const stage = await openStage({
    external: { pbx: { port: pbx.port, mayCall: [number], health: { interval: 1, outAfter: 2 }, mediaTimeout: 0 } }, overlay: { meta: { mediaTimeout: 0 } },
  });
  t.teardown(() => stage.close());
  const [talks, holds, reports] = [stage.user({ expect: [] }), stage.user({ expect: [], from: '447700900102' }), stage.user({ expect: [], from: '447700900103' })];
  for (const caller of [talks, holds, reports]) t.equal(await caller.place(), 200);
  t.equal((await pbx.ask(invites[1]!, 'INVITE', { body: sdp().replace('sendrecv', 'inactive') })).status, 200);
  dead = true;
  const over = new Promise<void>((resolve) => { talks.once('ended', () => resolve()); });
  await until(() => stage.running.log.some((line) => line.includes('is out of service')), 'out');
  const out = performance.now();
  await over;
  const took = performance.now() - out;
  t.ok(took > 20_000 && took < 45_000, `${Math.round(took)} ms after it went out`);
  t.match((await stage.running.records(1))[0]?.termination, { by: 'us', reason: 'peerGone', status: 408 });
  t.ok(stage.running.log.some((line) => line.includes('peer pbx has not answered for')), 'the log says why');
  await pause(500);
  t.notOk(holds.ended, 'one that is on hold need not send');
  t.notOk(reports.ended, 'one whose media lives has lost its signalling only');
  for (const caller of [holds, reports]) await caller.hangUp();
  for (const caller of [talks, holds, reports]) caller.close();
});
