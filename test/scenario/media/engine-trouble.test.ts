import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import t from 'tap';
import type { MediaCall } from '../../../lib/media/index.js';
import type { RtpengineEngine } from '../../../lib/media/rtpengine/engine.js';
import { missing } from '../../helpers/engines.js';
import { metaCalls, metaCallsDtls, metaSdp, PCMU, peerAnswers, startEngine } from './bench.js';
import { pace, SILENCE } from './endpoint.js';

const skip = missing('rtpengine');
const key = Buffer.alloc(30, 3).toString('base64');

t.test('the engine is killed mid-call: its calls hear of it at once, new ones are refused, then it is back', { skip }, async (t) => {
  const { engine, logger } = await startEngine({}, 'rtpengine');
  t.teardown(() => engine.close());
  const { call, meta } = await metaCalls(engine, 'killed');
  const { leg, peer } = await peerAnswers(call, PCMU, ['0 PCMU/8000']);
  call.connect(leg);
  call.start();
  await meta.until((seen) => seen.length > 5);
  const lost = once(call, 'engineLost');
  const down = once(engine, 'down');
  const up = once(engine, 'up');
  const pid = (engine as RtpengineEngine).pids[0];
  t.type(pid, 'number');
  const begin = performance.now();
  process.kill(pid as number, 'SIGKILL');
  await Promise.all([lost, down]);
  t.ok(performance.now() - begin < 500, `told after ${(performance.now() - begin).toFixed(0)} ms`);
  t.notOk(engine.healthy);
  await t.rejects(engine.openCall({ id: 'refused', mediaTimeout: 0 }).answerMeta(metaSdp(9, key), { keying: 'sdes' }), { code: 'MEDIA_UNAVAILABLE', status: 503 });
  const stats = await call.close();
  t.ok(stats.meta.packetsOut > 0, "the anchor's figures are kept");
  await up;
  t.ok(engine.healthy);
  t.not((engine as RtpengineEngine).pids[0], pid);
  const again = await metaCalls(engine, 'after');
  again.call.start();
  await again.meta.until((seen) => seen.length > 5);
  await again.call.close();
  t.equal(logger.lines.filter((line) => line.includes('rtpengine is gone')).length, 1);
  await Promise.all([meta.close(), peer.close(), again.meta.close()]);
});

t.test('ports run out: a clear error, and room again when a call ends', { skip }, async (t) => {
  const { engine } = await startEngine({ ports: { first: 9000, last: 9007 } }, 'rtpengine');
  t.teardown(() => engine.close());
  const open: MediaCall[] = [];
  let refused: unknown = null;
  for (let i = 0; i < 12 && refused === null; i += 1) {
    const call = engine.openCall({ id: `port-${i}`, mediaTimeout: 0 });
    await call.answerMeta(metaSdp(9, key), { keying: 'sdes' }).then(() => open.push(call), async (error: unknown) => { refused = error; await call.close(); });
  }
  t.match(refused, { code: 'MEDIA_UNAVAILABLE' });
  t.ok(open.length > 0, `${open.length} calls fit into eight ports`);
  await open[0]?.close();
  const next = engine.openCall({ id: 'port-next', mediaTimeout: 0 });
  await next.answerMeta(metaSdp(9, key), { keying: 'sdes' });
  for (const call of [...open, next]) await call.close();
  t.equal(engine.status().instances[0]?.calls, 0);
});

