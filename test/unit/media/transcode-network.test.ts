// Loss, jitter, reordering, drift, pauses and strangers before the transcoder. The clock is simulated.
import fc from 'fast-check';
import t from 'tap';
import { DelayTarget } from '../../../lib/media/transcode/delayTarget.js';
import { JitterBuffer } from '../../../lib/media/transcode/jitterBuffer.js';
import { Transcoder } from '../../../lib/media/transcode/transcoder.js';
import { babble, bandDistance, delayOf, dice, levelDb, sine, toneDb } from '../../helpers/signals.js';
import { listened, packetsOf, rtp, run, type Heard, type Sent } from '../../helpers/transcoderRig.js';

/** Numbers and timestamps go up by one packet each. */
function straight(heard: readonly Heard[]): boolean {
  return heard.every(({ seq, timestamp, samples }, i) => {
    const before = heard[i - 1];
    return before === undefined || (((seq - before.seq) & 0xffff) === 1 && (timestamp - before.timestamp) >>> 0 === samples);
  });
}

function lossy(sent: readonly Sent[], loss: number, seed = 3): Sent[] {
  const random = dice(seed);
  return sent.filter((_, i) => random() >= loss || i < 30 || i === sent.length - 1);
}

/** How far what is heard is from what is heard without a loss, in dB; the two are laid over each other first. */
function distance(whole: Int16Array, heard: Int16Array, rate: number): number {
  const [start, length] = [rate, rate * 8];
  let best = Infinity;
  const rough = delayOf(whole.subarray(start, start + length), heard.subarray(start), rate / 10);
  for (const shift of [rough]) best = Math.min(best, bandDistance(whole.subarray(start, start + length), heard.subarray(start + shift, start + shift + length), rate));
  return best;
}

t.test('1, 3 and 10 % lost: a packet every 20 ms all the same, nearer to what was said than with silence, with FEC nearer still', async (t) => {
  for (const [codec, other] of [['PCMU', 'opus'], ['G722', 'opus'], ['opus', 'PCMU'], ['opus', 'G722']] as const) {
    const rate = codec === 'PCMU' || other === 'PCMU' ? 8000 : 16_000;
    const speech = babble(rate, 10, 4);
    const direct = (fec: boolean, loss: number): { pcm: Int16Array; concealed: number; lost: number; straight: boolean } => {
      const sent = packetsOf({ codec, ptime: 20, fec }, speech, rate);
      const arriving = lossy(sent, loss);
      const { heard, transcoder } = run({ codec, ptime: 20 }, { codec: other, ptime: 20 }, arriving);
      return { pcm: listened(heard, other, rate), concealed: transcoder.figures.concealed, lost: (sent.length - arriving.length) * 20, straight: straight(heard) };
    };
    const whole = direct(true, 0);
    for (const loss of [0.01, 0.03, 0.1]) {
      const with_ = direct(true, loss);
      t.ok(with_.straight, 'numbers without a break');
      t.ok(Math.abs(with_.concealed - with_.lost) <= 3, `every lost packet was stood in for: ${with_.concealed} of ${with_.lost} ms`);
      const concealed = distance(whole.pcm, with_.pcm, rate);
      // Silence in place of what is lost: of the same packets, heard without a loss.
      const random = dice(3);
      const gone = Int16Array.from(whole.pcm);
      for (let at = 0, i = 0; at < gone.length; at += rate / 50, i += 1) if (random() < loss && i >= 30) gone.fill(0, at, at + rate / 50);
      const silent = distance(whole.pcm, gone, rate);
      t.ok(loss < 0.02 || concealed < 0.75 * silent, `${codec} to ${other}, ${loss * 100} %: ${concealed.toFixed(2)} dB, silence ${silent.toFixed(2)} dB`);
      if (codec !== 'opus' || loss < 0.05) continue;
      const plain = distance(direct(false, 0).pcm, direct(false, loss).pcm, rate);
      t.ok(concealed < 0.8 * plain, `${codec} to ${other}, ${loss * 100} %: with FEC ${concealed.toFixed(2)} dB, without ${plain.toFixed(2)} dB`);
    }
  }
});

