import t from 'tap';
import { watchStalls } from '../../helpers/stalls.js';
import { metaCalls, PCMU, peerAnswers, peerSdp, startEngine } from './bench.js';
import { faultsOfStream, longestGap, pace, SILENCE, type Endpoint } from './endpoint.js';

const stalls = watchStalls();
t.teardown(() => stalls.stop());

const tone = Buffer.alloc(160, 0x23);
const PCMU_FORMATS = ['0 PCMU/8000', 'EVENTS telephone-event/8000'];

function speak(end: Endpoint): { stop(): void; readonly done: Promise<void> } {
  return pace(() => end.send(0, tone, 160));
}

t.test('a peer that changes SSRC, is held, is muted, vanishes and is replaced: Meta sees one stream', async (t) => {
  const { engine } = await startEngine();
  t.teardown(() => engine.close());
  const { call, meta } = await metaCalls(engine, 'one-stream');
  const user = pace(() => meta.send(111, SILENCE, 960));
  const more = async (count: number): Promise<void> => { const at = meta.seen.length; await meta.until((seen) => seen.length >= at + count); };

  stalls.clear();
  call.start();
  await more(25);
  t.ok(meta.seen.every((one) => one.payload.equals(SILENCE)), 'silence before any peer');

  const first = await peerAnswers(call, PCMU, PCMU_FORMATS);
  call.connect(first.leg);
  await more(10);
  let talk = speak(first.peer);
  await more(25);
  const heard = (): number => meta.seen.slice(-10).filter((one) => !one.payload.equals(SILENCE)).length;
  t.ok(heard() >= 9, 'then the peer');

  // Another source, with numbers of its own.
  first.peer.ssrc = 0xbeef;
  first.peer.seq = 40_000;
  first.peer.ts = 7;
  await more(25);
  t.ok(heard() >= 9, 'the new SSRC is heard');

  talk.stop();
  await more(40);
  t.ok(meta.seen.slice(-10).every((one) => one.payload.equals(SILENCE)), 'silence while the peer is mute');
  talk = speak(first.peer);
  await more(15);
  t.ok(heard() >= 9, 'the peer again, its timestamps not advanced');

  first.peer.ts += 160 * 5000;
  await more(15);
  t.ok(heard() >= 9, 'a jump of timestamps');

  const heldAt = first.peer.seen.length;
  const held = await first.leg.answer(peerSdp(first.peer.port, PCMU_FORMATS.map((f) => f.replace('EVENTS', String(first.events))), ['a=sendonly']));
  t.match(held, /a=recvonly/);
  talk.stop();
  await more(25);
  t.ok(first.peer.seen.length - heldAt < 10, 'nothing goes to a peer that holds');
  const resumed = await first.leg.answer(peerSdp(first.peer.port, PCMU_FORMATS.map((f) => f.replace('EVENTS', String(first.events))), ['a=sendrecv']));
  t.match(resumed, /a=sendrecv/);
  t.equal(/m=audio (\d+)/.exec(resumed)?.[1], /m=audio (\d+)/.exec(first.offer)?.[1], 'on the same port');
  const at = first.peer.seen.length;
  await first.peer.until((seen) => seen.length > at + 10);

  const second = await peerAnswers(call, { ...PCMU, codecs: ['PCMA'] }, ['8 PCMA/8000', 'EVENTS telephone-event/8000']);
  call.connect(second.leg);
  await first.leg.close();
  const late = pace(() => second.peer.send(8, Buffer.alloc(160, 0x11), 160));
  await more(30);
  t.ok(heard() >= 9, 'the replacement is heard');
  await second.peer.until((seen) => seen.length > 10);
  late.stop();
  call.connect(null);
  await more(15);
  await second.leg.close();
  await more(15);
  user.stop();

  t.same(faultsOfStream(meta.seen), []);
  t.ok(longestGap(meta.seen) < stalls.bound(200), `longest gap ${longestGap(meta.seen).toFixed(0)} ms, this machine's ${stalls.worstMs.toFixed(0)}`);
  t.same(faultsOfStream(first.peer.seen, 160).filter((fault) => !fault.includes('timestamp')), [], 'nor does a held peer see breaks in sequence');
  const stats = await call.close();
  t.equal(stats.peer.codec, 'PCMA', 'the statistics are those of the leg connected last');
  await Promise.all([meta.close(), first.peer.close(), second.peer.close()]);
});

