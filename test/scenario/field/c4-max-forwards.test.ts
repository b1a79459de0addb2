// A call across us is a hop (RFC 7332): none left is 483 (RFC 3261 §16.3), and the call goes on with one less.
import t from 'tap';
import { number } from '../../helpers/service.js';
import { openRawPbx } from './rawPbx.js';
import { until } from '../pbx/steps.js';

t.test('from a peer: 0 is 483 and reaches nobody; 1 and none go on; OPTIONS and a dialog end here anyway', async (t) => {
  for (const [value, status] of [['0', 483], [' 000', 483], ['1', 200], ['', 200]] as const) {
    const { stage, pbx } = await openRawPbx(t);
    const meta = await stage.answerAsMeta({ media: 'none', behaviour: 'noring' });
    const { udp } = stage.running;
    const response = await pbx.call(udp, `sip:+447700900101@127.0.0.1:${udp.port}`, { headers: [['Max-Forwards', value]] }, `<sip:${number}@pbx.example>`);
    t.equal(response.status, status, `Max-Forwards: ${value}`);
    t.equal(meta.liveCalls.length, status === 200 ? 1 : 0);
    if (status === 483) t.match((await stage.running.records(1))[0]!.termination, { by: 'peer', reason: 'refused', status: 483 });
  }
  const { stage, pbx, invites } = await openRawPbx(t);
  const { udp } = stage.running;
  t.match(await pbx.outside(udp, 'OPTIONS', `sip:127.0.0.1:${udp.port}`, { headers: [['Max-Forwards', '0']] }), { status: 200 });
  const pickup = await pbx.call(udp, `sip:x@127.0.0.1:${udp.port}`, { headers: [['Max-Forwards', '0'], ['Replaces', 'a;to-tag=b;from-tag=c']] }, '<sip:6005@pbx.example>');
  t.equal(pickup.status, 483, 'a pick-up');
  t.equal(invites.length, 0);
});

t.test("from Meta: 0 is 483; the PBX's INVITE, and that of a transfer, has one less", async (t) => {
  const { stage, pbx, invites } = await openRawPbx(t);
  t.equal(await stage.user({ headers: { 'Max-Forwards': '0' } }).place(), 483);
  t.equal(invites.length, 0);
  const user = stage.user();
  t.equal(await user.place(), 200);
  t.equal(invites[0]!.get('max-forwards'), '68');
  t.equal((await pbx.ask(invites[0]!, 'REFER', { headers: [['Refer-To', `<sip:6002@127.0.0.1:${pbx.port}>`]] })).status, 202);
  await until(() => invites.length === 2, 'the target is called');
  t.equal(invites[1]!.get('max-forwards'), '68');
  await user.hangUp();
  for (const [value, wanted] of [['1', '0'], ['255', '69'], ['70', '69']] as const) {
    const one = stage.user({ headers: { 'Max-Forwards': value } });
    t.equal(await one.place(), 200);
    t.equal(invites.at(-1)!.get('max-forwards'), wanted, value);
    await one.hangUp();
  }
});
