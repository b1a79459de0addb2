import t from 'tap';
import { readInfoDigit, writeInfoDigit } from '../../../lib/call/peer/dtmfInfo.js';
import { mediaProfile } from '../../../lib/call/peer/mediaProfile.js';
import { e164 } from '../../../lib/call/meta/request.js';
import { CallTable } from '../../../lib/call/table.js';
import { parseConfig } from '../../../lib/config/load.js';

t.test('digits in INFO, both bodies, limits and nonsense', (t) => {
  t.same(readInfoDigit('application/dtmf-relay', 'Signal=5\r\nDuration=160\r\n'), { digit: '5', duration: 160 });
  t.same(readInfoDigit('Application/DTMF-Relay; x=y', 'Signal = a\nDuration = 99999'), { digit: 'A', duration: 8000 });
  t.same(readInfoDigit('application/dtmf-relay', 'Signal=11'), { digit: '#', duration: 160 });
  t.same(readInfoDigit('application/dtmf', ' * '), { digit: '*', duration: 160 });
  t.equal(readInfoDigit('application/dtmf-relay', 'Signal=55'), null);
  t.equal(readInfoDigit('application/dtmf-relay', ''), null);
  t.same(readInfoDigit('application/dtmf-relay', ' Duration = 300 ms\nsignal = # \nSignal=1'), { digit: '#', duration: 300 });
  t.equal(readInfoDigit('application/dtmf-relay', 'Signal=constructor'), null);
  t.equal(readInfoDigit('application/dtmf-relay', `Signal=5${'\r\n'.repeat(200)}`), null, 'longer than any that carries a digit');
  t.equal(readInfoDigit('text/plain', '5'), null);
  for (const digit of '0123456789*#ABCD') {
    const { contentType, body } = writeInfoDigit({ digit, duration: 100 });
    t.same(readInfoDigit(contentType, body), { digit, duration: 100 });
  }
  t.end();
});

t.test('the number in a Request-URI', (t) => {
  t.equal(e164('+447700900001'), '+447700900001');
  t.equal(e164('447700900001'), '+447700900001');
  for (const other of ['support', '+0123456789', '+44', '', null, '+44770090000100000']) t.equal(e164(other), null, String(other));
  t.end();
});

t.test('places are counted exactly and given back once', (t) => {
  const table = new CallTable();
  const taken = [1, 2, 3].map(() => table.takeNumber('+447700900001', 2));
  t.same(taken.map((place) => place !== null), [true, true, false]);
  t.equal(table.onNumber('+447700900001'), 2);
  taken[0]!.release();
  taken[0]!.release();
  t.equal(table.onNumber('+447700900001'), 1);
  t.ok(table.takeNumber('+447700900001', 2));
  t.equal(table.takePeer('pbx', 0), null);
  t.end();
});

t.test('webrtc is for phones that came by WebSocket, srtp for the others of their peer', (t) => {
  const { peers } = parseConfig(`
domain: sbc.example.net
sip: { listen: ["udp:127.0.0.1:0"] }
numbers: { "+447700900001": { password: x } }
peers:
  phones: { register: true, pstn: none, webrtc: true, srtp: sdes, accounts: { "6001": { password: one } } }
  sbc: { uri: "sip:127.0.0.1", pstn: none, users: ["6001"], sources: ["127.0.0.1/32"], webrtc: true }
`, { env: {}, path: 'test' });
  const of = (name: string, transport: string): object => {
    const peer = peers[name];
    if (peer === undefined) throw new Error(name);
    const { webrtc, srtp } = mediaProfile({ objectsToPlace: () => null }, peer, { from: null, transport, account: null });
    return { webrtc, srtp };
  };
  for (const transport of ['ws', 'wss', 'WSS']) t.same(of('phones', transport), { webrtc: true, srtp: 'none' }, transport);
  for (const transport of ['udp', 'tcp', 'tls']) t.same(of('phones', transport), { webrtc: false, srtp: 'sdes' }, transport);
  t.same(of('sbc', 'tls'), { webrtc: true, srtp: 'none' }, 'a peer with an address of its own is one thing');
  t.end();
});
