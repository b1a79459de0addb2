import t from 'tap';
import { number } from '../helpers/service.js';
import { watchStalls } from '../helpers/stalls.js';
import { openStage, pause } from './harness.js';

const rows = [
  ['sdes', 'own', false], ['dtls', 'active', false], ['dtls', 'passive,own', false], ['dtls', 'passive', true], ['sdes', 'noring,ring=0', true],
] as const;

for (const [keying, behaviour, g711] of rows) {
  t.test(`${keying}, Meta answers ${behaviour}${g711 ? ', a number with G.711' : ''}: our offer, first packet, audio both ways`, async (t) => {
    const stage = await openStage({ peers: { pbx: { config: { mayCall: [number] } } }, overlay: { numbers: { [number]: { keying, g711 } } } });
    t.teardown(() => stage.close());
    const meta = await stage.answerAsMeta({ keying, g711, behaviour: `tone,ring=0.1,${behaviour}` });
    const stalls = watchStalls();
    t.teardown(() => stalls.stop());
    const call = await stage.peers.pbx!.call(`sip:+447700900101@127.0.0.1:${stage.running.udp.port}`, { from: `<sip:${number}@pbx.example>` });
    t.equal(await call.final, 200);
    await pause(2500);
    await call.bye();
    await stage.running.records(1);
    while (meta.reports.length < 1) await pause(10);
    const [report] = meta.reports;
    t.same(report!.violations, []);
    t.ok(report!.audio!.toneHeard && call.report().toneHeard, 'audio both ways');
    t.ok(report!.audio!.firstPacketMs! < stalls.bound(1000), `the first packet came ${report!.audio!.firstPacketMs} ms after the 200 (this machine was held up by ${Math.round(stalls.worstMs)} ms)`);

    const sdp = report!.invite.split('\r\n\r\n')[1]!;
    // META-SIP §6.1, §6.3: one stream, Opus 111 first, G.711 only where the number has it, events at 8 kHz on 126, 20 ms.
    t.match(sdp, keying === 'sdes' ? /^m=audio \d+ RTP\/SAVP 111( 8 0| 0 8)? 126\r$/m : /^m=audio \d+ UDP\/TLS\/RTP\/SAVPF 111( 8 0| 0 8)? 126\r$/m);
    t.equal(/ 111 (8 0|0 8) 126\r/.test(sdp), g711);
    t.equal(sdp.match(/^m=/gm)!.length, 1);
    t.match(sdp, /^a=rtpmap:111 opus\/48000\/2\r$/m);
    t.match(sdp, /^a=rtpmap:126 telephone-event\/8000\r$/m);
    t.match(sdp, /^a=ptime:20\r$/m);
    t.equal(/^a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:/m.test(sdp), keying === 'sdes');
    t.equal(/^a=fingerprint:sha-256 /m.test(sdp) && /^a=ice-ufrag:/m.test(sdp), keying === 'dtls');
  });
}
