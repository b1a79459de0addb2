import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import t from 'tap';
import { makeDecoder, makeEncoder } from '../../../lib/media/codec/index.js';
import { opusMemoryBytes } from '../../../lib/media/codec/opus.js';
import { babble, bandDistance, dice, framesOf, joined, levelDb, segmentalSnr, sine, toneDb } from '../../helpers/signals.js';
import { runnable } from '../../helpers/runnable.js';

/** Packets of 20 ms. */
function packets(rate: 8000 | 16_000, pcm: Int16Array, loss = 10): Buffer[] {
  const encoder = makeEncoder('opus', rate);
  encoder.expectLoss(loss);
  const all = framesOf(pcm, rate / 50).map((frame) => encoder.encode(frame));
  encoder.close();
  return all;
}

t.test('what Meta asks for: 20 kbit/s, at 8 kHz what a telephone has, at 16 kHz wideband', async (t) => {
  for (const [rate, configs] of [[8000, [1]], [16_000, [9]]] as const) {
    const sent = packets(rate, babble(rate, 10), 5);
    const bits = (sent.reduce((sum, packet) => sum + packet.length, 0) * 8) / 10;
    t.ok(bits > 12_000 && bits < 21_500, `${bits} bit/s`);
    t.same([...new Set(sent.slice(10).map((packet) => (packet[0] ?? 0) >> 3))], configs, `RFC 6716 table 2, at ${rate}`);
  }
});

t.test('lost frames: in-band FEC is nearer to what was said than concealment, that than silence', async (t) => {
  for (const rate of [8000, 16_000] as const) {
    const speech = babble(rate, 8);
    const sent = packets(rate, speech);
    const intact = makeDecoder('opus', rate);
    const whole = joined(sent.map((packet) => Int16Array.from(intact.decode(packet))));
    intact.close();
    for (const loss of [0.01, 0.03, 0.1]) {
      const heard = (how: 'fec' | 'conceal' | 'silence'): Int16Array => {
        const random = dice(3);
        const decoder = makeDecoder('opus', rate);
        const out = sent.map((packet, i) => {
          if (i === 0 || random() >= loss) return Int16Array.from(decoder.decode(packet));
          const next = sent[i + 1];
          if (how === 'silence') return new Int16Array(rate / 50);
          const repeated = how === 'fec' && next !== undefined ? decoder.decodeFec(next, 20) : null;
          return Int16Array.from(repeated ?? decoder.conceal(20));
        });
        decoder.close();
        return joined(out);
      };
      const [fec, concealed, silent] = (['fec', 'conceal', 'silence'] as const).map((how) => bandDistance(whole, heard(how), rate)) as [number, number, number];
      // At 1 % the few frames that are lost may be quiet ones, which silence stands for as well.
      t.ok(fec < 0.6 * concealed && fec < 0.6 * silent && (loss < 0.02 || concealed < 0.7 * silent), `${rate} Hz, ${loss * 100} %: ${fec.toFixed(2)}, ${concealed.toFixed(2)}, ${silent.toFixed(2)} dB from what was said`);
      t.ok(segmentalSnr(whole, heard('fec'), rate) > segmentalSnr(whole, heard('silence'), rate), 'and by segmental SNR');
    }
  }
});

t.test('a packet without FEC says so: CELT, 10 ms of silence, no loss expected, cut off', async (t) => {
  const decoder = makeDecoder('opus', 8000);
  t.teardown(() => decoder.close());
  for (const packet of [Buffer.from([0xf8, 0xff, 0xfe]), Buffer.from([]), Buffer.from([0x08]), Buffer.from([0x0b]), ...packets(8000, babble(8000, 1), 0)]) {
    t.equal(decoder.decodeFec(packet, 20), null);
  }
  t.ok(packets(8000, babble(8000, 1)).some((packet) => decoder.decodeFec(packet, 20) !== null));
});

t.test('frames are repeated from 4 % of loss on: below, FEC takes more from them than it gives', async (t) => {
  const decoder = makeDecoder('opus', 8000);
  t.teardown(() => decoder.close());
  const repeats = (loss: number): boolean => packets(8000, babble(8000, 2), loss).some((packet) => decoder.decodeFec(packet, 20) !== null);
  t.same([0, 1, 3, 3.4].map(repeats), [false, false, false, false]);
  t.same([3.6, 4, 10, 100, 400].map(repeats), [true, true, true, true, true]);
});

