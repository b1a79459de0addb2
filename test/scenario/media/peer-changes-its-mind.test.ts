import t from 'tap';
import { metaCalls, PCMU, peerAnswers, peerSdp, startEngine } from './bench.js';
import { Endpoint, faultsOfStream, pace, SILENCE, type Seen } from './endpoint.js';

const sound = (seen: readonly Seen[]): number => seen.filter((one) => !one.payload.equals(SILENCE)).length;

t.test('re-INVITEs of a peer: hold by c=0.0.0.0, another port, another codec, a refresh', async (t) => {
  const { engine } = await startEngine();
  t.teardown(() => engine.close());
  const { call, meta } = await metaCalls(engine, 'reinvite');
  const profile = { ...PCMU, codecs: ['PCMU', 'PCMA', 'opus'] } as const;
  const { leg, peer, offer, events } = await peerAnswers(call, profile, ['0 PCMU/8000', 'EVENTS telephone-event/8000']);
  call.connect(leg);
  call.start();
  const user = pace(() => meta.send(111, SILENCE, 960));
  t.teardown(() => user.stop());
  const port = (sdp: string): number => Number(/m=audio (\d+)/.exec(sdp)?.[1]);
  const version = (sdp: string): number => Number(/^o=\S+ \S+ (\d+)/m.exec(sdp)?.[1]);
  const heardFrom = async (end: Endpoint, type: number, payload: Buffer, step: number, to: number): Promise<void> => {
    end.aim('127.0.0.1', to);
    const at = meta.seen.length;
    const [mine, talk] = [end.seen.length, pace(() => end.send(type, payload, step))];
    await meta.until((seen) => sound(seen.slice(at)) > 20);
    await end.until((seen) => seen.length > mine + 15);
    talk.stop();
  };
  await heardFrom(peer, 0, Buffer.alloc(160, 0x23), 160, port(offer));

  const formats = ['0 PCMU/8000', `${events} telephone-event/8000`];
  const held = await leg.answer(peerSdp(peer.port, formats, ['a=ptime:20']).replace('c=IN IP4 127.0.0.1', 'c=IN IP4 0.0.0.0'));
  const at = peer.seen.length;
  const metaAt = meta.seen.length;
  await meta.until((seen) => seen.length > metaAt + 30);
  t.ok(peer.seen.length - at <= 3, 'a peer without an address gets nothing');
  const back = await leg.answer(peerSdp(peer.port, formats, ['a=ptime:20']));
  t.equal(port(back), port(held));
  await heardFrom(peer, 0, Buffer.alloc(160, 0x23), 160, port(back));
  const refreshed = await leg.answer(peerSdp(peer.port, formats, ['a=ptime:20']));
  t.equal(refreshed, back, 'a refresh gets the same answer, version and all');

  const elsewhere = await Endpoint.open();
  const moved = await leg.answer(peerSdp(elsewhere.port, formats, ['a=ptime:20']));
  await heardFrom(elsewhere, 0, Buffer.alloc(160, 0x31), 160, port(moved));

  const law = await leg.answer(peerSdp(elsewhere.port, ['8 PCMA/8000', '101 telephone-event/8000'], ['a=ptime:20']));
  t.match(law, /m=audio \d+ RTP\/AVP 8 101\r\n/);
  t.ok(version(law) > version(back), 'the version grows with a change');
  await heardFrom(elsewhere, 8, Buffer.alloc(160, 0x11), 160, port(law));
  t.ok(elsewhere.seen.slice(-5).every((one) => one.type === 8));

  const opus = await leg.answer(peerSdp(elsewhere.port, ['96 opus/48000/2', '101 telephone-event/8000'], ['a=ptime:20']));
  await heardFrom(elsewhere, 96, Buffer.from([0x78, 1, 2, 3]), 960, port(opus));
  t.ok(elsewhere.seen.slice(-5).every((one) => one.type === 96));

  await t.rejects(leg.answer(peerSdp(elsewhere.port, ['18 G729/8000'])), { code: 'SDP_UNACCEPTABLE' });
  await heardFrom(elsewhere, 96, Buffer.from([0x78, 1, 2, 3]), 960, port(opus));
  user.stop();
  t.same(faultsOfStream(meta.seen), [], 'of all this Meta noticed nothing');
  await call.close();
  await Promise.all([meta.close(), peer.close(), elsewhere.close()]);
});

