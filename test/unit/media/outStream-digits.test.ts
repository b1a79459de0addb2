import t from 'tap';
import { META, Rig, SILENCE, type Sent } from '../../helpers/outStreamRig.js';

t.test('events: on the audio clock, durations converted, unwrapped and cut', async (t) => {
  const rig = new Rig();
  rig.stream.start(rig.now);
  rig.speak(10, 0, 0);
  const lastAudio = rig.sent.at(-1) as Sent;
  // What rtpengine makes of a 3 s digit: 48 kHz units, the field running over.
  for (let i = 1; i <= 150; i += 1) { rig.event(9 + i, 9600, 5, (i * 960) & 0xffff, false, 48_000); rig.advance(20); }
  for (let i = 0; i < 3; i += 1) rig.event(160 + i, 9600, 5, (150 * 960) & 0xffff, true, 48_000);
  rig.advance(20);
  const events = rig.sent.filter((one) => one.type === 126);
  t.equal(events.length, 153);
  t.same([...new Set(events.map((one) => one.ts))], [(lastAudio.ts + 960) >>> 0]);
  t.equal(Buffer.from(events.at(-1)?.payload ?? '', 'hex').readUInt16BE(2), 24_000, 'three seconds in 8 kHz units');
  t.equal(events.filter((one) => one.marker).length, 1);
  t.equal(rig.sent.filter((one) => one.payload === SILENCE).length, 0, 'no silence amid the digit');
  rig.speak(5, 163, 160 * 960);
  const audio = rig.sent.at(-5) as Sent;
  t.equal((audio.ts - lastAudio.ts) >>> 0, 151 * 960, 'the audio goes on where the digit ended');

  const cut = new Rig({ codec: 'opus', audioType: 111, eventType: 102, eventUnit: 48_000 });
  cut.stream.start(cut.now);
  cut.speak(2, 0, 0);
  cut.event(2, 1920, 5, 16_000, true, 8000);
  t.equal(Buffer.from(cut.sent.at(-1)?.payload ?? '', 'hex').readUInt16BE(2), 0xffff);
});

t.test('our own digits: three end packets, on the audio clock, a pause between two', async (t) => {
  const rig = new Rig();
  rig.stream.start(rig.now);
  rig.advance(100);
  rig.stream.digit(4, 100);
  // Not before the first is over, which would cut it short.
  rig.advance(120);
  rig.stream.digit(5, 50);
  rig.advance(600);
  const events = rig.sent.filter((one) => one.type === 126).map((one) => ({ ...one, bytes: Buffer.from(one.payload, 'hex') }));
  t.same(events.map((one) => [one.bytes[0], (one.bytes[1] as number) > 127, one.bytes.readUInt16BE(2), one.marker]), [
    [4, false, 160, true], [4, false, 320, false], [4, false, 480, false], [4, false, 640, false], [4, true, 800, false], [4, true, 800, false], [4, true, 800, false],
    [5, false, 160, true], [5, false, 320, false], [5, true, 400, false], [5, true, 400, false], [5, true, 400, false],
  ]);
  t.equal(new Set(events.map((one) => one.ts)).size, 2);
  t.ok((events[7]?.at ?? 0) - (events[6]?.at ?? 0) >= 60);
  t.same(rig.sent.flatMap((one, i) => (i > 0 && ((one.seq - (rig.sent[i - 1] as Sent).seq) & 0xffff) !== 1 ? [i] : [])), [], 'one sequence');
});

