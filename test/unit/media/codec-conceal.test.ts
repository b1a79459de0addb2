// Loss with codecs that have no concealment of their own, and comfort noise.
import t from 'tap';
import { ComfortNoise } from '../../../lib/media/codec/comfortNoise.js';
import { makeDecoder, makeEncoder } from '../../../lib/media/codec/index.js';
import { babble, bandDistance, dice, framesOf, joined, levelDb, purityDb, sine, toneDb } from '../../helpers/signals.js';

for (const codec of ['PCMU', 'PCMA', 'G722'] as const) {
  const rate = codec === 'G722' ? 16_000 : 8000;

  /** A signal of which frames of 20 ms are lost. */
  const heard = (pcm: Int16Array, lost: (frame: number) => boolean, how: 'conceal' | 'silence'): Int16Array => {
    const [encoder, decoder] = [makeEncoder(codec, rate), makeDecoder(codec, rate)];
    return joined(framesOf(pcm, rate / 50).map((frame, i) => {
      const packet = encoder.encode(frame);
      if (!lost(i)) return Int16Array.from(decoder.decode(packet));
      return how === 'silence' ? new Int16Array(rate / 50) : Int16Array.from(decoder.conceal(20));
    }));
  };

  t.test(`${codec}: what stands for lost frames is nearer to them than silence`, async (t) => {
    const speech = babble(rate, 12);
    const whole = heard(speech, () => false, 'silence');
    for (const loss of [0.01, 0.03, 0.1]) {
      const losing = (): ((frame: number) => boolean) => {
        const random = dice(3);
        return (frame) => random() < loss && frame > 0;
      };
      const [concealed, silent] = [bandDistance(whole, heard(speech, losing(), 'conceal'), rate), bandDistance(whole, heard(speech, losing(), 'silence'), rate)];
      t.ok(concealed < 0.7 * silent, `${loss * 100} %: ${concealed.toFixed(2)} dB, silence ${silent.toFixed(2)} dB`);
    }
  });

  t.test(`${codec}: a tone goes on across one lost frame, and without a click`, async (t) => {
    const tone = sine(rate, 300, 1);
    const out = heard(tone, (i) => i === 20, 'conceal');
    const around = out.subarray(rate * 0.4, rate * 0.42);
    t.ok(Math.abs(levelDb(around) - levelDb(tone)) < 1.5, `${levelDb(around)} dB`);
    t.ok(purityDb(out.subarray(rate * 0.3, rate * 0.5), rate, 300) > 16, `${purityDb(out.subarray(rate * 0.3, rate * 0.5), rate, 300)} dB`);
    let steepest = 0;
    for (let i = 1; i < out.length; i += 1) steepest = Math.max(steepest, Math.abs((out[i] as number) - (out[i - 1] as number)));
    t.ok(steepest < 2 * 8231 * ((2 * Math.PI * 300) / rate), `steps of ${steepest} at most`);
  });

  t.test(`${codec}: a long loss becomes silence within 60 ms, and what follows is heard at once`, async (t) => {
    const out = heard(sine(rate, 300, 1), (i) => i >= 20 && i < 30, 'conceal');
    t.ok(levelDb(out.subarray(rate * 0.42, rate * 0.44)) < levelDb(out.subarray(rate * 0.4, rate * 0.42)) - 1);
    t.same([...new Set(out.subarray(rate * 0.46, rate * 0.6))], [0]);
    t.ok(levelDb(out.subarray(rate * 0.62, rate * 0.64)) > -16);
  });
}

t.test('comfort noise has the level that is told', async (t) => {
  for (const rate of [8000, 16_000]) {
    for (const level of [20, 40, 60]) {
      const noise = new ComfortNoise(rate);
      noise.update(Buffer.from([level]));
      noise.next(200);
      const heard = noise.next(1000);
      t.equal(heard.length, rate);
      t.ok(Math.abs(levelDb(heard) + level) < 1, `${level}: ${levelDb(heard)} dB`);
    }
  }
});

t.test('comfort noise has roughly the spectrum that is told, and is stable whatever is', async (t) => {
  const low = new ComfortNoise(8000);
  // One reflection coefficient of -0.9: a pole at 0.9, so that low frequencies are stronger.
  low.update(Buffer.from([40, 127 - 114]));
  low.next(200);
  const heard = low.next(2000).slice();
  t.ok(Math.abs(levelDb(heard) + 40) < 1.5, `${levelDb(heard)} dB`);
  const near = (from: number): number => Array.from({ length: 40 }, (_, i) => 10 ** (toneDb(heard, 8000, from + 10 * i) / 10)).reduce((sum, power) => sum + power, 0);
  const slope = 10 * Math.log10(near(100) / near(3500));
  t.ok(slope > 13 && slope < 22, `the low end is louder by ${slope} dB; a pole at 0.9 makes 17 of it`);
  const random = dice(9);
  for (let run = 0; run < 300; run += 1) {
    const noise = new ComfortNoise(8000);
    const payload = Buffer.from(Array.from({ length: 1 + Math.floor(random() * 40) }, () => Math.floor(random() * 256)));
    payload[0] = 50;
    noise.update(payload);
    noise.next(100);
    t.ok(levelDb(noise.next(100)) < -30, payload.toString('hex'));
  }
  new ComfortNoise(8000).update(Buffer.alloc(0));
});
