import { once } from 'node:events';
import t from 'tap';
import { engines } from '../../helpers/engines.js';
import { watchStalls } from '../../helpers/stalls.js';
import { metaCallsDtls, metaDtlsSdp, PCMU, peerAnswers, startEngine, takeOurs } from './bench.js';
import { Endpoint, faultsOfStream, longestGap, pace, SILENCE } from './endpoint.js';

const stalls = watchStalls();
t.teardown(() => stalls.stop());
const PCMU_FORMATS = ['0 PCMU/8000', 'EVENTS telephone-event/8000'];

t.test("Meta's ICE-lite offer: full ICE, controlling, DTLS client, audio both ways", async (t) => {
  const { engine, logger } = await startEngine();
  t.teardown(() => engine.close());
  for (const [i, delay] of [0, 20, 50, 90, 400].entries()) {
    stalls.clear();
    const { call, meta, answer } = await metaCallsDtls(engine, `dtls-${i}`, delay);
    t.match(answer, /m=audio \d+ UDP\/TLS\/RTP\/SAVPF 111 126\r\n/);
    t.match(answer, /a=setup:active/);
    t.match(answer, /a=candidate:\S+ 1 udp \d+ 127\.0\.0\.1 \d+ typ host\r\n/i);
    t.notMatch(answer, /a=crypto|ice-lite|end-of-candidates|trickle/);
    const { leg, peer } = await peerAnswers(call, PCMU, PCMU_FORMATS);
    call.connect(leg);
    call.start();
    const begin = performance.now();
    await meta.until((seen) => seen.length > 0);
    t.comment(`answer after ${delay} ms: first packet ${(performance.now() - begin).toFixed(0)} ms after start()`);
    const speech = pace(() => { peer.send(0, Buffer.alloc(160, 0x23), 160); meta.send(111, SILENCE, 960); });
    await meta.until((seen) => seen.filter((one) => !one.payload.equals(SILENCE)).length > 20);
    await peer.until((seen) => seen.length > 20);
    speech.stop();
    t.equal(meta.dtls?.report().role, 'server', 'we are the DTLS client');
    t.same(meta.faults, [], 'never controlled, no other pair, ICE before DTLS');
    t.same(faultsOfStream(meta.seen), []);
    t.ok(longestGap(meta.seen) < stalls.bound(100), `longest gap ${longestGap(meta.seen).toFixed(0)} ms, this machine's ${stalls.worstMs.toFixed(0)}`);
    t.match(await call.close(), { meta: { codec: 'opus', keying: 'dtls' } });
    await Promise.all([meta.close(), peer.close()]);
  }
  t.same(logger.lines.filter((line) => /^(warn|error)/.test(line)), []);
});

t.test('our offer: either DTLS role of Meta is honoured', async (t) => {
  const { engine } = await startEngine();
  t.teardown(() => engine.close());
  for (const [setup, role] of [['active', 'client'], ['passive', 'server']] as const) {
    const meta = await Endpoint.open();
    await meta.webrtc();
    const call = engine.openCall({ id: `dtls-offer-${setup}`, mediaTimeout: 0 });
    const offer = await call.offerMeta({ keying: 'dtls', g711: false });
    t.match(offer, /m=audio \d+ UDP\/TLS\/RTP\/SAVPF 111 126\r\n/);
    t.match(offer, /a=setup:actpass/);
    // Meta's role decides ours: active on its side makes us the server.
    takeOurs(meta, offer.replace('actpass', setup === 'active' ? 'passive' : 'active'));
    await call.takeMetaAnswer(metaDtlsSdp(meta, setup));
    call.start();
    const user = pace(() => { if (meta.secured) meta.send(111, SILENCE, 960); });
    await meta.until((seen) => seen.length > 30);
    user.stop();
    t.equal(meta.dtls?.report().role, role);
    t.same(meta.faults, []);
    t.same(faultsOfStream(meta.seen), []);
    const stats = await call.close();
    t.ok(stats.meta.packetsIn > 0, `heard with ${setup}`);
    await meta.close();
  }
});

t.test('a fingerprint that does not fit gives no media', async (t) => {
  const { engine } = await startEngine();
  t.teardown(() => engine.close());
  const meta = await Endpoint.open();
  await meta.webrtc();
  const call = engine.openCall({ id: 'dtls-wrong', mediaTimeout: 0 });
  const answer = await call.answerMeta(metaDtlsSdp(meta).replace(/(a=fingerprint:sha-256 )(..)/, (_all, head: string, byte: string) => head + (byte === '00' ? '01' : '00')), { keying: 'dtls' });
  takeOurs(meta, answer);
  const told = engines.media === 'embedded' ? once(call, 'impostor') : null;
  call.start();
  await t.rejects(meta.until((seen) => seen.length > 0, 2500), 'no RTP to an impostor');
  if (told !== null) t.match(await told, [/fingerprint|certificate/i], 'and the call is told, so that it ends');
  t.ok((meta.dtls?.report().checks ?? 0) > 0, 'though ICE was through');
  await call.close();
  await meta.close();
});

t.test('fifty WebRTC calls at once all get audio', async (t) => {
  const { engine } = await startEngine({ ports: { first: 8000, last: 8999 } });
  t.teardown(() => engine.close());
  const times = await Promise.all(Array.from({ length: 50 }, async (_, i) => {
    const { call, meta } = await metaCallsDtls(engine, `many-${i}`);
    const { leg, peer } = await peerAnswers(call, PCMU, PCMU_FORMATS);
    call.connect(leg);
    call.start();
    const begin = performance.now();
    const speech = pace(() => { peer.send(0, Buffer.alloc(160, 0x23), 160); if (meta.secured) meta.send(111, SILENCE, 960); });
    await meta.until((seen) => seen.length > 0, 20_000);
    const first = performance.now() - begin;
    await meta.until((seen) => seen.some((one) => !one.payload.equals(SILENCE)), 20_000).catch(async (error: unknown) => { t.comment(`call ${i}: ${JSON.stringify(await call.stats())}, the peer saw ${peer.seen.length}`); throw error; });
    await peer.until((seen) => seen.length > 5, 20_000);
    speech.stop();
    await call.close();
    await Promise.all([meta.close(), peer.close()]);
    return first;
  }));
  times.sort((a, b) => a - b);
  t.comment(`first packet: p50 ${times[24]?.toFixed(0)} ms, p95 ${times[47]?.toFixed(0)} ms, the ends of all fifty in this process too`);
  t.equal(times.length, 50);
});

t.test('behind NAT the public address is the one Meta and peers see', async (t) => {
  const { engine } = await startEngine({ interface: { meta: '127.0.0.1!203.0.113.4', peers: '127.0.0.1!198.51.100.9' } });
  t.teardown(() => engine.close());
  const { call, meta, answer } = await metaCallsDtls(engine, 'nat');
  t.match(answer, /^c=IN IP4 203\.0\.113\.4\r$/m);
  t.match(answer, /^a=candidate:\S+ 1 udp \d+ 203\.0\.113\.4 \d+ typ host\r$/im);
  const offer = await call.addPeerLeg(PCMU).offer();
  t.match(offer, /^c=IN IP4 198\.51\.100\.9\r$/m);
  t.notMatch(answer + offer, /127\.0\.0\.1/, 'and no inner one');
  await call.close();
  await meta.close();
});