t.test('a digit stays one and has its end, whatever of it is late or lost', async (t) => {
  const events = (rig: Rig): Sent[] => rig.sent.filter((one) => one.type === 126);
  const ends = (rig: Rig): number => events(rig).filter((one) => (Buffer.from(one.payload, 'hex')[1] as number) > 127).length;
  const begin = (): Rig => {
    const rig = new Rig();
    rig.stream.start(rig.now);
    rig.speak(10, 0, 0);
    for (let i = 1; i <= 5; i += 1) { rig.event(9 + i, 9600, 5, i * 160, false); rig.advance(20); }
    return rig;
  };
  const stalled = begin();
  stalled.advance(200);
  for (let i = 0; i < 3; i += 1) stalled.event(15 + i, 9600, 5, 15 * 160, true);
  stalled.speak(5, 18, 25 * 960);
  t.equal(stalled.sent.filter((one) => one.payload === SILENCE).length, 0, 'no silence amid the digit');
  t.equal(ends(stalled), 3);
  t.equal(new Set(events(stalled).map((one) => one.ts)).size, 1);

  const endLost = begin();
  endLost.speak(10, 18, 15 * 960);
  t.equal(ends(endLost), 3, 'audio instead of the end');
  t.equal(endLost.sent.at(-1)?.payload, '78aa');

  const both = begin();
  for (let i = 0; i < 6; i += 1) {
    both.event(15 + 2 * i, 9600, 5, (6 + Math.min(i, 3)) * 160, i >= 3);
    both.audio(16 + 2 * i, (16 + i) * 960);
    both.advance(20);
  }
  both.speak(5, 27, 22 * 960);
  t.equal(ends(both), 3, 'audio amid the event, and amid its ends');
  t.equal(both.sent.map((one) => one.type).join().split('126,111').length, 2, 'which is one');

  const restamped = begin();
  for (let i = 0; i < 3; i += 1) {
    restamped.audio(15 + 2 * i, (15 + i) * 960);
    restamped.event(16 + 2 * i, 9600 + (i === 0 ? 0 : 8000 + i * 960), 5, 800, true);
    restamped.advance(20);
  }
  t.equal(ends(restamped), 3, 'copies of the end with timestamps of their own');

  const gone = begin();
  gone.advance(1000);
  t.equal(ends(gone), 3, 'nothing instead of the end');
  gone.event(60, 9600, 5, 60 * 160, true);
  t.equal(ends(gone), 3, 'which comes too late then');

  const replaced = begin();
  replaced.stream.detach();
  replaced.audio(1, 1, 9);
  t.equal(ends(replaced), 3, 'another source instead of the end');
  for (const rig of [stalled, endLost, both, restamped, gone, replaced]) t.notMatch(rig.faults.join(), /seq|ms/);
});

t.test('copies of the end that are lost or that audio overtakes leave no number free', async (t) => {
  for (const [what, lost] of [['lost', true], ['overtaken', false]] as const) {
    const rig = new Rig();
    rig.stream.start(rig.now);
    rig.speak(10, 0, 0);
    for (let i = 1; i <= 4; i += 1) { rig.event(9 + i, 9600, 5, i * 160, false); rig.advance(20); }
    rig.event(14, 9600, 5, 800, true);
    rig.advance(20);
    rig.audio(17, 15 * 960);
    rig.advance(20);
    // 15, 16 and 18 are the copies.
    if (!lost) for (const seq of [15, 16]) rig.event(seq, 9600, 5, 800, true);
    rig.audio(19, 16 * 960);
    if (!lost) rig.event(18, 9600, 5, 800, true);
    rig.advance(20);
    rig.speak(15, 20, 17 * 960);
    t.notMatch(rig.faults.join(), /seq|ms/, what);
    t.equal(rig.sent.filter((one) => one.payload === '78aa').length, 27, 'and no audio is missing');
    const before = rig.sent.at(-1)!.seq;
    rig.audio(36, 33 * 960);
    t.equal((rig.sent.at(-1)!.seq - before) & 0xffff, 2, 'audio that is lost is told');
  }
});

t.test('a digit of the source during music goes out once, after it is over, and the music goes on', (t) => {
  const rig = new Rig();
  rig.stream.start(rig.now);
  rig.speak(5, 100, 5000);
  // One that begins before the music is ended by it and not sent again.
  rig.event(105, 9800, 4, 160, false);
  rig.stream.play([Buffer.from('6001', 'hex')], true, null);
  rig.event(106, 9800, 4, 320, true);
  rig.advance(40);
  rig.event(107, 12_000, 4, 320, true);
  for (let i = 1; i <= 5; i += 1) {
    rig.event(110 + i, 20_000, 7, i * 160, false);
    rig.advance(20);
  }
  for (let copy = 0; copy < 3; copy += 1) rig.event(116, 20_000, 7, 960, true);
  // As rtpengine does where audio came between them.
  rig.event(117, 26_000, 7, 960, true);
  rig.advance(300);
  const digits = rig.sent.filter(({ type }) => type === META.eventType);
  const ends = digits.filter(({ payload }) => (Number.parseInt(payload.slice(2, 4), 16) & 0x80) !== 0);
  t.equal(new Set(ends.map(({ ts, payload }) => `${ts} ${payload.slice(0, 2)}`)).size, 2, '4 and 7, each once');
  const seven = ends.filter(({ payload }) => payload.startsWith('07'));
  t.equal(seven.length, 3, 'three end packets');
  t.equal(Number.parseInt(seven[0]!.payload.slice(4), 16), 960, 'as long as it was: 120 ms');
  t.equal(rig.sent.at(-1)!.payload, '6001');
  t.same(rig.sent.filter(({ seq }, i) => i > 0 && ((seq - rig.sent[i - 1]!.seq) & 0xffff) !== 1), [], 'numbered without a break');
  t.end();
});