t.test('normal jitter makes no silence, loss keeps its gap, late packets do not double', async (t) => {
  const { engine } = await startEngine();
  t.teardown(() => engine.close());
  const { call, meta } = await metaCalls(engine, 'jitter');
  const { leg, peer, events } = await peerAnswers(call, { ...PCMU, codecs: ['opus'] }, ['111 opus/48000/2', 'EVENTS telephone-event/8000']);
  t.ok(events > 95);
  call.connect(leg);
  call.start();
  // Ten frames at once every 200 ms would be too much; up to 30 ms of delay is what networks do.
  const word = (i: number): Buffer => Buffer.from([0x78, i & 0xff, 1, 2, 3]);
  // What comes as a leg is made is not yet the peer's: it is heard first, and then falls silent.
  const hello = Buffer.from([0x78, 0xff, 9, 9, 9]);
  const greeting = pace(() => peer.send(111, hello, 960));
  await meta.until((seen) => seen.some((one) => one.payload.equals(hello)));
  greeting.stop();
  const quiet = performance.now();
  await meta.until((seen) => seen.findLastIndex((one) => one.payload.equals(SILENCE)) > seen.findLastIndex((one) => one.payload.equals(hello)) + 5);
  peer.ts += Math.round((performance.now() - quiet) / 20) * 960;
  stalls.clear();
  // The packet behind the lost one is not late itself: behind a loss the stream waits 40 ms at most. What this thread itself sends later than it means to is no jitter of the test's.
  let [begun, sentLate] = [0, 0];
  await pace((i) => {
    if (i === 0) begun = performance.now();
    const [seq, ts] = [peer.seq, peer.ts];
    peer.seq = (peer.seq + 1) & 0xffff;
    peer.ts += 960;
    if (i === 59) return;
    setTimeout(() => {
      sentLate = Math.max(sentLate, performance.now() - begun - 20 * i - ((i * 7) % 30));
      peer.send(111, word(i), 0, { seq, ts });
    }, (i * 7) % 30);
  }, 150).done;
  await meta.until((seen) => seen.some((one) => one.payload.equals(word(149))));
  const from = meta.seen.findIndex((one) => one.payload.equals(word(0)));
  t.ok(from > 0, 'the first word is heard');
  const speech = meta.seen.slice(from).filter((one) => !one.payload.equals(SILENCE));
  const to = meta.seen.findIndex((one) => one.payload.equals(word(149)));
  const spared = stalls.packets() + Math.ceil(Math.max(0, sentLate - 10) / 20);
  const silent = meta.seen.slice(from, to).filter((one) => one.payload.equals(SILENCE)).length;
  t.equal(new Set(speech.map((one) => one.payload.toString('hex'))).size, speech.length, 'no packet twice');
  t.ok(speech.length >= 149 - spared, `${speech.length} of 149 packets (this machine was held up by ${stalls.worstMs.toFixed(0)} ms, the sender by ${sentLate.toFixed(0)} ms)`);
  t.ok(silent <= spared, `${silent} frames of silence in between`);
  const [before, after] = [speech.find((one) => one.payload.equals(word(58))), speech.find((one) => one.payload.equals(word(60)))];
  if (spared === 0 || silent === 0) {
    t.equal((after?.seq ?? 0) - (before?.seq ?? 0) & 0xffff, 2, 'the lost packet is missing from the sequence');
    t.equal((after?.ts ?? 0) - (before?.ts ?? 0) >>> 0, 1920);
  }
  t.notOk(meta.seen.some((one) => one.marker), 'a stream that never pauses has no marker (RFC 3551 §4.1)');
  await call.close();
  await Promise.all([meta.close(), peer.close()]);
});

t.test("Meta's silence is reported in time, and RTCP counts as life", async (t) => {
  const { engine } = await startEngine();
  t.teardown(() => engine.close());
  const { call, meta } = await metaCalls(engine, 'timeout', 2);
  call.start();
  const begin = performance.now();
  await new Promise<void>((resolve) => call.once('mediaTimeout', resolve));
  const after = performance.now() - begin;
  t.ok(after > 1900 && after < 4200, `after ${after.toFixed(0)} ms`);
  await call.close();

  const alive = await metaCalls(engine, 'timeout-rtcp', 2);
  let fired = false;
  alive.call.once('mediaTimeout', () => { fired = true; });
  alive.call.start();
  // An empty receiver report (RFC 3550 §6.4.2) every half second.
  const report = Buffer.from([0x80, 201, 0, 1, 0, 0, 0x11, 0x11]);
  const timer = setInterval(() => alive.meta.sendRtcp(report), 500);
  await alive.meta.until((seen) => seen.length >= 275);
  clearInterval(timer);
  t.notOk(fired, 'no time-out while RTCP comes');
  await alive.call.close();
  await Promise.all([meta.close(), alive.meta.close()]);
});
