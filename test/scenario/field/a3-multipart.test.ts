// A3: a session description beside other parts, in every message that can carry one, both directions.
import t, { type Test } from 'tap';
import { RawPeer, sdp } from '../../helpers/rawPeer.js';
import { number } from '../../helpers/service.js';
import { openStage, type Stage } from '../harness.js';

const location = 'Content-Type: application/pidf+xml\r\nContent-Disposition: render;handling=optional\r\n\r\n<presence/>\r\n';
const type = 'multipart/mixed;boundary="uniq-1"';
const around = (description: string): string => `--uniq-1\r\n${location}--uniq-1\r\nContent-Type: application/sdp\r\n\r\n${description}\r\n--uniq-1--\r\n`;
const required = around(sdp()).replace('handling=optional', 'handling=required');

async function open(t: Test): Promise<{ stage: Stage; pbx: RawPeer }> {
  const pbx = await RawPeer.open();
  const stage = await openStage({ external: { pbx: { port: pbx.port, mayCall: [number] } }, overlay: { meta: { mediaTimeout: 0 }, routes: [{ name: 'main', number, to: [{ peer: 'pbx', user: '6001' }], ringTimeout: 5 }] } });
  t.teardown(async () => {
    await stage.close();
    pbx.close();
  });
  return { stage, pbx };
}

t.test('a PBX that calls', async (t) => {
  const { stage, pbx } = await open(t);
  await stage.answerAsMeta({ media: 'none' });
  const { udp } = stage.running;
  const call = (user: string, body: string, as = type): ReturnType<RawPeer['call']> => pbx.call(udp, `sip:${user}@${udp.host}`, { body, type: as }, `<sip:${number}@pbx.example>`);
  const answered = await call('+447700900201', around(sdp()));
  t.equal(answered.status, 200);
  t.match(answered.body, /^v=0/);
  t.equal((await call('+447700900202', around(sdp()).replaceAll('\r\n', '\n'))).status, 200, 'LF alone');
  const refused = await call('+447700900203', required);
  t.equal(refused.status, 415);
  t.match(refused.get('accept'), /application\/sdp/);
  t.equal((await call('+447700900204', around(sdp()), 'multipart/mixed;boundary=another')).status, 400, 'a boundary that is nowhere');
  t.equal((await call('+447700900205', around(sdp()).replace('application/pidf+xml', 'application/ISUP'))).status, 403, 'ISUP is refused by policy');
});

t.test('a PBX that is called: 183, 200, re-INVITE and UPDATE', async (t) => {
  const { stage, pbx } = await open(t);
  let invite: Parameters<Parameters<RawPeer['script']>[0]>[0] | undefined;
  pbx.script((request, peer) => {
    invite = request;
    peer.answer(request, 183, { body: around(sdp()), type });
    setTimeout(() => peer.answer(request, 200, { body: around(sdp()), type }), 50);
  });
  const user = stage.user({ expect: [] });
  t.equal(await user.place(), 200);
  for (const method of ['INVITE', 'UPDATE']) {
    const response = await pbx.ask(invite!, method, { body: around(sdp()), type });
    t.equal(response.status, 200, method);
    t.match(response.body, /^v=0/, method);
    t.equal((await pbx.ask(invite!, method, { body: required, type })).status, 415, `${method}, a part that must be understood`);
  }
  await user.hangUp();
  user.close();
  t.match((await stage.running.records(1))[0]?.termination, { by: 'user', reason: 'hangup' });
});
