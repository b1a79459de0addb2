// H6: strangers at every media port while calls are up: nothing of theirs is heard, nothing is answered that is larger than what they sent, no call ends.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { createInterface } from 'node:readline';
import t from 'tap';
import type { PeerCall } from '../../../lib/simulator/peer/call.js';
import { startCapture } from '../../helpers/capture.js';
import { number, password } from '../../helpers/service.js';
import { watchStalls } from '../../helpers/stalls.js';
import { openStage, pause } from '../harness.js';
import { assertQuietLeg, hears, recordOf, tonesOf } from '../pbx/steps.js';
import { runnable } from '../../helpers/runnable.js';

const SECONDS = Number(process.env['WAB_SIEGE_SECONDS'] ?? 6);
const RATE = Number(process.env['WAB_SIEGE_RATE'] ?? 1500);
const dtlsNumber = '+447700900002';
const names = ['pbx', 'safe', 'wide'];
const stalls = watchStalls();
t.teardown(() => stalls.stop());
// The users hear in this thread, and while it loads the stand-ins' DTLS they hear nothing: no packet of the service's is late for that.
const held = monitorEventLoopDelay({ resolution: 10 });
held.enable();

t.test(`H6: ${RATE} packets a second of strangers at the ports of six calls, SDES and DTLS, plain and SRTP peers`, { timeout: 120_000 }, async (t) => {
  const stage = await openStage({
    peers: {
      pbx: { answer: 'tone', tones: tonesOf.pbx, expect: tonesOf.user },
      safe: { srtp: 'sdes', answer: 'tone', tones: tonesOf.pbx, expect: tonesOf.user, config: { srtp: 'sdes' } },
      wide: { codecs: ['opus'], answer: 'tone', tones: tonesOf.pbx, expect: tonesOf.user, config: { codecs: ['opus'], nat: true } },
    },
    overlay: {
      numbers: { [number]: { password, keying: 'sdes' }, [dtlsNumber]: { password, keying: 'dtls' } },
      routes: names.flatMap((peer) => [number, dtlsNumber].map((one) => ({ name: `${peer}-${one.slice(-1)}`, number: one, payload: `^${peer}$`, to: [{ peer, user: '6001' }] }))),
    },
  });
  t.teardown(() => stage.close());
  const capture = await startCapture();
  const users = names.flatMap((payload, i) => [number, dtlsNumber].map((one, k) => stage.user({
    number: one, payload, from: `+4477009001${i}${k}`, tones: tonesOf.user, expect: tonesOf.pbx, ...(one === dtlsNumber ? { keying: 'dtls' as const } : {}),
  })));
  t.teardown(() => { for (const user of users) user.close(); });
  const calls: PeerCall[] = [];
  for (const [i, user] of users.entries()) {
    t.equal(await user.place(), 200);
    calls.push(stage.peers[names[i >> 1]!]!.lastCall!);
  }
  for (const end of [...users, ...calls]) await hears(end, 'tone', 20);
  await pause(500);
  const seen = await capture.stop();
  // Where packets go that are not ours: the media ports of the service.
  const { ports: { first, last } } = stage.running.config.media;
  const ours = (place: string): boolean => { const port = Number(place.split(':')[1]); return port >= first && port <= last; };
  const ports = [...new Set(seen.map(({ to }) => to).filter(ours).map((place) => Number(place.split(':')[1])))];
  t.ok(ports.length >= 12, `${ports.length} ports of ours in six calls`);
  const replays = seen.filter(({ to }) => ours(to)).filter((_, i) => i % 7 === 0).slice(0, 200).map(({ data }) => data.toString('hex'));
  const all = [...ports, ...ports.map((port) => port + 1)];

  stalls.clear();
  const before = stage.running.log.length;
  const child = spawn(process.execPath, ['--import=./test/helpers/loader.js', fileURLToPath(new URL(runnable('../../helpers/mediaStrangers.ts'), import.meta.url)), JSON.stringify({ ports: all, replays, seconds: SECONDS, rate: RATE })], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => { child.kill('SIGKILL'); });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  t.equal((await lines.next()).value, 'ready');
  const told = JSON.parse((await lines.next()).value as string) as { sent: Record<string, number>; back: { packets: number; bytes: number; sent: number } };
  await once(child, 'exit');
  t.comment(JSON.stringify(told), `longest stall of this machine ${stalls.worstMs.toFixed(0)} ms`);
  t.ok(Object.values(told.sent).reduce((sum, count) => sum + count, 0) > RATE * SECONDS * 0.5);
  t.ok(told.back.bytes < told.back.sent / 20, `${told.back.packets} packets, ${told.back.bytes} bytes, came back for ${told.back.sent}`);
  for (const end of [...users, ...calls]) await hears(end, 'tone', 20);
  t.equal(stage.running.service.table.size, 6, 'all calls are up');
  t.ok(stage.running.log.length - before < 60, `${stage.running.log.length - before} lines of log`);
  for (const user of users) {
    await user.hangUp();
    const report = user.report();
    assertQuietLeg(t, report);
    const { tone, received } = report.audio!.detail;
    // What is neither the tone nor silence would be theirs; where the tone begins and ends in a frame it is neither.
    t.ok(tone.other <= 25 + stalls.worstMs / 10, `${tone.other} of ${tone.heard} frames are another sound`);
    const bound = stalls.bound(200) + held.max / 1e6;
    t.ok(received.maxGapMs < bound, `longest gap ${received.maxGapMs} ms of ${bound.toFixed(0)}`);
    const { media, termination } = await recordOf(stage, user);
    t.match(termination, { by: 'user', reason: 'hangup' });
    t.ok((media?.meta.packetsIn ?? 0) < 60 * (report.durationMs / 1000 + 1), `${media?.meta.packetsIn} packets counted from the user in ${report.durationMs} ms`);
  }
  t.equal(stage.running.log.filter((line) => /fault of ours/.test(line)).length, 0);
});