t.test('several answers to one offer: early media of one fork, then the 200 of another; a re-INVITE without SDP', async (t) => {
  const { engine } = await startEngine();
  t.teardown(() => engine.close());
  const { call, meta } = await metaCalls(engine, 'forks');
  call.start();
  const first = await peerAnswers(call, { ...PCMU, codecs: ['PCMU', 'PCMA'] }, ['0 PCMU/8000']);
  call.connect(first.leg);
  const other = await Endpoint.open();
  other.ssrc = 0x3333;
  await first.leg.takeAnswer(peerSdp(other.port, ['8 PCMA/8000'], ['a=ptime:20']));
  other.aim('127.0.0.1', Number(/m=audio (\d+)/.exec(first.offer)?.[1]));
  const talk = pace(() => { other.send(8, Buffer.alloc(160, 0x11), 160); meta.send(111, SILENCE, 960); });
  t.teardown(() => talk.stop());
  await meta.until((seen) => sound(seen) > 20);
  await other.until((seen) => seen.length > 20);
  t.ok(other.seen.every((one) => one.type === 8));
  t.equal(await first.leg.offer(), first.offer, 'the same offer again');
  await first.leg.takeAnswer(peerSdp(other.port, ['8 PCMA/8000'], ['a=ptime:20']));
  const at = meta.seen.length;
  await meta.until((seen) => sound(seen.slice(at)) > 20);
  talk.stop();
  await t.rejects(first.leg.takeAnswer(peerSdp(0, ['8 PCMA/8000'])), { code: 'SDP_UNACCEPTABLE' });
  t.same(faultsOfStream(meta.seen), []);
  t.match(await call.close(), { peer: { codec: 'PCMA' } });
  await Promise.all([meta.close(), first.peer.close(), other.close()]);
});

t.test('ring-all: three legs offered at once, the one that answers is heard, the others are freed', async (t) => {
  const { engine } = await startEngine();
  t.teardown(() => engine.close());
  const { call, meta } = await metaCalls(engine, 'ring-all');
  const legs = await Promise.all([1, 2, 3].map(() => peerAnswers(call, PCMU, ['0 PCMU/8000'])));
  call.start();
  const talks = legs.map(({ peer }, i) => pace(() => peer.send(0, Buffer.alloc(160, 0x20 + i), 160)));
  t.teardown(() => { for (const talk of talks) talk.stop(); });
  await meta.until((seen) => seen.length > 30);
  t.equal(sound(meta.seen), 0, 'nobody is heard before one is connected');
  call.connect(legs[1]?.leg ?? null);
  await Promise.all([legs[0]?.leg.close(), legs[2]?.leg.close()]);
  await meta.until((seen) => sound(seen) > 20);
  for (const talk of talks) talk.stop();
  t.same(faultsOfStream(meta.seen), []);
  await call.close();
  await Promise.all([meta.close(), ...legs.map(({ peer }) => peer.close())]);
});

t.test('the first description is a hold by c=0.0.0.0: nothing is sent, then to the address of the next', async (t) => {
  const { engine } = await startEngine();
  t.teardown(() => engine.close());
  const { call, meta } = await metaCalls(engine, 'begins-held');
  call.start();
  const [peer, leg] = [await Endpoint.open(), call.addPeerLeg(PCMU)];
  const offer = await leg.offer();
  await leg.takeAnswer(peerSdp(peer.port, ['0 PCMU/8000'], ['a=ptime:20']).replace('c=IN IP4 127.0.0.1', 'c=IN IP4 0.0.0.0'));
  t.same(leg.flow, { listens: false, sends: true });
  call.connect(leg);
  const user = pace(() => meta.send(111, SILENCE, 960));
  t.teardown(() => user.stop());
  peer.aim('127.0.0.1', Number(/m=audio (\d+)/.exec(offer)?.[1]));
  const talk = pace(() => peer.send(0, Buffer.alloc(160, 0x23), 160));
  t.teardown(() => talk.stop());
  await meta.until((seen) => seen.length > 50);
  t.equal(peer.seen.length, 0);
  const at = meta.seen.length;
  await leg.answer(peerSdp(peer.port, ['0 PCMU/8000'], ['a=ptime:20']));
  await Promise.all([peer.until((seen) => seen.length > 20), meta.until((seen) => sound(seen.slice(at)) > 20)]);
  talk.stop();
  user.stop();
  t.same(faultsOfStream(meta.seen), []);
  await call.close();
  await Promise.all([meta.close(), peer.close()]);
});
