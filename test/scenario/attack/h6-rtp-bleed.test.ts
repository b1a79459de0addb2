import t from 'tap';
import type { PeerMediaProfile } from '../../../lib/media/index.js';
import { metaCalls, peerSdp, startEngine } from '../media/bench.js';
import { Endpoint, pace, SILENCE } from '../media/endpoint.js';

const port = (sdp: string): number => Number(/m=audio (\d+)/.exec(sdp)?.[1]);
const PEERS: Record<string, { profile: PeerMediaProfile; format: string; type: number; step: number; payload: (mark: number) => Buffer }> = {
  PCMU: { profile: { codecs: ['PCMU'], srtp: 'none', dtmf: 'rfc4733' }, format: '0 PCMU/8000', type: 0, step: 160, payload: (mark) => Buffer.alloc(160, mark) },
  opus: { profile: { codecs: ['opus'], srtp: 'none', dtmf: 'rfc4733' }, format: '111 opus/48000/2', type: 111, step: 960, payload: (mark) => Buffer.from([0xf8, mark, mark, mark]) },
};

const wait = (ms: number): Promise<void> => new Promise((resolve) => { setTimeout(resolve, ms); });

for (const [name, { profile, format, type, step, payload }] of Object.entries(PEERS)) {
  t.test(`H6, N5: a stranger's packets neither move the stream of a plain leg nor reach the user: ${name}`, { timeout: 60_000 }, async (t) => {
    const { engine } = await startEngine();
    t.teardown(() => engine.close());
    const { call, meta } = await metaCalls(engine, `bleed-${name}`);
    const peer = await Endpoint.open();
    // Another port of the peer's own machine, and another machine.
    const strangers = [await Endpoint.open('127.0.0.9'), await Endpoint.open()];
    const leg = call.addPeerLeg(profile);
    const offer = await leg.offer();
    for (const end of [peer, ...strangers]) end.aim('127.0.0.1', port(offer));
    const talk = pace(() => meta.send(111, SILENCE, 960));
    const attack = pace(() => { for (const stranger of strangers) { stranger.ssrc = 0x666; stranger.send(type, payload(0x55), step); } });
    t.teardown(async () => {
      talk.stop();
      attack.stop();
      await call.close();
      await Promise.all([meta, peer, ...strangers].map((end) => end.close()));
    });
    const heard = async (ms: number): Promise<number> => {
      const before = meta.seen.length;
      await wait(ms);
      return meta.seen.slice(before).filter((one) => !one.payload.equals(SILENCE)).length;
    };
    const stolen = (): number => strangers.reduce((sum, { seen }) => sum + seen.length, 0);
    await wait(300);
    // It has been sending since before the answer.
    await leg.takeAnswer(peerSdp(peer.port, [format]));
    call.connect(leg);
    call.start();
    t.ok(await heard(1000) <= 1, 'nothing of it while the peer has sent nothing');
    const speak = pace(() => peer.send(type, payload(0x23), step));
    await wait(500);
    t.ok(await heard(500) > 15, 'the peer is heard');
    const got = peer.seen.length;
    await wait(1000);
    t.ok(peer.seen.length - got > 40, `the peer gets the stream: ${peer.seen.length - got} packets`);
    if (name === 'opus') t.notOk(meta.seen.some((one) => one.payload.includes(0x55)), 'nothing of it among the peer\'s');
    speak.stop();
    await wait(200);
    // The three seconds in which an engine learns are over.
    await wait(2500);
    t.ok(await heard(500) <= 1, 'nothing on hold');
    // A re-INVITE that moves the media.
    const moved = await Endpoint.open();
    t.teardown(() => moved.close());
    const answer = await leg.answer(peerSdp(moved.port, [format]));
    for (const end of [moved, ...strangers]) end.aim('127.0.0.1', port(answer));
    t.ok(await heard(1000) <= 1, 'nothing after a re-INVITE');
    const more = pace(() => moved.send(type, payload(0x23), step));
    await wait(500);
    t.ok(await heard(500) > 15, 'the peer is heard where it moved to');
    t.ok(moved.seen.length > 40, `and hears: ${moved.seen.length}`);
    more.stop();
    t.equal(stolen(), 0, 'no packet of ours went to a stranger');
  });
}

