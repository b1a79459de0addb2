// Packets of Opus taken apart and put together again for a recording (RFC 6716 §3, appendix B), pages of Ogg, batches, places.
import t from 'tap';
import { makeEncoder } from '../../../lib/media/codec/index.js';
import { concealedPacket, filledUp, joined, readOpus, silentPacket, slotsOf, writeOpus } from '../../../lib/media/recording/opusPacket.js';
import { BatchWriter, readBatch } from '../../../lib/media/recording/batch.js';
import { oggCrc, oggPage, segmentsOf } from '../../../lib/media/recording/ogg.js';
import { Ahead, Arrival, Slots } from '../../../lib/media/recording/placer.js';
import { rtp } from '../../helpers/recordingRig.js';

const hex = (text: string): Buffer => Buffer.from(text.replace(/ /g, ''), 'hex');
const frames = (text: string): string[] | null => readOpus(hex(text))?.frames.map((frame) => Buffer.from(frame).toString('hex')) ?? null;

t.test('packets are taken apart by their code', async (t) => {
  t.same(frames('48 aabb'), ['aabb'], 'one frame');
  t.same(frames('48'), [''], 'one of nothing: DTX');
  t.same(frames('49 aabb'), ['aa', 'bb'], 'two of a length');
  t.same(frames('4a 01 aabbcc'), ['aa', 'bbcc'], 'two of different lengths');
  t.same(frames('4b 03 aabbcc'), ['aa', 'bb', 'cc'], 'many of a length');
  t.same(frames('4b 43 02 aabbcc 0000'), ['aa', 'bb', 'cc'], 'with padding');
  t.same(frames('4b 83 01 02 aa bbbb cc'), ['aa', 'bbbb', 'cc'], 'many of different lengths');
  t.same(frames(`4a fc01 ${'11'.repeat(256)} 22`), ['11'.repeat(256), '22'], 'a length of two octets');
  for (const wrong of ['', '49 aa bb cc', '4a', '4a 05 aa', '4b', '4b 00', '4b 02 aabbcc', '4b c2', '4b 43 ff', '4b 83 01', '4b 83 09 09 aa', '4b 31 00', `48 ${'00'.repeat(1276)}`, `4b 07 ${'00'.repeat(7)}`]) {
    t.equal(frames(wrong), null, `malformed: ${wrong.slice(0, 30)}`);
  }
});

t.test('and put together so that a reader finds the same frames', async (t) => {
  for (const packet of ['48 aabb', '49 aabb', '4a 01 aabbcc', '4b 83 01 02 aa bbbb cc', `4a fc01 ${'11'.repeat(256)} 22`, `48 ${'33'.repeat(1275)}`, '48']) {
    const read = readOpus(hex(packet));
    if (read === null) return t.fail(packet);
    t.same(readOpus(writeOpus(read, false)), read, packet.slice(0, 20));
    t.equal(writeOpus(read, true).length - writeOpus(read, false).length, (read.frames.at(-1)?.length ?? 0) < 252 ? 1 : 2, 'with its length one or two octets more');
  }
  const two = Buffer.concat([writeOpus({ toc: 0x48, samples: 960, frames: [hex('aabb')] }, true), writeOpus(silentPacket(), false)]);
  t.equal(two.toString('hex'), '4802aabbf8fffe', 'RFC 6716 appendix B: the first says its length, the last does not');
});

t.test('20 ms each, whatever came', async (t) => {
  const of = (text: string): number[] | null => {
    const read = readOpus(hex(text));
    return read === null ? null : slotsOf(read)?.map((part) => part.frames.length) ?? null;
  };
  t.same(of('48 aa'), [1], 'SILK of 20 ms');
  t.same(of('49 aabb'), [1, 1], 'two of it');
  t.same(of('41 aabb'), [2], 'SILK of 10 ms, two of them');
  t.same(of('e3 08 0102030405060708'), [8], 'CELT of 2.5 ms, eight of them');
  t.equal(of('50 aa'), null, 'a frame of 40 ms cannot be divided');
  t.equal(of('58 aa'), null, 'nor one of 60');
  t.equal(of('40 aa'), null, '10 ms alone fill nothing');
  const ten = readOpus(hex('40 aa'));
  const other = readOpus(hex('40 bb'));
  if (ten === null || other === null) return t.fail('not read');
  t.same(joined(ten, other)?.frames, [hex('aa'), hex('bb')]);
  t.equal(joined(joined(ten, other) ?? ten, other), null, 'no more than 20 ms');
  t.equal(joined(ten, silentPacket()), null, 'nor of another kind');
  t.same(filledUp(ten).frames.map(({ length }) => length), [1, 0]);
  t.same(concealedPacket(ten).frames.map(({ length }) => length), [0, 0]);
  const encoder = makeEncoder('opus', 16_000);
  const real = readOpus(encoder.encode(new Int16Array(320)));
  t.equal(real?.samples, 960);
  encoder.close();
});

