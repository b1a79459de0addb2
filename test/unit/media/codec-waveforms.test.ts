// G.711, G.722 and the change of rates.
import t from 'tap';
import { G722Decoding, G722Encoding } from '../../../lib/media/codec/g722.js';
import { makeDecoder, makeEncoder, type CodecName, type SampleRate } from '../../../lib/media/codec/index.js';
import { Resampler } from '../../../lib/media/codec/resample.js';
import { g711Decode } from '../../../lib/simulator/media/g711.js';
import { G722Decoder as OtherDecoder, G722Encoder as OtherEncoder } from '../../../lib/simulator/media/g722.js';
import { babble, delayOf, dice, framesOf, joined, levelDb, purityDb, sine, toneDb } from '../../helpers/signals.js';

const octets = Buffer.from(Array.from({ length: 256 }, (_, i) => i));

t.test("G.711: every octet's level is that of the Recommendation, and goes back to it", async (t) => {
  for (const law of ['PCMU', 'PCMA'] as const) {
    const levels = Int16Array.from(makeDecoder(law, 8000).decode(octets));
    t.same(levels, g711Decode(law, octets), law);
    const back = makeEncoder(law, 8000).encode(levels);
    // mu-law has two zeros.
    t.same([...back].map((octet) => (law === 'PCMU' && octet === 0xff ? 0x7f : octet)), [...octets].map((octet) => (law === 'PCMU' && octet === 0xff ? 0x7f : octet)), law);
  }
  // ITU-T G.711 tables 1a and 2a, note: the extremes.
  t.same([...makeDecoder('PCMU', 8000).decode(Buffer.from([0x80, 0x00, 0xff]))], [32_124, -32_124, 0]);
  t.same([...makeDecoder('PCMA', 8000).decode(Buffer.from([0xaa, 0x2a, 0xd5, 0x55]))], [32_256, -32_256, 8, -8]);
});

t.test('G.711: no sample is further from what it becomes than half a step', async (t) => {
  for (const [law, finest] of [['PCMU', 8], ['PCMA', 16]] as const) {
    const every = Int16Array.from({ length: 65_536 }, (_, i) => i - 32_768);
    const heard = makeDecoder(law, 8000).decode(makeEncoder(law, 8000).encode(every));
    let worst = 0;
    for (let i = 0; i < every.length; i += 1) {
      const size = Math.abs(every[i] as number);
      if (size > 32_100) continue;
      const step = Math.max(finest, 2 ** (Math.floor(Math.log2(size + 132)) - 4));
      worst = Math.max(worst, Math.abs((every[i] as number) - (heard[i] as number)) / step);
    }
    t.ok(worst <= 0.55, `${law}: ${worst} steps`);
  }
});

t.test("G.722: bit by bit what another implementation of the Recommendation has; ffmpeg's has been compared by hand and is the same", async (t) => {
  const random = dice(7);
  const loud = Int16Array.from({ length: 32_000 }, (_, i) => Math.round((random() - 0.5) * (i % 4000 < 2000 ? 65_535 : 900)));
  const pcm = joined([babble(16_000, 4), loud, sine(16_000, 6500, 1, 0), new Int16Array(3200), sine(16_000, 50, 1, 0)]);
  const bits = Buffer.alloc(pcm.length / 2);
  new G722Encoding().encode(pcm, bits, 0);
  t.ok(bits.equals(new OtherEncoder().encode(pcm)), 'encoder');
  const noise = Buffer.from(Array.from({ length: 60_000 }, () => Math.floor(random() * 256)));
  for (const payload of [bits, noise]) {
    const out = new Int16Array(payload.length * 2);
    new G722Decoding().decode(payload, out);
    t.same(Buffer.from(out.buffer), Buffer.from(new OtherDecoder().decode(payload).buffer), 'decoder');
  }
});

/** A signal through a codec, in frames of 20 ms. */
function through(codec: CodecName, rate: SampleRate, pcm: Int16Array): Int16Array {
  const [encoder, decoder] = [makeEncoder(codec, rate), makeDecoder(codec, rate)];
  const heard = joined(framesOf(pcm, rate / 50).map((frame) => Int16Array.from(decoder.decode(encoder.encode(frame)))));
  encoder.close();
  decoder.close();
  return heard;
}

t.test('a tone comes through every codec at every rate with its level and frequency', async (t) => {
  for (const codec of ['PCMU', 'PCMA', 'G722', 'opus'] as const) {
    for (const rate of [8000, 16_000, 48_000] as const) {
      for (const frequency of [440, 1000, 3000]) {
        const heard = through(codec, rate, sine(rate, frequency, 2)).subarray(rate / 2);
        t.equal(heard.length, 1.5 * rate);
        t.ok(Math.abs(toneDb(heard, rate, frequency) + 12) < (codec === 'opus' ? 1.5 : 0.5), `${codec} at ${rate}: ${frequency} Hz has ${toneDb(heard, rate, frequency)} dB`);
        const purity = purityDb(heard, rate, frequency);
        t.ok(purity > (codec === 'opus' ? 10 : 30), `${codec} at ${rate}: ${frequency} Hz stands ${purity} dB above the rest`);
      }
    }
  }
});

t.test('room for a header is left before the payload', async (t) => {
  for (const codec of ['PCMU', 'G722', 'opus'] as const) {
    const [one, other] = [makeEncoder(codec, 16_000), makeEncoder(codec, 16_000)];
    const frame = sine(16_000, 700, 0.02);
    t.ok(one.encode(frame, 12).subarray(12).equals(other.encode(frame)), codec);
    one.close();
    other.close();
  }
});

t.test('change of rates: flat where telephones hear, nothing that folds back', async (t) => {
  const run = (from: SampleRate, to: SampleRate, pcm: Int16Array): Int16Array => {
    const resampler = new Resampler(from, to);
    // Odd pieces: what is kept from one call to the next has to fit.
    const pieces: Int16Array[] = [];
    for (let at = 0, size = 1; at < pcm.length; at += size, size = (size * 7 + 5) % 331 + 1) pieces.push(resampler.process(pcm.subarray(at, at + size)).slice());
    return joined(pieces);
  };
  for (const [from, to] of [[8000, 16_000], [16_000, 8000], [8000, 48_000], [48_000, 8000], [16_000, 48_000], [48_000, 16_000], [16_000, 16_000]] as const) {
    const half = Math.min(from, to) / 2;
    for (const part of [0.05, 0.25, 0.5, 0.75, 0.85]) {
      const frequency = Math.round(half * part);
      const heard = run(from, to, sine(from, frequency, 1));
      t.equal(heard.length, to, `${from} to ${to}`);
      const [tone, purity] = [toneDb(heard.subarray(to / 4), to, frequency), purityDb(heard.subarray(to / 4), to, frequency)];
      t.ok(Math.abs(tone + 12) < 0.6, `${from} to ${to}: ${frequency} Hz has ${tone} dB`);
      t.ok(purity > 50, `${from} to ${to}: ${frequency} Hz stands ${purity} dB above its images`);
    }
    if (to < from) {
      for (const part of [1.2, 1.5, 1.9]) {
        const left = levelDb(run(from, to, sine(from, half * part, 1)).subarray(to / 4));
        t.ok(left < -65, `${from} to ${to}: ${half * part} Hz leaves ${left} dB`);
      }
    }
  }
  const speech = babble(8000, 2);
  const there = run(8000, 16_000, speech);
  const back = run(16_000, 8000, there);
  const delay = delayOf(speech, back, 60);
  t.ok(delay <= 24, `there and back takes ${delay} samples`);
});