t.test('lengths: DTX of one octet, 10 to 120 ms, stereo comes out as mono', async (t) => {
  const decoder = makeDecoder('opus', 16_000);
  t.teardown(() => decoder.close());
  t.equal(decoder.decode(Buffer.from([0x48])).length, 320, 'a TOC octet alone (RFC 6716 §3.1): config 9, 20 ms');
  for (const ms of [10, 20, 40, 60, 80, 100, 120]) {
    const encoder = makeEncoder('opus', 16_000);
    t.equal(decoder.decode(encoder.encode(sine(16_000, 500, ms / 1000))).length, ms * 16, `${ms} ms`);
    encoder.close();
  }
  for (const ms of [2.5, 20, 60]) t.equal(decoder.conceal(ms).length, ms * 16);
  // Two frames of CELT fullband in stereo, silence (RFC 6716 §3.1: config 31, s set, code 1).
  t.equal(decoder.decode(Buffer.from([0xfd, 0xff, 0xfe, 0xff, 0xfe])).length, 640);
});

t.test('what strangers send costs at most an exception, and the next good packet is heard', async (t) => {
  const good = packets(16_000, sine(16_000, 1000, 0.4));
  const decoder = makeDecoder('opus', 16_000);
  t.teardown(() => decoder.close());
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), fc.boolean(), (bytes, fec) => {
    try {
      const pcm = fec ? decoder.decodeFec(bytes, 20) : decoder.decode(bytes);
      return pcm === null || pcm.length <= 1920;
    } catch (error) {
      return error instanceof Error;
    }
  }), { numRuns: 3000, seed: 3 });
  t.throws(() => decoder.decode(Buffer.alloc(70_000)));
  const heard = good.map((packet) => Int16Array.from(decoder.decode(packet)));
  t.ok(toneDb(joined(heard.slice(10)), 16_000, 1000) > -14);
});

t.test('thousands of calls come and go in the same memory', async (t) => {
  const frame = sine(8000, 440, 0.02);
  const open = Array.from({ length: 50 }, () => ({ encoder: makeEncoder('opus', 8000), decoder: makeDecoder('opus', 16_000) }));
  const random = dice(5);
  const before = opusMemoryBytes();
  for (let call = 0; call < 5000; call += 1) {
    const at = Math.floor(random() * open.length);
    const old = open[at];
    old?.encoder.close();
    old?.decoder.close();
    old?.decoder.close();
    open[at] = { encoder: makeEncoder('opus', call % 2 === 0 ? 8000 : 16_000), decoder: makeDecoder('opus', 8000) };
    if (call % 200 === 0) open[at].decoder.decode(open[at].encoder.encode(frame));
  }
  t.equal(opusMemoryBytes(), before);
  for (const { encoder, decoder } of open) {
    encoder.close();
    decoder.close();
    t.throws(() => encoder.encode(frame), /closed/);
    t.throws(() => decoder.conceal(20), /closed/);
  }
});

t.test('memory grows under hundreds of calls, and those of before go on', async (t) => {
  const script = `
    import { makeDecoder, makeEncoder } from './${runnable('lib/media/codec/index.ts')}';
    import { opusMemoryBytes } from './${runnable('lib/media/codec/opus.ts')}';
    const before = opusMemoryBytes();
    const pcm = Int16Array.from({ length: 320 }, (_, i) => 8000 * Math.sin(i / 3));
    const all = Array.from({ length: 600 }, () => [makeEncoder('opus', 16000), makeDecoder('opus', 16000)]);
    for (const [encoder, decoder] of all) for (let i = 0; i < 3; i += 1) if (decoder.decode(encoder.encode(pcm)).length !== 320) throw new Error('length');
    const grown = opusMemoryBytes();
    for (const pair of all) for (const one of pair) one.close();
    console.log(JSON.stringify([before, grown, (grown - before) / 600]));
  `;
  const output = execFileSync(process.execPath, ['--import=./test/helpers/loader.js', '--input-type=module', '-e', script], { encoding: 'utf8' });
  const [before, grown] = JSON.parse(output) as [number, number];
  t.ok(grown > before && grown < 600 * 70_000 + before, `${before} octets, then ${grown}`);
});

t.test('the same rates as elsewhere: the level of speech stays', async (t) => {
  for (const rate of [8000, 16_000] as const) {
    const speech = babble(rate, 5);
    const decoder = makeDecoder('opus', rate);
    const heard = joined(packets(rate, speech).map((packet) => Int16Array.from(decoder.decode(packet))));
    decoder.close();
    t.ok(Math.abs(levelDb(heard) - levelDb(speech)) < 1.5, `${levelDb(speech)} dB became ${levelDb(heard)}`);
  }
});
