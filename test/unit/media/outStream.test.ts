import t from 'tap';
import { Rig, SILENCE, type Sent } from '../../helpers/outStreamRig.js';

t.test('nothing leaves before start(); then a frame every 20 ms, numbers wrap without a break', async (t) => {
  const rig = new Rig();
  rig.advance(100);
  rig.audio(1, 0);
  t.equal(rig.sent.length, 0);
  rig.stream.start(rig.now);
  rig.advance(1000);
  t.equal(rig.sent.length, 51);
  t.ok(rig.sent.every((one) => one.payload === SILENCE && one.ssrc === 77 && one.type === 111 && !one.marker));
  t.same(rig.faults, []);
});

t.test('a source is passed at once and unchanged but for its numbers', async (t) => {
  const rig = new Rig();
  rig.stream.start(rig.now);
  rig.advance(200);
  const before = rig.sent.length;
  rig.speak(50, 65_500, 0xffff_ff00, 5);
  const speech = rig.sent.slice(before);
  t.equal(speech.filter((one) => one.payload === '78aa').length, 50);
  t.equal(speech.filter((one) => one.payload === SILENCE).length, 0);
  t.notOk(rig.sent.some((one) => one.marker), 'a stream that never pauses has no marker (RFC 3551 §4.1)');
  t.same(rig.faults, []);
});

t.test('a change of SSRC, sequence and timestamps is not seen', async (t) => {
  const rig = new Rig();
  rig.stream.start(rig.now);
  rig.speak(20, 10, 1000, 1);
  rig.speak(20, 50_000, 7, 2);
  rig.speak(20, 3, 0x7fff_0000, 2);
  rig.speak(20, 3, 5, 2);
  t.same(rig.faults, []);
  t.equal(rig.sent.filter((one) => one.payload === '78aa').length, 80);
});

t.test('silence after 60 ms without a packet, and no break when the source comes back, its clock advanced or not', async (t) => {
  for (const pause of [100, 130, 500, 20_000]) {
    for (const advanced of [true, false]) {
      const rig = new Rig();
      rig.stream.start(rig.now);
      rig.speak(20, 0, 0);
      rig.advance(pause);
      rig.speak(20, 20, 20 * 960 + (advanced ? (pause / 20) * 960 : 0));
      t.same(rig.faults, [], `${pause} ms, ${advanced ? 'advanced' : 'not advanced'}`);
      t.ok(rig.sent.slice(-10).every((one) => one.payload === '78aa'), 'heard again');
    }
  }
});

t.test('a source that becomes later for good is heard again after a moment', async (t) => {
  for (const delay of [70, 100, 150, 190, 300]) {
    const rig = new Rig();
    rig.stream.start(rig.now);
    rig.speak(20, 0, 0);
    rig.advance(delay);
    rig.speak(50, 20, 20 * 960);
    const heard = rig.sent.filter((one) => one.payload === '78aa').length;
    t.ok(heard >= 66, `${delay} ms: ${heard} of 70`);
    t.same(rig.faults, []);
  }
});

t.test('a burst of held-back packets is dropped where silence stood, and the rest is on time', async (t) => {
  const rig = new Rig();
  rig.stream.start(rig.now);
  rig.speak(20, 0, 0);
  rig.advance(80);
  for (let i = 0; i < 5; i += 1) rig.audio(20 + i, (20 + i) * 960);
  rig.advance(20);
  rig.speak(20, 25, 25 * 960);
  t.same(rig.faults, []);
  t.ok(rig.stream.late >= 3, `${rig.stream.late} dropped`);
  const last = rig.sent.at(-1);
  t.ok(Math.abs((((last?.ts ?? 0) - (rig.sent[0]?.ts ?? 0)) >>> 0) / 48 - ((last?.at ?? 0) - (rig.sent[0]?.at ?? 0))) <= 40, 'the timestamps kept pace with the clock');
});

