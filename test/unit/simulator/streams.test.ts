import t from 'tap';
import { DtmfReceiver, DtmfSender } from '../../../lib/simulator/media/dtmf.js';
import { Reception } from '../../../lib/simulator/media/reception.js';
import { kindOf, parseRtp, writeRtp } from '../../../lib/simulator/media/rtp.js';
import { middleOf, ntpOf, parseCompound, writeReport } from '../../../lib/simulator/media/rtcp.js';
import { ToneDetector, ToneGenerator } from '../../../lib/simulator/media/tone.js';

/** Sends `digits` at 20 ms a frame and gives what the receiver makes of it; `alter` may spoil each packet (undefined: it is lost). */
function exchange(digits: string, clockRate: number, audioClock: number, alter: (p: ReturnType<typeof packet>) => ReturnType<typeof packet> | undefined = (p) => p, waits = (now: number) => now) {
  const sender = new DtmfSender(clockRate);
  const receiver = new DtmfReceiver(clockRate);
  sender.press(digits, 100);
  let timestamp = 5000;
  let sequence = 0;
  for (let now = 0; now < 4000; now += 20) {
    const event = sender.next(timestamp);
    if (event !== undefined) {
      const sent = alter(packet({ ...event, sequence: sequence++ }));
      if (sent !== undefined) receiver.feed(sent, waits(now), { timestamp: 5000, sequence: -1, at: 0, clockRate: audioClock });
    }
    timestamp += audioClock / 50;
  }
  return receiver.events(true);
}

function packet(p: { payload: Buffer; marker: boolean; timestamp: number; sequence: number }) {
  return { ...p, payloadType: 126, ssrc: 1 };
}

t.test('sixteen digits arrive exactly, beside Opus and beside G.711', async (t) => {
  for (const audioClock of [48000, 8000]) {
    const events = exchange('0123456789*#ABCD', 8000, audioClock);
    t.equal(events.map((e) => e.digit).join(''), '0123456789*#ABCD');
    for (const event of events) {
      t.match(event, { duration: 800, durationMs: 100, packets: 7, endPackets: 3 });
      t.same(event.faults, []);
    }
  }
});

t.test('a stall of this process is not blamed on the digit', async (t) => {
  // Nothing is read from the second packet on until six seconds later.
  t.same(exchange('5', 8000, 48000, undefined, (now) => (now < 20 ? now : now + 6000)).flatMap((e) => e.faults), []);
  t.same(exchange('5', 8000, 48000, undefined, (now) => now + 6000).flatMap((e) => e.faults), [], 'nor one before it');
});

t.test('what gateways get wrong is named', async (t) => {
  const faults = (alter: Parameters<typeof exchange>[3]): string => exchange('5', 8000, 48000, alter).flatMap((e) => e.faults).join('; ');
  const scaled = (factor: number): string => faults((p) => {
    p.payload.writeUInt16BE(Math.min(65535, Math.round(p.payload.readUInt16BE(2) * factor)), 2);
    return p;
  });
  t.equal(faults((p) => p), '');
  t.match(scaled(6), /duration says 600 ms/);
  t.match(scaled(1 / 6), /duration says 17 ms/);
  t.match(faults((p) => ({ ...p, timestamp: p.timestamp + 48000 })), /off the audio's clock/);
  t.match(faults((p) => ({ ...p, marker: false })), /no marker/);
  let ends = 0;
  t.match(faults((p) => (((p.payload[1] ?? 0) & 0x80) !== 0 && ends++ > 0 ? undefined : p)), /1 end packets/);
  t.match(faults((p) => (((p.payload[1] ?? 0) & 0x80) !== 0 ? undefined : p)), /0 end packets/);
});

t.test('loss, disorder, doubles, jumps and sources are counted', async (t) => {
  const feed = (list: { sequence: number; at: number; timestamp?: number; ssrc?: number; from?: string }[]) => {
    const r = new Reception(8000);
    for (const p of list) r.feed({ payloadType: 0, marker: false, timestamp: p.timestamp ?? p.sequence * 160, ssrc: p.ssrc ?? 1, sequence: p.sequence & 0xffff }, 172, p.from ?? 'a:1', p.at, true);
    return r.report();
  };
  const steady = (n: number, from = 0) => Array.from({ length: n }, (_, i) => ({ sequence: from + i, at: 20 * i }));
  t.match(feed(steady(100)), { packets: 100, lost: 0, maxGapMs: 20, jitterMs: 0, sequenceJumps: 0, timestampJumps: 0, outOfOrder: 0, duplicates: 0 });
  t.match(feed(steady(100, 65500)), { lost: 0, sequenceJumps: 0 }, 'over the wrap');
  t.match(feed(steady(100).filter((p) => p.sequence % 10 !== 5)), { lost: 10, maxGapMs: 40 });
  t.match(feed([...steady(3), { sequence: 2, at: 50 }]), { duplicates: 1, lost: 0 });
  t.match(feed([{ sequence: 0, at: 0 }, { sequence: 2, at: 20 }, { sequence: 1, at: 21 }]), { outOfOrder: 1, lost: 0 });
  t.match(feed([...steady(3), ...steady(3, 30000)]), { sequenceJumps: 1 });
  t.match(feed([...steady(3), { sequence: 3, at: 60, timestamp: 99999 }]), { timestampJumps: 1 });
  t.match(feed([{ sequence: 0, at: 0, ssrc: 1 }, { sequence: 1, at: 20, ssrc: 2, from: 'b:2' }]), { ssrcs: [1, 2], sources: ['a:1', 'b:2'] });
  t.match(feed([...steady(2), { sequence: 2, at: 1000, timestamp: 8000 }]), { maxGapMs: 980, timestampJumps: 0 }, 'a pause whose clock went on is no jump');
});

t.test('RTP and RTCP are written and read', async (t) => {
  const rtp = { payloadType: 111, marker: true, sequence: 65535, timestamp: 4294967295, ssrc: 7, payload: Buffer.from('ab') };
  t.strictSame(parseRtp(writeRtp(rtp)), rtp);
  t.equal(parseRtp(Buffer.alloc(11, 0x80)), undefined);
  t.equal(kindOf(writeRtp(rtp)), 'rtp');
  const ntp = ntpOf(1_700_000_000_123);
  const block = { ssrc: 9, fractionLost: 3, lost: -2, highest: 70000, jitter: 5, lastSenderReport: middleOf(ntp), delaySinceLast: 65536 };
  const bytes = writeReport(7, 'name', { ntp, rtpTimestamp: 1, packets: 2, octets: 3 }, [block]);
  t.equal(kindOf(bytes), 'rtcp');
  t.equal(bytes.length % 4, 0);
  t.match(parseCompound(bytes), { bye: false, reports: [{ ssrc: 7, sender: { ntp, packets: 2 }, blocks: [block] }] });
  t.equal(parseCompound(bytes.subarray(0, 20)).reports.length, 0, 'cut short');
});

t.test('a detector tells its tone from others and from silence', async (t) => {
  const detector = new ToneDetector([600], 8000);
  const other = new ToneGenerator(1000, 8000);
  const tone = new ToneGenerator(600, 8000);
  for (let i = 0; i < 10; i++) {
    t.equal(detector.feed(new Int16Array(160), i), undefined);
    t.equal(detector.feed(other.next(160), i), undefined);
    t.equal(detector.feed(tone.next(160), i), 600);
  }
  t.match(detector.report(), { heard: 10, silent: 10, other: 10, frequencies: [600] });
});
