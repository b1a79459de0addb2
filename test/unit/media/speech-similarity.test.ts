// The measure that scripts/impairment scores speech by has the properties that its papers ask of it.
import t from 'tap';
import { similarity } from '../../../scripts/impairment.d/similarity.js';
import { fates, impairments } from '../../../scripts/impairment.d/network.js';
import { babble, dice } from '../../helpers/signals.js';

const said = babble(8000, 8);

/** `said` with noise added, as loud as this in dB beside it. */
function noisy(level: number): Int16Array {
  const random = dice(9);
  const power = said.reduce((sum, sample) => sum + sample * sample, 0) / said.length;
  const peak = Math.sqrt(3 * power) * 10 ** (level / 20);
  return said.map((sample) => sample + peak * (2 * random() - 1));
}

/** `said` with this share of its packets of 20 ms silenced. */
function holed(share: number): Int16Array {
  const random = dice(5);
  const out = Int16Array.from(said);
  for (let at = 0; at < out.length; at += 160) if (random() < share) out.fill(0, at, at + 160);
  return out;
}

function late(pcm: Int16Array, ms: number): Int16Array {
  const out = new Int16Array(pcm.length + ms * 8);
  out.set(pcm, ms * 8);
  return out;
}

t.test('1 for what was said itself, at any delay, which it tells', async (t) => {
  for (const ms of [0, 13, 250]) {
    const { nsim, delayMs, delayRange, patches } = similarity(said, late(said, ms));
    t.ok(nsim > 0.9999, `${ms} ms: ${nsim}`);
    t.same([delayMs, ...delayRange], [ms, ms, ms]);
    t.ok(patches >= 10);
  }
});

t.test('a delay that changes between words costs little, and its range is told', async (t) => {
  const half = said.length >> 1;
  const moved = late(said, 40);
  const heard = Int16Array.from({ length: moved.length }, (_, i) => (i < half ? moved[i] : said[i - 30 * 8]) ?? 0);
  const { nsim, delayRange } = similarity(said, heard);
  t.ok(nsim > 0.97, `${nsim}`);
  t.same(delayRange, [30, 40]);
});

t.test('falls with noise, and with what is lost', async (t) => {
  for (const scores of [[-40, -30, -20, -10, 0].map((level) => similarity(said, noisy(level)).nsim), [0, 0.01, 0.03, 0.1, 0.3].map((share) => similarity(said, holed(share)).nsim)]) {
    t.ok(scores.every((score, i) => i === 0 || score < (scores[i - 1] ?? 0) - 0.003), scores.map((score) => score.toFixed(3)).join(' '));
  }
  t.ok(similarity(said, babble(8000, 8, 3).reverse()).nsim < 0.5, 'other sounds');
});

t.test('the impaired network: what it is said to do, and the same each time', async (t) => {
  const count = 5000;
  for (const [name, impairment] of Object.entries(impairments)) {
    const all = fates(impairment, count, 3);
    if (name !== 'clean') t.notSame(all.slice(0, 100), fates(impairment, 100, 4), `${name}: another seed`);
    t.equal(JSON.stringify(all), JSON.stringify(fates(impairment, count, 3)), name);
    const share = (test: (fate: readonly number[]) => boolean): number => all.filter(test).length / count;
    t.ok(Math.abs(share((fate) => fate.length === 0) - impairment.loss) < 0.012, `${name}: lost`);
    t.ok(Math.abs(share((fate) => fate.length === 2) - impairment.duplicate * (1 - impairment.loss)) < 0.012, `${name}: twice`);
    t.ok(all.flat().every((delay) => delay >= 0 && delay <= impairment.spreadMs + impairment.delayMs + 10));
    if (impairment.reorder > 0) t.ok(Math.abs(share(([delay]) => delay === 0) - impairment.reorder) < 0.012, `${name}: overtakes`);
  }
});