t.test('loss keeps its gap, reordering its order, duplicates are dropped', async (t) => {
  const rig = new Rig();
  rig.stream.start(rig.now);
  rig.speak(5, 0, 0);
  const at = rig.sent.length;
  for (const i of [5, 7, 6, 8, 10]) { rig.audio(i, i * 960, 1, `78${i.toString(16).padStart(2, '0')}`); rig.advance(i === 7 ? 5 : 20); }
  const base = rig.sent[at] as Sent;
  const seen = rig.sent.slice(at).map((one) => [one.payload, (one.seq - base.seq) & 0xffff, ((one.ts - base.ts) >>> 0) / 960]);
  t.same(seen.filter(([payload]) => payload !== SILENCE), [['7805', 0, 0], ['7807', 2, 2], ['7806', 1, 1], ['7808', 3, 3], ['780a', 5, 5]]);
  const twice = rig.sent.length;
  rig.audio(10, 10 * 960, 1, '780a');
  t.equal(rig.sent.length, twice, 'the same packet again');
});

t.test('a recording replaces the source and gives way to it without a break', async (t) => {
  const rig = new Rig();
  rig.stream.start(rig.now);
  rig.speak(10, 0, 0);
  let ended = 0;
  rig.stream.play([Buffer.from('7801', 'hex'), Buffer.from('7802', 'hex')], true, () => { ended += 1; });
  rig.speak(10, 10, 9600);
  t.same(rig.sent.slice(-4).map((one) => one.payload).sort(), ['7801', '7801', '7802', '7802'], 'looped');
  rig.stream.play([Buffer.from('7803', 'hex')], false, () => { ended += 1; });
  t.equal(ended, 1, 'the replaced one has ended');
  rig.advance(60);
  t.equal(ended, 2);
  rig.speak(10, 30, 30 * 960);
  t.equal(rig.sent.at(-1)?.payload, '78aa');
  t.same(rig.faults, []);
});

t.test('G.711 towards Meta has its own silence and clock', async (t) => {
  const rig = new Rig({ codec: 'PCMA', audioType: 8, eventType: 101, eventUnit: 8000 });
  rig.stream.start(rig.now);
  rig.advance(100);
  t.ok(rig.sent.every((one) => one.payload === 'd5'.repeat(160)));
  t.equal(((rig.sent[1]?.ts ?? 0) - (rig.sent[0]?.ts ?? 0)) >>> 0, 160);
});

t.test('a source that stalls and then sends what it held back does not put the call off ever further', async (t) => {
  const rig = new Rig();
  rig.stream.start(rig.now);
  const begin = rig.now;
  for (let round = 0; round < 20; round += 1) {
    const first = round * 30;
    rig.speak(20, first, first * 960);
    rig.advance(200);
    for (let i = 0; i < 10; i += 1) rig.audio(first + 20 + i, (first + 20 + i) * 960);
  }
  const lead = rig.sent.length * 20 - (rig.now - begin);
  t.ok(lead < 300, `${lead} ms ahead of the clock after twenty stalls of 200 ms`);
  t.ok(rig.stream.lead.leftOut > 50, `${rig.stream.lead.leftOut} packets left out`);
  t.same(rig.faults, [], 'and Meta sees one stream without a break');
  const before = rig.stream.lead.leftOut;
  rig.speak(100, 600, 600 * 960);
  const caughtUp = rig.stream.lead.leftOut;
  rig.speak(100, 700, 700 * 960);
  t.ok(caughtUp > before && rig.stream.lead.leftOut === caughtUp, 'once caught up nothing is left out any more');
});

t.test('a burst in the wrong order behind silence doubles no number', async (t) => {
  const rig = new Rig();
  rig.stream.start(rig.now);
  rig.speak(10, 0, 0);
  rig.advance(120);
  for (const i of [15, 11, 12, 13, 14, 16]) rig.audio(i, i * 960);
  rig.advance(20);
  rig.speak(10, 17, 17 * 960);
  t.same(rig.faults, []);
  t.equal(rig.sent.at(-1)?.payload, '78aa', 'and the source is heard again');
});
