import t from 'tap';
import { isOfPeer, reached } from '../../../lib/media/session/latch.js';
import { openLegs } from '../../../lib/media/openLegs.js';
import type { AudioSection } from '../../../lib/sdp/index.js';
import { isPublic, isSameAddress } from '../../../lib/util/address.js';
import { parseConfig } from '../../../lib/config/load.js';

t.test('H6: addresses that the Internet reaches, and spellings of one', async (t) => {
  for (const address of ['203.0.113.4', '8.8.8.8', '2001:db8::1', '172.32.0.1', '100.128.0.1']) t.ok(isPublic(address), address);
  for (const address of ['10.0.0.1', '172.16.3.4', '192.168.1.1', '100.64.0.1', '169.254.1.1', '127.0.0.1', '0.0.0.0', '::', '::1', 'fe80::1', 'fd00::1', 'pbx.example.net', '']) t.notOk(isPublic(address), address);
  t.ok(isSameAddress('2001:DB8:0:0::1', '2001:db8::1'));
  t.notOk(isSameAddress('10.0.0.1', '10.0.0.2'));
  t.notOk(isSameAddress('pbx', 'pbx'), 'names are no addresses');
});

t.test('H6: where a phone behind NAT is, and whose packets are its', async (t) => {
  const audio = (address: string): AudioSection => ({ address, port: 4000 } as AudioSection);
  t.equal(reached(audio('192.168.1.5'), { from: '203.0.113.9' }).address, '203.0.113.9');
  t.equal(reached(audio('192.168.1.5'), { from: '192.168.2.1' }).address, '192.168.1.5', 'both inside');
  t.equal(reached(audio('198.51.100.7'), { from: '203.0.113.9' }).address, '198.51.100.7', 'says a public one itself');
  t.equal(reached(audio('0.0.0.0'), { from: '203.0.113.9' }).address, '0.0.0.0', 'on hold');
  t.equal(reached(audio('192.168.1.5'), undefined).address, '192.168.1.5');
  t.ok(isOfPeer('203.0.113.9', audio('192.168.1.5'), { from: '203.0.113.9' }));
  t.ok(isOfPeer('192.168.1.5', audio('192.168.1.5'), { from: null }));
  t.notOk(isOfPeer('198.51.100.1', audio('192.168.1.5'), { from: '203.0.113.9' }));
});

t.test('H6: check and doctor name the peers whose plain media is on the Internet', async (t) => {
  const config = (address: string, peer: string): ReturnType<typeof parseConfig> => parseConfig(`
domain: sbc.example.net
sip: { tls: { cert: a.pem, key: b.pem } }
media: { rtpengine: { interface: { meta: 127.0.0.1, peers: ${address} } } }
numbers: { "+447700900001": { password: secret-word } }
peers: { pbx: { uri: "sip:10.0.0.7:5060", pstn: none, users: ["6001"], sources: ["10.0.0.7/32"], ${peer} } }
routes: [{ name: main, number: "+447700900001", to: [{ peer: pbx, user: "6001" }] }]
`, { env: {}, path: 'test' });
  t.match(openLegs({ ...config('203.0.113.4', 'srtp: optional'), media: { ...config('203.0.113.4', '').media, engine: 'freeswitch' } }), [{ path: 'peers.pbx.srtp', message: /offered plain RTP and nothing else/ }]);
  t.same(openLegs({ ...config('203.0.113.4', 'srtp: sdes'), media: { ...config('203.0.113.4', '').media, engine: 'freeswitch' } }), []);
  t.match(openLegs(config('203.0.113.4', '')), [{ path: 'peers.pbx.srtp', message: /forges its address/ }]);
  t.match(openLegs(config('10.0.0.4!203.0.113.4', 'nat: true')), [{ path: 'peers.pbx.srtp', message: /guesses its port/ }]);
  t.same(openLegs(config('203.0.113.4', 'srtp: sdes')), []);
  t.same(openLegs(config('10.0.0.4', '')), []);
  const browsers = config('203.0.113.4', '');
  const { pbx } = browsers.peers;
  const withKeys = (more: object): ReturnType<typeof openLegs> => openLegs({ ...browsers, peers: { agents: { ...pbx!, webrtc: true, ...more } } });
  t.same(withKeys({}), [], 'a gateway of browsers has DTLS');
  t.match(withKeys({ register: true }), [{ path: 'peers.agents.srtp', message: /^is none, for the phones that do not come by WebSocket, while/ }]);
  t.same(withKeys({ register: true, srtp: 'sdes' }), []);
  const account = (srtp: string | null): object => ({ password: 'x', maxConcurrentCalls: null, callsPerDay: null, srtp });
  t.match(withKeys({ webrtc: false, register: true, srtp: 'sdes', accounts: { 6001: account('none'), 6002: account(null) } }), [{ path: 'peers.agents.accounts.6001.srtp' }], 'an account of its own');
  t.same(withKeys({ webrtc: false, register: true, srtp: 'none', accounts: { 6001: account('sdes') } }), [], 'every account says otherwise');
});