t.test('pages of Ogg', async (t) => {
  // By libogg 1.3.5: a first page of stream 1 with one packet of three octets.
  const page = oggPage([hex('010203')], { serial: 1, number: 0, granule: 0, flags: 2 });
  t.equal(page.toString('hex', 0, 22), '4f67675300020000000000000000010000000000000000'.slice(0, 44));
  t.equal(page.toString('hex', 26), '0103010203');
  const zero = Buffer.from(page);
  zero.writeUInt32LE(0, 22);
  t.equal(page.readUInt32LE(22), oggCrc(zero));
  t.equal(oggCrc(Buffer.from('123456789')), 0x89a1897f, 'CRC-32 of the polynomial of Ogg: check value of CRC-32/MPEG-2 without its start');
  t.equal(segmentsOf(Buffer.alloc(255)), 2);
  t.throws(() => oggPage([Buffer.alloc(65_026)], { serial: 1, number: 0, granule: 0, flags: 0 }), RangeError);
});

t.test('batches', async (t) => {
  const writer = new BatchWriter();
  writer.add('user', 7, 'opus', hex('aabb'));
  writer.add('business', 8, 'PCMA', Buffer.alloc(5000, 1));
  writer.add('hold', 9);
  const { until, lost, entries } = readBatch(writer.take(12, 3));
  t.same([until, lost], [12, 3]);
  t.same(entries.map(({ kind, slot }) => [kind, slot]), [['user', 7], ['business', 8], ['hold', 9]]);
  t.ok(writer.empty);
  writer.add('user', 1, 'opus', hex('aa'));
  writer.add('pause', 2);
  writer.add('user', 3, 'opus', hex('aa'));
  t.equal(writer.drop(), 2, 'what has no room is counted');
  t.same(readBatch(writer.take(4, 2)).entries, [{ kind: 'pause', slot: 2 }], 'a mark is never lost');
});

t.test('slots', async (t) => {
  const slots = new Slots();
  t.same([0, 20, 40].map((ms) => slots.place(ms, 1)), [0, 1, 2]);
  t.equal(slots.place(40, 1), -1, 'a copy');
  t.equal(slots.place(69, 1), 3, 'off by less than half of one');
  t.same([90, 110, 130].map((ms) => slots.place(ms, 1)), [4, 5, 6], 'and those behind it, although they stand amid two');
  t.equal(slots.place(200, 3), 10, 'three at once');
  t.equal(slots.place(160, 1), 8, 'one that was overtaken');
  t.equal(slots.place(220, 1), -1);
  t.equal(slots.place(-40, 1), -1);
});

t.test('where a source stands is said by its earliest packets', async (t) => {
  const arrival = new Arrival();
  const at = (n: number, when: number): number => arrival.place(rtp(111, { seq: n, ts: n * 960, ssrc: 1 }, hex('00')), when, 48);
  // The first was 60 ms late.
  const placed = Array.from({ length: 100 }, (_, n) => at(n, 1000 + n * 20 + (n === 0 ? 60 : n % 7)));
  t.equal(placed[0], 1060);
  t.ok(Math.abs((placed[50] ?? 0) - 2000) <= 4, `${placed[50]}`);
  const jump = arrival.place(rtp(111, { seq: 100, ts: 5, ssrc: 2 }, hex('00')), 9000, 48);
  t.equal(jump, 9000, 'another source stands where it comes');
});

t.test('how far the stream is ahead', async (t) => {
  const ahead = new Ahead();
  t.equal(ahead.ms, 0);
  for (let i = 0; i < 50; i += 1) ahead.take(-(i % 5) * 4, 0, i * 20);
  t.equal(ahead.ms, 0, 'late packets say nothing');
  ahead.take(40, 0, 1000);
  t.equal(ahead.ms, 40, 'one that is further ahead does, at once');
  ahead.take(15, 1, 1020);
  t.equal(ahead.ms, 20, 'it came back by the packet that was left out');
});
