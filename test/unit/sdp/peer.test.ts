import t from 'tap';
import { peerAnswer, peerOffer, readPeerAnswer, readPeerOffer, writeSdp, type EnginePort, type PeerSdpProfile } from '../../../lib/sdp/index.js';
import { KEY, peerPcmuAnswer } from './samples.js';

const profile: PeerSdpProfile = { codecs: ['PCMU', 'PCMA', 'opus', 'G722'], srtp: 'none', dtmf: 'rfc4733' };
const port: EnginePort = { address: '10.0.0.4', port: 40010, rtcpMux: false, sdes: [{ tag: 1, suite: 'AES_CM_128_HMAC_SHA1_80', key: KEY }], ice: null, dtls: null };

t.test('offers carry the configured codecs in order, events at 8000, ptime 20', async (t) => {
  t.equal(writeSdp(peerOffer(port, profile, { opus: 111, events: 96 }, '5', 1)), [
    'v=0', 'o=- 5 1 IN IP4 10.0.0.4', 's=-', 't=0 0', 'm=audio 40010 RTP/AVP 0 8 111 9 96', 'c=IN IP4 10.0.0.4',
    'a=rtpmap:0 PCMU/8000', 'a=rtpmap:8 PCMA/8000', 'a=rtpmap:111 opus/48000/2', 'a=fmtp:111 minptime=20;useinbandfec=1', 'a=rtpmap:9 G722/8000',
    'a=rtpmap:96 telephone-event/8000', 'a=fmtp:96 0-15', 'a=ptime:20', 'a=sendrecv', '',
  ].join('\r\n'));
  const secure = writeSdp(peerOffer(port, { ...profile, srtp: 'sdes', dtmf: 'info' }, { opus: 111, events: 96 }, '5', 1));
  t.match(secure, /RTP\/SAVP 0 8 111 9\r\n/, 'no events where digits go by INFO');
  t.match(secure, new RegExp(`a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:${KEY.replace(/[+/]/g, '\\$&')}\r\n`));
});

t.test('answers: static payload types without rtpmap, events, the first codec that was offered', async (t) => {
  t.match(readPeerAnswer(peerPcmuAnswer, profile, null), { codec: { name: 'PCMU', payloadType: 0 }, events: { payloadType: 101 }, flow: { listens: true, sends: true }, reply: 'sendrecv' });
  t.match(readPeerAnswer('v=0\r\nm=audio 18000 RTP/AVP 8\r\nc=IN IP4 192.0.2.9\r\n', profile, null), { codec: { name: 'PCMA' }, events: null });
  t.match(readPeerAnswer(peerPcmuAnswer.replace('AVP 0 101', 'AVP 18 9 0 101'), profile, null), { codec: { name: 'G722', clockRate: 8000 } });
});

t.test('every form of hold is read', async (t) => {
  for (const [change, listens, sends, reply] of [
    ['a=sendonly', false, true, 'recvonly'], ['a=inactive', false, false, 'inactive'], ['a=recvonly', true, false, 'sendonly'], ['a=sendrecv', true, true, 'sendrecv'],
  ] as const) {
    for (const read of [readPeerOffer, (text: string, by: typeof profile) => readPeerAnswer(text, by, null)]) {
      t.match(read(peerPcmuAnswer.replace('a=sendrecv', change), profile), { flow: { listens, sends }, reply }, change);
      const session = peerPcmuAnswer.replace('a=sendrecv\r\n', '').replace('t=0 0', `t=0 0\r\n${change}`);
      t.match(read(session, profile), { flow: { listens, sends }, reply }, `${change} at session level`);
    }
  }
  t.match(readPeerOffer(peerPcmuAnswer.replace('t=0 0', 't=0 0\r\na=inactive'), profile), { reply: 'sendrecv' }, 'the section has the last word');
  for (const zero of ['IP4 0.0.0.0', 'IP6 ::', 'IP6 0:0:0:0:0:0:0:0', 'IP6 ::ffff:0.0.0.0']) {
    t.match(readPeerOffer(peerPcmuAnswer.replace('c=IN IP4 192.0.2.9', `c=IN ${zero}`), profile), { flow: { listens: false, sends: true }, reply: 'sendrecv' }, zero);
    t.match(readPeerOffer(peerPcmuAnswer.replace('c=IN IP4 192.0.2.9', `c=IN ${zero}`).replace('a=sendrecv', 'a=inactive'), profile), { flow: { listens: false, sends: false } }, zero);
  }
});

