// A number keyed with DTLS, user- and business-initiated, on the rtpengine that WAB_RTPENGINE names: 10.5, 12.5 and 26 were tried.
import t from 'tap';
import { engines } from '../../helpers/engines.js';
import { number, password } from '../../helpers/service.js';
import { openStage, pause } from '../harness.js';

const skip = engines.media !== 'rtpengine';
const overlay = { numbers: { [number]: { password, keying: 'dtls' } } };

t.test(`A11: WhatsApp users call a DTLS number on ${engines.rtpengine}: audio within a second and a half, the first call too`, { skip, timeout: 60_000 }, async (t) => {
  const stage = await openStage({ overlay });
  t.teardown(() => stage.close());
  for (const which of ['the first', 'the second']) {
    const { status, audio, violations } = await stage.call({ keying: 'dtls' }, 2500);
    t.equal(status, 200);
    t.ok(audio?.toneHeard, `${which}: ${audio?.packetsReceived} packets to Meta`);
    t.ok((audio?.firstPacketMs ?? Infinity) < 1500, `${which}: the first after ${audio?.firstPacketMs?.toFixed(0)} ms`);
    t.ok((audio?.packetsSent ?? 0) > 30, `${which}: ${audio?.packetsSent} packets from Meta`);
    t.same(violations, []);
  }
  for (const { media } of await stage.running.records(2)) t.ok((media?.meta.packetsIn ?? 0) > 30, `CDR: ${media?.meta.packetsIn} packets from Meta`);
});

t.test(`A11: a DTLS number calls a WhatsApp user on ${engines.rtpengine}`, { skip, timeout: 60_000 }, async (t) => {
  const stage = await openStage({ overlay, peers: { pbx: { config: { mayCall: [number] } } } });
  t.teardown(() => stage.close());
  const meta = await stage.answerAsMeta({ keying: 'dtls' });
  const call = await stage.peers['pbx']?.call(`sip:+447700900101@127.0.0.1:${stage.running.udp.port}`, { from: `<sip:${number}@pbx.example>` });
  t.equal(await call?.final, 200);
  await pause(2500);
  await call?.bye();
  const [record] = await stage.running.records(1);
  t.ok((record?.media?.meta.packetsIn ?? 0) > 30, `CDR: ${record?.media?.meta.packetsIn} packets from Meta`);
  t.ok(meta.reports[0]?.audio?.toneHeard, 'Meta heard the PBX');
  t.ok(call?.report().toneHeard, 'the PBX heard Meta');
});
