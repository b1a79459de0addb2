import t from 'tap';
import { setTimeout as sleep } from 'node:timers/promises';
import { LoopLag } from '../../../lib/observe/loopLag.js';
import { Metrics } from '../../../lib/observe/metrics.js';
import { encodeFrames } from '../../../lib/media/prompts/encode.js';
import { holdMusic } from '../../../lib/media/prompts/holdMusic.js';
import { turns } from '../../../lib/util/turns.js';
import { nothingToTell } from '../../helpers/metricSources.js';

function block(ms: number): void {
  for (const until = performance.now() + ms; performance.now() < until;);
}

t.test('a loop that is kept for 200 ms was late by about that, once', async (t) => {
  const lag = new LoopLag();
  await sleep(60);
  lag.take();
  await sleep(30);
  block(200);
  await sleep(60);
  const { max, p50 } = lag.take();
  t.ok(max > 0.15 && max < 2, `${max} s`);
  t.ok(p50 < max / 2, `${p50} s at the median`);
});

t.test('/metrics has it', async (t) => {
  const metrics = new Metrics(nothingToTell);
  await sleep(30);
  block(120);
  await sleep(30);
  const text = await metrics.text();
  const values = [...text.matchAll(/^wab_event_loop_lag_seconds\{percentile="(\d+)"\} (\S+)$/gm)].map(([, percentile, value]) => [percentile, Number(value)] as const);
  t.same(values.map(([percentile]) => percentile), ['50', '99', '100']);
  t.ok((values[2]?.[1] ?? 0) > 0.08, `${values[2]?.[1]} s`);
});

t.test('long work gives the others their turn after two milliseconds', async (t) => {
  const turn = turns();
  t.equal(turn(), undefined);
  block(4);
  let others = 0;
  setImmediate(() => { others += 1; });
  await turn();
  t.equal(others, 1);
  t.equal(turn(), undefined, 'a new turn begins when it goes on');
});

t.test('music is made in turns: what it takes in all does not stop anybody', async (t) => {
  const music = await holdMusic();
  // The codec's WebAssembly is compiled at its first use, in threads of V8's own.
  await encodeFrames({ ...music, samples: music.samples.subarray(0, 8000) }, 'opus');
  let took = 0;
  let turns = 0;
  let last = process.cpuUsage();
  let running = true;
  // CPU of this process between two turns: what else the machine does says nothing.
  const look = (): void => {
    const { user, system } = process.cpuUsage(last);
    last = process.cpuUsage();
    took = Math.max(took, (user + system) / 1000);
    turns += 1;
    if (running) setImmediate(look);
  };
  setImmediate(look);
  await encodeFrames(music, 'opus');
  running = false;
  t.ok(turns > 10, `${turns} turns`);
  t.ok(took < 40, `${took} ms of CPU at a time`);
});
