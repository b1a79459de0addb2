// The DTLS keying of the stand-in user against a full-ICE peer connection that is not ours.
import t from 'tap';
import type { Test } from 'tap';
import { MediaStreamTrack, RTCPeerConnection, RTCRtpCodecParameters } from 'werift';
import { MetaSide } from '../../../lib/simulator/index.js';
import { Verdict } from '../../../lib/simulator/verdict.js';
import { MetaMedia } from '../../../lib/simulator/meta/media.js';

async function connection(t: Test): Promise<RTCPeerConnection> {
  const pc = new RTCPeerConnection({
    codecs: { audio: [new RTCRtpCodecParameters({ mimeType: 'audio/opus', clockRate: 48000, channels: 2, payloadType: 111 })], video: [] },
    iceAdditionalHostAddresses: ['127.0.0.1'], iceUseIpv4: true, iceUseIpv6: false,
  });
  t.teardown(() => pc.close());
  // An echo: what is heard goes out on our track.
  const track = new MediaStreamTrack({ kind: 'audio' });
  pc.addTransceiver(track, { direction: 'sendrecv' });
  pc.onTrack.subscribe((heard) => { heard.onReceiveRtp.subscribe((rtp) => { track.writeRtp(rtp.clone()); }); });
  return pc;
}

t.test('audio both ways through ICE-lite and DTLS as the passive side', async (t) => {
  const side = await MetaSide.open({});
  t.teardown(() => side.close());
  const verdict = new Verdict();
  const media = new MetaMedia(side, { keying: 'dtls' }, verdict, { silent: () => undefined, digit: () => undefined });
  const offer = await media.offer();
  t.match(offer, /\r\na=ice-lite\r\nm=audio \d+ UDP\/TLS\/RTP\/SAVPF 111 126\r\n/, 'ice-lite stands at session level');
  t.match(offer, /a=candidate:\d+ 1 udp \d+ 127\.0\.0\.1 \d+ typ host generation 0 network-cost 50\r\n/);
  const pc = await connection(t);
  await pc.setRemoteDescription({ type: 'offer', sdp: offer });
  await pc.setLocalDescription(await pc.createAnswer());
  const answeredAt = performance.now();
  media.accept(pc.localDescription?.sdp ?? '', answeredAt);
  await new Promise((resolve) => { setTimeout(resolve, 3500); });
  media.close();
  const { audio } = media.report(answeredAt);
  t.equal(audio?.toneHeard, true, 'the echo was heard');
  t.equal(audio?.detail.undecryptable, 0);
  t.match(audio?.ice, { dtlsRole: 'server', checks: Number, nominatedMs: Number, dtlsMs: Number });
  t.strictSame(verdict.violations.filter((v) => v.rule === 'dtls' || v.rule === 'ice' || v.rule === 'crypto'), []);
});

t.test('a fingerprint that is not the certificate\'s is a breach and leaves no keys', async (t) => {
  const side = await MetaSide.open({});
  t.teardown(() => side.close());
  const verdict = new Verdict();
  const media = new MetaMedia(side, { keying: 'dtls' }, verdict, { silent: () => undefined, digit: () => undefined });
  const pc = await connection(t);
  await pc.setRemoteDescription({ type: 'offer', sdp: await media.offer() });
  await pc.setLocalDescription(await pc.createAnswer());
  const wrong = (pc.localDescription?.sdp ?? '').replace(/a=fingerprint:sha-256 ..:..:/, 'a=fingerprint:sha-256 00:00:');
  media.accept(wrong, performance.now());
  await new Promise((resolve) => { setTimeout(resolve, 2500); });
  media.close();
  t.ok(verdict.violations.some((v) => v.rule === 'dtls' && v.detail.includes('fingerprint')), JSON.stringify(verdict.violations));
  t.equal(media.report(undefined).audio?.toneHeard, false);
});
