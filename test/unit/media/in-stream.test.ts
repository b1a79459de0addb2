import t from 'tap';
import { InStream } from '../../../lib/media/relay/inStream.js';

/** Packets of one SSRC with these numbers, 20 ms apart. */
function take(stream: InStream, numbers: readonly number[]): void {
  for (const seq of numbers) {
    const packet = Buffer.alloc(172);
    packet.writeUInt16BE(seq & 0xffff, 2);
    packet.writeUInt32BE(seq * 160, 4);
    packet.writeUInt32BE(0x77, 8);
    stream.take(packet, 160, seq * 20, true);
  }
}

const row = (from: number, count: number): number[] => Array.from({ length: count }, (_, i) => from + i);

t.test('what is missing is lost, across the wrap, and what comes late is not', async (t) => {
  const stream = new InStream(8000);
  take(stream, [...row(65_500, 30), ...row(65_532, 20), 65_530]);
  t.equal(stream.lost, 1);
  t.equal(stream.packets, 51);
});

t.test('a sender that counts anew under its SSRC has lost nothing, nor has one amid whose packets a stray one comes (RFC 3550 A.1)', async (t) => {
  const stream = new InStream(8000);
  take(stream, [...row(100, 50), ...row(20_000, 50)]);
  t.ok(stream.lost <= 1, `${stream.lost} lost`);
  take(stream, [9, ...row(20_050, 50)]);
  t.ok(stream.lost <= 1, `${stream.lost} lost`);
  take(stream, row(10, 50));
  t.ok(stream.lost <= 2, `${stream.lost} lost`);
  t.equal(stream.packets, 201);
  t.equal(stream.report().fractionLost, 0);
  take(stream, row(70, 5));
  t.ok(stream.lost >= 10, 'losses count on');
});
