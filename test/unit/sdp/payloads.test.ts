import t from 'tap';
import { audioCodec, eventCodec, numberedAlike, payloadMap, underOurNumbers } from '../../../lib/sdp/index.js';

const named = [audioCodec('PCMU'), audioCodec('opus', 111), eventCodec(96)];

t.test('what is sent is theirs, what is taken is ours and theirs', async (t) => {
  t.same(payloadMap(named, { codec: audioCodec('PCMU'), events: eventCodec(101) }), { sends: { audio: 0, events: 101 }, takes: { audio: [0], events: [96, 101] } });
  t.same(payloadMap(named, { codec: audioCodec('opus', 107), events: null }), { sends: { audio: 107, events: null }, takes: { audio: [111, 107], events: [] } });
  t.same(payloadMap([], { codec: audioCodec('G722', 99), events: eventCodec(98) }), { sends: { audio: 99, events: 98 }, takes: { audio: [99], events: [98] } }, 'nothing named yet');
  t.same(payloadMap(named, { codec: audioCodec('PCMU', 96), events: eventCodec(97) }), { sends: { audio: 96, events: 97 }, takes: { audio: [0], events: [96, 97] } },
    'a number that both gave to different things is what we said (RFC 3264 §6.1)');
  t.same(payloadMap(named, { codec: audioCodec('PCMU'), events: eventCodec(101, 48_000) }).takes.events, [101], 'another clock is another codec');
});

t.test('their choice under our numbers', async (t) => {
  const theirs = { codec: audioCodec('opus', 107), events: eventCodec(101), other: 'kept' };
  t.match(underOurNumbers(named, theirs), { codec: { name: 'opus', payloadType: 111 }, events: { payloadType: 96 }, other: 'kept' });
  t.match(underOurNumbers([], theirs), { codec: { payloadType: 107 }, events: { payloadType: 101 } });
  t.notOk(numberedAlike(named, theirs));
  t.ok(numberedAlike(named, { codec: audioCodec('opus', 111), events: null }));
  t.ok(numberedAlike(named, { codec: audioCodec('PCMU'), events: eventCodec(96) }));
});