t.test('30 ms of jitter, reordering, copies: little is late, the delay follows and falls again', async (t) => {
  const random = dice(21);
  const sent = packetsOf({ codec: 'PCMU', ptime: 20 }, babble(8000, 60), 8000);
  const arriving = sent.flatMap(({ at, packet }, i) => {
    const shaken = i > 500 && i < 1500 ? random() * 60 : random() * 2;
    const arrival = { at: at + shaken, packet };
    return random() < 0.02 ? [arrival, { at: at + shaken + 3, packet: Buffer.from(packet) }] : [arrival];
  });
  const { heard, transcoder, depths } = run({ codec: 'PCMU', ptime: 20 }, { codec: 'opus', ptime: 20 }, arriving);
  t.ok(straight(heard));
  const { concealed, late } = transcoder.figures;
  t.ok(concealed <= 300, `${concealed} ms of 20 s in jitter were made up`);
  t.ok(late < 100, `${late} packets were late, of them some 60 copies`);
  t.ok(Math.max(...depths.slice(15, 28)) <= 120 && Math.min(...depths.slice(20, 28)) > 25, `in the jitter ${depths.slice(15, 28).map(Math.round).join(' ')}`);
  t.ok((depths[8] ?? 99) < 25 && (depths[depths.length - 3] ?? 99) < 30, `without it ${Math.round(depths[8] ?? 99)} and ${Math.round(depths[depths.length - 3] ?? 99)}`);
});

t.test('where packets begin within frames makes no difference: the delay comes to rest above what the jitter asks for', async (t) => {
  // Jitter of 60 ms asks for a delay between two steps of 20 ms at any phase.
  for (const seed of [4, 8, 21]) {
    for (const from of ['PCMU', 'opus'] as const) {
      const random = dice(seed);
      const sent = packetsOf({ codec: from, ptime: 20 }, babble(8000, 30, seed), 8000);
      const phase = random() * 20;
      const { heard, transcoder, depths } = run({ codec: from, ptime: 20 }, { codec: 'PCMA', ptime: 20 }, sent.map(({ at, packet }) => ({ at: at + phase + random() * 60, packet })));
      t.ok(straight(heard));
      t.ok(transcoder.figures.concealed <= 200, `${from} ${seed}: ${transcoder.figures.concealed} ms of 30 s were made up`);
      const settled = depths.slice(5, 29);
      t.ok(Math.max(...settled) - Math.min(...settled) < 10, settled.map(Math.round).join(' '));
    }
  }
});

t.test('on a clean network no more than a packet time of delay is added', async (t) => {
  const { depths, transcoder } = run({ codec: 'PCMA', ptime: 20 }, { codec: 'opus', ptime: 20 }, packetsOf({ codec: 'PCMA', ptime: 20 }, babble(8000, 10), 8000));
  t.ok(depths.slice(3).every((ms) => ms > 0 && ms <= 20), depths.map(Math.round).join(' '));
  t.same([transcoder.figures.concealed, transcoder.figures.late], [0, 0]);
});

