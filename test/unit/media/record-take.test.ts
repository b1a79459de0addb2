// One recording from its tap to its file, in one thread on a clock of the test's.
import t, { type Test } from 'tap';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeEncoder } from '../../../lib/media/codec/index.js';
import type { RelayCodec } from '../../../lib/media/relay/rtp.js';
import { Clicker, clicksIn, readRecording, RecordingRig, rtp } from '../../helpers/recordingRig.js';

type Options = ConstructorParameters<typeof RecordingRig>[0];

function rigOf(t: Test, options: Omit<Options, 'file'> = {}, codec: RelayCodec = 'opus'): { rig: RecordingRig; file: string; talk: (seconds: number, clickEvery?: number) => void } {
  const folder = mkdtempSync(join(tmpdir(), 'record-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'sub', `a.${options.format ?? 'ogg'}`);
  const rig = new RecordingRig({ ...options, file }, codec);
  const clicker = new Clicker(codec, codec === 'opus' ? 16_000 : 8000);
  const units = codec === 'opus' ? 960 : 160;
  let n = 0;
  const talk = (seconds: number, clickEvery = 50): void => {
    for (let i = 0; i < seconds * 50; i += 1, n += 1) {
      const payload = clicker.frame(n % clickEvery === 10);
      rig.user(rtp(111, { seq: n, ts: n * units, ssrc: 5 }, payload));
      rig.meta.outgoing.audio(rtp(111, { seq: n, ts: 7777 + n * units, ssrc: 6 }, payload), units, rig.now);
      rig.advance(20);
    }
  };
  return { rig, file, talk };
}

const near = (found: readonly number[], wanted: readonly number[]): boolean => found.length === wanted.length && found.every((at, i) => Math.abs(at - (wanted[i] ?? NaN)) < 30);

for (const format of ['ogg', 'wav'] as const) {
  for (const codec of ['opus', 'PCMU', 'PCMA'] as const) {
    t.test(`${codec} in ${format}: two channels, pause, hold, digest`, async (t) => {
      const { rig, file, talk } = rigOf(t, { format }, codec);
      talk(3);
      rig.taps.act(1, 'pause', rig.now);
      t.ok(rig.taps.paused, 'for others who listen too');
      talk(2);
      rig.taps.act(1, 'resume', rig.now);
      t.notOk(rig.taps.paused);
      rig.listened = false;
      talk(2);
      rig.listened = true;
      talk(1);
      rig.taps.act(1, 'stop', rig.now);
      const { why, result } = await rig.ended;
      t.equal(why, 'stopped');
      const { channels, rate, ended } = readRecording(file);
      t.ok(ended);
      t.equal(channels.length, 2);
      t.ok(channels.every(({ length }) => length === Math.round(result.seconds * rate)), 'as long as it says');
      t.ok(Math.abs(result.seconds - 8) < 0.05, `${result.seconds}`);
      const [user = [], business = []] = channels.map((channel) => clicksIn(channel, rate));
      t.ok(near(user, [205, 1205, 2205, 7205]), `user: ${user.join(' ')}`);
      t.ok(near(business, [205, 1205, 2205, 7205]), `business: ${business.join(' ')}`);
      const spans = (list: readonly { from: number; to: number }[]): number[] => list.flatMap(({ from, to }) => [Math.round(from), Math.round(to)]);
      t.same([spans(result.pauses), spans(result.holds), result.gaps], [[3, 5], [5, 7], []]);
      t.equal(result.sha256, createHash('sha256').update(readFileSync(file)).digest('hex'));
      t.same([result.bytes, statSync(file).mode & 0o777, result.whole, result.lost], [statSync(file).size, 0o600, true, 0]);
    });
  }

  t.test(`${format}: cut at any place, as by kill -9, it plays up to there`, async (t) => {
    const { rig, file, talk } = rigOf(t, { format });
    talk(4);
    const during = readRecording(file);
    const length = (during.channels[0]?.length ?? 0) / during.rate;
    t.ok(length > 3, `while it is written: ${length} s of 4`);
    t.ok(near(clicksIn(during.channels[0] ?? new Int16Array(0), during.rate).slice(0, 3), [205, 1205, 2205]));
    rig.taps.close();
    const { result } = await rig.ended;
    for (let size = statSync(file).size - 1; size > 3000 && format === 'ogg'; size -= 997) {
      truncateSync(file, size);
      const { channels, rate } = readRecording(file);
      t.ok((channels[0]?.length ?? 0) / rate > (result.seconds * size) / result.bytes - 1, `cut at ${size}`);
    }
  });
}

t.test('what the user says alone: maxSeconds, and silence that ends it', async (t) => {
  const most = rigOf(t, { channels: 'user', maxSeconds: 2 });
  most.talk(4);
  const { why, result } = await most.rig.ended;
  t.same([why, result.seconds, result.channels], ['maxSeconds', 2, 1]);
  const { channels, rate } = readRecording(most.file);
  t.same(channels.map(({ length }) => length), [2 * rate]);

  const quiet = rigOf(t, { channels: 'user', silenceSeconds: 2 });
  quiet.talk(3, 15);
  quiet.talk(4, 1000);
  const silence = await quiet.rig.ended;
  t.equal(silence.why, 'silence');
  t.ok(Math.abs(silence.result.seconds - 5) < 0.4, `${silence.result.seconds}`);

  const nobody = rigOf(t, { channels: 'user', silenceSeconds: 1 });
  nobody.rig.listened = false;
  nobody.rig.advance(3000);
  t.equal((await nobody.rig.ended).why, 'silence', 'a user who sends nothing is silent; that nobody listens does not matter');
});

t.test('what was said in a pause, and comes when it is over, is not recorded', async (t) => {
  const { rig, file, talk } = rigOf(t);
  talk(1);
  const [clicker, held]: [Clicker, Buffer[]] = [new Clicker('opus', 16_000), []];
  for (let i = 0; i < 50; i += 1) {
    if (i === 20) rig.taps.act(1, 'pause', rig.now);
    // The network holds back what is said at the end of the pause.
    held.push(rtp(111, { seq: 50 + i, ts: (50 + i) * 960, ssrc: 5 }, clicker.frame(i === 35)));
    if (i < 30 || i > 40) for (const packet of held.splice(0)) rig.user(packet);
    rig.advance(20);
    if (i === 40) rig.taps.act(1, 'resume', rig.now);
  }
  rig.advance(400);
  rig.taps.close();
  const { result } = await rig.ended;
  const { channels, rate } = readRecording(file);
  t.same(clicksIn(channels[0] ?? new Int16Array(0), rate).map((at) => Math.round(at / 10)), [21], 'the click of before');
  t.ok(Math.abs((result.pauses[0]?.to ?? 0) - 1.82) < 0.05, JSON.stringify(result.pauses));
});

t.test('a recorder that falls behind loses what it cannot take, and it is counted; the marks are kept', async (t) => {
  const { rig, talk, file } = rigOf(t);
  talk(1);
  rig.awake = false;
  const began = process.memoryUsage().arrayBuffers;
  talk(50);
  rig.taps.act(1, 'pause', rig.now);
  talk(1);
  rig.awake = true;
  rig.taps.act(1, 'resume', rig.now);
  // As much as it was told that it has not taken.
  Atomics.store(rig.pending, 1, Atomics.load(rig.pending, 0));
  talk(3);
  rig.taps.act(1, 'stop', rig.now);
  const { why, result } = await rig.ended;
  t.equal(why, 'stopped');
  t.ok(result.lost > 1500 && result.lost < 2200, `${result.lost} packets lost`);
  t.equal(result.gaps.length, 1);
  t.ok(result.gaps[0] !== undefined && Math.abs(result.gaps[0].from - 31) < 0.5 && Math.abs(result.gaps[0].to - 52) < 0.5, JSON.stringify(result.gaps));
  t.equal(result.pauses.length, 1);
  t.ok(process.memoryUsage().arrayBuffers - began < 20e6);
  const { channels, rate } = readRecording(file);
  t.ok(channels.every(({ length }) => length === Math.round(result.seconds * rate)) && Math.abs(result.seconds - 55) < 0.1, 'the time that was lost is silence');
});

t.test('packets of other lengths: 40 and 60 ms of Opus, 10 ms, and what is none', async (t) => {
  for (const ms of [10, 40, 60]) {
    const { rig, file } = rigOf(t);
    const encoder = makeEncoder('opus', 16_000, { bitrate: 24_000, fec: false });
    for (let at = 0, n = 0; at < 4000; at += ms, n += 1) {
      const pcm = Int16Array.from({ length: ms * 16 }, (_, i) => ((at + i / 16) % 1000 < 60 ? 15_000 * Math.sin(i / 3) : 0));
      rig.user(rtp(111, { seq: n, ts: at * 48, ssrc: 5 }, n % 40 === 39 ? Buffer.from('4b00', 'hex') : encoder.encode(pcm)));
      rig.advance(ms);
    }
    encoder.close();
    rig.taps.close();
    await rig.ended;
    const { channels, rate } = readRecording(file);
    const found = clicksIn(channels[0] ?? new Int16Array(0), rate, 4000);
    t.ok(found.length >= 3 && found.every((at) => at % 1000 < 90), `${ms} ms: ${found.map(Math.round).join(' ')}`);
  }
});

t.test('a file that cannot be made, or is there, or goes away, ends the recording with its reason', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'record-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, 'a.ogg'), 'another');
  const there = await new RecordingRig({ file: join(folder, 'a.ogg') }).ended;
  t.same([there.why, there.detail, there.result.whole, there.result.seconds], ['failed', 'EEXIST', false, 0]);
  t.equal(readFileSync(join(folder, 'a.ogg'), 'utf8'), 'another', 'what is there is left alone');
  const below = await new RecordingRig({ file: join(folder, 'a.ogg', 'b.ogg') }).ended;
  t.match(below.detail, /^E(NOTDIR|EXIST)$/);

  const gone = rigOf(t);
  gone.talk(2);
  rmSync(join(gone.file, '..'), { recursive: true });
  gone.talk(2);
  const { why, detail, result } = await gone.rig.ended;
  t.same([why, detail, result.sha256], ['failed', 'EREMOVED', null]);
  gone.talk(1);
  gone.rig.taps.close();
});
