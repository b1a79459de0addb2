import t from 'tap';
import { peerAnswer, peerOffer, readPeerAnswer, readPeerOffer, writeSdp, type EnginePort, type PeerSdpProfile } from '../../../lib/sdp/index.js';
import { parseConfig } from '../../../lib/config/load.js';
import { openLegs } from '../../../lib/media/openLegs.js';
import { ConfigFaults } from '../../../lib/config/faults.js';

const profile: PeerSdpProfile = { codecs: ['opus', 'PCMU'], srtp: 'none', webrtc: true, dtmf: 'rfc4733' };
const port: EnginePort = {
  address: '203.0.113.4', port: 40_000, rtcpMux: true, sdes: [],
  ice: { ufrag: 'ufrag123', pwd: 'password-of-22-letters-', lite: false, candidates: [{ foundation: '1', component: 1, transport: 'udp', priority: 1, address: '203.0.113.4', port: 40_000, type: 'host' }] },
  dtls: { setup: 'actpass', fingerprints: [{ hash: 'sha-256', value: 'AB'.repeat(32).replace(/..(?=.)/g, '$&:') }] },
};
const browser = (lines: readonly string[] = [], media = 'm=audio 9 UDP/TLS/RTP/SAVPF 111 9 0 110 126'): string => [
  'v=0', 'o=- 1 2 IN IP4 127.0.0.1', 's=-', 't=0 0', 'a=group:BUNDLE 0', media, 'c=IN IP4 0.0.0.0', 'a=ice-ufrag:abcd', 'a=ice-pwd:0123456789012345678901', 'a=fingerprint:sha-256 '
  + port.dtls!.fingerprints[0]!.value, 'a=setup:actpass', 'a=mid:0', 'a=rtcp-mux', 'a=rtpmap:111 opus/48000/2', 'a=rtpmap:9 G722/8000', 'a=rtpmap:0 PCMU/8000',
  'a=rtpmap:110 telephone-event/48000', 'a=rtpmap:126 telephone-event/8000', 'a=candidate:1 1 udp 2113937151 host.local 50000 typ host', 'a=candidate:2 1 udp 2113937150 192.0.2.9 50000 typ host',
  'a=candidate:3 1 tcp 1518280447 192.0.2.9 9 typ host tcptype active', 'a=end-of-candidates', ...lines, '',
].join('\r\n');

t.test('an offer for a browser', async (t) => {
  const text = writeSdp(peerOffer(port, profile, { opus: 111, events: 101, wideEvents: 110 }, '7', 1));
  for (const line of ['a=group:BUNDLE 0', 'm=audio 40000 UDP/TLS/RTP/SAVPF 111 0 101 110', 'a=mid:0', 'a=rtcp-mux', 'a=setup:actpass', 'a=rtpmap:110 telephone-event/48000', 'a=msid:wa-b2bua wa-b2bua-audio']) {
    t.ok(text.includes(`\r\n${line}\r\n`), line);
  }
  t.notMatch(text, /a=ice-lite|a=crypto/);
  t.notMatch(writeSdp(peerOffer({ ...port, ice: null, dtls: null }, { ...profile, webrtc: false }, { opus: 111, events: 101, wideEvents: 110 }, '7', 1)), /BUNDLE|rtcp-mux|48000\r|msid|a=mid/, 'others see nothing of it');
});