t.test('an hour with a clock that is 200 ppm off: the delay stays, corrections are as many as that takes', async (t) => {
  const packet = Buffer.alloc(160, 0xff);
  for (const ppm of [200, -200]) {
    const random = dice(8);
    const buffer = new JitterBuffer(8000, 20, () => false);
    let [underruns, corrections, deepest, due] = [0, 0, 0, 1000];
    let pending = 0;
    for (let i = 0; i < 180_000; i += 1) {
      const at = 1000 + (i * 20) / (1 + ppm / 1e6) + random() * 4;
      buffer.push({ seq: i & 0xffff, timestamp: (i * 160) >>> 0, ssrc: 5, units: 160, payload: packet }, at);
      // What is played lasts 20 ms, 10 more or less where the delay was corrected.
      while (due <= at) {
        const next = buffer.next(due);
        if (next.kind === 'packet') {
          pending = 0;
          if (buffer.correction !== null) {
            corrections += 1;
            pending = buffer.correction === 'shorten' ? -10 : 10;
            buffer.correction = null;
          }
        } else if (buffer.playing) {
          underruns += 1;
          buffer.stoodIn(20);
          pending = 0;
        } else {
          pending = -15;
        }
        due += 20 + pending;
      }
      if (i > 1000) deepest = Math.max(deepest, buffer.depthMs);
    }
    t.ok(deepest < 45, `${ppm} ppm: ${deepest} ms at most`);
    t.ok(corrections + 2 * underruns >= 60 && corrections + underruns < 250, `${ppm} ppm: ${corrections} corrections and ${underruns} times too late in an hour of 720 ms`);
    t.equal(buffer.lostMs, 0);
  }
});

t.test('what is heard goes on without growing later while the clock is off', async (t) => {
  for (const ppm of [2000, -2000]) {
    const sent = packetsOf({ codec: 'PCMU', ptime: 20 }, sine(8000, 400, 40), 8000, ppm);
    const { heard, depths } = run({ codec: 'PCMU', ptime: 20 }, { codec: 'PCMU', ptime: 20 }, sent, 100);
    t.ok(straight(heard), 'ten times as fast as above');
    t.ok(Math.max(...depths.slice(3)) < 45, depths.map(Math.round).join(' '));
    const pcm = listened(heard, 'PCMU');
    let quietest = 0;
    for (let at = 8000; at + 160 <= pcm.length - 1600; at += 160) quietest = Math.min(quietest, levelDb(pcm.subarray(at, at + 160)));
    t.ok(quietest > -22, `the quietest 20 ms of the tone have ${quietest} dB`);
  }
});

t.test('a source that stops is followed within some 100 ms; where it goes on the pause is in the timestamps', async (t) => {
  const sent = packetsOf({ codec: 'PCMU', ptime: 20 }, sine(8000, 400, 3), 8000).filter((_, i) => i < 50 || i >= 100);
  const { heard, transcoder } = run({ codec: 'PCMU', ptime: 20 }, { codec: 'opus', ptime: 20 }, sent);
  const resumed = heard.findIndex(({ marker }, i) => marker && i > 0);
  const [last, first] = [heard[resumed - 1], heard[resumed]];
  if (last === undefined || first === undefined) return t.fail('it paused');
  t.ok(last.at > 2040 && last.at < 2150, `the last came at ${last.at - 1000}`);
  t.ok(first.at >= 3000 && first.at < 3050, `it went on at ${first.at - 1000}`);
  t.equal((first.seq - last.seq) & 0xffff, 1);
  const pause = ((first.timestamp - last.timestamp) >>> 0) / 48;
  t.ok(pause % 20 === 0 && Math.abs(pause - (first.at - last.at)) <= 20, `${pause} ms`);
  t.equal(transcoder.figures.concealed, 0, 'a pause is no loss');
});

t.test('forget: nothing of the old source is heard, another one begins at once', async (t) => {
  const old = packetsOf({ codec: 'PCMU', ptime: 20 }, sine(8000, 400, 1), 8000);
  const other = packetsOf({ codec: 'PCMU', ptime: 20 }, sine(8000, 1300, 1), 8000).map(({ at, packet }) => ({ at: at + 1000, packet: rtp(0, packet.readUInt16BE(2) + 9000, packet.readUInt32BE(4) + 1_000_000, packet.subarray(12), 78) }));
  for (const told of [true, false]) {
    const { heard } = run({ codec: 'PCMU', ptime: 20 }, { codec: 'PCMA', ptime: 20 }, [...old, ...other], 400, (now, transcoder) => { if (told && now === 1995) transcoder.forget(); });
    t.ok(heard.every(({ seq, ssrc }, i) => i === 0 || (((seq - (heard[i - 1]?.seq ?? 0)) & 0xffff) === 1 && ssrc === heard[0]?.ssrc)), 'one stream');
    const late = listened(heard.filter(({ at }) => at > 2120 && at < 2900), 'PCMA');
    t.ok(toneDb(late, 8000, 1300) > -13 && toneDb(late, 8000, 400) < -50, `the other is heard, told: ${told}`);
  }
});

