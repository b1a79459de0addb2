// Jitter and reordering of a source that is passed through: its packets go on as they come, silence takes no place that is still theirs.
import t from 'tap';
import { OutStream } from '../../../lib/media/relay/outStream.js';
import { dice } from '../../helpers/signals.js';
import { rtp } from '../../helpers/transcoderRig.js';

interface Out { readonly at: number; readonly seq: number; readonly timestamp: number; readonly source: boolean }

/** Sends `count` packets on, each late by what `late` says, and then none for `tailMs`. */
function passed(count: number, late: (i: number) => number, tailMs = 0): { out: OutStream; sent: Out[] } {
  const sent: Out[] = [];
  let now = 1000;
  const out = new OutStream({ codec: 'opus', audioType: 111, eventType: null, eventUnit: 8000 }, 7, 0, 0, (packet) => {
    sent.push({ at: now, seq: packet.readUInt16BE(2), timestamp: packet.readUInt32BE(4), source: packet.length > 20 });
  });
  const arrivals = Array.from({ length: count }, (_, i) => ({ at: 1000 + i * 20 + late(i), packet: rtp(111, i, i * 960, Buffer.alloc(40, 1)) })).sort((a, b) => a.at - b.at);
  out.start(now);
  let next = 0;
  for (const end = 1000 + count * 20 + tailMs; now < end; now += 5) {
    for (let one = arrivals[next]; one !== undefined && one.at <= now; one = arrivals[(next += 1)]) out.passed(one.packet, 960, now);
    out.tick(now);
  }
  return { out, sent };
}

/** Source's packets among those from `from` ms on whose place in time is another than that of the first. */
function displaced(sent: readonly Out[], from: number): number {
  const source = sent.filter((one) => one.source && one.at >= from);
  const first = source[0];
  return first === undefined ? Infinity : source.filter(({ seq, timestamp }) => ((timestamp - first.timestamp) | 0) !== (((seq - first.seq) << 16) >> 16) * 960).length;
}

t.test('in jitter of 60 ms, and where one in ten overtakes by 50 ms, nothing is filled once it is known', async (t) => {
  for (const [name, seed] of [['jitter', 3], ['jitter', 4], ['overtaking', 5], ['overtaking', 6]] as const) {
    const random = dice(seed);
    const { out, sent } = passed(3000, () => (name === 'jitter' ? random() * 60 : random() < 0.1 ? 0 : 50));
    const filled = sent.filter(({ source, at }) => !source && at > 3000).length;
    t.ok(filled <= 30, `${name}: ${filled} of 2900 frames were silence`);
    t.ok(sent.filter(({ source }) => source).length >= 2950, `${name}: ${out.late} came too late`);
    if (name === 'overtaking') t.equal(displaced(sent, 4000), 0, 'each in its place');
    t.ok(new Set(sent.map(({ seq }) => seq)).size === sent.length, 'no number twice');
  }
});

t.test('a source that stops is followed within 60 ms where it was regular, and within 80 in jitter', async (t) => {
  for (const [jitter, most] of [[2, 65], [60, 85]] as const) {
    const random = dice(9);
    const { sent } = passed(500, () => random() * jitter, 1000);
    const gaps = sent.slice(1).map(({ at }, i) => at - (sent[i]?.at ?? 0));
    t.ok(Math.max(...gaps) <= most, `${jitter} ms of jitter: ${Math.max(...gaps)} ms`);
    t.ok((sent.at(-1)?.at ?? 0) > 1000 + 500 * 20 + 950, 'silence goes on');
  }
});
