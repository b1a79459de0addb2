// scripts/bench --write: what was measured, in docs/performance.md between two marks, with machine, commit and date. The rest of the page is written by hand.
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const page = join(dirname(fileURLToPath(import.meta.url)), '../../docs/performance.md');

const MARKS = { begin: '<!-- written by scripts/bench --write -->', end: '<!-- to here -->' };

const ms = (value) => (value === null || value === undefined ? '–' : `${value}`);

function signallingRows({ latency, rate, held, tenThousand, memory, handles }) {
  const best = rate.steps.filter(({ rate: at }) => at === rate.setupsPerSecond)[0];
  return [
    ['set-up latency p50 / p99', `${ms(latency.p50Ms)} / ${ms(latency.p99Ms)} ms at ${latency.rate} calls/s`],
    ['set-ups a second without a failure, p99 below 200 ms', best === undefined ? 'none' : `${best.rate} (p50 ${ms(best.p50Ms)}, p99 ${ms(best.p99Ms)} ms)`],
    ['CPU of a call, set-up to end', `${Math.min(...rate.steps.map((s) => s.serviceCpuMsPerCall), latency.serviceCpuMsPerCall)} to ${Math.max(...rate.steps.map((s) => s.serviceCpuMsPerCall), latency.serviceCpuMsPerCall)} ms`],
    ['CPU of a held call', `${held.serviceCpuPercentPerHeldCall} % of a core`],
    ['held at once', `${held.held} of ${held.asked}, ${held.heapKilobytesPerCall} kB of heap each`],
    ...(tenThousand === null ? [] : [['10,000 calls', `${tenThousand.answered} answered at ${tenThousand.rate} a second, p50 ${ms(tenThousand.p50Ms)}, p99 ${ms(tenThousand.p99Ms)} ms`]]),
    ['memory of the process before and after', `${memory.rssBeginMb} and ${memory.rssEndMb} MB; heap ${memory.heapBeginMb} and ${memory.heapEndMb} MB`],
    ['file handles before and after', `${handles.begin}, ${handles.end}`],
  ];
}

function compareRows({ with: other, rounds, here, other: there, cpuRatio }) {
  return [[`CPU of a call beside ${other}, with the media engine and without RTP`, `${here.cpuMsPerCall} and ${there.cpuMsPerCall} ms, ratio ${cpuRatio} (${rounds} turns of each)`]];
}

/** The lines between the marks. */
export function lines({ machine, commit, date, signalling, compare }) {
  const rows = [...(signalling === undefined ? [] : signallingRows(signalling)), ...(compare === undefined ? [] : compareRows(compare))];
  return [
    `Commit ${commit}, ${date}: ${machine.cpu}, ${machine.cores} cores, Node.js ${machine.node}; load average before ${machine.load}.`, '',
    '| signalling only | |', '|---|---|', ...rows.map(([what, value]) => `| ${what} | ${value} |`),
  ];
}

export function writePage(result) {
  const text = readFileSync(page, 'utf8');
  const [begin, end] = [text.indexOf(MARKS.begin), text.indexOf(MARKS.end)];
  if (begin < 0 || end < begin) throw new Error(`${page} has not the marks between which it is written`);
  writeFileSync(page, `${text.slice(0, begin + MARKS.begin.length)}\n${lines(result).join('\n')}\n${text.slice(end)}`);
}