t.test('a timestamp that jumps is another clock, not a loss', async (t) => {
  const sent = packetsOf({ codec: 'PCMU', ptime: 20 }, sine(8000, 400, 2), 8000).map(({ at, packet }, i) => {
    const jumped = Buffer.from(packet);
    if (i >= 50) jumped.writeUInt32BE((packet.readUInt32BE(4) - 800_000) >>> 0, 4);
    return { at, packet: jumped };
  });
  const { heard, transcoder } = run({ codec: 'PCMU', ptime: 20 }, { codec: 'PCMU', ptime: 20 }, sent);
  t.ok(straight(heard));
  t.equal(transcoder.figures.concealed, 0);
  t.ok(levelDb(listened(heard.filter(({ at }) => at > 2150 && at < 2950), 'PCMU')) > -16);
});

t.test('comfort noise of the source is heard until its next audio', async (t) => {
  const audio = packetsOf({ codec: 'PCMU', ptime: 20 }, sine(8000, 400, 4), 8000);
  const sent = audio.filter((_, i) => i < 50 || i >= 150).map(({ at, packet }, i) => ({ at, packet: rtp(0, (i < 50 ? 0 : 1) + i, packet.readUInt32BE(4), packet.subarray(12)) }));
  const after = audio[50];
  if (after === undefined) return t.fail();
  sent.push({ at: after.at, packet: rtp(13, 50, after.packet.readUInt32BE(4), Buffer.from([45])) });
  const { heard, transcoder } = run({ codec: 'PCMU', ptime: 20, cn: 13 }, { codec: 'PCMA', ptime: 20 }, sent);
  t.ok(straight(heard), 'it goes on');
  const level = levelDb(listened(heard.filter(({ at }) => at > 2200 && at < 3900), 'PCMA'));
  t.ok(Math.abs(level + 45) < 2, `${level} dB`);
  t.ok(levelDb(listened(heard.filter(({ at }) => at > 4100 && at < 4900), 'PCMA')) > -16, 'then audio');
  t.equal(transcoder.figures.concealed, 0);
});

t.test('DTX of Opus: what decoding makes of a frame of one octet goes on between two of them, and is no loss', async (t) => {
  const audio = packetsOf({ codec: 'opus', ptime: 20 }, babble(16_000, 3), 16_000);
  const sent = audio.slice(0, 75).map(({ at, packet }, i) => ({ at, packet: rtp(111, i, packet.readUInt32BE(4), packet.subarray(12)) }));
  const base = audio[75];
  if (base === undefined) return t.fail();
  for (let i = 0; i < 5; i += 1) sent.push({ at: base.at + i * 400, packet: rtp(111, 75 + i, base.packet.readUInt32BE(4) + i * 400 * 48, Buffer.from([0x48])) });
  const { heard, transcoder } = run({ codec: 'opus', ptime: 20 }, { codec: 'PCMU', ptime: 20 }, sent, 1500);
  t.ok(straight(heard));
  t.equal(transcoder.figures.concealed, 0);
  const end = (heard[heard.length - 1]?.at ?? 0) - base.at;
  t.ok(end > 2000 && end < 2400, `it ends ${end} ms later`);
});

t.test('bursts of the source are no bursts towards the target', async (t) => {
  const sent = packetsOf({ codec: 'PCMU', ptime: 20 }, babble(8000, 10), 8000).map(({ at, packet }, i) => ({ at: at - (i % 4) * 20 + 60, packet }));
  const { heard } = run({ codec: 'PCMU', ptime: 20 }, { codec: 'opus', ptime: 20 }, sent);
  const steps = heard.slice(150).map(({ at }, i) => at - (heard[149 + i]?.at ?? at));
  t.same([...new Set(steps)], [20]);
});

