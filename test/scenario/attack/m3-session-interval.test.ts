// M3, N7: session intervals of zero, of months and of centuries, from a PBX that calls and from one that is called: the call goes on, nothing is sent in a hurry.
import t from 'tap';
import { engines } from '../../helpers/engines.js';
import { RawPeer, sdp } from '../../helpers/rawPeer.js';
import { number } from '../../helpers/service.js';
import { openStage, pause } from '../harness.js';

const values = ['4294967;refresher=uac', '5000000;refresher=uac', '5000000;refresher=uas', '0', '0;refresher=uas', '4294967295', '2147484;refresher=uas'];

t.test('a PBX that is called', async (t) => {
  const pbx = await RawPeer.open();
  const stage = await openStage({ external: { pbx: { port: pbx.port } }, overlay: { meta: { mediaTimeout: 0 } } });
  t.teardown(async () => {
    await stage.close();
    pbx.close();
  });
  // drachtio-server 0.9.10 ends at a refresher with an interval of 0, with every call it has.
  for (const [index, value] of values.filter((one) => engines.sip === 'embedded' || one !== '0;refresher=uas').entries()) {
    const before = pbx.heard.length;
    pbx.script((invite, peer) => peer.answer(invite, 200, { body: sdp(), headers: [['Session-Expires', value], ['Require', 'timer'], ['Allow', 'INVITE, UPDATE, BYE, ACK']] }));
    const report = await stage.call({ expect: [] }, 600);
    t.equal(report.status, 200, value);
    const [record] = (await stage.running.records(index + 1)).slice(-1);
    t.match(record?.termination, { by: 'user', reason: 'hangup' }, value);
    t.same(pbx.heard.slice(before).map((line) => line.split(' ')[0]), ['INVITE', 'ACK', 'BYE'], value);
  }
});

t.test('a PBX that calls, and asks again in the call', async (t) => {
  const pbx = await RawPeer.open();
  const stage = await openStage({ external: { pbx: { port: pbx.port, mayCall: [number] } }, overlay: { meta: { mediaTimeout: 0 } } });
  t.teardown(async () => {
    await stage.close();
    pbx.close();
  });
  await stage.answerAsMeta({ media: 'none' });
  for (const [index, value] of values.filter((one) => !one.startsWith('0')).entries()) {
    const before = pbx.heard.length;
    const response = await pbx.call(stage.running.udp, `sip:+44770090010${index}@${stage.running.udp.host}`, { headers: [['Session-Expires', value], ['Supported', 'timer']] }, `<sip:${number}@pbx.example>`);
    t.equal(response.status, 200, value);
    t.match(response.get('session-expires'), /^86400;refresher=ua[cs]$/, value);
    await pause(600);
    t.notOk(pbx.heard.slice(before).some((line) => /^(?:BYE|UPDATE|INVITE)/.test(line)), `${value}: nothing but answers`);
  }
});
