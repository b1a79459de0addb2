// One source of calls: node load.js '{"to":…,"calls":N,"rate":PER_SECOND,"holdMs":MS,"media":"none"|"light",…}'
// Places the calls, holds each, hangs up, and prints one line of JSON with what happened. With "onCue" it waits for a line
// on standard input before it hangs up.
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { MetaSide } from '../../dist/lib/simulator/meta/side.js';
import { SimulatedUser } from '../../dist/lib/simulator/meta/user.js';

const job = JSON.parse(process.argv[2]);
const side = await MetaSide.open({ to: job.to, serverName: job.serverName, ca: job.ca, listen: job.listen, cert: job.cert, key: job.key });
const cue = job.onCue ? once(createInterface({ input: process.stdin }), 'line') : null;
const result = { placed: 0, answered: 0, failed: 0, statuses: {}, latencies: [], gaps: [], toneHeard: 0, lost: 0, received: 0, violations: {}, lateMs: 0 };
const running = [];

async function one(index) {
  const user = new SimulatedUser(side, {
    number: job.number, password: job.password, media: job.media, expect: job.media === 'none' ? [] : undefined,
    from: `+44770090${String(10000 + (index % 90000)).slice(-5)}`,
  });
  result.placed++;
  try {
    const status = await user.place();
    if (status !== 200) {
      result.failed++;
      result.statuses[status] = (result.statuses[status] ?? 0) + 1;
      return;
    }
    result.answered++;
    const { setup } = user.report();
    result.latencies.push(setup.answeredMs - (setup.challengedMs ?? 0));
    await (cue ?? new Promise((resolve) => setTimeout(resolve, job.holdMs)));
    await user.hangUp();
    const report = user.report();
    if (report.audio?.toneHeard) result.toneHeard++;
    result.lost += report.audio?.packetsLost ?? 0;
    result.received += report.audio?.packetsReceived ?? 0;
    if (report.audio) result.gaps.push(report.audio.maxGapMs);
    result.lateMs = Math.max(result.lateMs, report.pacerLateMs);
    for (const { rule } of report.violations) result.violations[rule] = (result.violations[rule] ?? 0) + 1;
  } catch (error) {
    result.failed++;
    result.statuses[error.message] = (result.statuses[error.message] ?? 0) + 1;
  } finally {
    user.close();
  }
}

const started = performance.now();
for (let i = 0; i < job.calls; i++) {
  const due = started + (i * 1000) / job.rate;
  const wait = due - performance.now();
  if (wait > 1) await new Promise((resolve) => setTimeout(resolve, wait));
  running.push(one(i));
  if (job.onCue && i === job.calls - 1) {
    const settled = () => result.answered + result.failed >= job.calls;
    for (let tries = 0; !settled() && tries < 600; tries++) await new Promise((resolve) => setTimeout(resolve, 50));
    console.log(JSON.stringify({ held: result.answered }));
  }
}
await Promise.all(running);
result.seconds = (performance.now() - started) / 1000;
console.log(JSON.stringify(result));
await side.close();
process.exit(0);
