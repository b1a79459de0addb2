// An hour from a sender whose clock is 100 ppm off, 360 ms in all: what is heard is no later at the end, and nothing piles up. The clock is simulated.
import t from 'tap';
import { OutStream } from '../../../lib/media/relay/outStream.js';
import { dice, sine } from '../../helpers/signals.js';
import { makeEncoder } from '../../../lib/media/codec/index.js';
import { rtp, run, type Sent } from '../../helpers/transcoderRig.js';

const PACKETS = 180_000;
const JITTER_MS = 8;
/** A beep each ten seconds. */
const BEEP_EVERY = 500;

const sentAt = (i: number, ppm: number): number => 1000 + (i * 20) / (1 + ppm / 1e6);

t.test('transcoded: each beep is heard within the jitter and two packets, the last as soon as the first', async (t) => {
  const encoder = makeEncoder('PCMU', 8000);
  const [beep, quiet] = [sine(8000, 700, 0.02), new Int16Array(160)].map((pcm) => Buffer.from(encoder.encode(pcm))) as [Buffer, Buffer];
  encoder.close();
  for (const ppm of [100, -100]) {
    const random = dice(5);
    const arrivals = Array.from({ length: PACKETS }, (_, i): Sent => ({ at: sentAt(i, ppm) + random() * JITTER_MS, packet: rtp(0, i, i * 160, i % BEEP_EVERY === 0 ? beep : quiet) }));
    const { heard, transcoder } = run({ codec: 'PCMU', ptime: 20 }, { codec: 'PCMA', ptime: 20 }, arrivals);
    // What stands for silence in A-law is 0xd5 and next to it.
    const loud = heard.filter(({ payload }) => payload.some((octet) => (octet ^ 0xd5) % 0x80 > 0x20));
    const delays = Array.from({ length: PACKETS / BEEP_EVERY }, (_, i) => {
      const at = sentAt(i * BEEP_EVERY, ppm);
      return (loud.find((one) => one.at >= at && one.at < at + 1000)?.at ?? Infinity) - at;
    }).slice(1);
    const [most, last] = [Math.max(...delays), delays.at(-1) ?? Infinity];
    t.ok(most <= JITTER_MS + 40 && last <= (delays[0] ?? 0) + 25, `${ppm} ppm: ${delays[0]?.toFixed(1)} ms at first, ${last.toFixed(1)} at last, ${most.toFixed(1)} at most`);
    t.ok(transcoder.figures.concealed <= 20 && transcoder.figures.depthMs < 40, `${transcoder.figures.concealed} ms made up, ${transcoder.figures.depthMs.toFixed(1)} ms deep`);
    // One more or less for each 20 ms that the clocks part, and what stands at the ends.
    t.ok(Math.abs(heard.length - (PACKETS - ppm * 0.18)) <= 8, `${heard.length} packets`);
  }
});

t.test('passed through: the stream stays with the wall clock, by leaving out no more packets than the clocks part', async (t) => {
  for (const ppm of [100, -100]) {
    const random = dice(6);
    const sent: Buffer[] = [];
    const out = new OutStream({ codec: 'opus', audioType: 111, eventType: null, eventUnit: 8000 }, 7, 0, 0, (packet) => { sent.push(Buffer.from(packet.subarray(0, 12))); });
    out.start(1000);
    let [now, most] = [1000, 0];
    for (let i = 0; i < PACKETS; i += 1) {
      const at = Math.max(now, sentAt(i, ppm) + random() * JITTER_MS);
      for (; now + 5 <= at; now += 5) out.tick(now + 5);
      out.passed(rtp(111, i, i * 960, Buffer.alloc(40, 1)), 960, at);
      const last = sent.at(-1);
      if (last !== undefined) most = Math.max(most, (last.readUInt32BE(4) - (sent[0]?.readUInt32BE(4) ?? 0)) / 48 - (at - 1000));
    }
    t.ok(most < 130, `${ppm} ppm: ${most.toFixed(0)} ms ahead of the clock at most`);
    t.ok(out.lead.leftOut <= 18 && (ppm > 0 || out.lead.leftOut === 0), `${out.lead.leftOut} left out`);
    t.ok(out.silent <= 1, `${out.silent} frames of silence`);
    t.ok(sent.every((packet, i) => packet.readUInt16BE(2) === ((i + (sent[0]?.readUInt16BE(2) ?? 0)) & 0xffff)), 'numbers without a break');
  }
});