t.test('refusals name the reason', async (t) => {
  for (const [text, expected] of [
    [peerPcmuAnswer.replace('audio 18000', 'audio 0'), /refused with port 0/],
    [peerPcmuAnswer.replace('RTP/AVP 0 101', 'RTP/AVP 18'), /none of the configured codecs/],
    [peerPcmuAnswer.replace('RTP/AVP', 'RTP/SAVP'), /SRTP where srtp: none/],
    [peerPcmuAnswer.replace('RTP/AVP', 'UDP/TLS/RTP/SAVP'), /DTLS/],
    ['', /does not begin/],
  ] as const) t.throws(() => readPeerAnswer(text, profile, null), { code: 'SDP_UNACCEPTABLE', message: expected });
  t.throws(() => readPeerAnswer(peerPcmuAnswer, { ...profile, srtp: 'sdes' }, null), { message: /plain RTP where srtp: sdes/ });
  t.throws(() => readPeerAnswer(peerPcmuAnswer.replace('RTP/AVP', 'RTP/SAVP'), { ...profile, srtp: 'sdes' }, null), { message: /no usable/ });
});

t.test('a second audio section is used when the first does not fit an offer, and the others are refused', async (t) => {
  const offer = peerPcmuAnswer.replace('m=audio', 'm=audio 17000 RTP/SAVP 0\r\nm=audio') + 'm=video 9000 RTP/AVP 34\r\n';
  const media = readPeerOffer(offer, profile);
  t.equal(media.index, 1);
  const text = writeSdp(peerAnswer(media, port, profile, '5', 2));
  t.same(text.match(/m=.*/g), ['m=audio 0 RTP/SAVP 0', 'm=audio 40010 RTP/AVP 0 101', 'm=video 0 RTP/AVP 34']);
});

t.test('events beside Opus: 8000 preferred, 48000 taken, none is none', async (t) => {
  const opus = (events: string): string => `v=0\r\nc=IN IP4 192.0.2.9\r\nm=audio 18000 RTP/AVP 96 ${events.match(/\d+/g)?.filter((n) => Number(n) < 128).join(' ') ?? ''}\r\na=rtpmap:96 OPUS/48000/2\r\n${events}`;
  t.match(readPeerOffer(opus('a=rtpmap:97 telephone-event/48000\r\na=rtpmap:98 telephone-event/8000\r\n'), profile), { codec: { name: 'opus' }, events: { payloadType: 98 } });
  t.match(readPeerOffer(opus('a=rtpmap:97 telephone-event/48000\r\n'), profile), { events: { payloadType: 97, clockRate: 48000 } });
  t.match(readPeerOffer(opus(''), profile), { events: null });
});

