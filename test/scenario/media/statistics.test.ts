import t from 'tap';
import { watchStalls } from '../../helpers/stalls.js';
import type { PeerMediaProfile } from '../../../lib/media/index.js';
import { metaCalls, PCMU, peerAnswers, startEngine } from './bench.js';
import { longestGap, pace, SILENCE } from './endpoint.js';

const stalls = watchStalls();
t.teardown(() => stalls.stop());

t.test("loss, jitter, round trip and MOS of Meta's leg come from its packets and its reports", async (t) => {
  const { engine } = await startEngine();
  t.teardown(() => engine.close());
  const { call, meta } = await metaCalls(engine, 'stats');
  const { leg, peer } = await peerAnswers(call, PCMU, ['0 PCMU/8000']);
  call.connect(leg);
  stalls.clear();
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
  t.ok((live.meta.roundTripMs ?? 0) >= 55 && (live.meta.roundTripMs ?? 0) < stalls.bound(150), `round trip ${String(live.meta.roundTripMs)} ms`);
  t.ok((live.meta.mos ?? 0) > 2.5 && (live.meta.mos ?? 0) < 4.4, `MOS ${String(live.meta.mos)}`);
  const last = await call.close();
  const share = last.meta.lost / (last.meta.packetsIn + last.meta.lost);
  t.ok(share > 0.03 && share < 0.07, `lost ${(share * 100).toFixed(1)} % of Meta's packets`);
  t.ok((last.meta.jitterMs ?? 999) < stalls.bound(15), `jitter ${String(last.meta.jitterMs)} ms`);
  t.equal(last.meta.roundTripMs === null, false, 'and stay in the final figures');
  await Promise.all([meta.close(), peer.close()]);
});

const kinds: [name: string, profile: PeerMediaProfile, format: string, payload: Buffer, step: number, ptime: number][] = [
  ['PCMU', PCMU, '0 PCMU/8000', Buffer.alloc(160, 0x23), 160, 20],
  ['PCMU with SRTP', { ...PCMU, srtp: 'sdes' }, '0 PCMU/8000', Buffer.alloc(160, 0x23), 160, 20],
  ['PCMA at 40 ms', { ...PCMU, codecs: ['PCMA'] }, '8 PCMA/8000', Buffer.alloc(320, 0xd5), 320, 40],
  ['Opus with SRTP', { ...PCMU, codecs: ['opus'], srtp: 'sdes' }, '111 opus/48000/2', SILENCE, 960, 20],
];

t.test("a peer leg's packets and octets are those on its own wire", async (t) => {
  const { engine } = await startEngine();
  t.teardown(() => engine.close());
  for (const [name, profile, format, payload, step, ptime] of kinds) {
    const { call, meta } = await metaCalls(engine, 'wire');
    const { leg, peer } = await peerAnswers(call, profile, [format], [`a=ptime:${ptime}`]);
    call.connect(leg);
    call.start();
    const type = Number(format.split(' ')[0]);
    let sent = 0;
    const talk = pace((i) => {
      meta.send(111, SILENCE, 960);
      if (i % (ptime / 20) !== 0) return;
      peer.send(type, payload, step);
      sent += 1;
    });
    t.teardown(() => talk.stop());
    await peer.until((seen) => seen.length > 1000 / ptime);
    talk.stop();
    const { peer: figures } = await call.close();
    const octets = peer.seen.reduce((sum, one) => sum + one.payload.length, 0);
    // Packets may be under way when the call is closed, and when the peer is looked at; what comes in a leg's first 60 ms is not taken for the peer's.
    t.ok(figures.packetsIn <= sent && figures.packetsIn >= sent - 4 - 4, `${name}: ${figures.packetsIn} packets in, ${sent} sent`);
    t.equal(figures.bytesIn, figures.packetsIn * payload.length, `${name}: octets in`);
    t.ok(Math.abs(figures.packetsOut - peer.seen.length) <= 4, `${name}: ${figures.packetsOut} packets out, ${peer.seen.length} came`);
    t.ok(Math.abs(figures.bytesOut - octets) <= 4 * (octets / peer.seen.length), `${name}: ${figures.bytesOut} octets out, ${octets} came`);
    await Promise.all([meta.close(), peer.close()]);
  }
});

t.test('packets a transcoded peer loses on its way are counted, and the call is not put off by them', async (t) => {
  const { engine } = await startEngine();
  t.teardown(() => engine.close());
  const { call, meta } = await metaCalls(engine, 'lossy');
  const { leg, peer } = await peerAnswers(call, PCMU, ['0 PCMU/8000']);
  call.connect(leg);
  stalls.clear();
  call.start();
  const talk = pace((i) => {
    if (i % 25 !== 7) peer.send(0, Buffer.alloc(160, 0x23), 160);
    else { peer.seq += 1; peer.ts += 160; }
  });
  t.teardown(() => talk.stop());
  await meta.until((seen) => seen.length > 250);
  talk.stop();
  const [first, last] = [meta.seen[0]!, meta.seen.at(-1)!];
  const lead = meta.seen.length * 20 - (last.at - first.at);
  t.ok(lead < 350, `${lead.toFixed(0)} ms more audio than time after ${(last.at - first.at).toFixed(0)} ms`);
  t.ok(longestGap(meta.seen) < stalls.bound(200), `longest gap ${longestGap(meta.seen).toFixed(0)} ms, this machine's ${stalls.worstMs.toFixed(0)}`);
  const { peer: figures } = await call.close();
  const share = figures.lost / (figures.packetsIn + figures.lost);
  t.ok(share > 0.02 && share < 0.06, `lost ${(share * 100).toFixed(1)} %`);
  await Promise.all([meta.close(), peer.close()]);
});