t.test('a digit of the source that begins during music and outlasts it goes out once', (t) => {
  const rig = new Rig();
  rig.stream.start(rig.now);
  rig.speak(5, 100, 5000);
  rig.stream.play([Buffer.from('6001', 'hex')], true, null);
  rig.advance(40);
  for (let i = 1; i <= 6; i += 1) {
    if (i === 3) rig.stream.play(null, false, null);
    rig.event(110 + i, 20_000, 7, i * 160, i === 6);
    rig.advance(20);
  }
  for (let copy = 0; copy < 2; copy += 1) rig.event(117 + copy, 20_000, 7, 960, true);
  rig.speak(5, 119, 20_000 + 7 * 960);
  const digits = rig.sent.filter(({ type }) => type === META.eventType);
  t.equal(digits.filter(({ payload }) => (Number.parseInt(payload.slice(2, 4), 16) & 0x80) !== 0).length, 3, 'three end packets');
  t.equal(new Set(digits.map(({ ts }) => ts)).size, 1);
  t.same(digits.map(({ marker }) => marker), [true, ...Array<boolean>(digits.length - 1).fill(false)]);
  t.equal(rig.sent.at(-1)!.payload, '78aa');
  t.same(rig.sent.filter(({ seq }, i) => i > 0 && ((seq - rig.sent[i - 1]!.seq) & 0xffff) !== 1), [], 'numbered without a break');
  t.end();
});

t.test('a digit whose source changes amid it goes out as one, numbered without a break', (t) => {
  const rig = new Rig();
  rig.stream.start(rig.now);
  rig.speak(10, 0, 0);
  for (let i = 1; i <= 4; i += 1) { rig.event(9 + i, 9600, 5, i * 160, false); rig.advance(20); }
  for (let i = 5; i <= 8; i += 1) { rig.event(60_000 + i, 4_000_000, 5, i * 160, i === 8, 8000, 2); rig.advance(20); }
  rig.event(60_009, 4_000_000, 5, 8 * 160, true, 8000, 2);
  rig.speak(5, 60_010, 4_000_000 + 9 * 960, 2);
  const digits = rig.sent.filter(({ type }) => type === META.eventType);
  t.equal(new Set(digits.map(({ ts }) => ts)).size, 1);
  t.equal(digits.filter(({ marker }) => marker).length, 1);
  t.equal(digits.filter(({ payload }) => (Number.parseInt(payload.slice(2, 4), 16) & 0x80) !== 0).length, 3, 'three end packets');
  t.equal(rig.sent.at(-1)!.payload, '78aa');
  t.same(rig.sent.filter(({ seq }, i) => i > 0 && ((seq - rig.sent[i - 1]!.seq) & 0xffff) !== 1), []);
  t.end();
});

t.test('the first digits of two legs are two digits, though both are at timestamp 0', (t) => {
  const rig = new Rig();
  rig.stream.start(rig.now);
  for (const [leg, event] of [[1, 7], [2, 2]] as const) {
    rig.stream.detach();
    for (let i = 1; i <= 4; i += 1) {
      rig.event(i, 0, event, i * 160, i === 4, 8000, leg);
      rig.advance(20);
    }
    rig.advance(200);
  }
  const ends = rig.sent.filter(({ type, payload }) => type === META.eventType && (Number.parseInt(payload.slice(2, 4), 16) & 0x80) !== 0);
  t.same([...new Set(ends.map(({ payload }) => payload.slice(0, 2)))], ['07', '02']);
  t.end();
});

t.test('digits under way when a new negotiation takes telephone events away have their end, and no more is said of them', (t) => {
  const rig = new Rig();
  rig.stream.start(rig.now);
  rig.speak(5, 100, 5000);
  rig.event(105, 9800, 4, 160, false);
  rig.stream.digit(7, 100);
  rig.stream.reformat({ ...META, eventType: null });
  const before = rig.sent.length;
  rig.advance(600);
  t.equal(rig.sent.slice(0, before).filter(({ payload }) => payload.startsWith('048a')).length, 3, 'three end packets');
  t.same(rig.sent.slice(before).filter(({ type, payload }) => type !== META.audioType || payload !== SILENCE), []);
  t.end();
});
