import type { Test } from 'tap';
import type { CallRecord } from '../../lib/call/record.js';
import { SimulatedUser, type UserReport } from '../../lib/simulator/index.js';
import { preferMedia } from '../../lib/media/priority.js';
import { makeCodec, type CodecName } from '../../lib/simulator/media/codec.js';
import { eventsIn, faultsTowardsMeta, inSequence, longestGap, rtpIn, startCapture, type CapturedRtp, type Datagram } from '../helpers/capture.js';
import { watchStalls } from '../helpers/stalls.js';
import { password } from '../helpers/service.js';
import { openStage, pause } from '../scenario/harness.js';

export const DIGITS = '0123456789*#ABCD';
export const CODECS = ['PCMU', 'PCMA', 'G722', 'opus'] as const;
export type MatrixCodec = (typeof CODECS)[number];

/**
 * How long a hold, and a mute, last, in milliseconds. WAB_HOLD_SECONDS=58 makes calls of two minutes, on a machine with nothing else to do
 * (scripts/run-tests.js --timeout=400), and the longest gap is held to 100 ms; elsewhere by what no missing silence would keep to.
 */
const QUIET = process.env['WAB_HOLD_SECONDS'];
const HOLD_MS = Number(QUIET ?? '1.5') * 1000;
const GAP_MS = QUIET === undefined ? 300 : 100;
/** Talk before the digits, and between two events. */
const TALK_MS = 1000;
/** Meta's tone, Hz. */
const TONE = 440;

/** One peer of the matrix: a program as a PBX user. Its `hears` is the tone Meta must hear. */
export interface Actor {
  readonly port: number;
  readonly hears: number;
  /** Presses all sixteen digits; an echo need not. */
  press(): Promise<void>;
  hold(): Promise<void>;
  resume(): Promise<void>;
  mute(on: boolean): Promise<void>;
  close(): Promise<void>;
}

const numbers = { sdes: '+447700900001', dtls: '+447700900002' } as const;

/** SDES and DTLS calls to a peer of each codec, four at a time, judged on a capture. */
export async function playMatrix(t: Test, open: (codec: MatrixCodec) => Promise<Actor>): Promise<void> {
  // The programs are judged by the clock: they, too, get their turn on a busy machine, where that is allowed.
  preferMedia(0);
  const actors = await Promise.all(CODECS.map(open));
  t.teardown(() => Promise.all(actors.map((actor) => actor.close())));
  const stalls = watchStalls();
  t.teardown(() => stalls.stop());
  const stage = await openStage({
    external: Object.fromEntries(CODECS.map((codec, i) => [codec.toLowerCase(), { port: actors[i]!.port, codecs: [codec] }])),
    overlay: {
      numbers: { [numbers.dtls]: { password, keying: 'dtls' } },
      routes: Object.values(numbers).flatMap((number) => CODECS.map((codec) => ({ name: `${codec}${number.slice(-1)}`, number, payload: `^${codec}$`, to: [{ peer: codec.toLowerCase(), user: '6001' }], ringTimeout: 20 }))),
    },
  });
  t.teardown(() => stage.close());
  for (const keying of ['sdes', 'dtls'] as const) {
    const capture = await startCapture();
    stalls.clear();
    const calls = await Promise.all(CODECS.map(async (codec, i) => {
      // Not in step with each other, as real calls are not.
      await pause(i * 130);
      const user = stage.user({ number: numbers[keying], from: `+44770090010${i}`, keying, payload: codec, tones: [TONE, TONE], expect: [actors[i]!.hears] });
      return { codec, actor: actors[i]!, report: await talk(user, actors[i]!) };
    }));
    const gapMs = stalls.bound(GAP_MS);
    const datagrams = await capture.stop();
    const records = await stage.running.records(keying === 'sdes' ? CODECS.length : 2 * CODECS.length);
    if (gapMs > GAP_MS) t.comment(`this machine was held up by ${stalls.worstMs.toFixed(0)} ms: gaps up to ${gapMs.toFixed(0)} ms are not the service's`);
    for (const { codec, actor, report } of calls) {
      await t.test(`${keying}, ${codec}`, async (t) => {
        const record = records.find((one) => one.callIds.meta === report.callId);
        judge(t, { codec, port: actor.port, datagrams, report, record: record!, gapMs });
      });
    }
  }
}

async function talk(user: SimulatedUser, actor: Actor): Promise<UserReport> {
  const status = await user.place();
  if (status !== 200) throw new Error(`the call was answered ${status}: ${user.report().reason}`);
  await pause(TALK_MS);
  await Promise.all([user.press(DIGITS), actor.press()]);
  await digitsAt(user);
  await actor.hold();
  await pause(HOLD_MS);
  await actor.resume();
  await pause(TALK_MS);
  await actor.mute(true);
  await pause(HOLD_MS);
  await actor.mute(false);
  await pause(TALK_MS);
  await user.hangUp();
  const report = user.report();
  user.close();
  return report;
}