for (const [name, { profile, format, type, step, payload }] of Object.entries(PEERS)) {
  t.test(`H6: a phone behind NAT is heard from where its signalling comes from, whatever port; a stranger who is first is not: ${name}`, { timeout: 60_000 }, async (t) => {
    const { engine, logger } = await startEngine();
    t.teardown(() => engine.close());
    const { call, meta } = await metaCalls(engine, `latch-${name}`);
    const [phone, described, stranger] = [await Endpoint.open('127.0.0.5'), await Endpoint.open(), await Endpoint.open('127.0.0.9')];
    const leg = call.addPeerLeg({ ...profile, latch: { from: '127.0.0.5' } });
    const offer = await leg.offer();
    for (const end of [phone, stranger]) end.aim('127.0.0.1', port(offer));
    const talk = pace(() => meta.send(111, SILENCE, 960));
    // Two clocks are never in step: with one clock for both the stranger could be right before the phone each time.
    let striking = true;
    const strike = (): void => {
      if (!striking) return;
      stranger.ssrc = 0x666;
      stranger.send(type, payload(0x55), step);
      setTimeout(strike, 10 + 20 * Math.random());
    };
    strike();
    t.teardown(async () => {
      talk.stop();
      striking = false;
      await call.close();
      await Promise.all([meta, phone, described, stranger].map((end) => end.close()));
    });
    await wait(200);
    await leg.takeAnswer(peerSdp(described.port, [format]));
    call.connect(leg);
    call.start();
    await wait(1500);
    t.notOk(meta.seen.some((one) => !one.payload.equals(SILENCE)), 'nothing of the stranger, who is the first and the only one to send');
    t.ok(stranger.seen.length < 40, `and it gets little: ${stranger.seen.length} of 75 packets`);
    t.ok(logger.lines.some((line) => line.includes('a stranger sends media') && line.includes('127.0.0.9')));
    const speak = pace(() => phone.send(type, payload(0x23), step));
    await meta.until((seen) => seen.some((one) => !one.payload.equals(SILENCE)), 5000);
    await wait(500);
    const [before, got] = [meta.seen.length, phone.seen.length];
    const lost = stranger.seen.length;
    await wait(4000);
    speak.stop();
    const since = meta.seen.slice(before);
    t.ok(since.filter((one) => !one.payload.equals(SILENCE)).length > 180, 'the phone is heard');
    t.ok(phone.seen.length - got > 180, 'and hears');
    t.equal(stranger.seen.length, lost, 'the stranger gets nothing any more');
    if (name === 'opus') t.notOk(meta.seen.some((one) => one.payload.includes(0x55)), 'and is not heard');
    await wait(300);
    const after = meta.seen.length;
    await wait(1000);
    t.notOk(meta.seen.slice(after).some((one) => !one.payload.equals(SILENCE)), 'nor where the phone falls silent');
  });
}

t.test('H6: a phone alone is heard at once', async (t) => {
  const { engine } = await startEngine();
  t.teardown(() => engine.close());
  const { call, meta } = await metaCalls(engine, 'latch-alone');
  const [phone, described] = [await Endpoint.open('127.0.0.5'), await Endpoint.open()];
  const leg = call.addPeerLeg({ codecs: ['opus'], srtp: 'none', dtmf: 'rfc4733', latch: { from: '127.0.0.5' } });
  phone.aim('127.0.0.1', port(await leg.offer()));
  await leg.takeAnswer(peerSdp(described.port, ['111 opus/48000/2']));
  call.connect(leg);
  call.start();
  const begin = performance.now();
  const speak = pace(() => phone.send(111, Buffer.from([0xf8, 1, 2, 3]), 960));
  await meta.until((seen) => seen.some((one) => !one.payload.equals(SILENCE)), 2000);
  t.ok(performance.now() - begin < 300, `after ${Math.round(performance.now() - begin)} ms`);
  // Hold and resume with the same stream leave the engine alone.
  await leg.answer(peerSdp(described.port, ['111 opus/48000/2'], ['a=sendonly']));
  await leg.answer(peerSdp(described.port, ['111 opus/48000/2'], ['a=sendrecv']));
  const before = meta.seen.length;
  await meta.until((seen) => seen.slice(before).filter((one) => !one.payload.equals(SILENCE)).length > 20, 2000);
  speak.stop();
  await call.close();
  await Promise.all([meta, phone, described].map((end) => end.close()));
});
