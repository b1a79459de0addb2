// scripts/impairment: the tables, and what they say.
import { parseArgs } from 'node:util';
import { drifts, type DriftResult } from './drift.js';
import { impairments } from './network.js';
import { runTrials, type Row, type Trial } from './trials.js';

const { values: options } = parseArgs({ options: { quick: { type: 'boolean' }, only: { type: 'string' }, calls: { type: 'string' }, peer: { type: 'string' }, drift: { type: 'boolean' } } });

/** Two runs of the same packets differ by so much: when packets leave an engine is another each time. */
const SAME = 0.015;
/** In an hour the delay may end so far from where it began, in milliseconds: a jitter buffer is content with any delay within a packet's length of the least. */
const DRIFT_MS = 30;
const QUICK = 'clean,loss3,loss10,jitter30';

async function table(): Promise<string[]> {
  const names = (options.only ?? (options.quick === true ? QUICK : Object.keys(impairments).join())).split(',');
  const peer = options.peer === 'opus' ? 'opus' : 'PCMA';
  const trials = names.flatMap((name): Trial[] => [{ name, side: 'before', peer }, ...(name === 'clean' ? [] : [{ name, side: 'behind', peer } as const])]);
  const cell = ({ nsim, delayMs, delayRange }: Row): string => `${nsim.toFixed(3)} | ${Math.round(delayMs)} (${delayRange.map(Math.round).join('–')})`;
  const worse: string[] = [];
  console.log('| impairment | of the engine | way | ours: NSIM | delay ms | rtpengine: NSIM | delay ms |\n|---|---|---|---|---|---|---|');
  for await (const rows of runTrials(trials, Number(options.calls ?? 3), options.quick === true ? 15 : 40)) {
    for (const ours of rows.filter(({ engine }) => engine === 'embedded')) {
      const theirs = rows.find((row) => row.engine === 'rtpengine' && row.name === ours.name && row.side === ours.side && row.way === ours.way);
      if (theirs === undefined) throw new Error('a stream that nobody heard');
      console.log(`| ${ours.name} | ${ours.side} | ${ours.way} | ${cell(ours)} | ${cell(theirs)} |`);
      if (ours.nsim < theirs.nsim - SAME) worse.push(`${ours.name} ${ours.side}, ${ours.way}: ${ours.nsim.toFixed(3)}, rtpengine ${theirs.nsim.toFixed(3)}`);
    }
  }
  return worse;
}

function drift(): string[] {
  const minutes = options.quick === true ? 10 : 60;
  const grew: string[] = [];
  console.log('| from | to | clock, ppm | delay ms, first minute | last | most | NSIM, mean | least | packets left out |\n|---|---|---|---|---|---|---|---|---|');
  for (const [from, to] of [['opus', 'PCMA'], ['PCMA', 'opus'], ['opus', 'opus']] as const) {
    for (const ppm of [100, -100]) {
      const { delayMs, nsim, leftOut }: DriftResult = drifts({ from, to, ppm }, minutes);
      console.log(`| ${from} | ${to} | ${ppm} | ${[delayMs.first, delayMs.last, delayMs.most].map(Math.round).join(' | ')} | ${nsim.mean.toFixed(3)} | ${nsim.least.toFixed(3)} | ${leftOut} |`);
      if (Math.max(delayMs.last, delayMs.most) > delayMs.first + DRIFT_MS) grew.push(`${from} to ${to}, ${ppm} ppm: from ${delayMs.first} to ${delayMs.most} ms`);
    }
  }
  return grew;
}

const faults = options.drift === true ? drift() : await table();
console.log(faults.length === 0 ? 'ours is nowhere worse, and nothing grew' : `worse: ${faults.join('; ')}`);
process.exit(faults.length === 0 ? 0 : 1);