t.test('a stall of ours is not made up for by a burst, and the tick may come late', async (t) => {
  const packets = packetsOf({ codec: 'PCMU', ptime: 20 }, sine(8000, 400, 2), 8000);
  const times: number[] = [];
  const transcoder = new Transcoder({ codec: 'PCMU', ptime: 20 }, { codec: 'PCMU', ptime: 20 }, (_packet, _samples, now) => times.push(now));
  let next = 0;
  for (let now = 1000; now < 2900; now += now === 1500 ? 700 : 15) {
    for (let sent = packets[next]; sent !== undefined && sent.at <= now; sent = packets[(next += 1)]) transcoder.push(sent.packet, 12, now);
    transcoder.tick(now);
  }
  transcoder.close();
  t.ok(times.filter((at) => at === 2200).length <= 2, 'after the stall');
  t.ok(times.filter((at) => at > 2300).length >= 28);
});

t.test('whatever is sent costs its own frame only', async (t) => {
  const good = packetsOf({ codec: 'opus', ptime: 20 }, sine(16_000, 1000, 0.6), 16_000);
  const codecs = ['opus', 'PCMU', 'PCMA', 'G722'] as const;
  fc.assert(fc.property(
    fc.constantFrom(...codecs), fc.constantFrom(10, 20, 30, 60),
    fc.array(fc.record({ seq: fc.nat(0xffff), near: fc.boolean(), timestamp: fc.nat(0xffff_ffff), type: fc.constantFrom(0, 13, 111), ssrc: fc.constantFrom(1, 1, 1, 2), bytes: fc.uint8Array({ maxLength: 400 }), wait: fc.nat(60) }), { maxLength: 60 }),
    (codec, ptime, arrivals) => {
      let [packets, samples] = [0, 0];
      const transcoder = new Transcoder({ codec, ptime: 20, cn: 13 }, { codec: 'PCMA', ptime }, (packet, units) => {
        packets += packet.length === 12 + ptime * 8 ? 1 : 1000;
        samples += units;
      });
      let now = 1000;
      arrivals.forEach(({ seq, near, timestamp, type, ssrc, bytes, wait }, i) => {
        transcoder.push(rtp(type, near ? i : seq, near ? i * 960 + (timestamp % 100) : timestamp, Buffer.from(bytes), ssrc), 12, now);
        for (const end = now + wait; now < end; now += 5) transcoder.tick(now);
      });
      const spent = now - 1000;
      transcoder.close();
      return packets <= spent / ptime + 2 && samples === packets * ptime * 8;
    },
  ), { numRuns: 300, seed: 12 });
  // And a call that is sent nonsense among its packets is heard.
  const random = dice(4);
  const nonsense = good.map(({ at, packet }, i) => (i % 5 === 3 ? { at, packet: Buffer.concat([packet.subarray(0, 12), Buffer.from(Array.from({ length: 40 }, () => Math.floor(random() * 256)))]) } : { at, packet }));
  const { heard } = run({ codec: 'opus', ptime: 20 }, { codec: 'PCMU', ptime: 20 }, nonsense);
  t.ok(straight(heard));
  t.ok(heard.length >= 28);
});

t.test('the delay that is aimed at: 99 of 100 packets are in time, and it forgets', async (t) => {
  const random = dice(2);
  const target = new DelayTarget();
  t.equal(target.ms, 30);
  let media = 0;
  const feed = (count: number, jitter: number): void => {
    for (let i = 0; i < count; i += 1, media += 20) target.take(media, 5000 + media + random() * jitter);
  };
  feed(300, 1);
  t.ok(target.ms === 10, `${target.ms}`);
  feed(600, 60);
  t.ok(target.ms >= 52 && target.ms <= 64, `${target.ms}`);
  feed(300, 500);
  t.equal(target.ms, 120);
  feed(3000, 1);
  t.ok(target.ms === 10, `${target.ms}`);
});
