import t from 'tap';
import { EventReader } from '../../../lib/media/anchor/events.js';

/** An RTP packet with an event; its payload begins at 12. */
function packet({ marked = false, event = 2, end = false, duration = 960 }): Buffer {
  const bytes = Buffer.alloc(16);
  bytes[0] = 0x80;
  bytes[1] = (marked ? 0x80 : 0) | 97;
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
