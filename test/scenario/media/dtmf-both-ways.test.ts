import t from 'tap';
import { engines, rtpengineMajor } from '../../helpers/engines.js';
import type { PeerMediaProfile } from '../../../lib/media/index.js';
import { metaCalls, PCMU, peerAnswers, startEngine } from './bench.js';
import { eventFields, faultsOfStream, pace, SILENCE, type Endpoint, type Seen } from './endpoint.js';

const DIGITS = '0123456789*#ABCD';

interface Plan { readonly audioType: number; readonly eventType: number; readonly payload: Buffer; readonly step: number; readonly unit: number }

/** Speaks with digits in between, as an RFC 4733 sender does: audio stops during an event, three end packets. */
function speakDigits(end: Endpoint, plan: Plan, digits: readonly { event: number; frames: number }[]): Promise<void> {
  const actions: (() => void)[] = [];
  const audio = (): void => end.send(plan.audioType, plan.payload, plan.step);
  for (let i = 0; i < 10; i += 1) actions.push(audio);
  for (const { event, frames } of digits) {
    let start = 0;
    for (let frame = 1; frame <= frames; frame += 1) {
      const payload = (final: boolean): Buffer => {
        const duration = Math.min(0xffff, frame * 20 * plan.unit);
        return Buffer.from([event, (final ? 0x80 : 0) | 10, duration >> 8, duration & 0xff]);
      };
      actions.push(() => {
        if (frame === 1) start = end.ts;
        end.send(plan.eventType, payload(false), plan.step, { marker: frame === 1, ts: start });
        if (frame === frames) for (let copy = 0; copy < 3; copy += 1) end.send(plan.eventType, payload(true), 0, { ts: start });
      });
    }
    for (let i = 0; i < 4; i += 1) actions.push(audio);
  }
  return pace((i) => actions[i]?.(), actions.length).done;
}

/** The digits in a capture: one for each event timestamp. */
function digitsIn(seen: readonly Seen[], type: number): { text: string; durations: number[]; ends: number[]; markers: number[] } {
  const events = new Map<number, Seen[]>();
  for (const one of seen) if (one.type === type) events.set(one.ts, [...events.get(one.ts) ?? [], one]);
  const all = [...events.values()];
  return {
    text: all.map((packets) => DIGITS[eventFields(packets[0] as Seen).event]).join(''),
    durations: all.map((packets) => Math.max(...packets.map((one) => eventFields(one).duration))),
    ends: all.map((packets) => packets.filter((one) => eventFields(one).end).length),
    markers: all.map((packets) => packets.filter((one) => one.marker).length),
  };
}

/** Whether each event begins where the audio before it ended, and the audio goes on where it ends, in `clock` units. */
function timelineFaults(seen: readonly Seen[], eventType: number, step: number, skew = 0): string[] {
  const faults: string[] = [];
  for (let i = 1; i < seen.length; i += 1) {
    const [a, b] = [seen[i - 1] as Seen, seen[i] as Seen];
    if (a.type !== eventType && b.type === eventType && ((b.ts - a.ts) >>> 0) !== step + skew) faults.push(`event at ${b.ts} after audio at ${a.ts}`);
    if (a.type === eventType && b.type !== eventType) {
      const after = (b.ts - a.ts) >>> 0;
      const duration = eventFields(a).duration * (step / 160) - skew;
      if (after !== duration) faults.push(`audio ${after} after the beginning of an event of ${duration}`);
    }
  }
  return faults;
}

// They wait for digits most of the time.
t.jobs = 2;

const every = [...DIGITS].map((_, event) => ({ event, frames: 5 }));
const profiles: [string, PeerMediaProfile, string[], Omit<Plan, 'eventType'>][] = [
  ['PCMU', PCMU, ['0 PCMU/8000', 'EVENTS telephone-event/8000'], { audioType: 0, payload: Buffer.alloc(160, 0xff), step: 160, unit: 8 }],
  ['PCMA', { ...PCMU, codecs: ['PCMA'] }, ['8 PCMA/8000', 'EVENTS telephone-event/8000'], { audioType: 8, payload: Buffer.alloc(160, 0xd5), step: 160, unit: 8 }],
  ['G722', { ...PCMU, codecs: ['G722'] }, ['9 G722/8000', 'EVENTS telephone-event/8000'], { audioType: 9, payload: Buffer.alloc(160, 0), step: 160, unit: 8 }],
  ['opus', { ...PCMU, codecs: ['opus', 'PCMU'] }, ['111 opus/48000/2', 'EVENTS telephone-event/8000'], { audioType: 111, payload: SILENCE, step: 960, unit: 8 }],
];

