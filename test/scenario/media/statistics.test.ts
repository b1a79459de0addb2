import t from 'tap';
import { metaCalls, PCMU, peerAnswers, startEngine } from './bench.js';
import { pace, SILENCE } from './endpoint.js';

t.test("loss, jitter, round trip and MOS of Meta's leg come from its packets and its reports", async (t) => {
  const { engine } = await startEngine();
  t.teardown(() => engine.close());
  const { call, meta } = await metaCalls(engine, 'stats');
  const { leg, peer } = await peerAnswers(call, PCMU, ['0 PCMU/8000']);
  call.connect(leg);
  call.start();
  meta.reports = { lost: 13, jitter: 480, delay: 60 };
  const talk = pace((i) => {
    if (i % 20 === 7) { meta.seq += 1; meta.ts += 960; } else meta.send(111, SILENCE, 960);
    peer.send(0, Buffer.alloc(160, 0x23), 160);
  });
  t.teardown(() => talk.stop());
  // The engine reports about every five seconds; a report later than that has been answered and counted.
  let live = await call.stats();
  for (let i = 0; i < 60 && live.meta.roundTripMs === null; i += 1) {
    const at = meta.seen.length;
    await meta.until((seen) => seen.length > at + 15);
    live = await call.stats();
  }
  talk.stop();
  t.ok(meta.rtcp.some((packet) => packet[1] === 200), `sender reports reach Meta (${meta.rtcp.length} RTCP, ${meta.unreadable} unreadable)`);
  t.ok((live.meta.roundTripMs ?? 0) >= 55 && (live.meta.roundTripMs ?? 0) < 150, `round trip ${String(live.meta.roundTripMs)} ms`);
  t.ok((live.meta.mos ?? 0) > 2.5 && (live.meta.mos ?? 0) < 4.4, `MOS ${String(live.meta.mos)}`);
  const last = await call.close();
  const share = last.meta.lost / (last.meta.packetsIn + last.meta.lost);
  t.ok(share > 0.03 && share < 0.07, `lost ${(share * 100).toFixed(1)} % of Meta's packets`);
  t.ok((last.meta.jitterMs ?? 99) < 15, `jitter ${String(last.meta.jitterMs)} ms`);
  t.equal(last.meta.roundTripMs === null, false, 'and stay in the final figures');
  await Promise.all([meta.close(), peer.close()]);
});
