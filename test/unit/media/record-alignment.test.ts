// A recording's two channels beside each other, whatever the networks on both sides do.
import t, { type Test } from 'tap';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Clicker, clicksIn, readRecording, RecordingRig, rtp } from '../../helpers/recordingRig.js';

interface Network { readonly loss: number; readonly jitterMs: number; readonly ppm: number }

/** The same numbers each time. */
function chance(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 0x1_0000_0000;
  };
}

/** One source of clicks behind a network: when its packets come, and which have one. */
class Source {
  #seq = 1000;
  #ts: number;
  #frame = 0;
  #nextAt: number;
  readonly #way: { readonly at: number; readonly packet: Buffer }[] = [];
  /** When each click came that was not lost, without jitter. */
  readonly clicks: number[] = [];
  constructor(readonly ssrc: number, readonly clicker: Clicker, readonly every: number, readonly network: Network, readonly random: () => number, begin: number) {
    this.#ts = Math.floor(random() * 0xffff_ffff);
    this.#nextAt = begin;
  }

  step(now: number, deliver: (packet: Buffer) => void): void {
    const { loss, jitterMs, ppm } = this.network;
    while (this.#nextAt <= now) {
      const click = this.#frame % this.every === this.every - 1;
      const payload = this.clicker.frame(click);
      const lost = this.random() < loss && !click;
      // What a network holds back comes behind it, in order.
      const at = Math.max(this.#nextAt + (this.random() < 0.05 ? this.random() * jitterMs : this.random() * jitterMs * 0.2), this.#way.at(-1)?.at ?? 0);
      if (!lost) this.#way.push({ at, packet: rtp(111, { seq: this.#seq, ts: this.#ts, ssrc: this.ssrc }, payload) });
      if (click) this.clicks.push(this.#nextAt);
      this.#seq += 1;
      this.#ts += 960;
      this.#frame += 1;
      this.#nextAt += 20 * (1 + ppm / 1e6);
    }
    while (this.#way[0] !== undefined && this.#way[0].at <= now) deliver((this.#way.shift() as { packet: Buffer }).packet);
  }
}

interface Course { readonly seconds: number; readonly user: Network; readonly peer: Network; readonly seed: number; readonly format?: 'ogg' | 'wav' }

/** Clicks of both, each a second; the peer is put on hold for a while and another takes its place. Gives how far apart they are that were together. */
async function run(t: Test, { seconds, user, peer, seed, format = 'ogg' }: Course): Promise<{ apart: number[]; length: number; expected: number }> {
  const random = chance(seed);
  const rig = new RecordingRig({ file: join(mkdtempSync(join(tmpdir(), 'record-')), `a.${format}`), format }, 'opus');
  const begin = rig.now;
  rig.advance(200);
  const theirs = new Source(1, new Clicker('opus', 16_000), 50, user, random, rig.now);
  const said: number[] = [];
  let business = new Source(2, new Clicker('opus', 16_000), 50, peer, random, rig.now);
  for (let ms = 0; ms < seconds * 1000; ms += 5) {
    rig.advance(5);
    theirs.step(rig.now, (packet) => rig.user(packet));
    business.step(rig.now, (packet) => rig.meta.outgoing.passed(packet, 960, rig.now));
    if (ms === Math.floor(seconds / 3) * 1000) rig.listened = false;
    if (ms === Math.floor(seconds / 3) * 1000 + 3000) rig.listened = true;
    if (ms === Math.floor(seconds / 2) * 1000) {
      rig.meta.outgoing.detach();
      said.push(...business.clicks);
      business = new Source(3, new Clicker('opus', 16_000), 50, peer, random, rig.now + 7);
    }
  }
  said.push(...business.clicks);
  rig.taps.close();
  const { why, result } = await rig.ended;
  t.equal(why, 'closed');
  const { rate, channels, ended } = readRecording(result.file);
  t.ok(ended, 'it was closed');
  const [left = [], right = []] = channels.map((channel) => clicksIn(channel, rate));
  // Each click of the user's in the recording, as late after its coming as the nearest one of the business' is after its own: both are passed on as they come.
  const late = right.map((at) => at - (nearest(said, at + begin) - begin));
  const held = Math.floor(seconds / 3) * 1000 + 200;
  const apart = left.filter((at) => Math.abs(at - held) > 200 && Math.abs(at - held - 3000) > 200).map((at) => (at - (nearest(theirs.clicks, at + begin) - begin)) - (late[indexOfNearest(right, at)] ?? NaN));
  t.ok(left.length > seconds * 0.8 - 5 && right.length > seconds * 0.8 - 5, `clicks are heard: ${left.length}, ${right.length} in ${seconds} s`);
  return { apart, length: result.seconds, expected: (rig.now - begin) / 1000 };
}

function indexOfNearest(list: readonly number[], to: number): number {
  return list.reduce((best, one, i) => (Math.abs(one - to) < Math.abs((list[best] ?? Infinity) - to) ? i : best), 0);
}

function nearest(list: readonly number[], to: number): number {
  return list[indexOfNearest(list, to)] ?? NaN;
}

const courses: Readonly<Record<string, Course>> = {
  'a quiet network': { seconds: 60, seed: 1, user: { loss: 0, jitterMs: 0, ppm: 0 }, peer: { loss: 0, jitterMs: 0, ppm: 0 } },
  'loss and jitter': { seconds: 90, seed: 2, user: { loss: 0.05, jitterMs: 40, ppm: 0 }, peer: { loss: 0.05, jitterMs: 40, ppm: 0 } },
  'clocks that are off, WAV': { seconds: 90, seed: 3, format: 'wav', user: { loss: 0.02, jitterMs: 20, ppm: 200 }, peer: { loss: 0.02, jitterMs: 20, ppm: -200 } },
  'five minutes of all of it': { seconds: 300, seed: 4, user: { loss: 0.05, jitterMs: 40, ppm: 100 }, peer: { loss: 0.05, jitterMs: 40, ppm: -100 } },
};

for (const [name, course] of Object.entries(courses)) {
  t.test(`two channels are within 20 ms of each other: ${name}`, async (t) => {
    const { apart, length, expected } = await run(t, course);
    const worst = Math.max(...apart.map(Math.abs));
    t.ok(worst <= 20, `${Math.round(worst)} ms at worst, ${Math.round(apart.reduce((sum, one) => sum + Math.abs(one), 0) / apart.length)} ms on the average`);
    t.ok(Math.abs(length - expected) < 0.5, `${length} s of ${expected}`);
  });
}