t.test('an engine of the operator, one that is silent, and one that answers slowly', { skip }, async (t) => {
  const own = await startEngine({}, 'rtpengine');
  t.teardown(() => own.engine.close());
  const control = own.engine.status().instances[0]?.address ?? '';
  const deaf = createSocket('udp4');
  deaf.bind(0, '127.0.0.1');
  await once(deaf, 'listening');
  // Forwards to the real engine after the requests were repeated: answers come late and twice.
  const [, port] = control.split(':');
  const slow = createSocket('udp4');
  const onward = createSocket('udp4');
  slow.bind(0, '127.0.0.1');
  await once(slow, 'listening');
  let asker = 0;
  const timers: NodeJS.Timeout[] = [];
  slow.on('message', (data, from) => { asker = from.port; timers.push(setTimeout(() => onward.send(data, Number(port), '127.0.0.1'), 400)); });
  onward.on('message', (data) => slow.send(data, asker, '127.0.0.1'));

  const { engine } = await startEngine({ spawn: false, control: [`127.0.0.1:${deaf.address().port}`, `127.0.0.1:${slow.address().port}`] }, 'rtpengine');
  t.match(engine.status().instances.map((one) => one.healthy), [false, true]);
  const { call, meta } = await metaCalls(engine, 'slow');
  const { leg, peer } = await peerAnswers(call, PCMU, ['0 PCMU/8000']);
  call.connect(leg);
  call.start();
  const talk = pace(() => { peer.send(0, Buffer.alloc(160, 0x23), 160); meta.send(111, SILENCE, 960); });
  await meta.until((seen) => seen.some((one) => !one.payload.equals(SILENCE)));
  talk.stop();
  await call.close();
  await engine.close();
  const none = await startEngine({ spawn: false, control: [`127.0.0.1:${deaf.address().port}`] }, 'rtpengine');
  t.notOk(none.engine.healthy);
  await t.rejects(none.engine.openCall({ id: 'none', mediaTimeout: 0 }).answerMeta(metaSdp(9, key), { keying: 'sdes' }), { code: 'MEDIA_UNAVAILABLE' });
  await none.engine.close();
  for (const timer of timers) clearTimeout(timer);
  await Promise.all([meta.close(), peer.close(), ...[deaf, slow, onward].map((socket) => new Promise<void>((resolve) => socket.close(() => resolve())))]);
});

t.test('a program that is not there, or will not run, is named', { skip }, async (t) => {
  await t.rejects(startEngine({ program: 'no-such-rtpengine' }, 'rtpengine'), { code: 'MEDIA_UNAVAILABLE', message: /no-such-rtpengine is not installed/ });
  await t.rejects(startEngine({ interface: { meta: '192.0.2.77', peers: '127.0.0.1' } }, 'rtpengine'), { code: 'MEDIA_UNAVAILABLE', message: /interface\.meta: 192\.0\.2\.77/ });
  await t.rejects(startEngine({ anchor: '192.0.2.77' }, 'rtpengine'), { code: 'MEDIA_UNAVAILABLE' });
});

t.test('after a hundred calls of every kind nothing is left: no handle, no engine call, no port', { skip }, async (t) => {
  const { engine } = await startEngine({}, 'rtpengine');
  const files = (): number => readdirSync('/proc/self/fd').length;
  const round = async (i: number): Promise<void> => {
    const { call, meta } = i % 4 === 0 ? await metaCallsDtls(engine, `leak-${i}`) : await metaCalls(engine, `leak-${i}`);
    const { leg, peer } = await peerAnswers(call, PCMU, ['0 PCMU/8000', 'EVENTS telephone-event/8000']);
    if (i % 3 === 0) call.addPeerLeg(PCMU).offer().catch(() => undefined);
    call.connect(leg);
    if (i % 5 !== 1) call.start();
    call.sendDtmf('5', 200);
    await call.close();
    t.equal(await call.close(), await call.close(), 'closing again gives the same');
    await t.rejects(leg.answer('v=0'), 'a closed leg says so');
    await Promise.all([meta.close(), peer.close()]);
  };
  await round(1000);
  const before = files();
  for (let i = 0; i < 100; i += 10) await Promise.all(Array.from({ length: 10 }, (_, k) => round(i + k)));
  t.ok(files() <= before + 2, `${before} handles before, ${files()} after`);
  t.equal(engine.status().instances[0]?.calls, 0);
  t.equal(await (engine as RtpengineEngine).engineCalls(), 0, 'the engine holds none');
  const [pid] = (engine as RtpengineEngine).pids;
  await engine.close();
  await engine.close();
  t.throws(() => process.kill(pid as number, 0), 'the engine has ended');
});
