import t from 'tap';
import { WabError } from '../../../lib/errors.js';
import { metaAnswer, metaOffer, readMetaAnswer, readMetaOffer, readSdp, writeSdp, type EnginePort } from '../../../lib/sdp/index.js';
import { FINGERPRINT, KEY, metaDtlsOffer, metaSdesOffer } from './samples.js';

const ourKey = Buffer.alloc(30, 9).toString('base64');
const port: EnginePort = {
  address: '203.0.113.4', port: 40002, rtcpMux: true,
  sdes: [{ tag: 1, suite: 'AES_CM_128_HMAC_SHA1_80', key: ourKey }, { tag: 2, suite: 'AES_CM_128_HMAC_SHA1_32', key: ourKey }],
  ice: { ufrag: 'abcd', pwd: 'x'.repeat(24), lite: false, candidates: [{ foundation: '1', component: 1, transport: 'udp', priority: 2130706431, address: '203.0.113.4', port: 40002, type: 'host' }] },
  dtls: { setup: 'active', fingerprints: [{ hash: 'sha-256', value: FINGERPRINT }] },
};
const source = { id: 77, cname: 'wab' };
const refused = (text: string): string => {
  try { readMetaOffer(text, 'sdes'); } catch (error) { if (error instanceof WabError && error.code === 'SDP_UNACCEPTABLE') return error.message; throw error; }
  return 'accepted';
};

t.test("Meta's SDES offer is understood", async (t) => {
  const media = readMetaOffer(metaSdesOffer, 'sdes');
  t.match(media, { keying: 'sdes', index: 0, codec: { name: 'opus', payloadType: 111, channels: 2 }, events: { payloadType: 126, clockRate: 8000 } });
  t.match(media.audio, { address: '198.51.100.7', port: 3480, rtcpMux: true, mid: 'audio', ptime: 20, maxptime: 20, ice: null, dtls: null });
  t.same(media.audio.sdes, [{ tag: 1, suite: 'AES_CM_128_HMAC_SHA1_80', key: KEY }]);
});

t.test("Meta's DTLS offer is understood, ice-lite from session level included", async (t) => {
  const { audio, keying } = readMetaOffer(metaDtlsOffer, 'dtls');
  t.equal(keying, 'dtls');
  t.match(audio, { ice: { lite: true, ufrag: 'yvP3Wz0dCBQ8s+/a', pwd: 'p+3w/cd6fYk9Jw0nRz4x2A==' }, dtls: { setup: 'actpass', fingerprints: [{ hash: 'sha-256', value: FINGERPRINT }] } });
  t.same(audio.ice?.candidates.map((c) => c.address), ['198.51.100.7', '2001:db8::7']);
  t.ok(writeSdp(readSdp(metaDtlsOffer)).split('m=audio')[1]?.includes('a=ice-lite'), 'ice-lite is written at media level');
});

t.test('the answer to an SDES offer has one crypto, our address and nothing of the engine or of Meta besides', async (t) => {
  const text = writeSdp(metaAnswer(readMetaOffer(metaSdesOffer, 'sdes'), port, source));
  t.equal(text, [
    'v=0', 'o=- 77 1 IN IP4 203.0.113.4', 's=-', 't=0 0', 'a=group:BUNDLE audio',
    'm=audio 40002 RTP/SAVP 111 126', 'c=IN IP4 203.0.113.4', 'a=mid:audio',
    'a=rtpmap:111 opus/48000/2', 'a=fmtp:111 maxaveragebitrate=20000;maxplaybackrate=16000;minptime=20;sprop-maxcapturerate=16000;useinbandfec=1',
    'a=rtpmap:126 telephone-event/8000', 'a=fmtp:126 0-16', 'a=ptime:20', 'a=maxptime:20', 'a=sendrecv', 'a=rtcp-mux',
    `a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:${ourKey}`, 'a=ssrc:77 cname:wab', '',
  ].join('\r\n'));
});

t.test('the answer to a DTLS offer is active, with candidates, without crypto', async (t) => {
  const text = writeSdp(metaAnswer(readMetaOffer(metaDtlsOffer, 'dtls'), port, source));
  t.match(text, /m=audio 40002 UDP\/TLS\/RTP\/SAVPF 111 126\r\n/);
  t.match(text, /a=setup:active\r\na=fingerprint:sha-256 /);
  t.match(text, /a=candidate:1 1 udp 2130706431 203\.0\.113\.4 40002 typ host\r\n/);
  t.notMatch(text, /a=crypto|a=ice-lite/);
});

t.test('every other m-line is answered with port 0, in its place', async (t) => {
  const offer = metaSdesOffer.replace('m=audio', 'm=video 5000 UDP/TLS/RTP/SAVPF 96 97\r\na=mid:v\r\na=rtpmap:96 VP8/90000\r\nm=audio')
    + 'm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\nm=audio 6000 RTP/AVP 0\r\nc=IN IP4 198.51.100.7\r\n';
  const text = writeSdp(metaAnswer(readMetaOffer(offer, 'sdes'), port, source));
  t.same(text.match(/m=.*/g), [
    'm=video 0 UDP/TLS/RTP/SAVPF 96 97', 'm=audio 40002 RTP/SAVP 111 126', 'm=application 0 UDP/DTLS/SCTP webrtc-datachannel', 'm=audio 0 RTP/AVP 0',
  ]);
  t.match(text, /a=group:BUNDLE audio\r\n/);
});

