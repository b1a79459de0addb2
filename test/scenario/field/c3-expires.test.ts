// An INVITE with Expires stands for so long: then 487, and what we had begun for it is cancelled (RFC 3261 §13.3.1).
import t, { type Test } from 'tap';
import type { SipMessage } from '../../../lib/sipserver/parser/index.js';
import { RawPeer, sdp } from '../../helpers/rawPeer.js';
import { number } from '../../helpers/service.js';
import { openStage, pause, type Stage } from '../harness.js';
import { until } from '../pbx/steps.js';

async function open(t: Test): Promise<{ stage: Stage; pbx: RawPeer; dial: (expires: string) => Promise<SipMessage> }> {
  const pbx = await RawPeer.open();
  t.teardown(() => pbx.close());
  const stage = await openStage({ external: { pbx: { port: pbx.port, mayCall: [number] } }, overlay: { meta: { mediaTimeout: 0 } } });
  t.teardown(() => stage.close());
  return { stage, pbx, dial: (expires) => pbx.call(stage.running.udp, `sip:+447700900101@127.0.0.1:${stage.running.udp.port}`, { headers: expires === '' ? [] : [['Expires', expires]] }, `<sip:${number}@pbx.example>`) };
}

t.test('a PBX gives us one second, the WhatsApp user rings on: 487, CANCEL to Meta', async (t) => {
  const { stage, dial } = await open(t);
  const meta = await stage.answerAsMeta({ media: 'none', behaviour: 'ring=30' });
  const started = Date.now();
  const response = await dial('1');
  t.equal(response.status, 487);
  t.ok(Date.now() - started >= 900, `after ${Date.now() - started} ms`);
  await until(() => meta.reports.length === 1, 'Meta has its CANCEL');
  t.match(meta.reports[0], { status: 487, endedBy: 'business', violations: { length: 0 } });
  t.match((await stage.running.records(1))[0]!.termination, { by: 'peer', reason: 'expired', status: 487 });
});

t.test('a call that is answered outlives it; a number too large to wait for, or none at all, is no limit', async (t) => {
  for (const expires of ['1', '4294967295', '']) {
    const { stage, dial } = await open(t);
    const meta = await stage.answerAsMeta({ media: 'none', behaviour: 'noring' });
    t.equal((await dial(expires)).status, 200, expires);
    await pause(expires === '1' ? 1300 : 50);
    t.equal(meta.liveCalls.length, 1, `${expires}: the call stands`);
  }
});

t.test("Meta's INVITE likewise: 487, CANCEL to the PBX", async (t) => {
  const { stage, pbx } = await open(t);
  pbx.script((invite, peer) => peer.answer(invite, 180));
  const cancel = pbx.next('CANCEL', ({ method }) => method === 'CANCEL');
  t.equal(await stage.user({ headers: { Expires: '1' } }).place(), 487);
  t.match((await cancel).get('reason'), 'cause=487');
});

t.test('a queue that Meta has been answered from is no invitation any more', async (t) => {
  const pbx = await RawPeer.open();
  t.teardown(() => pbx.close());
  let waiting: SipMessage | undefined;
  pbx.script((invite, peer) => {
    waiting = invite;
    peer.answer(invite, 180);
  });
  const stage = await openStage({
    external: { pbx: { port: pbx.port } },
    overlay: { meta: { mediaTimeout: 0 }, routes: [{ name: 'main', number, to: [{ peer: 'pbx', user: '6001' }], answerFirst: true }] },
  });
  t.teardown(() => stage.close());
  const user = stage.user({ headers: { Expires: '1' } });
  t.equal(await user.place(), 200);
  await pause(1300);
  t.notOk(user.ended);
  pbx.answer(waiting!, 200, { body: sdp() });
  await user.hangUp();
});
