import t from 'tap';
import { watchStalls } from '../../helpers/stalls.js';
import { metaCalls, PCMU, peerAnswers, startEngine } from './bench.js';
import { faultsOfStream, longestGap, pace, SILENCE } from './endpoint.js';

const stalls = watchStalls();
t.teardown(() => stalls.stop());

t.test('Opus over SRTP and PCMU over RTP reach each other, with one continuous stream towards Meta', async (t) => {
  const { engine, logger } = await startEngine();
  t.teardown(() => engine.close());
  const { call, meta, answer } = await metaCalls(engine, 'sdes-pcmu');
  t.match(answer, /m=audio \d+ RTP\/SAVP 111 126\r\n/);
  t.equal(answer.match(/a=crypto/g)?.length, 1);

  const { leg, peer, offer } = await peerAnswers(call, PCMU, ['0 PCMU/8000', 'EVENTS telephone-event/8000']);
  t.match(offer, /m=audio \d+ RTP\/AVP 0 \d+\r\n/);
  call.connect(leg);
  const both = (): void => { peer.send(0, Buffer.alloc(160, 0xff), 160); meta.send(111, SILENCE, 960); };
  await pace(both, 20).done;
  t.equal(meta.seen.length, 0, 'no packet to Meta before start()');
  t.equal(meta.rtcp.length, 0, 'nor RTCP');

  stalls.clear();
  call.start();
  const speech = pace(both);
  await meta.until((seen) => seen.length >= 100);
  await peer.until((seen) => seen.length >= 100);
  speech.stop();
  t.same(faultsOfStream(meta.seen), []);
  t.ok(longestGap(meta.seen) < stalls.bound(200), `longest gap ${longestGap(meta.seen).toFixed(0)} ms, this machine's ${stalls.worstMs.toFixed(0)}`);
  t.ok(meta.seen.every((one) => one.type === 111), 'Opus under the offered type');
  t.ok(peer.seen.every((one) => one.type === 0 && one.payload.length === 160), '20 ms of PCMU each');
  t.equal(meta.unreadable + peer.unreadable, 0);

  const stats = await call.close();
  t.match(stats, { meta: { codec: 'opus', keying: 'sdes', lost: 0 }, peer: { codec: 'PCMU', keying: 'none' } });
  t.ok(stats.meta.packetsIn >= 90 && stats.meta.packetsOut >= 100 && stats.peer.packetsIn >= 90, JSON.stringify(stats));
  t.same(logger.lines.filter((line) => /^(warn|error)/.test(line)), []);
  await Promise.all([meta.close(), peer.close()]);
});