/** Meta has every digit of the peer: a hold amid one would cut it. Gives up after ten seconds; the judge tells what is missing. */
async function digitsAt(user: SimulatedUser): Promise<void> {
  const whole = (): boolean => (user.report().audio?.detail.dtmf.filter((one) => one.endPackets === 3).length ?? 0) >= DIGITS.length;
  for (const deadline = Date.now() + 10_000; !whole() && Date.now() < deadline;) await pause(20);
}

interface Exhibit { readonly codec: MatrixCodec; readonly port: number; readonly datagrams: readonly Datagram[]; readonly report: UserReport; readonly record: CallRecord; readonly gapMs: number }

/** A digit that was under way while the machine was held up took that much longer. */
function ofTheMachine(fault: string, gapMs: number): boolean {
  const [, said = 0, took = 0] = (/duration says (\d+) ms, the event took (\d+) ms/.exec(fault) ?? []).map(Number);
  return gapMs > GAP_MS && took > 0 && took - said <= gapMs;
}

function judge(t: Test, { codec, port, datagrams, report, record, gapMs }: Exhibit): void {
  const real = report.violations.filter(({ detail }) => !ofTheMachine(detail, gapMs));
  t.same(real, [], 'no rule of Meta is broken');
  t.ok((report.ok || real.length < report.violations.length) && report.audio?.toneHeard, `Meta hears the peer (${report.audio?.detail.tone.heard} frames)`);

  const rtp = rtpIn(datagrams);
  const source = report.audio!.detail.received.sources[0]!;
  const metaPort = rtp.find((one) => one.from === source)!.to;
  const atMeta = rtp.filter((one) => one.to === metaPort);
  // After its last look Meta's end may get a few more.
  t.ok(atMeta.length >= report.audio!.packetsReceived && atMeta.length < report.audio!.packetsReceived + 15, `the capture is complete: ${atMeta.length}, Meta's end counts ${report.audio!.packetsReceived}`);
  t.same(faultsTowardsMeta(atMeta, { audio: 111, events: 126 }, gapMs), [], `one stream of ${atMeta.length} packets, ${((atMeta.at(-1)!.at - atMeta[0]!.at) / 1000).toFixed(1)} s, longest gap ${longestGap(atMeta).toFixed(0)} ms, ${inSequence(atMeta).swapped} swapped by the engine`);

  const { toPeer, fromPeer, events } = peerStreams(datagrams, rtp, port, report);
  const ours = makeCodec(codec as CodecName);
  const audio = toPeer.filter((one) => one.type !== events);
  // Without the first packets: DTLS may be under way, a decoder swings in. Half a second without a break will do.
  const pcm = Int16Array.from(audio.slice(0, 150).flatMap((one) => [...ours.decode(one.payload)]));
  const shares = [15, 30, 50, 75, 100, 120].map((frame) => share(pcm.subarray(frame * ours.sampleRate / 50, (frame + 25) * ours.sampleRate / 50), ours.sampleRate, TONE));
  t.ok(Math.max(...shares) > 0.7, `the peer hears Meta: ${shares.map((one) => one.toFixed(2)).join(' ')} of the sound is its tone`);

  judgeDigitsAtPeer(t, toPeer, events, codec);
  const sent = eventsIn(fromPeer, events);
  const seen = eventsIn(atMeta, 126);
  const told = report.audio!.detail.dtmf;
  t.equal(told.map((one) => one.digit).join(''), DIGITS, 'every digit once, at Meta');
  t.same(seen.map((one) => [one[0]!.ts, one.length]), told.map((one) => [one.timestamp, one.packets]), 'as the capture has them');
  for (const [i, one] of told.entries()) {
    if (one.faults.length > 0) t.comment(`${one.digit}: the peer sent ${describe(sent[i] ?? [], atMeta[0]!.at)}; Meta got ${describe(seen[i] ?? [], atMeta[0]!.at)}`);
  }
  t.same(told.flatMap((one) => one.faults).filter((fault) => !ofTheMachine(fault, gapMs)), [], 'marker, three end packets, timestamps and durations');
  // baresip counts at 48000 beside Opus, whatever its answer says.
  const unit = codec === 'opus' && sent.some((one) => one[0]!.payload.readUInt16BE(2) === 960) ? 6 : 1;
  t.same(told.map((one) => one.duration), sent.map((one) => durationOf(one) / unit), 'durations are the ones the peer sent, in 8 kHz units');
  t.ok(seen.every((one) => one[0]!.marker && one.slice(1).every((packet) => !packet.marker)));

  // A peer goes on until the BYE has reached it.
  const bye = datagrams.find((one) => one.to === `127.0.0.1:${port}` && one.data.toString('latin1', 0, 4) === 'BYE ' && one.at >= fromPeer[0]!.at)?.at ?? Infinity;
  const [cameFrom, wentTo] = [fromPeer, toPeer].map((packets) => packets.filter((one) => one.at <= bye)) as [CapturedRtp[], CapturedRtp[]];
  const { peer, meta } = record.media!;
  t.match([meta.codec, peer.codec], ['opus', codec]);
  near(t, peer.packetsIn, cameFrom.length, 'packets of the peer');
  near(t, peer.packetsOut, wentTo.length, 'packets to the peer');
  near(t, peer.bytesIn, octets(cameFrom), 'octets of the peer', sixOf(cameFrom));
  near(t, peer.bytesOut, octets(wentTo), 'octets to the peer', sixOf(wentTo));
  // The anchor's stream begins before DTLS is up, and the engine drops it until then.
  near(t, meta.packetsOut, atMeta.length, 'packets to Meta', report.keying === 'dtls' ? 50 : 6);
}

