import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import t from 'tap';
import type { MediaCall } from '../../../lib/media/index.js';
import { metaCalls, metaCallsDtls, metaSdp, PCMU, peerAnswers, peerSdp, startEngine } from './bench.js';
import { Endpoint, pace, SILENCE } from './endpoint.js';

const key = Buffer.alloc(30, 3).toString('base64');
const ULAW = Buffer.alloc(160, 0x23);

/** Thread ids of this process, by name. */
const threads = (): number => readdirSync('/proc/self/task').filter((id) => readFileSync(`/proc/self/task/${id}/comm`, 'utf8').trim() !== '').length;

t.test('ports run out: a clear error, and room again when a call ends', async (t) => {
  const { engine } = await startEngine({ ports: { first: 9000, last: 9007 } }, 'embedded');
  t.teardown(() => engine.close());
  const open: MediaCall[] = [];
  let refused: unknown = null;
  for (let i = 0; i < 12 && refused === null; i += 1) {
    const call = engine.openCall({ id: `port-${i}`, mediaTimeout: 0 });
    await call.answerMeta(metaSdp(9, key), { keying: 'sdes' }).then(() => open.push(call), async (error: unknown) => { refused = error; await call.close(); });
  }
  t.match(refused, { code: 'MEDIA_UNAVAILABLE', message: /no free port in media\.ports \(9000-9007\)/ });
  t.equal(open.length, 4, 'a pair of ports for each leg');
  t.notOk(engine.healthy, 'new calls are refused before they ring anybody');
  await open[0]?.close();
  await open[1]?.close();
  t.ok(engine.healthy);
  const next = engine.openCall({ id: 'port-next', mediaTimeout: 0 });
  await next.answerMeta(metaSdp(9, key), { keying: 'sdes' });
  for (const call of [...open, next]) await call.close();
  t.equal(engine.status().instances[0]?.calls, 0);
});

t.test('a port that another program has is passed over, and the one that was free for longest is next', async (t) => {
  const other = createSocket('udp4');
  other.bind(9102, '127.0.0.1');
  await once(other, 'listening');
  const { engine } = await startEngine({ ports: { first: 9100, last: 9107 } }, 'embedded');
  t.teardown(async () => { other.close(); await engine.close(); });
  const used: number[] = [];
  for (let i = 0; i < 7; i += 1) {
    const call = engine.openCall({ id: `over-${i}`, mediaTimeout: 0 });
    used.push(Number(/m=audio (\d+)/.exec(await call.answerMeta(metaSdp(9, key), { keying: 'sdes' }))?.[1]));
    await call.close();
  }
  t.notOk(used.includes(9102));
  t.equal(new Set(used.slice(0, 3)).size, 3, `no port twice in a row: ${used.join(' ')}`);
});

t.test('an address that this machine does not have is named, with the key to correct', async (t) => {
  await t.rejects(startEngine({ interface: { meta: '127.0.0.1', peers: '192.0.2.77!203.0.113.4' } }, 'embedded'), {
    code: 'MEDIA_UNAVAILABLE', message: /media\.interface\.peers: 192\.0\.2\.77 is not an address of this machine/,
  });
});

t.test('plain RTP: what comes from elsewhere than the SDP says is not heard, in whatever order it comes', async (t) => {
  const { engine, logger } = await startEngine({}, 'embedded');
  t.teardown(() => engine.close());
  const { call, meta } = await metaCalls(engine, 'stranger');
  const { leg, peer, offer } = await peerAnswers(call, { codecs: ['opus'], srtp: 'none', dtmf: 'rfc4733' }, ['111 opus/48000/2']);
  const [elsewhere, sameHost] = [await Endpoint.open('127.0.0.9'), await Endpoint.open()];
  for (const stranger of [elsewhere, sameHost]) stranger.aim('127.0.0.1', Number(/m=audio (\d+)/.exec(offer)?.[1]));
  call.connect(leg);
  call.start();
  const loud = Buffer.from([0x78, 1, 2, 3]);
  const theirs = Buffer.from([0x78, 9, 9, 9]);
  const before = pace(() => elsewhere.send(111, theirs, 960));
  await meta.until((seen) => seen.length > 20);
  const speech = pace(() => peer.send(111, loud, 960));
  await meta.until((seen) => seen.filter((one) => one.payload.equals(loud)).length > 20);
  const beside = pace(() => sameHost.send(111, theirs, 960));
  const from = meta.seen.length;
  await meta.until((seen) => seen.length > from + 40);
  for (const one of [before, speech, beside]) one.stop();
  t.equal(meta.seen.filter((one) => one.payload.equals(theirs)).length, 0, 'nothing of theirs reaches Meta');
  t.equal(elsewhere.seen.length + sameHost.seen.length, 0, 'and nothing goes to them');
  t.equal(logger.lines.filter((line) => line.includes('a stranger sends media')).length, 1, 'named once');
  await call.close();
  await Promise.all([meta, peer, elsewhere, sameHost].map((end) => end.close()));
});