t.test('A10: an SDES answer names one of our lines, by tag and suite', async (t) => {
  const key = 'MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5';
  const secure = { ...profile, srtp: 'sdes' as const };
  const port = { sdes: [{ tag: 1, suite: 'AES_CM_128_HMAC_SHA1_80', key }] };
  const answer = (crypto: string): string => peerPcmuAnswer.replace('RTP/AVP', 'RTP/SAVP').replace(/\r\n$/, `\r\na=crypto:${crypto} inline:${key}\r\n`);
  t.match(readPeerAnswer(answer('1 AES_CM_128_HMAC_SHA1_80'), secure, port), { audio: { sdes: [{ tag: 1 }] } });
  t.throws(() => readPeerAnswer(answer('2 AES_CM_128_HMAC_SHA1_80'), secure, port), { code: 'SDP_UNACCEPTABLE', message: /a=crypto:2 .* answers none of our lines \(1 / });
  t.throws(() => readPeerAnswer(answer('1 AES_CM_128_HMAC_SHA1_32'), secure, port), { code: 'SDP_UNACCEPTABLE' });
  t.throws(() => readPeerAnswer(answer('0 AES_CM_128_HMAC_SHA1_80'), secure, port), { code: 'SDP_UNACCEPTABLE' });
  t.match(readPeerOffer(answer('7 AES_CM_128_HMAC_SHA1_80'), secure), { audio: { sdes: [{ tag: 7 }] } }, 'an offer has whatever tags it likes');
});

t.test('L1: a description whose media would go where none may go is refused, on hold it is not', async (t) => {
  const strict = { ...profile, refuses: (address: string) => (address === '192.0.2.9' || address.startsWith('198.') ? null : `${address} is somewhere else`) };
  const at = (address: string): string => peerPcmuAnswer.replace(/c=IN IP4 \S+/, `c=IN IP4 ${address}`);
  t.match(readPeerOffer(at('198.51.100.1'), strict), { audio: { address: '198.51.100.1' } });
  for (const read of [readPeerOffer, (text: string, by: typeof strict) => readPeerAnswer(text, by, null)]) t.throws(() => read(at('224.0.0.1'), strict), { code: 'SDP_UNACCEPTABLE', message: /somewhere else/ });
  t.match(readPeerOffer(at('0.0.0.0'), strict), { flow: { listens: false } });
});

t.test('a key line that no SRTP can be made of is passed over, as RFC 4568 §7.1.1 has it', async (t) => {
  const secure: PeerSdpProfile = { ...profile, srtp: 'sdes' };
  const offer = (inline: string): string => peerPcmuAnswer.replace('RTP/AVP', 'RTP/SAVP').replace(/\r\n$/, `\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:${inline}\r\n`);
  t.match(readPeerOffer(offer(`${KEY}|2^31|255:1`), secure), { audio: { sdes: [{ mki: '255:1' }] } });
  for (const inline of [`${KEY}|2^31|300:1`, `${KEY}|2^31|1:0`, `${KEY}|2^31|1:129`, `${KEY}====`, `${KEY.slice(0, 8)}=${KEY.slice(8)}`]) {
    t.throws(() => readPeerOffer(offer(inline), secure), { code: 'SDP_UNACCEPTABLE', message: /no usable a=crypto line/ }, inline);
  }
});

t.test('a=rtcp is judged as the m-line is (RFC 3605): RTCP goes nowhere else than where RTP may', async (t) => {
  const refuses = (_: string, port: number): string | null => (port === 5060 || port === 22 ? 'our own SIP port' : null);
  const strict = { ...profile, refuses };
  const [, address = '', port = ''] = /c=IN IP4 (\S+)[^]*m=audio (\d+)/.exec(peerPcmuAnswer) ?? [];
  const rtcp = (line: string, text = peerPcmuAnswer): unknown => readPeerOffer(text.replace(/\r\n$/, `\r\n${line}\r\n`), strict).audio.rtcp;
  t.equal(rtcp(`a=rtcp:${Number(port) + 1}`), undefined, 'what goes without saying');
  t.same(rtcp('a=rtcp:40123'), { address, port: 40_123 });
  t.same(rtcp(`a=rtcp:40123 IN IP4 ${address}`), { address, port: 40_123 });
  t.equal(rtcp('a=rtcp:40123 IN IP4 203.0.113.77'), undefined, "another host than RTP's is not believed");
  for (const bad of [5060, 22]) t.same(rtcp(`a=rtcp:${bad}`), { address, port: 9 }, `${bad}`);
  t.same(rtcp('', peerPcmuAnswer.replace(`m=audio ${port}`, 'm=audio 5059')), { address, port: 9 }, 'the port after RTP is one as well');
  t.same(rtcp('', peerPcmuAnswer.replace(`m=audio ${port}`, 'm=audio 65535')), { address, port: 9 }, 'there is none after the last');
  t.equal(readPeerOffer(peerPcmuAnswer.replace(/c=IN IP4 \S+/, 'c=IN IP4 0.0.0.0'), strict).audio.rtcp, undefined, 'on hold nothing is sent');
});

t.test('payload types that look like RTCP are passed over (RFC 5761 §4)', async (t) => {
  const text = peerPcmuAnswer.replace(/m=audio (\d+) RTP\/AVP .*/, 'm=audio $1 RTP/AVP 72 8\r\na=rtpmap:72 PCMU/8000');
  t.match(readPeerOffer(text, { ...profile, codecs: ['PCMU', 'PCMA'] }), { codec: { payloadType: 8, name: 'PCMA' } });
});
