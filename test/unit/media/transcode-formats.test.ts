// Every codec to every other, in packets of every length.
import t from 'tap';
import type { CodecName } from '../../../lib/media/codec/index.js';
import { purityDb, sine, toneDb } from '../../helpers/signals.js';
import { clockOf, listened, packetsOf, run, type Heard } from '../../helpers/transcoderRig.js';

/** Numbers without a break, one SSRC, one packet each `ptime` or two at once where the clock has been waited for. */
function breaks(heard: readonly Heard[], codec: CodecName, ptime: number): string[] {
  const found: string[] = [];
  heard.forEach(({ at, seq, timestamp, ssrc, samples, marker }, i) => {
    const before = heard[i - 1];
    if (samples !== (ptime * clockOf(codec)) / 1000) found.push(`${i}: ${samples} samples`);
    if (marker !== (i === 0)) found.push(`${i}: marker`);
    if (before === undefined) return;
    if (((seq - before.seq) & 0xffff) !== 1) found.push(`${i}: seq`);
    if ((timestamp - before.timestamp) >>> 0 !== samples) found.push(`${i}: timestamp`);
    if (ssrc !== before.ssrc) found.push(`${i}: ssrc`);
    if (Math.abs(at - before.at - ptime) > 5) found.push(`${i}: ${at - before.at} ms behind the one before`);
  });
  return found;
}

const codecs = ['opus', 'PCMU', 'PCMA', 'G722'] as const;

t.test('a tone goes from each codec to each other with its level and frequency', async (t) => {
  for (const from of codecs) {
    for (const to of codecs) {
      const rate = from === 'PCMU' || from === 'PCMA' ? 8000 : 16_000;
      const { heard, transcoder } = run({ codec: from, ptime: 20 }, { codec: to, ptime: 20 }, packetsOf({ codec: from, ptime: 20 }, sine(rate, 1000, 2), rate));
      t.same(breaks(heard, to, 20), [], `${from} to ${to}`);
      t.ok(heard.length >= 98 && heard.length <= 106, `${heard.length} packets`);
      const out = to === 'PCMU' || to === 'PCMA' ? 8000 : 16_000;
      const steady = listened(heard, to).subarray(0.8 * out, 1.8 * out);
      t.ok(Math.abs(toneDb(steady, out, 1000) + 12) < 1.5, `${from} to ${to}: ${toneDb(steady, out, 1000)} dB`);
      t.ok(purityDb(steady, out, 1000) > (from === 'opus' || to === 'opus' ? 8 : 25), `${from} to ${to}: ${purityDb(steady, out, 1000)} dB above the rest`);
      t.equal(transcoder.figures.concealed, 0);
    }
  }
});

// A period of 400 Hz is a whole number of samples: leaving some out or saying them twice shifts no phase.
t.test('every packet time becomes every other: numbers without a break, the whole length, little delay', async (t) => {
  for (const ptime of [10, 20, 30, 40, 50, 60, 80, 100, 120]) {
    for (const other of [10, 20, 30, 40, 60, 120]) {
      const { heard, transcoder } = run({ codec: 'PCMU', ptime }, { codec: 'PCMA', ptime: other }, packetsOf({ codec: 'PCMU', ptime }, sine(8000, 400, 3.6), 8000));
      t.same(breaks(heard, 'PCMA', other), [], `${ptime} to ${other}`);
      const ms = heard.length * other;
      // What stands for the packet that no longer comes may be up to 100 ms, and a packet of either side.
      t.ok(ms >= 3600 - other && ms <= 3600 + 120 + other, `${ptime} to ${other}: ${ms} ms`);
      t.equal(transcoder.figures.concealed, 0);
      t.equal(transcoder.figures.late, 0);
      t.ok(purityDb(listened(heard, 'PCMA').subarray(8000, 24_000), 8000, 400) > 22, `${ptime} to ${other}: ${purityDb(listened(heard, 'PCMA').subarray(8000, 24_000), 8000, 400)} dB`);
      t.ok((heard[0]?.at ?? 0) <= 1000 + 35 + other, `${ptime} to ${other}: first after ${(heard[0]?.at ?? 0) - 1000} ms`);
    }
  }
});

t.test('Opus of 10 to 60 ms to 20 ms and back, and what Opus has no packet for becomes 20 ms', async (t) => {
  for (const ptime of [10, 40, 60]) {
    const { heard } = run({ codec: 'opus', ptime }, { codec: 'opus', ptime: 20, fec: true }, packetsOf({ codec: 'opus', ptime }, sine(16_000, 440, 2.4), 16_000));
    t.same(breaks(heard, 'opus', 20), []);
    t.ok(toneDb(listened(heard, 'opus').subarray(16_000, 32_000), 16_000, 440) > -14);
    const back = run({ codec: 'opus', ptime: 20 }, { codec: 'opus', ptime }, packetsOf({ codec: 'opus', ptime: 20 }, sine(16_000, 440, 2.4), 16_000));
    t.same(breaks(back.heard, 'opus', ptime), []);
  }
  t.same(breaks(run({ codec: 'PCMU', ptime: 30 }, { codec: 'opus', ptime: 30 }, packetsOf({ codec: 'PCMU', ptime: 30 }, sine(8000, 400, 1.2), 8000)).heard, 'opus', 20), []);
});

t.test('G.711 in pieces of odd sizes', async (t) => {
  const whole = packetsOf({ codec: 'PCMU', ptime: 1200 }, sine(8000, 400, 2.4), 8000).map(({ packet }) => packet.subarray(12));
  const octets = Buffer.concat(whole);
  const sent = [];
  for (let at = 0, i = 0; at < octets.length; i += 1) {
    const size = [163, 37, 240, 1, 171, 80][i % 6] as number;
    const header = Buffer.alloc(12);
    header[0] = 0x80;
    header.writeUInt16BE(i, 2);
    header.writeUInt32BE(at, 4);
    sent.push({ at: 1000 + at / 8, packet: Buffer.concat([header, octets.subarray(at, at + size)]) });
    at += size;
  }
  const { heard, transcoder } = run({ codec: 'PCMU', ptime: 20 }, { codec: 'PCMU', ptime: 20 }, sent);
  t.same(breaks(heard, 'PCMU', 20), []);
  t.equal(transcoder.figures.concealed, 0);
  t.ok(purityDb(listened(heard, 'PCMU').subarray(8000, 16_000), 8000, 400) > 22);
});
