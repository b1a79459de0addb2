// Both channels of a recording beside each other, through an engine, in real time: clicks of both at the same instants, with loss, hold and transfer.
// What they are held against is Meta's wire: when the user's clicks went in there, and when those of the business came out, behind whatever a transcoder's
// jitter buffer took.
// WAB_RECORD_SECONDS: how long, 12 by default (scripts/record-alignment).
import t from 'tap';
import { join } from 'node:path';
import type { PeerMediaProfile } from '../../../lib/media/index.js';
import { Clicker, clicksIn, clicksOfPackets, readRecording } from '../../helpers/recordingRig.js';
import { engines } from '../../helpers/engines.js';
import { watchStalls } from '../../helpers/stalls.js';
import { metaCalls, PCMU, peerAnswers, startEngine } from './bench.js';
import { pace } from './endpoint.js';

const seconds = Number(process.env['WAB_RECORD_SECONDS'] ?? 12);
const OPUS: PeerMediaProfile = { codecs: ['opus'], srtp: 'none', dtmf: 'rfc4733' };
/** Every so many frames a click: 740 ms. */
const EVERY = 37;

t.test(`within 20 ms over ${seconds} s, on ${engines.media}`, { timeout: (seconds + 120) * 1000 }, async (t) => {
  const { engine } = await startEngine();
  t.teardown(() => engine.close());
  const { call, meta } = await metaCalls(engine, 'alignment');
  const [first, second] = [await peerAnswers(call, OPUS, ['111 opus/48000/2']), await peerAnswers(call, PCMU, ['0 PCMU/8000'])];
  const offered = Number(/a=rtpmap:(\d+) opus/.exec(first.offer)?.[1] ?? 111);
  call.connect(first.leg);
  call.start();
  const recording = call.record({ file: join(t.testdir(), 'a'), format: 'ogg', channels: 'both', maxSeconds: null, silenceSeconds: null });
  const [user, opus, pcmu] = [new Clicker('opus', 16_000), new Clicker('opus', 16_000), new Clicker('PCMU', 8000)];
  const sent: { at: number; payload: Buffer }[] = [];
  let turn = 0;
  const lost = (click: boolean): boolean => !click && (turn = (turn * 16_807 + 11) % 2_147_483_647) % 20 === 0;
  const [held, freed, transferred] = [0.4, 0.5, 0.6].map((part) => Math.round(part * seconds * 50));
  const stalls = watchStalls();
  const talk = pace((i) => {
    const click = i % EVERY === EVERY - 1;
    const drop = lost(click);
    if (drop) [meta.seq, meta.ts] = [(meta.seq + 1) & 0xffff, (meta.ts + 960) >>> 0];
    else {
      const payload = user.coded(click);
      sent.push({ at: performance.now(), payload });
      meta.send(111, payload, 960);
    }
    if (i === held) call.connect(null);
    if (i === freed) call.connect(first.leg);
    if (i === transferred) call.connect(second.leg);
    const { peer } = i < (transferred ?? 0) ? first : second;
    if (lost(click)) [peer.seq, peer.ts] = [(peer.seq + 1) & 0xffff, (peer.ts + (peer === first.peer ? 960 : 160)) >>> 0];
    else if (peer === first.peer) peer.send(offered, opus.coded(click), 960);
    else peer.send(0, pcmu.coded(click), 160);
  }, seconds * 50);
  await talk.done;
  await stalls.stop();
  const { file, holds } = await recording.stop();
  await call.close();
  await Promise.all([meta.close(), first.peer.close(), second.peer.close()]);
  const { channels, rate } = readRecording(file);
  const [left = [], right = []] = channels.map((channel) => clicksIn(channel, rate, 3000));
  const [hold] = holds.filter(({ from }) => from > 1);
  t.ok(hold !== undefined && Math.abs(hold.to - hold.from - seconds * 0.1) < 0.5, JSON.stringify(holds));
  const [mine, theirs] = [clicksOfPackets(sent), clicksOfPackets(meta.seen.filter(({ type }) => type === 111))];
  const near = (list: readonly number[], at: number): number => list.reduce((best, one) => (Math.abs(one - at) < Math.abs(best) ? one - at : best), Infinity);
  const begun = (mine[0] ?? 0) - (left[0] ?? 0);
  for (const [name, from, to] of [['passed through', 0, 0.4], ['after the hold', 0.5, 0.6], ['transcoded', 0.6, 1]] as const) {
    const clicks = left.filter((at) => at > from * seconds * 1000 + 300 && at < to * seconds * 1000 - 300);
    // Those of the business are as far behind the user's as they were on the wire. Both together stand in slots of 20 ms, less than one off the clock
    // (lib/media/recording/tap.ts); when a click begins is found within 5 ms.
    const told = clicks.map((at) => {
      const onWire = near(mine, at + begun) + at + begun;
      return { drift: Math.round(at + begun - onWire), apart: Math.round(near(right, at)), wire: Math.round(near(theirs, onWire)) };
    });
    t.ok(told.length > 0 || name === 'after the hold', `${name}: clicks are heard`);
    const [worst, drifted] = [Math.max(0, ...told.map(({ apart, wire }) => Math.abs(apart - wire))), Math.max(0, ...told.map(({ drift }) => Math.abs(drift)))];
    t.ok(drifted <= stalls.bound(25), `${name}: ${drifted} ms off the clock of ${stalls.bound(25)}`);
    t.ok(worst <= stalls.bound(20), `${name}: ${worst} ms of ${stalls.bound(20)}; apart in the recording and on the wire: ${told.map(({ apart, wire }) => `${apart}/${wire}`).join(' ')}; drift ${told.map(({ drift }) => drift).join(' ')}`);
  }
});