t.test('our offers: Opus first, events at 8000 on 126, G.711 only where enabled', async (t) => {
  const sdes = writeSdp(metaOffer(port, 'sdes', true, source));
  t.match(sdes, /m=audio 40002 RTP\/SAVP 111 0 8 126\r\n/);
  t.equal(sdes.match(/a=crypto/g)?.length, 1);
  const dtls = writeSdp(metaOffer({ ...port, dtls: { setup: 'actpass', fingerprints: port.dtls?.fingerprints ?? [] } }, 'dtls', false, source));
  t.match(dtls, /m=audio 40002 UDP\/TLS\/RTP\/SAVPF 111 126\r\n/);
  t.match(dtls, /a=setup:actpass/);
});

t.test("Meta's answer under our payload types, Opus taken beside G.711", async (t) => {
  const answer = metaSdesOffer.replace('RTP/SAVP 111 126', 'RTP/SAVP 0 107 101').replaceAll(':111 ', ':107 ').replaceAll(':126 ', ':101 ');
  t.match(readMetaAnswer(answer, 'sdes'), { codec: { name: 'opus', payloadType: 107 }, events: { payloadType: 101 } });
  t.throws(() => readMetaAnswer(metaDtlsOffer, 'sdes'), { code: 'SDP_UNACCEPTABLE' });
});

t.test("the offer's keying counts; the number's setting decides between both", async (t) => {
  t.equal(readMetaOffer(metaDtlsOffer, 'sdes').keying, 'dtls');
  const both = metaSdesOffer + metaDtlsOffer.split('\r\n').filter((line) => /^a=(ice-(ufrag|pwd)|fingerprint|setup|candidate)/.test(line)).join('\r\n') + '\r\n';
  t.equal(readMetaOffer(both, 'sdes').keying, 'sdes');
  t.equal(readMetaOffer(both, 'dtls').keying, 'dtls');
});

t.test('what cannot be used is refused by name', async (t) => {
  const cases: [string, (text: string) => string, RegExp][] = [
    ['no crypto', (s) => s.replace(/a=crypto.*\r\n/, ''), /no AES_CM_128_HMAC_SHA1_80 key/],
    ['short key', (s) => s.replace(KEY, KEY.slice(4)), /no AES_CM_128/],
    ['MKI', (s) => s.replace(KEY, `${KEY}|2^20|1:4`), /no AES_CM_128/],
    ['clear text asked for', (s) => s.replace(KEY, `${KEY} UNENCRYPTED_SRTP`), /no AES_CM_128/],
    ['other suite', (s) => s.replace('AES_CM_128_HMAC_SHA1_80', 'AEAD_AES_128_GCM'), /no AES_CM_128/],
    ['no Opus', (s) => s.replace('opus/48000/2', 'speex/16000'), /neither Opus nor G\.711/],
    ['Opus mono is another codec', (s) => s.replace('opus/48000/2', 'opus/48000'), /neither Opus nor G\.711/],
    ['port 0', (s) => s.replace('m=audio 3480', 'm=audio 0'), /port 0/],
    ['port too large', (s) => s.replace('m=audio 3480', 'm=audio 70000'), /port 70000/],
    ['no address', (s) => s.replace(/c=.*\r\n/, ''), /no c= line/],
    ['host name', (s) => s.replace('c=IN IP4 198.51.100.7', 'c=IN IP4 media.example.net'), /without an IP address/],
    ['no m-line', (s) => s.split('m=')[0] ?? '', /no m= line/],
    ['video alone', (s) => s.replace('m=audio', 'm=video'), /no audio section/],
    ['not SDP', () => '{"type":"offer"}', /does not begin with v=0/],
    ['empty', () => '', /does not begin with v=0/],
    ['too long', (s) => s + 'a=x\r\n'.repeat(10_000), /longer than/],
  ];
  for (const [name, change, expected] of cases) t.match(refused(change(metaSdesOffer)), expected, name);
  t.match(refused(metaDtlsOffer.replace(/a=ice-pwd.*\r\n/, '')), /ice-ufrag or ice-pwd/);
  t.match(refused(metaDtlsOffer.replace(/a=fingerprint.*\r\n/, '')), /no DTLS fingerprint/);
  t.match(refused(metaDtlsOffer.replace('actpass', 'holdconn')), /setup holdconn/);
});

t.test('a lifetime and a window hint do no harm', async (t) => {
  t.equal(readMetaOffer(metaSdesOffer.replace(KEY, `${KEY}|2^31`), 'sdes').audio.sdes.length, 1);
  t.equal(readMetaOffer(metaSdesOffer.replace(KEY, `${KEY} WSH=64`), 'sdes').audio.sdes.length, 1);
});