t.test("a browser's offer", async (t) => {
  const media = readPeerOffer(browser(), profile);
  t.match(media, { codec: { name: 'opus', payloadType: 111 }, events: { payloadType: 110, clockRate: 48_000 }, flow: { listens: true, sends: true }, audio: { rtcpMux: true } });
  t.same(media.audio.ice!.candidates.map(({ address }) => address), ['192.0.2.9'], 'host names and TCP are passed over');
  t.match(readPeerOffer(browser(['a=sendonly']), profile), { flow: { listens: false, sends: true }, reply: 'recvonly' });
  t.match(readPeerOffer(browser(), { ...profile, codecs: ['PCMU'] }), { codec: { name: 'PCMU' }, events: { payloadType: 126 } });
  t.same(readPeerOffer(browser(), { ...profile, refuses: () => 'a loopback address' }).audio.ice!.candidates, [], 'a candidate that is refused is not asked; the browser may come by itself');
  const answer = writeSdp(peerAnswer(media, { ...port, dtls: { ...port.dtls!, setup: 'active' } }, profile, '7', 1));
  t.match(answer, /a=group:BUNDLE 0\r\n[^]*m=audio 40000 UDP\/TLS\/RTP\/SAVPF 111 110\r\n[^]*a=mid:0\r\n[^]*a=rtcp-mux\r\n[^]*a=setup:active\r\n/);
  const video = readPeerOffer(`${browser()}m=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=mid:1\r\na=rtpmap:96 VP8/90000\r\n`.replace('BUNDLE 0', 'BUNDLE 0 1'), profile);
  t.match(writeSdp(peerAnswer(video, port, profile, '7', 1)), /a=group:BUNDLE 0\r\n[^]*m=video 0 /, 'RFC 9143 §7.3.3: what is refused leaves the group');
});

t.test('what cannot be spoken with is refused, with the reason', async (t) => {
  const refused: Record<string, string> = {
    'no ICE or no DTLS fingerprint': browser().replace(/a=fingerprint.*\r\n/, ''),
    'no ICE or no DTLS': browser().replace(/a=ice-ufrag.*\r\n/, '').replace(/a=ice-pwd.*\r\n/, ''),
    'no a=rtcp-mux': browser().replace('a=rtcp-mux\r\n', ''),
    'none of the configured codecs': browser().replace('opus', 'speex').replace('PCMU/8000', 'L16/8000'),
    'refused with port 0': browser([], 'm=audio 0 UDP/TLS/RTP/SAVPF 111'),
  };
  for (const [why, text] of Object.entries(refused)) {
    t.throws(() => readPeerOffer(text, profile), { code: 'SDP_UNACCEPTABLE', message: new RegExp(why) }, why);
    t.throws(() => readPeerAnswer(text, profile, null), { message: new RegExp(why) });
  }
  t.throws(() => readPeerOffer(browser(), { ...profile, webrtc: false }), { message: /which is spoken with peers that have webrtc: true/ });
});

const faults = (media: string, peer: string): string[] => {
  try {
    parseConfig(`domain: sbc.example.net
sip: { listen: ["udp:127.0.0.1:0"] }
${media}
numbers: { "+447700900001": { password: x } }
peers: { agents: { register: true, pstn: none, accounts: { "6001": { password: y } }, webrtc: true${peer} } }
`, { env: {}, path: 'test' });
    return [];
  } catch (error) {
    if (!(error instanceof ConfigFaults)) throw error;
    return error.faults.map(({ path, message }) => `${path} ${message}`);
  }
};

t.test('webrtc: true is refused where it cannot work', async (t) => {
  t.same(faults('', ''), []);
  t.match(faults('media: { engine: rtpengine }', ''), [/^peers\.agents\.webrtc needs media\.engine: embedded/]);
  t.match(faults('media: { engine: freeswitch, freeswitch: [{ secret: s }] }', ''), [/^peers\.agents\.webrtc needs media\.engine: embedded.*freeswitch$/]);
  t.same(faults('', ', srtp: sdes'), [], 'srtp is for phones of it that are no browsers');
  const open = (agents: object): unknown[] => openLegs({
    media: { engine: 'embedded', interface: { meta: '203.0.113.4', peers: '203.0.113.4' } } as never, peers: { agents: { webrtc: true, websocket: null, register: true, accounts: {}, nat: false, ...agents } } as never,
  });
  t.same(open({ srtp: 'sdes' }), [], 'nothing of it is in clear');
  t.same(open({ srtp: 'none', register: false }), [], 'only browsers are there');
  t.match(open({ srtp: 'none' }), [{ path: 'peers.agents.srtp', message: /^is none, for the phones that do not come by WebSocket/ }]);
});
