import t from 'tap';
import { EventReader } from '../../../lib/media/relay/events.js';

/** An RTP packet with an event; its payload begins at 12. */
function packet({ marked = false, event = 2, end = false, duration = 960, ssrc = 1, seq = 0 }): Buffer {
  const bytes = Buffer.alloc(16);
  bytes[0] = 0x80;
  bytes[1] = (marked ? 0x80 : 0) | 97;
  bytes.writeUInt16BE(seq, 2);
  bytes.writeUInt32BE(ssrc, 8);
  bytes[12] = event;
  bytes[13] = (end ? 0x80 : 0) | 10;
  bytes.writeUInt16BE(duration, 14);
  return bytes;
}

t.test('end packets that were given timestamps of their own, as audio came between them, are one digit', (t) => {
  const reader = new EventReader();
  t.ok(reader.take(packet({ marked: true }), 12, 122_114, 0));
  t.notOk(reader.take(packet({ duration: 8640 }), 12, 122_114, 160));
  t.notOk(reader.take(packet({ duration: 8640, end: true }), 12, 122_114, 161));
  t.notOk(reader.take(packet({ duration: 8640, end: true }), 12, 123_074, 180));
  t.notOk(reader.take(packet({ duration: 8640, end: true }), 12, 124_034, 200));
  t.notOk(reader.take(packet({ duration: 8640, end: true }), 12, 125_000, 600), 'on a machine that is held up');
  t.end();
});

t.test('an end that comes behind audio, with a timestamp of its own, ends the digit that is there', (t) => {
  const reader = new EventReader();
  t.ok(reader.take(packet({ marked: true }), 12, 122_114, 0));
  t.notOk(reader.take(packet({ duration: 7680 }), 12, 122_114, 140));
  t.notOk(reader.take(packet({ duration: 8640, end: true }), 12, 130_754, 162));
  t.notOk(reader.take(packet({ duration: 8640, end: true }), 12, 131_714, 181));
  t.equal(reader.duration, 8640);
  t.end();
});

t.test('an update that its end overtook, with a timestamp of its own, is no digit', (t) => {
  const reader = new EventReader();
  t.ok(reader.take(packet({ marked: true }), 12, 122_114, 0));
  t.notOk(reader.take(packet({ duration: 8640, end: true }), 12, 122_114, 160));
  t.notOk(reader.take(packet({ duration: 7680 }), 12, 131_714, 161));
  t.notOk(reader.take(packet({ duration: 8640, end: true }), 12, 132_674, 181));
  t.end();
});

t.test('the same digit pressed again is another one', (t) => {
  const reader = new EventReader();
  reader.take(packet({ marked: true }), 12, 1000, 0);
  reader.take(packet({ end: true }), 12, 1000, 20);
  t.ok(reader.take(packet({ marked: true }), 12, 2000, 60), 'with its beginning');
  reader.take(packet({ end: true, duration: 4800 }), 12, 2000, 100);
  t.ok(reader.take(packet({ end: true, duration: 3840 }), 12, 9000, 160), 'its beginning lost, of another length');
  t.ok(reader.take(packet({ end: true, duration: 3840 }), 12, 30_000, 800), 'its beginning lost, long after');
  t.ok(reader.take(packet({ end: true, duration: 3840, event: 3 }), 12, 40_000, 820), 'another digit');
  t.end();
});

t.test('digits of an engine that counts from 0 after each negotiation are as many as were pressed', (t) => {
  const reader = new EventReader();
  t.ok(reader.take(packet({ marked: true }), 12, 0, 0));
  t.notOk(reader.take(packet({ duration: 3840, end: true }), 12, 0, 60));
  t.notOk(reader.take(packet({ duration: 3840, end: true }), 12, 0, 300), 'a copy that was held up');
  t.ok(reader.take(packet({ marked: true, event: 4 }), 12, 0, 510));
  t.notOk(reader.take(packet({ duration: 3840, end: true, event: 4 }), 12, 0, 570));
  t.equal(reader.event, 4);
  t.ok(reader.take(packet({ duration: 1920, event: 5 }), 12, 0, 800), 'its first packet lost');
  t.notOk(reader.take(packet({ duration: 3840, event: 5, end: true }), 12, 0, 840));
  t.ok(reader.take(packet({ marked: true, event: 5 }), 12, 0, 900), 'the same key, fast');
  t.notOk(reader.take(packet({ duration: 3840, event: 5, end: true }), 12, 0, 960));
  t.notOk(reader.take(packet({ duration: 2880, event: 5 }), 12, 0, 961), 'an update that its end overtook');
  t.end();
});

t.test('a digit that another source goes on with is one, the next one is another', (t) => {
  for (const marked of [false, true]) {
    const reader = new EventReader();
    t.ok(reader.take(packet({ marked: true }), 12, 1000, 0));
    t.notOk(reader.take(packet({ duration: 1920 }), 12, 1000, 20));
    t.notOk(reader.take(packet({ marked, ssrc: 2 }), 12, 7_000_000, 60));
    t.notOk(reader.take(packet({ duration: 2400, ssrc: 2 }), 12, 7_000_000, 370), 'after a stall too');
    t.notOk(reader.take(packet({ duration: 2880, ssrc: 2, end: true }), 12, 7_000_000, 400));
    t.notOk(reader.take(packet({ duration: 2880, ssrc: 2, end: true }), 12, 7_000_000, 420));
    t.equal(reader.duration, 2880);
    t.ok(reader.take(packet({ marked: true, ssrc: 3 }), 12, 500, 490), 'the same digit once more, its end seen, from a third');
    t.ok(reader.take(packet({ event: 9, ssrc: 4 }), 12, 800, 510), 'another digit amid it');
  }
  t.end();
});

t.test('packets that were overtaken begin no digit, however late they are', (t) => {
  const reader = new EventReader();
  t.ok(reader.take(packet({ marked: true, seq: 65_534 }), 12, 0, 0));
  t.notOk(reader.take(packet({ duration: 1920, seq: 65_535 }), 12, 0, 20));
  // As rtpengine 10.5.3 sent it after a stall: the last copy of the end before all the rest.
  t.notOk(reader.take(packet({ duration: 3840, end: true, seq: 3 }), 12, 0, 150));
  t.notOk(reader.take(packet({ duration: 2880, seq: 0 }), 12, 0, 195));
  t.notOk(reader.take(packet({ duration: 3840, end: true, seq: 1 }), 12, 0, 195));
  t.notOk(reader.take(packet({ duration: 3840, end: true, seq: 2 }), 12, 0, 460));
  t.equal(reader.duration, 3840);
  t.ok(reader.take(packet({ marked: true, seq: 9 }), 12, 0, 520), 'and the next one does');
  t.end();
});

t.test('the field runs over once: an update from before it that comes late, and another source that counts for itself, are no second time', (t) => {
  const reader = new EventReader();
  for (const [seq, duration] of [[0, 960], [1, 30_000], [3, 65_280], [4, 704], [2, 64_320], [5, 1664]] as const) reader.take(packet({ marked: seq === 0, duration, seq }), 12, 1000, 20 * seq);
  t.equal(reader.duration, 0x10000 + 1664);
  const joined = new EventReader();
  joined.take(packet({ marked: true, duration: 40_000 }), 12, 1000, 0);
  const other = packet({ duration: 960 });
  other.writeUInt32BE(99, 8);
  t.notOk(joined.take(other, 12, 5000, 20));
  t.equal(joined.duration, 40_000);
  t.end();
});