/** The octets of six packets of a stream, the longest ones. */
function sixOf(packets: readonly CapturedRtp[]): number {
  return 6 * packets.reduce((most, { payload }) => Math.max(most, payload.length), 0);
}

/** A CDR is closed while packets are under way. */
function near(t: Test, told: number, counted: number, what: string, slack = 6): void {
  t.ok(Math.abs(told - counted) <= Math.max(slack, counted * 0.02), `CDR: ${told} ${what}, captured ${counted}`);
}

function judgeDigitsAtPeer(t: Test, toPeer: readonly CapturedRtp[], type: number, codec: MatrixCodec): void {
  const all = eventsIn(toPeer, type);
  t.equal(all.map((one) => DIGITS[one[0]!.payload[0]!]).join(''), DIGITS, 'every digit once, at the peer');
  t.same(all.map(durationOf), all.map(() => 800), '100 ms in 8 kHz units');
  t.same(all.map((one) => one.filter((packet) => (packet.payload[1]! & 0x80) !== 0).length), all.map(() => 3), 'three end packets');
  t.ok(all.every((one) => one[0]!.marker), 'the marker begins each');
  const step = codec === 'opus' ? 960 : 160;
  const steps = all.map((one) => (one[0]!.ts - toPeer[toPeer.indexOf(one[0]!) - 1]!.ts) >>> 0);
  // rtpengine 10.5.3 holds half a frame back when it encodes G.722, and stamps events as if it did not; 12.5 does not hold it back.
  const skew = codec === 'G722' && steps[0] !== step ? 80 : 0;
  t.same(steps, all.map(() => step + skew), "timestamps on the audio's clock");
}

/** An event's packets: when, since the call's first packet to Meta, and which sequence number. */
const describe = (event: readonly CapturedRtp[], began: number): string => event.map((one) => `${(one.at - began).toFixed(0)} ms #${one.seq}`).join(', ');
const durationOf = (event: readonly CapturedRtp[]): number => Math.max(...event.map((one) => one.payload.readUInt16BE(2)));
const octets = (packets: readonly CapturedRtp[]): number => packets.reduce((sum, one) => sum + one.payload.length, 0);

/** The two streams of the peer's leg, found by the SDP of the INVITE and its 200 in the capture. */
function peerStreams(datagrams: readonly Datagram[], rtp: readonly CapturedRtp[], port: number, report: UserReport): { toPeer: CapturedRtp[]; fromPeer: CapturedRtp[]; events: number } {
  const text = (one: Datagram): string => one.data.toString('latin1');
  const invite = datagrams.find((one) => one.to === `127.0.0.1:${port}` && text(one).startsWith('INVITE '));
  const answer = datagrams.find((one) => one.from === `127.0.0.1:${port}` && text(one).startsWith('SIP/2.0 200') && text(one).includes('m=audio'));
  if (!invite || !answer) throw new Error(`no INVITE with its answer for ${report.callId} in the capture`);
  const address = (one: Datagram): string => `127.0.0.1:${/m=audio (\d+)/.exec(text(one))?.[1] ?? ''}`;
  return {
    toPeer: inSequence(rtp.filter((one) => one.from === address(invite) && one.to === address(answer))).sorted,
    fromPeer: inSequence(rtp.filter((one) => one.to === address(invite))).sorted,
    events: Number(/a=rtpmap:(\d+) telephone-event\/8000/.exec(text(answer))?.[1]),
  };
}

/** Share of a frequency in the energy of the samples, 0 to 1 (Goertzel). */
export function share(samples: Int16Array, rate: number, hertz: number): number {
  const c = 2 * Math.cos((2 * Math.PI * hertz) / rate);
  let [a, b, all] = [0, 0, 1];
  for (const s of samples) { [a, b] = [s + c * a - b, a]; all += s * s; }
  return (2 * (a * a + b * b - c * a * b)) / (samples.length * all);
}
