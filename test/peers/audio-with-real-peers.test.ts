import t from 'tap';
import { openStage } from '../scenario/harness.js';
import { absent, startBaresip, startSipp } from './programs.js';

for (const codec of ['PCMU', 'PCMA', 'opus', 'G722']) {
  t.test(`baresip answers with ${codec}: the tone comes back`, { skip: absent('baresip') }, async (t) => {
    const baresip = await startBaresip({ codec: { opus: 'opus/48000/2', G722: 'G722/16000/1' }[codec] ?? codec });
    t.teardown(() => baresip.close());
    const stage = await openStage({ external: { pbx: { port: baresip.port, codecs: [codec] } } });
    t.teardown(() => stage.close());
    const report = await stage.call({}, 3000);
    t.same(report.violations, []);
    t.ok(report.ok, 'answered, tone heard, no rule broken');
    t.ok(report.audio!.packetsReceived > 100 && report.audio!.packetsLost === 0, `${report.audio!.packetsReceived} packets, ${report.audio!.packetsLost} lost`);
    const [cdr] = await stage.running.records(1);
    t.equal(cdr!.media!.peer.codec, codec);
    t.ok(cdr!.media!.peer.packetsIn > 100);
  });
}

t.test('baresip with SDES-SRTP on its leg too', { skip: absent('baresip') }, async (t) => {
  const baresip = await startBaresip({ codec: 'PCMU', srtp: true });
  t.teardown(() => baresip.close());
  const stage = await openStage({ external: { pbx: { port: baresip.port, srtp: 'sdes' } } });
  t.teardown(() => stage.close());
  const report = await stage.call({}, 3000);
  t.same(report.violations, []);
  t.ok(report.ok);
  const [cdr] = await stage.running.records(1);
  t.equal(cdr!.media!.peer.keying, 'sdes');
});

t.test('sipp with RTP echo', { skip: absent('sipp') }, async (t) => {
  const sipp = await startSipp();
  t.teardown(() => sipp.close());
  const stage = await openStage({ external: { pbx: { port: sipp.port, codecs: ['PCMU'] } } });
  t.teardown(() => stage.close());
  const report = await stage.call({}, 3000);
  t.same(report.violations, []);
  t.ok(report.ok);
});
