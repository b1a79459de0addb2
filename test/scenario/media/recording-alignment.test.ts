// Both channels of a recording beside each other, through an engine, in real time: clicks of both at the same instants, with loss, hold and transfer.
// WAB_RECORD_SECONDS: how long, 12 by default (scripts/record-alignment).
import t from 'tap';
import { join } from 'node:path';
import type { PeerMediaProfile } from '../../../lib/media/index.js';
import { Clicker, clicksIn, readRecording } from '../../helpers/recordingRig.js';
import { engines } from '../../helpers/engines.js';
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
  let turn = 0;
  const lost = (click: boolean): boolean => !click && (turn = (turn * 16_807 + 11) % 2_147_483_647) % 20 === 0;
  const [held, freed, transferred] = [0.4, 0.5, 0.6].map((part) => Math.round(part * seconds * 50));
  const talk = pace((i) => {
    const click = i % EVERY === EVERY - 1;
    const drop = lost(click);
    if (drop) [meta.seq, meta.ts] = [(meta.seq + 1) & 0xffff, (meta.ts + 960) >>> 0];
    else meta.send(111, user.coded(click), 960);
    if (i === held) call.connect(null);
    if (i === freed) call.connect(first.leg);
    if (i === transferred) call.connect(second.leg);
    const { peer } = i < (transferred ?? 0) ? first : second;
    if (lost(click)) [peer.seq, peer.ts] = [(peer.seq + 1) & 0xffff, (peer.ts + (peer === first.peer ? 960 : 160)) >>> 0];
    else if (peer === first.peer) peer.send(offered, opus.coded(click), 960);
    else peer.send(0, pcmu.coded(click), 160);
  }, seconds * 50);
  await talk.done;
  const { file, holds } = await recording.stop();
  await call.close();
  await Promise.all([meta.close(), first.peer.close(), second.peer.close()]);
  const { channels, rate } = readRecording(file);
  const [left = [], right = []] = channels.map((channel) => clicksIn(channel, rate, 3000));
  const [hold] = holds.filter(({ from }) => from > 1);
  t.ok(hold !== undefined && Math.abs(hold.to - hold.from - seconds * 0.1) < 0.5, JSON.stringify(holds));
  // What is transcoded waits in a jitter buffer before it leaves: that is by how much the user hears it later, and no fault of the recording.
  const part = (list: readonly number[], from: number, to: number): number[] => list.filter((at) => at > from * seconds * 1000 + 300 && at < to * seconds * 1000 - 300);
  for (const [name, from, to, delay] of [['passed through', 0, 0.4, 0], ['after the hold', 0.5, 0.6, 0], ['transcoded', 0.6, 1, 80]] as const) {
    const [mine, theirs] = [part(left, from, to), part(right, from, to)];
    const apart = mine.map((at) => theirs.reduce((best, one) => (Math.abs(one - at) < Math.abs(best) ? one - at : best), Infinity));
    const worst = Math.max(...apart.map((one) => Math.abs(one - (delay === 0 ? 0 : Math.min(...apart)))));
    t.ok(apart.length > 0 || name === 'after the hold', `${name}: clicks are heard`);
    if (apart.length > 0) t.ok(worst <= 20 && Math.min(...apart) > -20 && Math.max(...apart) <= 20 + delay, `${name}: ${apart.map(Math.round).join(' ')}`);
  }
});