t.test('a phone behind NAT is found once; then nobody takes its place', async (t) => {
  const { engine } = await startEngine({}, 'embedded');
  t.teardown(() => engine.close());
  const { call, meta } = await metaCalls(engine, 'nat');
  const [phone, thief] = [await Endpoint.open('127.0.0.9'), await Endpoint.open('127.0.0.9')];
  const leg = call.addPeerLeg({ ...PCMU, latch: { from: '127.0.0.9' } });
  const offer = await leg.offer();
  // It says of itself what it has inside, which is not where it sends from.
  await leg.takeAnswer(peerSdp(4000, ['0 PCMU/8000']).replace('c=IN IP4 127.0.0.1', 'c=IN IP4 10.11.12.13'));
  for (const end of [phone, thief]) end.aim('127.0.0.1', Number(/m=audio (\d+)/.exec(offer)?.[1]));
  call.connect(leg);
  call.start();
  const speech = pace(() => { phone.send(0, ULAW, 160); meta.send(111, SILENCE, 960); });
  await phone.until((seen) => seen.length > 10);
  const theft = pace(() => thief.send(0, Buffer.alloc(160, 0x70), 160));
  const from = phone.seen.length;
  await phone.until((seen) => seen.length > from + 50);
  speech.stop();
  theft.stop();
  t.equal(thief.seen.length, 0, 'nothing goes to the thief');
  await call.close();
  await Promise.all([meta, phone, thief].map((end) => end.close()));
});

t.test('SRTP: replayed and forged packets reach nobody, from wherever they come', async (t) => {
  const { engine } = await startEngine({}, 'embedded');
  t.teardown(() => engine.close());
  const { call, meta } = await metaCalls(engine, 'replay');
  const { leg, peer, offer } = await peerAnswers(call, { codecs: ['opus'], srtp: 'sdes', dtmf: 'rfc4733' }, ['111 opus/48000/2']);
  const stranger = await Endpoint.open('127.0.0.9');
  stranger.secure(randomBytes(30).toString('base64'), randomBytes(30).toString('base64'));
  stranger.aim('127.0.0.1', Number(/m=audio (\d+)/.exec(offer)?.[1]));
  call.connect(leg);
  call.start();
  const word = Buffer.from([0x78, 4, 5, 6]);
  const forged = Buffer.from([0x78, 6, 6, 6]);
  const speech = pace(() => { peer.send(111, word, 960); stranger.send(111, forged, 960); });
  await meta.until((seen) => seen.filter((one) => one.payload.equals(word)).length > 50);
  speech.stop();
  t.equal(meta.seen.filter((one) => one.payload.equals(forged)).length, 0);
  const { peer: figures } = await call.close();
  t.ok(figures.packetsIn <= 80, `only the peer's are counted: ${figures.packetsIn}`);
  await Promise.all([meta, peer, stranger].map((end) => end.close()));
});

t.test('after a hundred calls of every kind nothing is left: no handle, no thread, no port', async (t) => {
  const idle = threads();
  const { engine } = await startEngine({}, 'embedded');
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
  t.same(engine.status().workers.map(({ calls }) => calls), [0]);
  t.equal(engine.faults, 0);
  await engine.close();
  await engine.close();
  t.ok(threads() <= idle + 4, 'its threads have ended');
});
