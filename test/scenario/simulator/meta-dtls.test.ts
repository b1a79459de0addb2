// Business-initiated calls on a DTLS number: the offer of a full-ICE peer connection that is not ours, answered by the stand-in of Meta.
import t from 'tap';
import { MediaStreamTrack, RTCPeerConnection, RTCRtpCodecParameters } from 'werift';
import { MetaMedia } from '../../../lib/simulator/meta/media.js';
import { judgeOffer } from '../../../lib/simulator/meta/offer.js';
import { MetaSide } from '../../../lib/simulator/index.js';
import { Verdict } from '../../../lib/simulator/verdict.js';

for (const role of ['active', 'passive'] as const) {
  t.test(`Meta answers ${role}: audio both ways`, async (t) => {
    const pc = new RTCPeerConnection({
      codecs: { audio: [new RTCRtpCodecParameters({ mimeType: 'audio/opus', clockRate: 48000, channels: 2, payloadType: 96 })], video: [] },
      iceAdditionalHostAddresses: ['127.0.0.1'], iceUseIpv4: true, iceUseIpv6: false,
    });
    const side = await MetaSide.open({});
    t.teardown(async () => {
      await pc.close();
      await side.close();
    });
    const track = new MediaStreamTrack({ kind: 'audio' });
    pc.addTransceiver(track, { direction: 'sendrecv' });
    pc.onTrack.subscribe((heard) => { heard.onReceiveRtp.subscribe((rtp) => { track.writeRtp(rtp.clone()); }); });
    await pc.setLocalDescription(await pc.createOffer());
    const verdict = new Verdict();
    const offer = judgeOffer(pc.localDescription?.sdp ?? '', 'dtls', ['opus'], (rule, detail) => { verdict.breach(rule, detail); });
    if (typeof offer === 'string') return t.fail(`refused: ${offer}`);
    const media = new MetaMedia(side, { keying: 'dtls' }, verdict, { silent: () => undefined, digit: () => undefined });
    const answer = await media.answer(offer, false, role);
    t.match(answer, new RegExp(`a=setup:${role}\r\n`));
    t.match(answer, /m=audio \d+ UDP\/TLS\/RTP\/SAVPF 96 126\r\n/, 'the payload type of the offer');
    const answeredAt = performance.now();
    media.start(answeredAt);
    await pc.setRemoteDescription({ type: 'answer', sdp: answer });
    await new Promise((resolve) => { setTimeout(resolve, 3000); });
    media.close();
    const { audio } = media.report(answeredAt);
    t.equal(audio?.toneHeard, true, 'the echo was heard');
    t.match(audio?.ice, { dtlsRole: role === 'active' ? 'client' : 'server', nominatedMs: Number, dtlsMs: Number });
    t.strictSame(verdict.violations.filter((v) => v.rule === 'dtls' || v.rule === 'ice' || v.rule === 'crypto'), []);
  });
}
