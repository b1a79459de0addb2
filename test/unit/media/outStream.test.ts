import t from 'tap';
import { OutStream, type StreamFormat } from '../../../lib/media/anchor/outStream.js';

const META: StreamFormat = { codec: 'opus', audioType: 111, eventType: 126, eventUnit: 8000 };
const SILENCE = 'f8fffe';

interface Sent { at: number; type: number; marker: boolean; seq: number; ts: number; ssrc: number; payload: string }

/** A stream with a clock of its own: everything is driven by `advance`. */
class Rig {
  now = 1000;
  readonly sent: Sent[] = [];
  readonly stream: OutStream;
  constructor(format: StreamFormat = META, seq = 65_530, ts = 0xffff_f000) {
    this.stream = new OutStream(format, 77, seq, ts, (packet) => this.sent.push({
      at: this.now, type: (packet[1] as number) & 0x7f, marker: (packet[1] as number) > 127, seq: packet.readUInt16BE(2), ts: packet.readUInt32BE(4),
      ssrc: packet.readUInt32BE(8), payload: packet.subarray(12).toString('hex'),
    }));
  }

  advance(ms: number): void {
    for (let i = 0; i < ms; i += 5) {
      this.now += 5;
      this.stream.tick(this.now);
    }
  }

  audio(seq: number, ts: number, ssrc = 1, payload = '78aa', marker = false): void {
    this.stream.audio(rtp(111, seq, ts, ssrc, payload, marker), 960, this.now);
  }

  event(seq: number, ts: number, event: number, duration: number, end: boolean, unit = 8000, ssrc = 1): void {
    const payload = Buffer.from([event, end ? 0x8a : 0x0a, duration >> 8 & 0xff, duration & 0xff]).toString('hex');
    this.stream.event(rtp(101, seq, ts, ssrc, payload, false), 12, unit, this.now);
  }

  /** Speaks `count` packets at 20 ms from these numbers. */
  speak(count: number, seq: number, ts: number, ssrc = 1): void {
    for (let i = 0; i < count; i += 1) {
      this.audio(seq + i, ts + i * 960, ssrc);
      this.advance(20);
    }
  }

  get faults(): string[] {
    return this.sent.flatMap((b, i) => {
      const a = this.sent[i - 1];
      if (!a) return [];
      const found: string[] = [];
      if (((b.seq - a.seq) & 0xffff) !== 1) found.push(`${i}: seq ${a.seq} to ${b.seq}`);
      if (((b.ts - a.ts) >>> 0) !== 960) found.push(`${i}: ts step ${(b.ts - a.ts) >>> 0}`);
      if (b.at - a.at > 80) found.push(`${i}: ${b.at - a.at} ms`);
      return found;
    });
  }
}

function rtp(type: number, seq: number, ts: number, ssrc: number, payload: string, marker: boolean): Buffer {
  const packet = Buffer.concat([Buffer.alloc(12), Buffer.from(payload, 'hex')]);
  packet[0] = 0x80;
  packet[1] = type | (marker ? 0x80 : 0);
  packet.writeUInt16BE(seq & 0xffff, 2);
  packet.writeUInt32BE(ts >>> 0, 4);
  packet.writeUInt32BE(ssrc, 8);
  return packet;
}

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
  t.same(speech.map((one) => one.marker).indexOf(true), 0);
  t.equal(speech.filter((one) => one.marker).length, 1, 'the marker begins the talk spurt, once');
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

t.test('our own digits: three end packets, on the audio clock, a pause between two', async (t) => {
  const rig = new Rig();
  rig.stream.start(rig.now);
  rig.advance(100);
  rig.stream.digit(4, 100);
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