for (const [name, profile, formats, plan] of profiles) {
  t.test(`all sixteen digits arrive once and exact, both ways, ${name} peer`, { buffered: true }, async (t) => {
    const { engine } = await startEngine();
    t.teardown(() => engine.close());
    const { call, meta } = await metaCalls(engine, `dtmf-${name}`);
    const { leg, peer, events } = await peerAnswers(call, profile, formats);
    const heard: string[] = [];
    call.on('dtmf', (digit, durationMs) => heard.push(`${digit}${durationMs}`));
    call.connect(leg);
    call.start();

    const quiet = pace(() => peer.send(plan.audioType, plan.payload, plan.step));
    await speakDigits(meta, { audioType: 111, eventType: 126, payload: SILENCE, step: 960, unit: 8 }, every);
    quiet.stop();
    await peer.until((seen) => digitsIn(seen, events).ends[15] === 3);
    const atPeer = digitsIn(peer.seen, events);
    t.equal(atPeer.text, DIGITS);
    t.same(atPeer.durations, every.map(() => 800), 'durations in 8 kHz units');
    t.same(atPeer.ends, every.map(() => 3));
    t.same(atPeer.markers, every.map(() => 1));
    // rtpengine 10.5.3 holds half a frame back when it encodes G.722, and stamps events as if it did not; 12.5 does not hold it back.
    const skew = name === 'G722' && timelineFaults(peer.seen, events, plan.step).length > 0 ? 80 : 0;
    t.same(timelineFaults(peer.seen, events, plan.step, skew), [], "timestamps on the peer's clock");
    t.same(heard, [...DIGITS].map((digit) => `${digit}100`), 'and each is reported');

    const from = meta.seen.length;
    const still = pace(() => meta.send(111, SILENCE, 960));
    await speakDigits(peer, { ...plan, eventType: events }, every);
    still.stop();
    // See docs/engines/rtpengine.md: rtpengine 12.5 takes the first event of such a peer for audio, on a busy machine some more.
    const late = name === 'opus' && rtpengineMajor() >= 12;
    const isLast = ({ text, ends }: ReturnType<typeof digitsIn>): boolean => text.endsWith('D') && ends.at(-1) === 3;
    await meta.until((seen) => isLast(digitsIn(seen.slice(from), 126)));
    const atMeta = digitsIn(meta.seen.slice(from), 126);
    t.equal(atMeta.text, late ? DIGITS.slice(-Math.max(10, atMeta.text.length)) : DIGITS);
    t.same(atMeta.durations, [...atMeta.text].map(() => 800), 'durations in 8 kHz units towards Meta');
    t.same(atMeta.ends, [...atMeta.text].map(() => 3));
    if (!late) t.same(timelineFaults(meta.seen.slice(from), 126, 960), [], 'timestamps on the 48 kHz clock');
    t.same(faultsOfStream(meta.seen), []);
    await call.close();
    await Promise.all([meta.close(), peer.close()]);
  });
}

t.test('long and fast digits: each arrives once', async (t) => {
  const { engine } = await startEngine();
  t.teardown(() => engine.close());
  const { call, meta } = await metaCalls(engine, 'dtmf-long');
  const { leg, peer, events } = await peerAnswers(call, PCMU, ['0 PCMU/8000', 'EVENTS telephone-event/8000']);
  call.connect(leg);
  call.start();
  const digits = [{ event: 1, frames: 2 }, { event: 1, frames: 2 }, { event: 5, frames: 60 }, { event: 5, frames: 150 }, { event: 9, frames: 2 }];
  const quiet = pace(() => peer.send(0, Buffer.alloc(160, 0xff), 160));
  await speakDigits(meta, { audioType: 111, eventType: 126, payload: SILENCE, step: 960, unit: 8 }, digits);
  quiet.stop();
  await peer.until((seen) => digitsIn(seen, events).ends[4] === 3);
  t.equal(digitsIn(peer.seen, events).text, '11559');
  // rtpengine counts at 48 kHz, where the 16-bit field ends at 1365 ms: a longer digit keeps that length, it does not become two.
  t.same(digitsIn(peer.seen, events).durations, [320, 320, 9600, engines.media === 'embedded' ? 24_000 : 10_923, 320]);

  const still = pace(() => meta.send(111, SILENCE, 960));
  await speakDigits(peer, { audioType: 0, eventType: events, payload: Buffer.alloc(160, 0xff), step: 160, unit: 8 }, digits);
  still.stop();
  await meta.until((seen) => digitsIn(seen, 126).ends[4] === 3);
  t.equal(digitsIn(meta.seen, 126).text, '11559');
  t.same(digitsIn(meta.seen, 126).durations, [320, 320, 9600, 24_000, 320], 'towards Meta the full length');
  await call.close();
  await Promise.all([meta.close(), peer.close()]);
});

t.test('digits of ours reach Meta on the audio stream, three end packets each', async (t) => {
  const { engine } = await startEngine();
  t.teardown(() => engine.close());
  const { call, meta } = await metaCalls(engine, 'dtmf-send');
  const { leg, peer } = await peerAnswers(call, { ...PCMU, dtmf: 'info' }, ['0 PCMU/8000']);
  call.connect(leg);
  call.start();
  const speech = pace(() => { peer.send(0, Buffer.alloc(160, 0xff), 160); meta.send(111, SILENCE, 960); });
  await meta.until((seen) => seen.length > 20);
  // One after the other: a tone is cut short where the next one waits.
  for (const [index, digit] of [...'42#d'].entries()) {
    call.sendDtmf(digit, 120);
    await meta.until((seen) => digitsIn(seen, 126).ends[index] === 3);
  }
  const at = meta.seen.length;
  await meta.until((seen) => seen.length > at + 10);
  speech.stop();
  t.match(digitsIn(meta.seen, 126), { text: '42#D', durations: [960, 960, 960, 960], ends: [3, 3, 3, 3], markers: [1, 1, 1, 1] });
  t.same(timelineFaults(meta.seen, 126, 960), []);
  t.same(faultsOfStream(meta.seen), []);
  await call.close();
  await Promise.all([meta.close(), peer.close()]);
});
